"""Moves of dates and date-times: those that `+` and `-` stand for, by months, by units of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Date, Double, Integer, Interval, Numeric, Time, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import (
    STAMP,
    D,
    back,
    beyond,
    epoch,
    instant,
    lost,
    no_local,
    plus,
    shifted,
    stamp,
    unwritable,
    where_known,
)
from metamodel.formula.functions.number import same, with_flags
from metamodel.formula.functions.operators import ANY2
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Fails,
    Param,
    Site,
    Strict,
    function,
    rewritten,
)
from metamodel.formula.typed import Literal, Node
from metamodel.formula.types import DATE, DATETIME, DURATION, INTEGER, Type

NUMERIC = Numeric()


def add_days_bounds(d: Column, n: Column) -> tuple[Column, Condition]:
    """A date moved by whole days, and the condition that it leaves the years 1 to 9999."""
    low, high = sql.day(sql.FIRST_DAY), sql.day(sql.LAST_DAY)
    if isinstance(n, sql.Constant) and n.value is not None and abs(n.value) < 1_000_000:
        moved: Column = d.op("+", precedence=7, return_type=Date())(n)
        return moved, moved > high if n.value >= 0 else moved < low
    down, up = (bound.op("-", precedence=7, return_type=Integer())(d) for bound in (low, high))
    held = func.least(func.greatest(n, down, sql.whole(-3_700_000)), up, sql.whole(3_700_000), type_=Numeric())
    # LEAST and GREATEST skip blanks, so a blank n is put back.
    days = case((n.is_(None), None), else_=cast(func.trunc(held, type_=Numeric()), Integer))
    return d.op("+", precedence=7, return_type=Date())(days), or_(n < down, n > up)


@function(
    "add_days",
    "operators",
    *ANY2,
    operator=True,
    errors={"DATE": lambda site, d, n: add_days_bounds(d, n)[1]},
    returns=lambda args: DATE,
    copies=(5, 4),
)
def add_days(site: Site, d: Column, n: Column) -> Column:
    """A date moved by days."""
    return add_days_bounds(d, n)[0]


FIRST_SECOND, LAST_SECOND = sql.number("-62135596800"), sql.number("253402300799.999999")


def _micros(s: Column) -> Column:
    return sql.rounded(sql.num(s), 6)


def _seconds_out(site: Site, t: Column, s: Column) -> Condition:
    moved = epoch(t) + _micros(s)
    return or_(moved < FIRST_SECOND, moved > LAST_SECOND)


@function(
    "add_seconds",
    "operators",
    *ANY2,
    operator=True,
    errors={"DATE": _seconds_out},
    returns=lambda args: DATETIME,
    copies=(3, 2),
)
def add_seconds(site: Site, t: Column, s: Column) -> Column:
    """An instant moved by seconds, to the microsecond."""
    # Held by a constant too: where t is blank, LEAST and GREATEST skip what depends on it.
    most, first = sql.number("400000000000"), FIRST_SECOND - epoch(t)
    held = func.greatest(func.least(_micros(s), most), first, -most, type_=NUMERIC)
    # Hours and the rest apart: make_interval takes seconds as a float, which would lose microseconds.
    hours = cast(func.div(held, sql.whole(3_600)), Integer)
    rest = cast(func.mod(held, sql.whole(3_600)), Double)
    interval: Column = func.make_interval(*[sql.whole(0)] * 4, hours, sql.whole(0), rest)
    if site.args[1].type.nullable:
        # LEAST and GREATEST skip blanks, so a blank span is put back.
        interval = case((s.is_not(None), interval))
    return shifted(t, interval)


@function("dates_between", "operators", *ANY2, operator=True, returns=lambda args: INTEGER)
def dates_between(site: Site, a: Column, b: Column) -> Column:
    """Days from one date to another."""
    return a.op("-", precedence=7, return_type=Integer())(b)


@function("datetimes_between", "operators", *ANY2, operator=True, returns=lambda args: DURATION)
def datetimes_between(site: Site, a: Column, b: Column) -> Column:
    """Seconds from one instant to another."""
    return sql.part("epoch", a.op("-", precedence=7, return_type=Interval())(b))


# -- by months ------------------------------------------------------------------------------------------------------

MONTHS = Param("months", frozenset({"integer"}))
FIRST_MONTH, LAST_MONTH = 12, 119_999


NEAR = 48_000
"""Months that a timestamp of the years 1 to 9999 can be moved by either way; PostgreSQL has none before 4713 BC."""


def _near(n: Column) -> int | None:
    """A constant number of months that needs no holding."""
    near = isinstance(n, sql.Constant) and n.value is not None and abs(n.value) <= NEAR
    return int(n.value) if near else None


def add_months(stamp: Column, n: Column) -> Column:
    """A timestamp moved by months, clamped to the end of the month; held near the calendar where n is no constant."""
    near = _near(n)
    if near is not None:
        return plus(stamp, months=near)
    first = sql.whole(FIRST_MONTH) - sql.month_index(stamp)
    held = cast(
        func.greatest(func.least(n, sql.whole(120_000)), first, sql.whole(-120_000), type_=NUMERIC), Integer
    )
    # LEAST and GREATEST skip blanks, so a blank n is put back; a blank stamp is held by the constant bounds.
    return plus(stamp, months=case((n.is_not(None), held)))


def _beyond(at: Column, n: Column) -> Condition | None:
    """Whether a timestamp that many months later is outside of the years 1 to 9999; None where it can not be."""
    near = _near(n)
    if near is None:
        index = sql.month_index(at) + sql.num(n)
        return or_(index < sql.whole(FIRST_MONTH), index > sql.whole(LAST_MONTH))
    if near == 0:
        return None
    year, month = divmod((LAST_MONTH + 1 if near > 0 else FIRST_MONTH) - near, 12)
    edge = sql.Constant(datetime(year, month + 1, 1), STAMP)
    return at >= edge if near > 0 else at < edge


def _no_month(site: Site, d: Column, n: Column) -> Condition | None:
    return sql.any_of(no_local(site, d), _beyond(stamp(site, d), n))


def _no_moment(site: Site, d: Column, n: Column) -> Condition | None:
    lost = unwritable(add_months(stamp(site, d), n), site.environment.zone) if instant(site) else None
    if lost is not None and _near(n) is None:
        # A local time is no instant in the first or the last month only, so mostly nothing is moved to find that out.
        edge = (sql.month_index(stamp(site, d)) + sql.num(n)).in_([sql.whole(FIRST_MONTH), sql.whole(LAST_MONTH)])
        lost = sql.all_of(edge, lost)
    return sql.any_of(_no_month(site, d, n), lost)


def _by_months(
    name: str, lower: Strict, result: Callable[[tuple[Node, ...]], Type], fails: Fails, *examples: str
) -> None:
    function(
        name,
        "date",
        D,
        MONTHS,
        returns=result,
        errors={"DATE": where_known(fails)},
        volatility="zoned",
        examples=examples,
        copies=(20, 20),
    )(lower)


def _edate(site: Site, d: Column, n: Column) -> Column:
    """The same day some months later, or the last day of a shorter month; a date-time keeps its local time."""
    return back(site, add_months(stamp(site, d), n))


def _addmonths(site: Site, d: Column, n: Column) -> Column:
    """The same day some months later; the last day of a month stays the last day of a month."""
    at = stamp(site, d)
    moved = add_months(at, n)
    last: Column = plus(func.date_trunc(sql.text("month"), moved, type_=STAMP), months=1, days=-1)
    if instant(site):
        last = cast(last, Date()).op("+", precedence=7, return_type=STAMP)(cast(moved, Time()))
    return back(site, case((sql.part("day", plus(at, days=1)) == sql.whole(1), last), else_=moved))


def _eomonth(site: Site, d: Column, n: Column) -> Column:
    """The last day of the month some months later."""
    start = func.date_trunc(sql.text("month"), add_months(stamp(site, d), n), type_=STAMP)
    return cast(plus(start, months=1, days=-1), Date())


_by_months(
    "EDATE",
    _edate,
    same,
    _no_moment,
    "EDATE(@2024-01-31, 1) = @2024-02-29",
    "EDATE(@2024-03-31, -1) = @2024-02-29",
    "EDATE(@2024-02-29, 1) = @2024-03-29",
    "EDATE(@2024-01-31, 120000) -> #DATE",
)
_by_months(
    "ADDMONTHS",
    _addmonths,
    same,
    _no_moment,
    "ADDMONTHS(@2024-02-29, 1) = @2024-03-31",
    "ADDMONTHS(@2024-01-30, 1) = @2024-02-29",
    "ADDMONTHS(@2024-01-15, -2) = @2023-11-15",
)
_by_months(
    "EOMONTH",
    _eomonth,
    with_flags(DATE),
    _no_month,
    "EOMONTH(@2024-01-15, 1) = @2024-02-29",
    "EOMONTH(@2024-01-15, 0) = @2024-01-31",
)


# -- by units of time -----------------------------------------------------------------------------------------------

UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
IN_MONTHS = {"year": 12, "quarter": 3, "month": 1}
IN_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
UNIT = Param("unit", frozenset({"text"}), constant=True, choices=UNITS)
OF_DAYS = Param("unit", frozenset({"text"}), constant=True, choices=UNITS[:5])
OF_CLOCK = UNITS[5:]


def unit_of(node: Node) -> str:
    """The name that a constant unit is written as."""
    assert isinstance(node, Literal)
    return str(node.value).lower()


@rewritten(
    "DATEADD",
    "date",
    D,
    Param("count", frozenset({"integer"})),
    UNIT,
    volatility="zoned",
    examples=('DATEADD(@2024-01-31, 1, "month") = @2024-02-29', 'DATEADD(@2024-01-31, 2, "week") = @2024-02-14'),
)
def dateadd(c: Builder, args: tuple[Node, ...]) -> Node:
    """The date or date-time moved by whole units. Years, quarters and months keep the local time and clamp to the end
    of the month as `EDATE` does; weeks, days and smaller units are exact spans of time."""
    d, n, unit = args
    name = unit_of(unit)
    if name in IN_MONTHS:
        return c.call("EDATE", d, c.call("*", n, Literal(INTEGER.blank(False), IN_MONTHS[name])))
    if d.type.kind == "date":
        if name not in ("week", "day"):
            return c.fail("E202", unit, f"a date has no {name}s", "use a date-time")
        return c.call("+", d, c.call("*", n, Literal(INTEGER.blank(False), IN_SECONDS[name] // 86_400)))
    return c.call("+", d, c.call("*", n, Literal(DURATION.blank(False), IN_SECONDS[name])))


def _start(site: Site, d: Column) -> Column:
    return func.date_trunc(sql.text(unit_of(site.args[1])), stamp(site, d), type_=STAMP)


@function(
    "DATETRUNC",
    "date",
    D,
    UNIT,
    returns=lambda args: args[0].type,
    errors={"DATE": where_known(lambda site, d, unit: lost(site, d, _start(site, d)))},
    volatility="zoned",
    examples=(
        'DATETRUNC(@2024-05-17, "month") = @2024-05-01',
        'DATETRUNC(@2024-05-17, "quarter") = @2024-04-01',
        'DATETRUNC(@2024-05-17, "week") = @2024-05-13',
    ),
    copies=(5, 4),
)
def datetrunc(site: Site, d: Column, unit: Column) -> Column:
    """The beginning of the unit that holds the date or date-time; weeks begin on Monday. A day or a longer unit begins
    at local midnight."""
    begin = _start(site, d)
    if not instant(site) or unit_of(site.args[1]) not in OF_CLOCK:
        return back(site, begin)
    # Back by what has passed: where the clock was set back, the beginning as local time could be the later of two.
    return shifted(d, begin.op("-", precedence=7, return_type=Interval())(stamp(site, d)))


@function(
    "STARTOF",
    "date",
    D,
    OF_DAYS,
    returns=lambda args: DATE.blank(args[0].type.nullable),
    errors={"DATE": no_local},
    nulls=True,
    volatility="zoned",
    examples=('STARTOF(@2024-05-17, "quarter") = @2024-04-01', 'STARTOF(@2024-05-17, "week") = @2024-05-13'),
    copies=(3, 2),
)
def startof(site: Site, d: Column, unit: Column) -> Column:
    """The first day of the year, quarter, month or week that holds the date; weeks begin on Monday."""
    return cast(_start(site, d), Date())


def _last_day(site: Site, d: Column) -> Column:
    name = unit_of(site.args[1])
    step = {"months": IN_MONTHS[name]} if name in IN_MONTHS else {"days": IN_SECONDS[name] // 86_400}
    return cast(plus(_start(site, d), months=step.get("months", 0), days=step.get("days", 0) - 1), Date())


def _no_last_day(site: Site, d: Column, unit: Column) -> Condition | None:
    late = beyond(_last_day(site, d)) if unit_of(site.args[1]) == "week" else None
    return sql.any_of(no_local(site, d), late)


@function(
    "ENDOF",
    "date",
    D,
    OF_DAYS,
    returns=lambda args: DATE.blank(args[0].type.nullable),
    errors={"DATE": _no_last_day},
    volatility="zoned",
    examples=('ENDOF(@2024-05-17, "quarter") = @2024-06-30', 'ENDOF(@2024-05-17, "week") = @2024-05-19'),
    copies=(3, 4),
)
def endof(site: Site, d: Column, unit: Column) -> Column:
    """The last day of the year, quarter, month or week that holds the date; weeks end on Sunday."""
    return _last_day(site, d)
