"""Calendars of a tenant against a loop over days and minutes: working days, working time, and moments after it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Date, DateTime, Integer, Numeric, literal_column

from engine.testing.database import Database
from metamodel.formula.calendar import Calendar
from metamodel.formula.functions import workdays, worktime
from tests.formula.shapes import sql_of

NINE_TO_SIX = ((540, 720), (780, 1080))
CALENDARS = {
    "office": Calendar("office", "Europe/Berlin", (NINE_TO_SIX,) * 5 + ((), ()), off=(date(2024, 5, 1), date(2024, 12, 24))),
    "always": Calendar("always", "Europe/Berlin", (((0, 1440),),) * 7),
    "night": Calendar("night", "America/New_York", (((0, 360), (1320, 1440)),) * 7, off=(date(2024, 3, 10),)),
    "china": Calendar("china", "Asia/Shanghai", (NINE_TO_SIX,) * 5 + ((), ()), "CN", on=(date(2024, 6, 8),)),
    "odd": Calendar(
        "odd", "Australia/Lord_Howe", (((0, 1),), (), ((60, 65), (100, 700)), (), ((0, 240),), ((1, 3),), ((90, 200),)),
        off=(date(2024, 4, 7), date(2024, 4, 10), date(2024, 4, 11)), on=(date(2024, 4, 9), date(2024, 10, 3)),
    ),
}  # fmt: skip
START, END, SECONDS = (literal_column(f"t.{n}", kind) for n, kind in (("a", DateTime(timezone=True)), ("b", DateTime(timezone=True)), ("s", Numeric())))


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


def open_minutes(calendar: Calendar, first: datetime, last: datetime) -> list[datetime]:
    """The minutes of work between two instants, one by one, as the clock on the wall says."""
    found, zone, at, known = [], ZoneInfo(calendar.zone), first, {}
    while at < last:
        local = at.astimezone(zone)
        if local.date() not in known:
            known[local.date()] = calendar.hours(local.date())
        minute = local.hour * 60 + local.minute
        if any(opens <= minute < closes for opens, closes in known[local.date()]):
            found.append(at)
        at += timedelta(minutes=1)
    return found


@pytest.mark.parametrize("name", CALENDARS)
@pytest.mark.parametrize("around", [datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 4, 3, tzinfo=UTC), datetime(2024, 9, 27, tzinfo=UTC),
                                    datetime(2024, 10, 25, tzinfo=UTC), datetime(2024, 12, 20, tzinfo=UTC)])  # fmt: skip
def test_working_time_is_what_a_loop_counts(database: Database, name: str, around: datetime) -> None:
    calendar, draw = CALENDARS[name], random.Random(f"{name} {around}")
    minutes = open_minutes(calendar, around - timedelta(days=10), around + timedelta(days=24))
    starts = [around + timedelta(minutes=draw.randrange(14 * 1440)) for _ in range(120)]
    ends = [start + timedelta(minutes=draw.randrange(-6 * 1440, 6 * 1440)) for start in starts]
    steps = [draw.randrange(-2000, 2000) for _ in starts]
    span = worktime.worked_until(calendar, END) - worktime.worked_until(calendar, START)
    found = database.rows(
        f"SELECT {sql_of(span)} AS span, {sql_of(worktime.later(calendar, START, SECONDS))} AS later "
        "FROM unnest($1::timestamptz[], $2::timestamptz[], $3::numeric[]) WITH ORDINALITY AS t (a, b, s, place) ORDER BY place",
        starts, ends, [60 * n for n in steps],
    )  # fmt: skip
    for start, end, step, row in zip(starts, ends, steps, found, strict=True):
        low, high = sorted((start, end))
        counted = sum(low <= minute < high for minute in minutes)
        assert row["span"] == (counted if start <= end else -counted) * 60_000_000, (start, end)
        ahead = [minute for minute in minutes if minute >= start]
        behind = [minute for minute in minutes if minute < start]
        if step > 0 and step <= len(ahead):
            assert row["later"] == ahead[step - 1] + timedelta(minutes=1), (start, step)
        elif step < 0 and -step <= len(behind):
            assert row["later"] == behind[step], (start, step)
        elif step == 0:
            assert row["later"] == start


@pytest.mark.parametrize("name", CALENDARS)
def test_working_days_are_what_a_loop_counts(database: Database, name: str) -> None:
    calendar, draw = CALENDARS[name], random.Random(name)
    known = workdays.workdays_of(calendar)
    starts = [date(2024, 1, 1) + timedelta(draw.randrange(700)) for _ in range(150)]
    steps = [draw.randrange(1, 60) * draw.choice((1, -1)) for _ in starts]
    moved = workdays.moved(known, literal_column("t.d", Date()), literal_column("t.n", Integer()))
    found = database.rows(
        f"SELECT {sql_of(moved)} AS moved FROM unnest($1::date[], $2::int[]) WITH ORDINALITY AS t (d, n, place) ORDER BY place", starts, steps
    )
    assert [row["moved"] for row in found] == [calendar.shifted(start, step) for start, step in zip(starts, steps, strict=True)]


def test_time_goes_to_the_microsecond(database: Database) -> None:
    at = datetime(2024, 6, 7, 15, 59, 59, 999_999, tzinfo=UTC)
    later = sql_of(worktime.later(CALENDARS["office"], START, SECONDS))

    def moved(start: datetime, seconds: str) -> Any:
        return database.rows(f"SELECT {later} AS x FROM (SELECT $1::timestamptz AS a, $2::numeric AS s) AS t", start, seconds)[0]["x"]

    assert moved(at, "0.000001") == datetime(2024, 6, 7, 16, tzinfo=UTC)
    assert moved(at, "0.000002") == datetime(2024, 6, 10, 7, 0, 0, 1, tzinfo=UTC)
    assert moved(datetime(2024, 6, 10, 6, tzinfo=UTC), "-0.000001") == at
    assert moved(at, "1e30") is None and moved(at, "-1e14") is None


def test_lists_of_days_outweigh_each_other() -> None:
    """What a tenant lists counts more than the holidays of the country, and a day of work more than a free one."""
    week = CALENDARS["office"].week
    new_year, moved = date(2024, 10, 1), date(2024, 9, 29)
    plain = Calendar("c", "UTC", week, "CN")
    assert (plain.worked(new_year), plain.worked(moved)) == (False, True)
    own = Calendar("c", "UTC", week, "CN", off=(moved, date(2024, 10, 8)), on=(new_year, date(2024, 10, 5)))
    assert [own.worked(day) for day in (new_year, moved, date(2024, 10, 8), date(2024, 10, 5))] == [True, False, False, True]
    assert own.hours(date(2024, 10, 5)) == NINE_TO_SIX
    assert own.nearest(moved, 1) == date(2024, 9, 30) and own.nearest(moved, -1) == date(2024, 9, 27)
