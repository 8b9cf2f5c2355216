"""Instants as local time and back, in the tenant's zone or a named one, within the years 1 to 9999 (formula.md 2.10).

A local time that comes twice is the second of the two; one in a gap is read with the offset before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Date, DateTime, case, cast, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Fails, Param, Site
from metamodel.formula.types import Kind

FIRST_INSTANT = datetime(1, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
DATE_OR_TIME: frozenset[Kind] = frozenset({"date", "datetime"})
D = Param("date", DATE_OR_TIME)
STAMP, INSTANT = DateTime(), DateTime(timezone=True)


@cache
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


@dataclass(frozen=True, slots=True)
class Edges:
    """Where a zone leaves the calendar: at or after `high` and before `low`; None where it does not on that side.
    `read` is about instants that have no local time, `write` about local times that are no instant."""

    read: tuple[datetime | None, datetime | None]
    write: tuple[datetime | None, datetime | None]


@cache
def edges(zone: str) -> Edges:
    """The edges of a zone, from its offsets in the years 1 and 9999."""
    first, last = datetime(1, 1, 1), datetime(9999, 12, 31)
    early = ZoneInfo(zone).utcoffset(first) or timedelta()
    late = ZoneInfo(zone).utcoffset(last) or timedelta()
    none, day = timedelta(), timedelta(days=1)
    return Edges(
        (
            first.replace(tzinfo=UTC) - early if early < none else None,
            last.replace(tzinfo=UTC) + (day - late) if late > none else None,
        ),
        (first + early if early > none else None, last + (day + late) if late < none else None),
    )


def known(site: Site, *columns: Column) -> list[Condition]:
    """That those of the first arguments that may be blank are not."""
    return [x.is_not(None) for x, arg in zip(columns, site.args, strict=False) if arg.type.nullable]


def where_known(fails: Fails) -> Fails:
    """The error only where no argument is blank: a strict call is blank then, not an error."""

    def checked(site: Site, *columns: Column) -> Condition | None:
        condition = fails(site, *columns)
        return condition if condition is None or len(columns) < 2 else sql.all_of(*known(site, *columns), condition)

    return checked


def unreadable(instant: Column, zone: str) -> Condition | None:
    """Where an instant's local date lies outside of the years 1 to 9999."""
    low, high = edges(zone).read
    return sql.any_of(
        instant < sql.Constant(low, INSTANT) if low else None, instant >= sql.Constant(high, INSTANT) if high else None
    )


def unwritable(stamp: Column, zone: str) -> Condition | None:
    """Where a local time is an instant outside of the years 1 to 9999."""
    low, high = edges(zone).write
    return sql.any_of(
        stamp < sql.Constant(low, STAMP) if low else None, stamp >= sql.Constant(high, STAMP) if high else None
    )


def exists(local: datetime, zone: str) -> bool:
    """Whether a local time is an instant of the years 1 to 9999."""
    low, high = edges(zone).write
    return (low is None or local >= low) and (high is None or local < high)


def read(instant: Column, zone: str) -> Column:
    """The local time of an instant; NULL where it has none."""
    low, high = edges(zone).read
    if low:
        instant = case((instant >= sql.Constant(low, INSTANT), instant))
    if high:
        instant = case((instant < sql.Constant(high, INSTANT), instant))
    return sql.in_zone(instant, zone)


def write(stamp: Column, zone: str) -> Column:
    """The instant of a local time."""
    return func.timezone(sql.text(zone), stamp, type_=INSTANT)


def epoch(instant: Column) -> Column:
    """Seconds since 1970-01-01T00:00Z. Of the local time in UTC, because only that is immutable for PostgreSQL."""
    return sql.part("epoch", sql.in_zone(instant, "UTC"))


# -- for functions whose first argument is a date or a date-time ----------------------------------------------------


def instant(site: Site, at: int = 0) -> bool:
    """Whether that argument is a date-time."""
    return site.args[at].type.kind == "datetime"


def local(site: Site, column: Column) -> Column:
    """The date or time itself, or the date-time as local time in the tenant's zone."""
    return read(column, site.environment.zone) if instant(site) else column


def no_local(site: Site, column: Column, *_: Column) -> Condition | None:
    """The condition of the error DATE of functions that are NULL where `local` is."""
    return unreadable(column, site.environment.zone) if instant(site) else None


def stamp(site: Site, column: Column) -> Column:
    """The date as its midnight, or the date-time as local time: a `timestamp`."""
    return local(site, column) if instant(site) else cast(column, STAMP)


def shifted(instant: Column, interval: Column) -> Column:
    """An instant moved by an interval of seconds. As the local time in UTC, because only that is immutable for
    PostgreSQL."""
    moved = sql.in_zone(instant, "UTC").op("+", precedence=7, return_type=STAMP)(interval)
    return write(moved, "UTC")


def back(site: Site, moved: Column) -> Column:
    """A `timestamp` as what the first argument is."""
    return write(moved, site.environment.zone) if instant(site) else cast(moved, Date())


def lost(site: Site, column: Column, moved: Column) -> Condition | None:
    """Where the first argument has no local time, or what was made of it is no instant."""
    if not instant(site):
        return None
    zone = site.environment.zone
    return sql.any_of(unreadable(column, zone), unwritable(moved, zone))


def plus(stamp: Column, *, months: Column | int = 0, days: Column | int = 0) -> Column:
    """A `timestamp` moved by months, clamped to the end of the month, then by days."""
    steps = [sql.whole(step) if isinstance(step, int) else step for step in (months, days)]
    interval = func.make_interval(sql.whole(0), steps[0], sql.whole(0), steps[1])
    return stamp.op("+", precedence=7, return_type=STAMP)(interval)


def day_after(d: Column) -> Column:
    """The next date."""
    return d.op("+", precedence=7, return_type=Date())(sql.whole(1))


def beyond(d: Column) -> Condition:
    """Whether a date lies behind the year 9999."""
    return d > sql.day(sql.LAST_DAY)
