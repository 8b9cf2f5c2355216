"""What a declared calendar means: the hours of each day, in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import import_module
from typing import Any

Hours = tuple[tuple[int, int], ...]
"""Times of a day as (opens, closes) in minutes, in order; 24:00 is 1440."""

CLOSED: Hours = ()


@cache
def countries() -> Any:
    """The module that knows countries; who names none does not pay for it."""
    return import_module("metamodel.formula.functions.calendars")


@dataclass(frozen=True, slots=True)
class Calendar:
    """`week` holds the hours of Monday to Sunday, at least one of them worked. Of a day that stands in several lists
    the own ones decide: `on` (worked) before `off` (free), then those of the country (`CN`, `US-CA`; "": none)."""

    name: str
    zone: str
    week: tuple[Hours, ...]
    country: str = ""
    off: tuple[date, ...] = ()
    on: tuple[date, ...] = ()

    @property
    def weekdays(self) -> tuple[int, ...]:
        """The days of the week that are worked, Monday is 0."""
        return tuple(day for day, hours in enumerate(self.week) if hours)

    def hours(self, day: date) -> Hours:
        """The hours of a day; one that is worked instead of another has those of the first working day of the week."""
        exceptions = days(self)
        if day in exceptions.on:
            return self.week[self.weekdays[0]]
        return CLOSED if day in exceptions.off else self.week[day.weekday()]

    def worked(self, day: date) -> bool:
        return bool(self.hours(day))

    def shifted(self, day: date, steps: int) -> date:
        """The working day so many working days later (or earlier); the day itself for 0."""
        for found in self._walk(day, 1 if steps > 0 else -1) if steps else ():
            steps -= 1 if steps > 0 else -1
            if not steps:
                return found
        return day

    def nearest(self, day: date, side: int) -> date:
        """The day itself where it is worked, else the next working day (`side` 1) or the last one (-1)."""
        return day if self.worked(day) else self.shifted(day, side)

    def _walk(self, day: date, side: int) -> Iterator[date]:
        while True:
            day += timedelta(side)
            if self.worked(day):
                yield day


@dataclass(frozen=True, slots=True)
class Exceptions:
    """`off`: days of the working week that are free; `on`: other days that are worked."""

    off: frozenset[date]
    on: frozenset[date]


@cache
def days(calendar: Calendar) -> Exceptions:
    """The days that differ from the week."""
    public, moved = countries().public(calendar.country) if calendar.country else (frozenset(), frozenset())
    on = frozenset(calendar.on) | (moved - frozenset(calendar.off))
    off = (frozenset(calendar.off) | (public - moved)) - frozenset(calendar.on)
    return Exceptions(
        frozenset(day for day in off if calendar.week[day.weekday()]),
        frozenset(day for day in on if not calendar.week[day.weekday()]),
    )
