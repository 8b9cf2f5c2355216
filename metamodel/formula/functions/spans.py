"""Spans between dates, and durations as numbers."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Date, Integer, Numeric, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import STAMP, day_after, known, plus, where_known
from metamodel.formula.functions.moves import IN_SECONDS, unit_of
from metamodel.formula.functions.number import rough, whole, with_flags
from metamodel.formula.functions.parts import Ways, chosen, no_way
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Param,
    Site,
    function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import Call, Literal, Node, System
from metamodel.formula.types import DATE, DECIMAL, DURATION, TEXT, Kind

NUMERIC = Numeric()
DAY: frozenset[Kind] = frozenset({"date"})
START, END = Param("start", DAY), Param("end", DAY)
SPAN = Param("duration", frozenset({"duration"}))


def days_from(a: Column, b: Column) -> Column:
    """Days from one date to another."""
    return b.op("-", precedence=7, return_type=Integer())(a)


def _months_from(a: Column, b: Column) -> Column:
    """Complete months; the day of the month decides, so January 31 to February 29 is none."""
    early = case((sql.part("day", b) < sql.part("day", a), sql.whole(1)), else_=sql.whole(0))
    return sql.month_index(b) - sql.month_index(a) - early


def _over(a: Column, b: Column, months: Column) -> Column:
    """Days that are left after so many months."""
    return days_from(cast(plus(cast(a, STAMP), months=cast(months, Integer)), Date()), b)


def _div(a: Column, by: int) -> Column:
    return func.div(a, sql.whole(by), type_=NUMERIC)


DIF_UNITS: dict[str, Callable[[Column, Column], Column]] = {
    "year": lambda a, b: _div(_months_from(a, b), 12),
    "quarter": lambda a, b: _div(_months_from(a, b), 3),
    "month": _months_from,
    "week": lambda a, b: _div(sql.num(days_from(a, b)), 7),
    "day": days_from,
    "ym": lambda a, b: func.mod(_months_from(a, b), sql.whole(12), type_=NUMERIC),
    "yd": lambda a, b: _over(a, b, _div(_months_from(a, b), 12) * sql.whole(12)),
    "md": lambda a, b: _over(a, b, _months_from(a, b)),
}
SHORT = {"y": "year", "m": "month", "d": "day"}


@function(
    "DATEDIF",
    "date",
    START,
    END,
    Param("unit", frozenset({"text"}), constant=True, choices=(*DIF_UNITS, *SHORT)),
    returns=whole,
    errors={"NUM": lambda site, a, b, unit: a > b},
    examples=(
        'DATEDIF(@2024-01-31, @2024-02-29, "month") = 0',
        'DATEDIF(@2020-02-29, @2024-02-28, "year") = 3',
        'DATEDIF(@2001-06-01, @2002-08-15, "yd") = 75',
        'DATEDIF(@2024-02-01, @2024-01-01, "day") -> #NUM',
    ),
    copies=(10, 1),
)
def datedif(site: Site, a: Column, b: Column, unit: Column) -> Column:
    """Complete years, quarters, months, weeks or days from one date to a later one; "ym": the months that are left
    after complete years, "yd" and "md": the days that are left after complete years or months. An error where the end
    comes first."""
    name = unit_of(site.args[2])
    return DIF_UNITS[SHORT.get(name, name)](a, b)


@rewritten(
    "AGE",
    "date",
    Param("date", DAY),
    Param("on", DAY, optional=True),
    volatility="stable",
    examples=("AGE(@2000-02-29, @2024-02-28) = 23", "AGE(@2000-02-29, @2024-02-29) = 24", "AGE(TODAY()) = 0"),
)
def age(c: Builder, args: tuple[Node, ...]) -> Node:
    """Complete years from the date until another, or until today. An error where the date comes later."""
    on = args[1] if len(args) > 1 else System(DATE.blank(False), "today")
    return c.call("DATEDIF", args[0], on, Literal(TEXT.blank(False), "year"))


@rewritten(
    "DAYS",
    "date",
    Param("end", frozenset({"date", "duration"})),
    Param("start", DAY, optional=True),
    examples=("DAYS(@2024-03-01, @2024-02-28) = 2", "DAYS(36hours) = 1.5"),
)
def days(c: Builder, args: tuple[Node, ...]) -> Node:
    """Days from `start` to `end`, or the length of a duration in days."""
    between, of = len(args) == 2, args[0].type
    if between != (of.kind == "duration"):
        return c.call("-", *args) if between else c.call("DAYSOF", *args)
    if between:
        return c.fail("E204", args[0], "DAYS between a duration and a date is not possible", "DAYS(end, start)")
    return c.fail("E204", args[0], f"DAYS of {of} is not possible", "DAYS(end, start) or DAYS(duration)")


# -- years of 360 days, and parts of years --------------------------------------------------------------------------


def _of_360(a: Column, b: Column, first: Column, last: Column) -> Column:
    """Days between dates where every month has 30; `first` and `last` are the days of the months that count."""
    return (sql.month_index(b) - sql.month_index(a)) * sql.whole(30) + last - first


def _european(a: Column, b: Column) -> Column:
    first, last = (func.least(sql.part("day", d), sql.whole(30), type_=NUMERIC) for d in (a, b))
    return _of_360(a, b, first, last)


def _ends_month(d: Column) -> Condition:
    return sql.part("day", day_after(d)) == sql.whole(1)


def _american(a: Column, b: Column) -> Column:
    thirty = sql.whole(30)
    first = case((_ends_month(a), thirty), else_=sql.part("day", a))
    full = sql.all_of(sql.part("day", b) == sql.whole(31), or_(sql.part("day", a) >= thirty, _ends_month(a)))
    return _of_360(a, b, first, case((full, thirty), else_=sql.part("day", b)))


@function(
    "DAYS360",
    "date",
    START,
    END,
    Param("european", frozenset({"boolean"}), optional=True),
    returns=whole,
    examples=(
        "DAYS360(@2011-01-30, @2011-02-01) = 1",
        "DAYS360(@2011-01-01, @2011-12-31) = 360",
        "DAYS360(@2011-01-01, @2011-12-31, TRUE) = 359",
    ),
    absorbs=True,
    copies=(12, 0),
)
def days360(site: Site, a: Column, b: Column, european: Column | None = None) -> Column:
    """Days between two dates by years of twelve months of 30 days, by the American rule (NASD) or the European one."""
    if european is None:
        return _american(a, b)
    return case((european, _european(a, b)), else_=_american(a, b))


def _parts(d: Column) -> tuple[Column, Column, Column]:
    return sql.part("year", d), sql.part("month", d), sql.part("day", d)


def _leap(year: Column) -> Condition:
    def divides(by: int) -> Condition:
        return func.mod(year, sql.whole(by), type_=NUMERIC) == sql.whole(0)

    return or_(sql.all_of(divides(4), ~divides(100)), divides(400))


def _leap_days(year: Column) -> Column:
    """Leap years up to the year."""
    return _div(year, 4) - _div(year, 100) + _div(year, 400)


def _us_30_360(a: Column, b: Column) -> Column:
    """As Excel counts for YEARFRAC: unlike for DAYS360, an end on the 31st stays there after the end of February."""
    (_, m1, d1), (_, m2, d2) = _parts(a), _parts(b)
    thirty, full = sql.whole(30), sql.whole(31)
    february = sql.all_of(m1 == sql.whole(2), _ends_month(a))
    both = sql.all_of(february, m2 == sql.whole(2), _ends_month(b))
    first = case((or_(d1 == full, february), thirty), else_=d1)
    last = case((or_(sql.all_of(d1 >= thirty, d2 == full), both), thirty), else_=d2)
    return sql.quotient(_of_360(a, b, first, last), sql.whole(360))


def _actual(a: Column, b: Column) -> Column:
    """Days by the length of the year, or by the mean length of the calendar years that a longer span touches."""
    (y1, m1, d1), (y2, m2, d2) = _parts(a), _parts(b)
    two, between = sql.whole(2), sql.num(days_from(a, b))
    past_leap_day = or_(m2 > two, sql.all_of(m2 == two, d2 == sql.whole(29)))
    leap_day = or_(
        sql.all_of(y1 == y2, _leap(y1)),
        sql.all_of(y1 < y2, _leap(y1), m1 <= two),
        sql.all_of(y1 < y2, _leap(y2), past_leap_day),
    )
    short = or_(
        y1 == y2,
        sql.all_of(
            y1 + sql.whole(1) == y2, or_(m1 > m2, sql.all_of(m1 == m2, d1 >= d2))
        ),
    )
    count = y2 - y1 + sql.whole(1)
    total = count * sql.whole(365) + _leap_days(y2) - _leap_days(y1 - sql.whole(1))
    length = case((leap_day, sql.whole(366)), else_=sql.whole(365))
    return case((short, sql.quotient(between, length)), else_=sql.quotient(between * count, total))


def _yearfrac_ways(a: Column, b: Column) -> Ways:
    return {
        0: lambda: _us_30_360(a, b),
        1: lambda: _actual(a, b),
        2: lambda: sql.quotient(days_from(a, b), sql.whole(360)),
        3: lambda: sql.quotient(days_from(a, b), sql.whole(365)),
        4: lambda: sql.quotient(_european(a, b), sql.whole(360)),
    }


@function(
    "YEARFRAC",
    "date",
    START,
    END,
    Param("basis", frozenset({"integer"}), optional=True),
    returns=rough,
    errors={"NUM": where_known(lambda site, a, b, basis=None: no_way(basis, tuple(range(5))))},
    nulls=True,
    absorbs=True,
    examples=(
        "ROUND(YEARFRAC(@2012-01-01, @2012-07-30), 8) = 0.58055556",
        "ROUND(YEARFRAC(@2012-01-01, @2012-07-30, 1), 8) = 0.57650273",
        "ROUND(YEARFRAC(@2012-01-01, @2012-07-30, 3), 8) = 0.57808219",
        "YEARFRAC(@2012-01-01, @2012-07-30, 7) -> #NUM",
    ),
    copies=(70, 2),
)
def yearfrac(site: Site, a: Column, b: Column, basis: Column | None = None) -> Column:
    """The part of a year between two dates, whichever comes first: 0 by months of 30 days (American), 1 by actual days
    and years, 2 and 3 by actual days and years of 360 or 365 days, 4 by months of 30 days (European). As Excel counts
    (D. A. Wheeler, "YEARFRAC Incompatibilities", 2008)."""
    early, late = func.least(a, b, type_=Date()), func.greatest(a, b, type_=Date())
    found = chosen(basis, _yearfrac_ways(early, late))
    # LEAST and GREATEST skip blanks, so a blank date is put back.
    there = known(site, a, b)
    return case((sql.all_of(*there), found)) if there else found


# -- durations ------------------------------------------------------------------------------------------------------


@rewritten(
    "DURATION",
    "date",
    Param("count", numeric()),
    Param("unit", frozenset({"text"}), constant=True, choices=tuple(IN_SECONDS)),
    examples=('DURATION(1.5, "hour") = 90minutes', 'DURATION(2, "week") = 14days'),
)
def duration(c: Builder, args: tuple[Node, ...]) -> Node:
    """A duration of so many weeks, days, hours, minutes or seconds; months and years have no fixed length."""
    return c.call("*", args[0], Literal(DURATION.blank(False), IN_SECONDS[unit_of(args[1])]))


def _in(name: str, unit: str, *examples: str) -> None:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        return Call(rough(args), "/", (args[0], Literal(DECIMAL.blank(False), IN_SECONDS[unit])))

    resolve.__doc__ = f"The length of a duration in {unit}s."
    rewritten(name, "date", SPAN, examples=examples)(resolve)


_in("DAYSOF", "day", "DAYSOF(36hours) = 1.5")
_in("HOURS", "hour", "HOURS(2days) = 48", "HOURS(30minutes) = 0.5")
_in("MINUTES", "minute", "MINUTES(1hour) = 60", "MINUTES(@2024-01-31T12:00 - @2024-01-31T11:15) = 45")


@function(
    "SECONDS",
    "date",
    SPAN,
    returns=with_flags(DECIMAL),
    examples=("SECONDS(1.5minutes) = 90",),
)
def seconds(site: Site, span: Column) -> Column:
    """The length of a duration in seconds."""
    return sql.num(span)
