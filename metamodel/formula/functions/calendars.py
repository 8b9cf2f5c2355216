"""Working days by country: the week and the holidays that the library `holidays` knows.

Importing this takes a fifth of a second, so `workdays` does it when a calendar is first named.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache

import holidays
from holidays.registry import COUNTRIES

from metamodel.formula.functions.workweek import DAY_ONE, Workdays

FIRST_YEAR, LAST_YEAR = 2000, 2050
"""The years whose holidays a calendar knows; before and after it only the week counts."""


SPAN = range((date(LAST_YEAR, 12, 31) - date(FIRST_YEAR, 1, 1)).days + 1)
EVERY = tuple(date(FIRST_YEAR, 1, 1) + timedelta(n) for n in SPAN)


def workdays(name: str) -> Workdays | None:
    """The working days of a country (`DE`) or a part of it (`US-CA`), by ISO 3166 codes in any case; None where there
    is no such calendar. Where a day of the weekend is worked instead of another one, it is a working day."""
    found = _named(name)
    return _workdays(*found) if found else None


def public(name: str) -> tuple[frozenset[date], frozenset[date]]:
    """The public holidays of a country or a part of it, and the days of its weekend that are worked instead of others.
    None of both where there is no such country."""
    found = _named(name)
    return _public(*found) if found else (frozenset(), frozenset())


def _named(name: str) -> tuple[str, str | None] | None:
    """The codes of a country and its part as the library has them."""
    country, _, part = name.upper().partition("-")
    if country not in countries():
        return None
    known = _parts(country)
    if part and part.casefold() not in known:
        return None
    return country, known[part.casefold()] if part else None


@contextmanager
def _holidays(country: str, part: str | None) -> Iterator[holidays.HolidayBase]:
    with warnings.catch_warnings():
        # A country whose holidays are known for fewer years says so.
        warnings.simplefilter("ignore")
        yield holidays.country_holidays(country, subdiv=part, years=range(FIRST_YEAR, LAST_YEAR + 1))


@cache
def _public(country: str, part: str | None) -> tuple[frozenset[date], frozenset[date]]:
    with _holidays(country, part) as known:
        moved = (day for day in EVERY if known.is_weekend(day) and known.is_working_day(day))
        return frozenset(day for day in EVERY if day in known), frozenset(moved)


@cache
def _workdays(country: str, part: str | None) -> Workdays:
    with _holidays(country, part) as known:
        worked = {day for day in EVERY if known.is_working_day(day)}
        week = tuple(sorted(day.weekday() for day in EVERY[-7:] if not known.is_weekend(day)))
    off = [(day - DAY_ONE).days for day in EVERY if day.weekday() in week and day not in worked]
    extra = [(day - DAY_ONE).days for day in EVERY if day.weekday() not in week and day in worked]
    return Workdays.of(week, off, extra)


def countries() -> frozenset[str]:
    """The codes of all countries."""
    return frozenset(codes[1] for codes in COUNTRIES.values())


def _parts(country: str) -> dict[str, str]:
    """The parts of a country that have holidays of their own, by their code or name in small letters."""
    found = getattr(holidays, country)
    return {part.casefold(): part for part in (*found.subdivisions, *found.subdivisions_aliases)}


def near(name: str) -> list[str]:
    """Calendars that a wrong name may mean."""
    country = name.upper().partition("-")[0]
    parts = [f"{country}-{part}" for part in _parts(country).values()] if country in countries() else []
    return [*sorted(countries()), *parts]
