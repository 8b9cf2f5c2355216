"""Who asks, when, in which tenant: passed along, never global."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.base.ids import new_id

SYSTEM_USER = UUID("00000000-0000-7000-8000-000000000001")
"""The user record that automatic work is attributed to; every tenant has it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A user with roles. `attributes` are the fields of the user's record by name (for `$user.region`).

    `operator` marks the local command line, which holds the database's own credential: all grants, every rule.
    """

    user: UUID
    roles: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    operator: bool = False


OPERATOR = Actor(SYSTEM_USER, (), operator=True)


@dataclass(frozen=True, slots=True)
class Context:
    """One request or one transaction of work. `now` is fixed for its whole length; `door` names the way in."""

    actor: Actor
    tenant: str
    now: datetime
    time_zone: str = "UTC"
    locale: str = "en"
    request_id: str = field(default_factory=lambda: new_id().hex)
    door: str = "api"

    @property
    def today(self) -> date:
        """The date of `now` in the tenant's zone."""
        return self.now.astimezone(ZoneInfo(self.time_zone)).date()
