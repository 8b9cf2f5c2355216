"""A calendar has hours that follow each other, a country and a zone that exist, and each day in one list."""

from __future__ import annotations

from datetime import date

from metamodel.formula.calendar import countries
from metamodel.formula.functions.clock import zones
from metamodel.issues import Collector
from metamodel.kinds.calendar import CalendarDeclaration
from metamodel.model import Model
from metamodel.model_schema import minutes
from metamodel.names import did_you_mean
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for calendar in model.calendars.values():
        root = ("calendar", calendar.name)
        _place(calendar, root, at, issues)
        _hours(calendar, root, at, issues)
        _days(calendar, root, at, issues)


def _place(calendar: CalendarDeclaration, root: tuple[str, ...], at: Places, issues: Collector) -> None:
    if calendar.time_zone and calendar.time_zone not in zones():
        hint = did_you_mean(calendar.time_zone, zones()) or "write a name such as Asia/Shanghai or UTC"
        issues.add("M235", f'there is no time zone "{calendar.time_zone}"', at.value(*root, "time_zone"), hint)
    if calendar.country is None:
        if calendar.subdivision:
            issues.add("M235", "a subdivision needs its country", at.key(*root, "subdivision"), "name the country")
        return
    whole = f"{calendar.country}-{calendar.subdivision}" if calendar.subdivision else calendar.country
    if countries().workdays(whole) is None:
        wrong = "subdivision" if countries().workdays(calendar.country) else "country"
        near = did_you_mean(whole, countries().near(whole)) or 'ISO 3166 codes such as "CN", or "US" and "CA"'
        issues.add("M235", f'no holidays are known for "{whole}"', at.value(*root, wrong), near)


def _hours(calendar: CalendarDeclaration, root: tuple[str, ...], at: Places, issues: Collector) -> None:
    if not any(calendar.week.values()):
        issues.add("M235", "no day of the week is worked", at.key(*root, "week"), "give the hours of a day")
    for day, written in calendar.week.items():
        before = 0
        for index, span in enumerate(written):
            opens, closes = minutes(span)
            if opens >= closes or opens < before:
                wrong = "ends before it begins" if opens >= closes else "begins before the hours before it end"
                hint = "write hours in their order; work past midnight is two spans, to 24:00 and from 00:00"
                issues.add("M235", f"{span} {wrong}", at.value(*root, "week", day, index), hint)
            before = max(before, closes)


def _days(calendar: CalendarDeclaration, root: tuple[str, ...], at: Places, issues: Collector) -> None:
    listed = [(("holidays", day), at.key(*root, "holidays", day), day) for day in calendar.holidays]
    listed += [(("workdays", str(n)), at.value(*root, "workdays", n), day) for n, day in enumerate(calendar.workdays)]
    for part, place, day in listed:
        try:
            date.fromisoformat(day)
        except ValueError:
            issues.add("M235", f"there is no day {day}", place, "write a date such as 2026-10-01")
        if part[0] == "workdays" and day in calendar.holidays:
            issues.add("M235", f"{day} is a holiday and a working day", place, "take it out of one of the lists")
