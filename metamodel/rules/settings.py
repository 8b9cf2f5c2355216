"""The tenant's time zone exists."""

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
