"""Bounds of the ranges that rewritten comparisons ask of a column; a formula can not name them.

None of them is ever an error: a bound that leaves the years 1 to 9999 is a date out there, and compares as it should.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date, DateTime, Integer, Numeric, Text, case, cast, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.operators import ANY2
from metamodel.formula.functions.registry import Column, Param, Site, function
from metamodel.formula.types import DATE, DATETIME, DECIMAL, TEXT

LAST_CHARACTER = 0x10FFFF
SURROGATES = (0xD7FF, 0xE000)
NUMERIC = Numeric()
FAR_DAYS = 3_700_000
"""More days than lie between the years 1 and 9999; PostgreSQL's dates reach as far beyond them, but not before."""


def _held(n: Column, low: Column, high: Column) -> Column:
    """A number within bounds as a whole one; LEAST and GREATEST skip blanks, so a blank one is put back."""
    return case((n.is_(None), None), else_=cast(func.least(func.greatest(n, low), high, type_=NUMERIC), Integer))


@function("days_from", "operators", *ANY2, operator=True, returns=DATE.blank(False))
def days_from(site: Site, d: Column, n: Column) -> Column:
    """The date that many days later."""
    first = sql.day(sql.FIRST_DAY).op("-", precedence=7, return_type=Integer())(d) - sql.whole(1)
    small = isinstance(n, sql.Constant) and n.value is not None and abs(n.value) <= 1_000_000
    days = sql.whole(int(n.value)) if small else _held(n, first, sql.whole(FAR_DAYS))
    return d.op("+", precedence=7, return_type=Date())(days)


@function("months_from", "operators", *ANY2, operator=True, returns=DATE.blank(False))
def months_from(site: Site, d: Column, n: Column) -> Column:
    """The same day that many months later, or the last day of a shorter month."""
    stamp = cast(d, DateTime)
    index = sql.month_index(stamp)
    months = _held(n, sql.whole(11) - index, sql.whole(120_000) - index)
    return cast(stamp.op("+", precedence=7)(func.make_interval(sql.whole(0), months)), Date)


@function("year_start", "operators", Param("year"), operator=True, returns=DATE.blank(False))
def year_start(site: Site, year: Column) -> Column:
    """The first day of the year; before the year 1 that of the year 1, after 9999 that of 10000."""
    if isinstance(year, sql.Constant) and year.value is not None and 1 <= year.value <= 9_999:
        return sql.day(date(int(year.value), 1, 1))
    return func.make_date(sql.small_int(year, 1, 10_000), sql.whole(1), sql.whole(1), type_=Date())


@function("day_start", "operators", Param("day"), operator=True, returns=DATETIME.blank(False), volatility="zoned")
def day_start(site: Site, d: Column) -> Column:
    """The instant at which the day begins in the tenant's zone."""
    return func.timezone(sql.text(site.environment.zone), cast(d, DateTime), type_=DateTime(timezone=True))


@function("seconds_from", "operators", *ANY2, operator=True, returns=DATETIME.blank(False))
def seconds_from(site: Site, t: Column, n: Column) -> Column:
    """The instant that many whole seconds later, a constant of at most some centuries."""
    assert isinstance(n, sql.Constant)
    hours, seconds = divmod(int(n.value), 3_600)
    zero = sql.whole(0)
    interval = func.make_interval(zero, zero, zero, zero, sql.whole(hours), zero, sql.whole(seconds))
    return t.op("+", precedence=7, return_type=DateTime(timezone=True))(interval)


@function("prefix_end", "operators", Param("text"), operator=True, returns=TEXT.blank(False))
def prefix_end(site: Site, text: Column) -> Column:
    """The least text, by code point, behind all that begin with this one."""
    if isinstance(text, sql.Constant) and isinstance(text.value, str):
        kept = text.value.rstrip(chr(LAST_CHARACTER))
        return sql.text(kept[:-1] + _following(kept[-1])) if kept else _behind_all()
    last = func.ascii(func.right(text, sql.whole(1)), type_=Integer())
    low, high = (sql.whole(code) for code in SURROGATES)
    code = case(
        (last == low, high), (last >= sql.whole(LAST_CHARACTER), sql.whole(LAST_CHARACTER)), else_=last + sql.whole(1)
    )
    following = func.left(text, sql.whole(-1), type_=Text()).concat(func.chr(code, type_=Text()))
    return case((last >= sql.whole(LAST_CHARACTER), _behind_all()), else_=following)


def _following(character: str) -> str:
    return chr(SURROGATES[1] if ord(character) == SURROGATES[0] else ord(character) + 1)


def _behind_all() -> Column:
    """A text behind every one that a field holds."""
    return func.repeat(func.chr(sql.whole(LAST_CHARACTER)), sql.whole(65_537), type_=Text())


def _factor(name: str, positive: bool, low: bool) -> None:
    """A bound of a where a * factor is less (or, with `positive` and `low`, greater) than a product."""

    def lower(site: Site, product: Column, factor: Column) -> Column:
        slack = sql.number("0.000000000000000001" if not low else "-0.000000000000000001")
        bound = sql.quotient(product, factor) + slack
        sign = factor > sql.whole(0) if positive else factor < sql.whole(0)
        far = sql.number(f"{'-' if low else ''}1{'0' * 40}")
        return case((sign, bound), else_=far)

    side = "lowest" if low else "highest"
    lower.__doc__ = f"The {side} operand of a product, where the factor is {'positive' if positive else 'negative'}."
    function(name, "operators", *ANY2, operator=True, returns=DECIMAL.blank(False))(lower)


for _positive in (True, False):
    for _low in (True, False):
        _factor(f"operand_{'above' if _low else 'below'}_{'positive' if _positive else 'negative'}", _positive, _low)
