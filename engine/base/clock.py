"""The one source of the present moment: whoever needs it is given a clock, or a moment that was read from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """The machine's clock, `ahead` of it by a span that tests change."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC) + self.ahead

    def set(self, moment: datetime) -> None:
        """Makes `moment` the present one; the clock goes on from there."""
        self.ahead = moment - datetime.now(UTC)
