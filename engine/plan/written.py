"""The written forms of single values: dates, instants, times, spans of time, and the digits of barcodes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?=[0-9T])(?:(?P<weeks>[0-9]{1,9})W)?(?:(?P<days>[0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,12}(?:\.[0-9]{1,6})?)S)?)?"
)
SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
DURATION_MAX = Decimal(10) ** 12
"""Seconds, some 31,700 years; durations are exact to the microsecond."""
GTIN = {"ean8": 8, "upca": 12, "ean13": 13, "gtin14": 14}
"""The digits of a GS1 number, the last of which is its check digit (GS1 General Specifications, 7.9)."""


class Unfit(Exception):
    """A value does not fit; `code` is one of the registry."""

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail


def parse_date(value: object) -> date:
    """A date of ISO form `YYYY-MM-DD` only."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError(value)
    return date.fromisoformat(value)


def parse_datetime(value: object) -> datetime:
    """An RFC 3339 instant; the offset must be given. Returned in UTC."""
    if not isinstance(value, str) or len(value) < 16 or not value.isascii():
        raise ValueError(value)
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError("no offset")
    return parsed.astimezone(UTC)


def parse_time(value: object) -> time:
    """A time of day `HH:MM`, `HH:MM:SS` or with up to six digits behind the seconds; it has no offset."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(value)
    return time.fromisoformat(value)


def parse_duration(value: str) -> Decimal:
    """The seconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds, a day being 24 hours.

    Years and months are refused, since they are of no certain length.
    """
    found = _DURATION.fullmatch(value)
    if not found:
        raise ValueError(value)
    total = sum((Decimal(found[unit]) * length for unit, length in SECONDS.items() if found[unit]), Decimal(0))
    return -total if found["sign"] == "-" else total


def gtin_fits(text: str, symbology: str) -> bool:
    """Whether a text is such a number with the right check digit."""
    if len(text) != GTIN[symbology] or not (text.isascii() and text.isdigit()):
        return False
    weighted = (int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(reversed(text)))
    return sum(weighted) % 10 == 0
