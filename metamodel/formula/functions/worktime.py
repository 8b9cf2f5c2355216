"""Working time between instants and from an instant on, by the hours of a calendar.

The calendar is written into the statement as sorted arrays of whole minutes; the functions of PostgreSQL that search
them stand in `engine/db/system/control/0007_worktime.sql`, which says what each array holds. Time that passes is
counted: where the clock is put back during work, the hour that comes twice is worked twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, BigInteger, Integer, Numeric, case, func

from metamodel.formula.calendar import Calendar, days
from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import INSTANT, known
from metamodel.formula.functions.number import with_flags
from metamodel.formula.functions.registry import Builder, Column, Condition, Param, Site, function
from metamodel.formula.functions.workdays import calendar_named
from metamodel.formula.functions.workweek import DAY_ONE
from metamodel.formula.typed import CalendarName, Call, Literal, Node
from metamodel.formula.types import DATETIME, DURATION, Kind
from metamodel.names import did_you_mean

DAY, WEEK = 1440, 10_080
FIRST_YEAR, LAST_YEAR = 2000, 2050
"""The years whose changes of the clock count; they matter only where work goes on meanwhile."""
INSTANTS: frozenset[Kind] = frozenset({"datetime"})
START, END = Param("start", INSTANTS), Param("end", INSTANTS)
TIME = Param("time", frozenset({"duration"}))
CALENDAR = Param("calendar", frozenset({"text"}), optional=True, constant=True)
INTS, BIGS = ARRAY(Integer()), ARRAY(BigInteger())
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Worktime:
    """The arrays of a calendar."""

    week: tuple[Column, ...]
    exceptions: tuple[Column, ...]
    shifts: Column
    ahead: Column
    done: Column
    back: Column


class _Minutes:
    """Minutes of work until a minute of the calendar's own clock, both since `DAY_ONE`."""

    def __init__(self, calendar: Calendar) -> None:
        spans = [(DAY * n + a, DAY * n + b) for n, hours in enumerate(calendar.week) for a, b in hours]
        self.opens, self.closes = [a for a, _ in spans], [b for _, b in spans]
        self.before = [sum(b - a for a, b in spans[:n]) for n in range(len(spans))]
        self.total = sum(b - a for a, b in spans)
        found, instead = days(calendar), calendar.weekdays[0] + 1
        listed = sorted([*((d, 0) for d in found.off), *((d, instead) for d in found.on)])
        self.days = [(d - DAY_ONE).days for d, _ in listed]
        self.hours = [pattern for _, pattern in listed]
        self.reached: list[int] = []
        for n, (day, pattern) in enumerate(zip(self.days, self.hours, strict=True)):
            begun = self._weeks(DAY * day) + (self._drift(n - 1) if n else 0)
            worked = self._weeks(DAY * pattern) - self._weeks(DAY * (pattern - 1)) if pattern else 0
            self.reached.append(begun + worked)

    def until(self, minute: int) -> int:
        n = bisect_right(self.days, minute // DAY) - 1
        if n < 0 or self.days[n] < minute // DAY:
            return self._weeks(minute) + (self._drift(n) if n >= 0 else 0)
        ends = DAY * self.hours[n]
        rest = self._weeks(ends + minute - DAY * (self.days[n] + 1)) - self._weeks(ends) if ends else 0
        return self.reached[n] + rest

    def _weeks(self, minute: int) -> int:
        week, rest = divmod(minute, WEEK)
        n = bisect_right(self.opens, rest) - 1
        inside = self.before[n] + min(rest, self.closes[n]) - self.opens[n] if n >= 0 else 0
        return week * self.total + inside

    def _drift(self, n: int) -> int:
        """How far the weeks are behind what was worked, after an exception."""
        return self.reached[n] - self._weeks(DAY * (self.days[n] + 1))


@cache
def worktime(calendar: Calendar) -> Worktime:
    """The arrays of a calendar for PostgreSQL."""
    minutes, shifts, ahead, done, back = _Minutes(calendar), [], [], [], []
    gained = 0
    for instant, before, after in changes(calendar.zone):
        local = (instant.replace(tzinfo=None) - datetime(1, 1, 1)) // timedelta(minutes=1)
        worked = minutes.until(local + before)
        jump = minutes.until(local + after) - worked
        if jump:
            done.append(worked - gained)
            gained += jump
            shifts.append(int(instant.timestamp()))
            ahead.append(gained)
            back.append(max(before - after, 0))
    return Worktime(
        (_ints(minutes.opens), _ints(minutes.closes), _ints(minutes.before), sql.whole(minutes.total)),
        (_ints(minutes.days), _ints(minutes.hours), _ints(minutes.reached, BIGS)),
        _ints(shifts, BIGS), _ints(ahead), _ints(done, BIGS), _ints(back),
    )  # fmt: skip


def _ints(numbers: Sequence[int], of: Any = INTS) -> Column:
    return sql.Constant("{" + ",".join(map(str, numbers)) + "}", of)


@cache
def changes(zone: str) -> tuple[tuple[datetime, int, int], ...]:
    """When the clock of a zone is changed, with its minutes ahead of UTC before and after."""
    found, at = [], datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    known_zone = ZoneInfo(zone)

    def ahead(moment: datetime) -> int:
        offset = moment.astimezone(known_zone).utcoffset()
        return (offset or timedelta()) // timedelta(minutes=1)

    while at.year <= LAST_YEAR:
        after = at + timedelta(days=1)
        if ahead(at) != ahead(after):
            low, high = 0, DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if ahead(at + timedelta(minutes=middle)) != ahead(at) else (middle, high)
            found.append((at + timedelta(minutes=high), ahead(at), ahead(after)))
        at = after
    return tuple(found)


def worked_until(calendar: Calendar, moment: Column) -> Column:
    """Microseconds of work until a moment."""
    arrays = worktime(calendar)
    return func.fieldwright.worked_until(
        moment, sql.text(calendar.zone), *arrays.week, *arrays.exceptions, arrays.shifts, arrays.ahead,
        type_=BigInteger(),
    )  # fmt: skip


def later(calendar: Calendar, moment: Column, seconds: Column) -> Column:
    """The moment so many seconds of work later, or earlier; NULL outside of the years 1 to 9999."""
    arrays, steps = worktime(calendar), func.round(seconds * sql.whole(MICROSECONDS), type_=Numeric())
    moved = func.fieldwright.work_done(
        worked_until(calendar, moment) + steps, seconds < sql.whole(0), sql.text(calendar.zone), *arrays.week,
        *arrays.exceptions, arrays.shifts, arrays.ahead, arrays.done, arrays.back, type_=INSTANT,
    )  # fmt: skip
    return case((steps == sql.whole(0), moment), else_=moved)


def _resolve(name: str, of: Any) -> Any:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        given = args[2] if len(args) > 2 else None
        if found := calendar_named(c, given):
            return Call(of(args[:2]), name, (*args[:2], found))
        if given is None or (isinstance(given, Literal) and given.value is None):
            hint = "name one, or set `calendar` in the tenant's settings"
            return c.fail("E204", None, f"{name} needs a calendar with hours", hint)
        if not isinstance(given, Literal):
            return c.fail("E207", given, f"the calendar of {name} must be a constant text", "write its name")
        near = did_you_mean(str(given.value), c.scope.schema.organisation.calendars) or "declare a calendar"
        return c.fail("E221", given, f'there is no calendar "{given.value}" with hours', near)

    return resolve


def _of(site: Site) -> Calendar:
    named = site.args[2]
    assert isinstance(named, CalendarName)
    return named.calendar


@function(
    "WORKTIME",
    "date",
    START,
    END,
    CALENDAR,
    resolve=_resolve("WORKTIME", with_flags(DURATION)),
    examples=(
        'HOURS(WORKTIME(@2024-06-07T16:00:00Z, @2024-06-10T08:00:00Z, "office")) = 1',
        'WORKTIME(@2024-06-08T00:00:00Z, @2024-06-09T00:00:00Z, "office") = 0seconds',
    ),
    copies=(1, 0),
)
def worktime_between(site: Site, start: Column, end: Column, _calendar: Column) -> Column:
    """The time between two moments that lies in the working hours of a calendar, that of the tenant's settings where
    none is named; negative where the end comes first. The examples' calendar is worked Monday to Friday from 9:00 to
    12:00 and from 13:00 to 18:00 in Berlin."""
    calendar = _of(site)
    span = worked_until(calendar, end) - worked_until(calendar, start)
    return sql.num(span) * sql.number("0.000001")


def _outside(site: Site, start: Column, time: Column, _calendar: Column) -> Condition | None:
    return sql.all_of(*known(site, start, time), later(_of(site), start, time).is_(None))


@function(
    "ADDWORKTIME",
    "date",
    START,
    TIME,
    CALENDAR,
    resolve=_resolve("ADDWORKTIME", with_flags(DATETIME)),
    errors={"DATE": _outside},
    nulls=True,
    examples=(
        'ADDWORKTIME(@2024-06-07T15:00:00Z, 4hours, "office") = @2024-06-10T10:00:00Z',
        'ADDWORKTIME(@2024-06-10T07:30:00Z, -1hour, "office") = @2024-06-07T15:30:00Z',
        'ADDWORKTIME(@2024-06-07T15:00:00Z, 999999999999hours, "office") -> #DATE',
    ),
    copies=(4, 5),
)
def addworktime(site: Site, start: Column, time: Column, _calendar: Column) -> Column:
    """The moment so much working time later, or earlier where it is negative; working hours are those of `WORKTIME`.
    What is to be done within a working day's last hour is done at its end."""
    return later(_of(site), start, time)
