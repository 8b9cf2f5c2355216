"""Dates and times. A date-time is read in the tenant's zone; results stay within the years 1 to 9999."""

from __future__ import annotations

from sqlalchemy import Date, DateTime, Integer, Numeric, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.moves import add_days_bounds
from metamodel.formula.functions.number import blank_flags
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Param,
    Site,
    function,
    rewritten,
)
from metamodel.formula.typed import Call, Literal, Node, System
from metamodel.formula.types import DATE, DATETIME, DECIMAL, INTEGER, Kind, Type

DATE_OR_TIME: frozenset[Kind] = frozenset({"date", "datetime"})
NUMERIC = Numeric()
WHOLE: frozenset[Kind] = frozenset({"integer"})
D = Param("date", DATE_OR_TIME)
UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
FIRST_MONTH, LAST_MONTH = 12, 119_999


@rewritten("TODAY", "date", volatility="stable")
def today(c: Builder, args: tuple[Node, ...]) -> Node:
    """The current date in the tenant's zone, the same for the whole request."""
    return System(DATE.blank(False), "today")


@rewritten("NOW", "date", volatility="stable")
def now(c: Builder, args: tuple[Node, ...]) -> Node:
    """The current instant, the same for the whole request."""
    return System(DATETIME.blank(False), "now")


def local(site: Site, column: Column, at: int = 0) -> Column:
    """The date, or the date-time as local time in the tenant's zone."""
    return sql.in_zone(column, site.environment.zone) if site.args[at].type.kind == "datetime" else column


def whole(args: tuple[Node, ...]) -> Type:
    return blank_flags(INTEGER, args)


def _part(name: str, field: str, doc: str, *examples: str, takes: Param = D) -> None:
    def lower(site: Site, d: Column) -> Column:
        return sql.part(field, local(site, d))

    lower.__doc__ = doc
    function(name, "date", takes, returns=whole, volatility="zoned", examples=examples)(lower)


_part("YEAR", "year", "The year.", "YEAR(@2024-05-31) = 2024")
_part("QUARTER", "quarter", "The quarter, 1 to 4.", "QUARTER(@2024-05-31) = 2")
_part("MONTH", "month", "The month, 1 to 12.", "MONTH(@2024-05-31) = 5")
_part("DAY", "day", "The day of the month.", "DAY(@2024-05-31) = 31")
_part("HOUR", "hour", "The hour, 0 to 23.", "HOUR(@14:30) = 14", takes=Param("time", frozenset({"datetime", "time"})))


@function(
    "WEEKDAY",
    "date",
    D,
    Param("first", frozenset({"integer"}), optional=True),
    returns=whole,
    volatility="zoned",
    errors={
        "NUM": lambda site, d, first=None: (
            None if first is None else first.not_in([sql.whole(i) for i in (1, 2, 3)])
        )
    },
    examples=("WEEKDAY(@2024-06-02) = 1", "WEEKDAY(@2024-06-02, 2) = 7", "WEEKDAY(@2024-06-02, 3) = 6"),
    copies=(3, 1),
)
def weekday(site: Site, d: Column, first: Column | None = None) -> Column:
    """The day of the week: 1 Sunday to 7 Saturday; with 2: 1 Monday to 7 Sunday; with 3: 0 Monday to 6 Sunday."""
    day = local(site, d)
    sunday = sql.part("dow", day) + sql.whole(1)
    if first is None:
        return sunday
    monday = sql.part("isodow", day)
    return case(
        (first == sql.whole(1), sunday), (first == sql.whole(2), monday), (first == sql.whole(3), monday - sql.whole(1))
    )


# -- making dates ---------------------------------------------------------------------------------------------------


def _first_of(months: Column) -> Column:
    """The first day of a month counted from year 0, which lies within the years 1 to 9999."""
    return func.make_date(
        cast(func.div(months, sql.whole(12)), Integer),
        cast(func.mod(months, sql.whole(12)), Integer) + sql.whole(1),
        sql.whole(1),
        type_=Date(),
    )


def _date_months(y: Column, m: Column) -> Column:
    return func.trunc(sql.num(y), type_=NUMERIC) * sql.whole(12) + func.trunc(sql.num(m), type_=NUMERIC) - sql.whole(1)


def _date_start(y: Column, m: Column) -> Column:
    months = _date_months(y, m)
    # A constant year and month are cut in place by PostgreSQL; clamp keeps blanks.
    return _first_of(sql.num(sql.clamp(months, FIRST_MONTH, LAST_MONTH)))


def _no_date(site: Site, y: Column, m: Column, d: Column) -> Condition:
    months = _date_months(y, m)
    off = add_days_bounds(_date_start(y, m), func.trunc(sql.num(d), type_=NUMERIC) - sql.whole(1))[1]
    bad = or_(months < sql.whole(FIRST_MONTH), months > sql.whole(LAST_MONTH), off)
    # The parts of DATE are clamped apart from each other, so a blank one does not make the others blank.
    known = [x.is_not(None) for x, arg in zip((y, m, d), site.args, strict=True) if arg.type.nullable]
    return sql.all_of(*known, bad)


@function(
    "DATE",
    "date",
    Param("year", WHOLE),
    Param("month", WHOLE),
    Param("day", WHOLE),
    returns=lambda args: blank_flags(DATE, args),
    errors={"DATE": _no_date},
    examples=(
        "DATE(2024, 2, 29) = @2024-02-29",
        "DATE(2024, 13, 1) = @2025-01-01",
        "DATE(2024, 3, 0) = @2024-02-29",
        "DATE(10000, 1, 1) -> error",
    ),
    copies=(30, 40),
)
def date_(site: Site, y: Column, m: Column, d: Column) -> Column:
    """The date; months and days beyond their range roll over, so DATE(y, m + 1, 0) is the end of the month."""
    return add_days_bounds(_date_start(y, m), func.trunc(sql.num(d), type_=NUMERIC) - sql.whole(1))[0]


def _text_part(text: Column, keep: int) -> Column:
    pattern = [r"\d{4}", r"\d{2}", r"\d{2}"]
    pattern[keep] = f"({pattern[keep]})"
    return cast(func.substring(func.btrim(text), sql.text("^" + "-".join(pattern) + "$")), Integer)


def _text_month(text: Column) -> Column:
    year, month = (sql.clamp(_text_part(text, i), 1, high) for i, high in ((0, 9999), (1, 12)))
    return func.make_date(year, month, sql.whole(1), type_=Date())


def _text_date(text: Column) -> Column:
    days = _text_part(text, 2) - sql.whole(1)
    return _text_month(text).op("+", precedence=7, return_type=Date())(days)


def _not_a_date(site: Site, text: Column) -> Condition | None:
    if site.args[0].type.kind != "text":
        return None
    year, month, days = (_text_part(text, i) for i in range(3))
    bad = or_(
        year.is_(None),
        year < sql.whole(1),
        month < sql.whole(1),
        month > sql.whole(12),
        days < sql.whole(1),
        sql.part("month", _text_date(text)) != month,
    )
    return sql.all_of(text.is_not(None), bad)


@function(
    "DATEVALUE",
    "date",
    Param("value", frozenset({"text", "datetime", "date"})),
    volatility="zoned",
    returns=lambda args: blank_flags(DATE, args),
    errors={"VALUE": _not_a_date},
    examples=('DATEVALUE("2024-02-29") = @2024-02-29', 'DATEVALUE("2023-02-29") -> error', 'DATEVALUE("x") -> error'),
    copies=(9, 24),
)
def datevalue(site: Site, value: Column) -> Column:
    """The date of a date-time in the tenant's zone, or the date that a text like 2024-01-31 writes."""
    kind = site.args[0].type.kind
    if kind == "text":
        return _text_date(value)
    return cast(local(site, value), Date) if kind == "datetime" else value


# -- moving dates ---------------------------------------------------------------------------------------------------


def _timestamp(site: Site, column: Column) -> Column:
    return local(site, column) if site.args[0].type.kind == "datetime" else cast(column, DateTime)


def _back(site: Site, moved: Column) -> Column:
    """A local timestamp as the type of the first argument."""
    if site.args[0].type.kind == "datetime":
        return func.timezone(sql.text(site.environment.zone), moved, type_=DateTime(timezone=True))
    return cast(moved, Date)


def month_out(site: Site, d: Column, n: Column) -> Condition:
    index = sql.month_index(_timestamp(site, d)) + func.trunc(sql.num(n), type_=NUMERIC)
    return or_(index < sql.whole(FIRST_MONTH), index > sql.whole(LAST_MONTH))


def add_months(stamp: Column, n: Column) -> Column:
    """A timestamp moved by months, held within the years 1 to 9999."""
    index = sql.month_index(stamp)
    if isinstance(n, sql.Constant) and n.value is not None and abs(n.value) <= 12_000 and n.value >= 0:
        months: Column = sql.whole(int(n.value))
    else:
        n = sql.num(n)
        held = func.least(
            func.greatest(n, sql.whole(FIRST_MONTH) - index, sql.whole(-120_000)),
            sql.whole(LAST_MONTH) - index,
            sql.whole(120_000),
            type_=NUMERIC,
        )
        months = case((n.is_(None), None), else_=cast(func.trunc(held, type_=NUMERIC), Integer))
    return stamp.op("+", precedence=7, return_type=DateTime())(func.make_interval(sql.whole(0), months))


MONTHS = Param("months", WHOLE)


def moved_type(args: tuple[Node, ...]) -> Type:
    return blank_flags(args[0].type, args)


@function(
    "EDATE",
    "date",
    D,
    MONTHS,
    returns=moved_type,
    errors={"DATE": month_out},
    volatility="zoned",
    examples=(
        "EDATE(@2024-01-31, 1) = @2024-02-29",
        "EDATE(@2024-03-31, -1) = @2024-02-29",
        "EDATE(@2024-01-31, 120000) -> error",
    ),
    copies=(5, 5),
)
def edate(site: Site, d: Column, n: Column) -> Column:
    """The same day some months later, or the last day of a shorter month."""
    return _back(site, add_months(_timestamp(site, d), n))


@function(
    "EOMONTH",
    "date",
    D,
    MONTHS,
    returns=lambda args: blank_flags(DATE, args),
    errors={"DATE": month_out},
    volatility="zoned",
    examples=("EOMONTH(@2024-01-15, 1) = @2024-02-29", "EOMONTH(@2024-01-15, 0) = @2024-01-31"),
    copies=(5, 5),
)
def eomonth(site: Site, d: Column, n: Column) -> Column:
    """The last day of the month some months later."""
    start = func.date_trunc(sql.text("month"), add_months(_timestamp(site, d), n), type_=DateTime())
    following = start.op("+", precedence=7, return_type=DateTime())(func.make_interval(sql.whole(0), sql.whole(1)))
    return cast(following, Date).op("-", precedence=7, return_type=Date())(sql.whole(1))


UNIT = Param("unit", frozenset({"text"}), constant=True, choices=UNITS)
IN_MONTHS = {"year": 12, "quarter": 3, "month": 1}
IN_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _dateadd(c: Builder, args: tuple[Node, ...]) -> Node:
    d, n, unit = args
    name = str(unit.value).lower()  # type: ignore[attr-defined]
    if name in IN_MONTHS:
        return c.call("EDATE", d, c.call("*", n, Literal(INTEGER.blank(False), IN_MONTHS[name])))
    if d.type.kind == "date":
        if name not in ("week", "day"):
            return c.fail("E202", unit, f"a date has no {name}s", "use a date-time")
        return c.call("+", d, c.call("*", n, Literal(INTEGER.blank(False), IN_SECONDS[name] // 86_400)))
    seconds = Literal(Type("duration", nullable=False), IN_SECONDS[name])
    return c.call("+", d, c.call("*", n, seconds))


@rewritten(
    "DATEADD",
    "date",
    D,
    Param("count", WHOLE),
    UNIT,
    examples=('DATEADD(@2024-01-31, 1, "month") = @2024-02-29', 'DATEADD(@2024-01-31, 2, "week") = @2024-02-14'),
)
def dateadd(c: Builder, args: tuple[Node, ...]) -> Node:
    """The date or date-time moved by whole units."""
    return _dateadd(c, args)


@function(
    "DATETRUNC",
    "date",
    D,
    UNIT,
    returns=lambda args: args[0].type,
    volatility="zoned",
    examples=(
        'DATETRUNC(@2024-05-17, "month") = @2024-05-01',
        'DATETRUNC(@2024-05-17, "quarter") = @2024-04-01',
        'DATETRUNC(@2024-05-17, "week") = @2024-05-13',
    ),
)
def datetrunc(site: Site, d: Column, unit: Column) -> Column:
    """The beginning of the unit that holds the date; weeks begin on Monday."""
    name = str(site.args[1].value).lower()  # type: ignore[attr-defined]
    return _back(site, func.date_trunc(sql.text(name), _timestamp(site, d), type_=DateTime()))


DIF_UNITS = ("year", "month", "day", "y", "m", "d")


def _days(a: Column, b: Column) -> Column:
    return b.op("-", precedence=7, return_type=Integer())(a)


@function(
    "DATEDIF",
    "date",
    Param("start", frozenset({"date"})),
    Param("end", frozenset({"date"})),
    Param("unit", frozenset({"text"}), constant=True, choices=DIF_UNITS),
    returns=whole,
    errors={"NUM": lambda site, a, b, unit: a > b},
    examples=(
        'DATEDIF(@2024-01-31, @2024-02-29, "month") = 0',
        'DATEDIF(@2020-02-29, @2024-02-28, "year") = 3',
        'DATEDIF(@2024-02-01, @2024-01-01, "day") -> error',
    ),
    copies=(3, 1),
)
def datedif(site: Site, a: Column, b: Column, unit: Column) -> Column:
    """Complete years, months or days from one date to a later one; an error where the end comes first."""
    name = str(site.args[2].value).lower()[0]  # type: ignore[attr-defined]
    if name == "d":
        return _days(a, b)
    early = case((sql.part("day", b) < sql.part("day", a), sql.whole(1)), else_=sql.whole(0))
    months = sql.month_index(b) - sql.month_index(a) - early
    return months if name == "m" else func.div(months, sql.whole(12), type_=NUMERIC)


def _days_between(c: Builder, args: tuple[Node, ...]) -> Node:
    if len(args) == 2:
        return c.call("-", args[0], args[1])
    if args[0].type.kind != "duration":
        return c.fail("E204", args[0], f"DAYS of {args[0].type} is not possible", "DAYS(end, start) or DAYS(duration)")
    return Call(blank_flags(DECIMAL, args).rough(), "/", (args[0], Literal(DECIMAL.blank(False), 86_400)))


@rewritten(
    "DAYS",
    "date",
    Param("end", frozenset({"date", "duration"})),
    Param("start", frozenset({"date"}), optional=True),
    examples=("DAYS(@2024-03-01, @2024-02-28) = 2", "DAYS(36hours) = 1.5"),
)
def days(c: Builder, args: tuple[Node, ...]) -> Node:
    """Days from `start` to `end`, or the length of a duration in days."""
    return _days_between(c, args)


@rewritten(
    "HOURS",
    "date",
    Param("duration", frozenset({"duration"})),
    examples=("HOURS(2days) = 48", "HOURS(30minutes) = 0.5"),
)
def hours(c: Builder, args: tuple[Node, ...]) -> Node:
    """The length of a duration in hours."""
    return Call(blank_flags(DECIMAL, args).rough(), "/", (args[0], Literal(DECIMAL.blank(False), 3_600)))
