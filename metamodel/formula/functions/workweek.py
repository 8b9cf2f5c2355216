"""Working days numbered one by one: how many there are up to a day, and which day has a number.

Days are counted from `DAY_ONE`, a Monday, so that weeks are whole sevens. The number of a day of the working week is
closed arithmetic; holidays are sorted arrays that PostgreSQL searches by halving (`width_bucket`), so that neither the
length of a span nor the number of holidays matters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ARRAY, Date, Integer, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition

DAY_ONE = date(1, 1, 1)
MARGIN = 7
"""Days before `DAY_ONE` that are counted too, so that the day before it has a number that is not negative."""
LAST = (sql.LAST_DAY - DAY_ONE).days
WEEK = (0, 1, 2, 3, 4)
"""Monday to Friday."""
INT, INTS = Integer(), ARRAY(Integer())


@dataclass(frozen=True, slots=True)
class Workdays:
    """The arrays of a calendar. `week`: the days of the week that are worked, Monday is 0.

    `off`: the days of the working week that are not worked, by their number in the week's own counting (None: there
    are none); `passed`: how many working days lie before each of them. `extra`: other days that are worked, counted as
    `day_number` does, and `places`: which working days they are.
    """

    week: tuple[int, ...]
    off: Column | None = None
    passed: Column | None = None
    extra: Sequence[int] = ()
    places: Sequence[int] = ()

    @classmethod
    def of(cls, week: tuple[int, ...], off: Iterable[int], extra: Iterable[int] = ()) -> Workdays:
        """A calendar of constant days from `DAY_ONE`."""
        days, others = sorted({n + MARGIN for n in off}), sorted({n + MARGIN for n in extra})
        numbers = [_in_week(week, n) for n in days]
        passed = [k - i + bisect_right(others, n) for i, (n, k) in enumerate(zip(days, numbers, strict=True), 1)]
        places = [
            _in_week(week, n) - bisect_right(days, n) + i for i, n in enumerate(others, 1)
        ]
        if not days:
            return cls(week, None, None, others, places)
        return cls(week, _array(numbers), _array(passed), others, places)

    @classmethod
    def but(cls, dates: Column) -> Workdays:
        """Monday to Friday but the dates of an array, in any order, weekends and blanks among them."""
        off = func.fieldwright.days_off(dates, type_=INTS)
        return cls(WEEK, off, func.fieldwright.days_passed(off, type_=INTS))


def _in_week(week: tuple[int, ...], n: int) -> int:
    return len(week) * (n // 7) + sum(day <= n % 7 for day in week)


def _array(numbers: Sequence[int]) -> Column:
    return sql.Constant("{" + ",".join(map(str, numbers)) + "}", INTS)


def _over(a: Column, by: int) -> Column:
    return a.op("/", precedence=8, return_type=INT)(sql.whole(by))


def _rest(a: Column, by: int) -> Column:
    return func.mod(a, sql.whole(by), type_=INT)


def _until(n: Column, sorted_numbers: Column) -> Column:
    """How many of the numbers are at most n."""
    return func.width_bucket(n, sorted_numbers, type_=INT)


def day_number(d: Column) -> Column:
    """The number of a date, 7 being `DAY_ONE`."""
    return d.op("-", precedence=7, return_type=INT)(sql.day(DAY_ONE)) + sql.whole(MARGIN)


def _week_number(week: tuple[int, ...], n: Column) -> Column:
    """Days of the working week up to that day, that day included."""
    length, day = len(week), _rest(n, 7)
    whole = _over(n, 7) * sql.whole(length)
    if week == tuple(range(length)):
        return whole + func.least(day + sql.whole(1), sql.whole(length), type_=INT)
    counts = [sum(worked <= at for worked in week) for at in range(7)]
    return whole + sql.Element(_array(counts), day + sql.whole(1), INT)


def worked_until(calendar: Workdays, n: Column) -> Column:
    """Working days up to the day of that number, the day included."""
    found = _week_number(calendar.week, n)
    if calendar.off is not None:
        found = found - _until(found, calendar.off)
    return found + _until(n, _array(calendar.extra)) if calendar.extra else found


def nth(calendar: Workdays, w: Column) -> Column:
    """The day of the w-th working day, the inverse of `worked_until`; `w` is at least 1."""
    index = before = w - sql.whole(1)
    week = calendar.week
    if calendar.passed is not None:
        index = index + _until(before, calendar.passed)
    if calendar.extra:
        index = index - _until(before, _array(calendar.places))
    day = _rest(index, len(week))
    if week != tuple(range(len(week))):
        day = sql.Element(_array(week), day + sql.whole(1), INT)
    plain = _over(index, len(week)) * sql.whole(7) + day
    if not calendar.extra:
        return plain
    at = func.array_position(_array(calendar.places), w, type_=INT)
    return func.coalesce(sql.Element(_array(calendar.extra), at, INT), plain, type_=INT)


def day_of(n: Column) -> Column:
    """The date of a number, held within the calendar."""
    held = func.least(func.greatest(n, sql.whole(MARGIN)), sql.whole(LAST + MARGIN), type_=INT)
    return sql.day(DAY_ONE).op("+", precedence=7, return_type=Date())(held - sql.whole(MARGIN))


def outside(calendar: Workdays, w: Column) -> Condition:
    """Whether the w-th working day lies outside of the years 1 to 9999."""
    low, high = (worked_until(calendar, sql.whole(n)) for n in (MARGIN - 1, LAST + MARGIN))
    return or_(w <= low, w > high)
