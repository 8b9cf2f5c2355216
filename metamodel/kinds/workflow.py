"""`kind: workflow`: what happens by itself, after a record was created or changed or when its time has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFields:
    """Change fields of the record that caused the run."""

    values: Mapping[str, Formula]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRecord:
    """Create a record of `object`; the formulas are written over the record that caused the run."""

    object: str
    values: Mapping[str, Formula]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Put a row into the notification list of the user that the formula names (blank: nobody)."""

    user: Formula
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Convert the record that caused the run; one that is converted already stays as it is."""

    conversion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Give the record that caused the run a user, as an assignment says."""

    assignment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Give the record that caused the run back to the pool that it belongs to."""

    assignment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeMove:
    """Move the record that caused the run, if it is in the stage `source`; what automatic moves of processes do."""

    field: str
    source: str
    target: str


Action = SetFields | CreateRecord | Convert | Assign | GiveBack | Notify | MakeMove


@dataclass(frozen=True, slots=True)
class Span:
    """A span before (negative) or after a moment: whole days of the calendar, or minutes."""

    count: int
    unit: Literal["days", "minutes"]


EVENTS: Mapping[str, frozenset[str]] = {
    "created": frozenset(),
    "changed": frozenset({"fields"}),
    "stage_entered": frozenset({"stage"}),
    "schedule": frozenset({"cron", "calendar"}),
    "date": frozenset({"field", "offset", "at", "calendar"}),
    "untouched": frozenset({"days", "every", "calendar"}),
    "limit": frozenset({"stage", "offset", "at"}),
}
"""What triggers look at beside `on`."""
NEEDED: Mapping[str, str] = {"schedule": "cron", "date": "field", "untouched": "days"}
"""What they can not do without."""
AUTOMATIC, AGED = "automatic", "aged"
"""What triggers automatic moves, beside the events that packs name: a write of the record, and the end of its time."""
TIMED = frozenset({"schedule", "date", "untouched", "limit", AGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What causes runs. `event` is a key of `EVENTS`, which says what each of them looks at, or one of automatic moves.

    `at` is a time of the day in minutes; `days` and `every` count working days where there is a `calendar`.
    """

    event: str
    fields: tuple[str, ...]
    stage: str | None
    cron: str | None = None
    field: str | None = None
    offset: Span | None = None
    at: int | None = None
    days: int | None = None
    every: int | None = None
    calendar: str | None = None
    process: str | None = None

    @property
    def timed(self) -> bool:
        """Whether time causes the runs, and no event."""
        return self.event in TIMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """`run_as` is `initiator` or the name of the role that the actions are written with; `object` is empty where a
    schedule causes runs without a record."""

    name: str
    label: Text
    object: str
    trigger: Trigger
    when: Formula | None
    run_as: str
    actions: tuple[Action, ...]
