"""`kind: calendar`: when an organisation works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Text

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDeclaration:
    """Hours (`09:00-12:00`) by day of the week, holidays by date (`2026-10-02`), days worked instead of others.

    `time_zone` None: the tenant's. `subdivision` is a part of `country`, both by their ISO 3166 codes.
    """

    name: str
    label: Text
    time_zone: str | None
    week: Mapping[str, tuple[str, ...]]
    country: str | None
    subdivision: str | None
    holidays: Mapping[str, Text]
    workdays: tuple[str, ...]
