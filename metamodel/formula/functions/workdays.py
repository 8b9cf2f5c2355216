"""Working days between dates and from a date on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Integer, Numeric, case, cast, func

from metamodel.formula.calendar import Calendar, countries, days
from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import known
from metamodel.formula.functions.number import whole, with_flags
from metamodel.formula.functions.registry import Builder, Column, Condition, Param, Site, Strict, function
from metamodel.formula.functions.workweek import (
    DAY_ONE,
    WEEK,
    Workdays,
    day_number,
    day_of,
    nth,
    outside,
    worked_until,
)
from metamodel.formula.typed import CalendarName, Call, Literal, Node
from metamodel.formula.types import DATE, TEXT, Kind, Type
from metamodel.names import did_you_mean

DAY: frozenset[Kind] = frozenset({"date"})
START = Param("start", DAY)
END, COUNT = Param("end", DAY), Param("days", frozenset({"integer"}))
HOLIDAYS = Param("holidays", frozenset({"list", "text"}), optional=True, blanks=True)
CALENDAR = Param("calendar", frozenset({"text"}), constant=True)
PLAIN = Workdays.of(WEEK, ())
MOST = 4_000_000
"""More working days than there are in the years 1 to 9999."""


@cache
def workdays_of(calendar: Calendar) -> Workdays:
    """The working days of a calendar of the tenant."""
    found = days(calendar)
    off, on = ([(day - DAY_ONE).days for day in part] for part in (found.off, found.on))
    return Workdays.of(calendar.weekdays, off, on)


def _calendar(node: Node, holidays: Column | None) -> Workdays:
    """The calendar of a third argument: a name, dates that are constants, or any list of dates."""
    if isinstance(node, CalendarName):
        return workdays_of(node.calendar)
    if isinstance(node, Literal):
        found: Workdays = countries().workdays(node.value)
        return found
    if isinstance(node, Call) and node.function == "list" and all(isinstance(item, Literal) for item in node.args):
        dates = [item.value for item in node.args if isinstance(item, Literal)]
        numbers = [(d - DAY_ONE).days for d in dates if isinstance(d, date) and d.weekday() in WEEK]
        return Workdays.of(WEEK, numbers)
    assert holidays is not None
    return Workdays.but(holidays)


def _days_of(site: Site, columns: tuple[Column, ...]) -> Workdays:
    return _calendar(site.args[2], columns[2]) if len(columns) > 2 else PLAIN


def _network(site: Site, start: Column, end: Column, *rest: Column) -> Column:
    calendar = _days_of(site, (start, end, *rest))

    def between(a: Column, b: Column) -> Column:
        return worked_until(calendar, day_number(b)) - worked_until(calendar, day_number(a) - sql.whole(1))

    return case((start <= end, between(start, end)), (end < start, -between(end, start)))


def _steps(count: Column) -> Column:
    """The count as an `integer`, where it is not blank."""
    if isinstance(count, sql.Constant):
        return sql.small_int(count, -MOST, MOST)
    held = func.least(func.greatest(count, sql.whole(-MOST)), sql.whole(MOST), type_=Numeric())
    return cast(func.trunc(held, type_=Numeric()), Integer)


def _place(calendar: Workdays, start: Column, steps: Column) -> Column:
    """The number of the working day that is wanted, the count not being 0."""
    if isinstance(steps, sql.Constant) and steps.value is not None:
        back = sql.whole(int(steps.value < 0))
    else:
        back = case((steps < sql.whole(0), sql.whole(1)), else_=sql.whole(0))
    # Forwards the day itself is counted as passed, backwards it is not.
    return worked_until(calendar, day_number(start) - back) + steps + back


def moved(calendar: Workdays, start: Column, steps: Column) -> Column:
    """The date so many working days from another one on, `steps` not being 0."""
    return day_of(nth(calendar, _place(calendar, start, steps)))


def _workday(site: Site, start: Column, count: Column, *rest: Column) -> Column:
    calendar, steps = _days_of(site, (start, count, *rest)), _steps(count)
    there = moved(calendar, start, steps)
    return case((sql.all_of(*known(site, start, count), steps != sql.whole(0)), there), (steps == sql.whole(0), start))


def _no_workday(site: Site, start: Column, count: Column, *rest: Column) -> Condition | None:
    calendar, steps = _days_of(site, (start, count, *rest)), _steps(count)
    left = outside(calendar, _place(calendar, start, steps))
    return sql.all_of(*known(site, start, count), steps != sql.whole(0), left)


def calendar_named(c: Builder, node: Node | None) -> CalendarName | None:
    """The calendar of the tenant that an argument names; without an argument, or a blank one, that of its settings."""
    known = c.scope.schema.organisation
    left_out = node is None or (isinstance(node, Literal) and node.value is None)
    name = known.calendar if left_out else node.value if isinstance(node, Literal) else None
    found = known.calendars.get(str(name))
    return CalendarName(TEXT.blank(False), str(name), found) if found else None


def _with_holidays(name: str, named: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    """Holidays may be a list of dates or the name of a calendar."""

    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        rest = args[2] if len(args) > 2 else None
        of = RETURNS[name](args[:2])
        if found := calendar_named(c, rest):
            return Call(of, named, (*args[:2], found))
        if rest is None or (isinstance(rest, Literal) and rest.value is None):
            return Call(of, name, args[:2])
        if rest.type.kind == "list":
            empty = isinstance(rest, Call) and rest.function == "list" and not rest.args
            if rest.type.element.kind != "date" and not empty:
                return c.fail("E204", rest, f"holidays of {name} are a list of dates, not of {rest.type.element}")
            return Call(of, name, args)
        if not isinstance(rest, Literal):
            return c.fail("E207", rest, f"the calendar of {name} must be a constant text", 'such as "DE" or "US-CA"')
        if countries().workdays(rest.value) is None:
            written, declared = str(rest.value), c.scope.schema.organisation.calendars
            near = did_you_mean(written, declared) or did_you_mean(written.upper(), countries().near(written))
            hint = near or 'ISO codes such as "DE" or "US-CA"'
            return c.fail("E221", rest, f'there is no calendar "{written}"', hint)
        return Call(of, named, args)

    return resolve


RETURNS: dict[str, Callable[[tuple[Node, ...]], Type]] = {"NETWORKDAYS": whole, "WORKDAY": with_flags(DATE)}


def _declare(name: str, second: Param, lower: Strict, doc: str, *examples: str) -> None:
    errors = {"DATE": _no_workday} if name == "WORKDAY" else {}
    named = f"{name.lower()}_in"
    lower.__doc__ = doc
    declared: dict[str, Any] = {"errors": errors, "copies": (27, 14)}
    function(name, "date", START, second, HOLIDAYS, resolve=_with_holidays(name, named), examples=examples, **declared)(
        lower
    )
    function(named, "date", START, second, CALENDAR, returns=RETURNS[name], operator=True, **declared)(lower)


_declare(
    "NETWORKDAYS",
    END,
    _network,
    "Working days from one date to another, both included; negative where the end comes first. Monday to Friday are "
    "worked, but not on the `holidays` of a list. A country's calendar (\"DE\", \"US-CA\": ISO 3166) has its own week, "
    "its public holidays of 2000 to 2050, and the days of the weekend that are worked instead of others. A calendar of "
    "a pack is named as it is declared; that of the tenant's settings counts where there is no third argument.",
    "NETWORKDAYS(@2012-10-01, @2013-03-01) = 110",
    "NETWORKDAYS(@2012-10-01, @2013-03-01, [@2012-11-22, @2012-12-04, @2013-01-21]) = 107",
    "NETWORKDAYS(@2024-01-05, @2024-01-01) = -5",
    'NETWORKDAYS(@2024-12-23, @2024-12-31, "DE") = 5',
)
_declare(
    "WORKDAY",
    COUNT,
    _workday,
    "The date so many working days later, or earlier where `days` is negative; the date itself for 0. Working days are "
    "those of `NETWORKDAYS`.",
    "WORKDAY(@2008-10-01, 151) = @2009-04-30",
    "WORKDAY(@2008-10-01, 151, [@2008-11-26, @2008-12-04, @2009-01-21]) = @2009-05-05",
    "WORKDAY(@2024-01-08, -1) = @2024-01-05",
    'WORKDAY(@2024-12-24, 1, "DE") = @2024-12-27',
    "WORKDAY(@2024-01-01, 9000000) -> #DATE",
)
