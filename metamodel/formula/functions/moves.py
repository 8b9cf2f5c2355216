"""The moves of dates that `+` and `-` stand for, and the spans between dates."""

from __future__ import annotations

from sqlalchemy import Date, DateTime, Double, Integer, Numeric, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.operators import ANY2
from metamodel.formula.functions.registry import Column, Condition, Site, function
from metamodel.formula.types import DATE, DATETIME, DURATION, INTEGER


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


def _seconds_out(site: Site, t: Column, s: Column) -> Condition:
    local: Column = sql.part("epoch", t) + sql.num(s)
    return or_(local < sql.whole(-62_135_596_800), local >= sql.whole(253_402_300_800))


@function(
    "add_seconds",
    "operators",
    *ANY2,
    operator=True,
    errors={"DATE": _seconds_out},
    returns=lambda args: DATETIME,
    copies=(12, 2),
)
def add_seconds(site: Site, t: Column, s: Column) -> Column:
    """An instant moved by seconds, to the microsecond."""
    low, high = sql.whole(-62_135_596_800), sql.whole(253_402_300_799)
    epoch = sql.part("epoch", t) + sql.num(s)
    held = func.round(case((epoch < low, low), (epoch > high, high), else_=epoch), sql.whole(6), type_=Numeric())
    hours = func.trunc(held / sql.whole(3_600), type_=Numeric())
    # Hours and the rest apart: make_interval takes seconds as a float, which would lose microseconds.
    interval = func.make_interval(
        sql.whole(0),
        sql.whole(0),
        sql.whole(0),
        sql.whole(0),
        cast(hours, Integer),
        sql.whole(0),
        cast(held - hours * sql.whole(3_600), Double),
    )
    start = sql.Constant("1970-01-01", DateTime())
    return func.timezone(sql.text("UTC"), start.op("+", precedence=7)(interval), type_=DateTime(timezone=True))


@function("dates_between", "operators", *ANY2, operator=True, returns=lambda args: INTEGER)
def dates_between(site: Site, a: Column, b: Column) -> Column:
    """Days from one date to another."""
    return a.op("-", precedence=7, return_type=Integer())(b)


@function("datetimes_between", "operators", *ANY2, operator=True, returns=lambda args: DURATION)
def datetimes_between(site: Site, a: Column, b: Column) -> Column:
    """Seconds from one instant to another."""
    return sql.part("epoch", a) - sql.part("epoch", b)
