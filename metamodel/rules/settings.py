"""The tenant's time zone and calendar exist."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    zone = model.settings.time_zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        issues.add(
            "M227",
            f'there is no time zone "{zone}"',
            at.value("settings", "time_zone"),
            did_you_mean(zone, available_timezones()) or "write a name such as Europe/Berlin or UTC",
        )
    wanted = model.settings.calendar
    if wanted and wanted not in model.calendars and not at.gone("calendar", wanted):
        issues.add(
            "M227",
            f'there is no calendar "{wanted}"',
            at.value("settings", "calendar"),
            did_you_mean(wanted, model.calendars) or "declare it, or depend on the pack that has it",
        )
