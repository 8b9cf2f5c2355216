"""`kind: workflow`: what happens by itself after a record was created or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


Action = SetFields | CreateRecord | Convert | Notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`event` is created, changed or stage_entered; `fields` narrows changed, `stage` narrows stage_entered."""

    event: str
    fields: tuple[str, ...]
    stage: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """`run_as` is `initiator` or the name of the role that the actions are written with."""

    name: str
    label: Text
    object: str
    trigger: Trigger
    when: Formula | None
    run_as: str
    actions: tuple[Action, ...]
