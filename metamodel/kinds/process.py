"""`kind: process`: the stages of an object, their criteria, and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256

from metamodel.kinds.common import Formula, Text

OWNER, OWNER_MANAGER = "$owner", "$owner_manager"
"""Whom a move may be for besides roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What must hold to enter or to leave a stage."""

    name: str
    valid_when: Formula
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to be done in a stage: all of `fields` filled, `done_when` true, or, with neither, a person's word.

    A `required` one keeps the record from going on; the others remind. `relation` is the child set that records are
    created in.
    """

    name: str
    label: Text
    guidance: Text
    required: bool
    fields: tuple[str, ...]
    relation: str | None
    done_when: Formula | None

    @property
    def confirmed(self) -> bool:
        """Whether a person says that it is done."""
        return not self.fields and self.done_when is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage. `probability` is a ratio (10% = 0.10), `forecast` what a forecast takes its records for,
    `limit_days` the days a record should stay at most: working days where there is a `limit_calendar`."""

    name: str
    label: Text
    category: str
    forecast: str
    probability: Decimal
    guidance: Text
    limit_days: int | None
    limit_calendar: str | None
    required: tuple[str, ...]
    read_only: tuple[str, ...]
    entry: Mapping[str, Criterion]
    exit: Mapping[str, Criterion]
    tasks: Mapping[str, Task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An allowed change of stage, for those whom `by` names (roles, `$owner`, `$owner_manager`) and for whom `who` is
    true; for everybody where there is neither. `reasons` is the value set that the reason is from; `within_days` counts
    from entering `source`. An `automatic` one is also made by itself, once the record has been in `source` for
    `after_days`."""

    source: str
    target: str
    when: Formula | None
    by: tuple[str, ...]
    who: Formula | None
    reason: bool
    reasons: str | None
    within_days: int | None
    automatic: bool
    after_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A stage process on one stage field, for the records where `when` is true (None: for all others). A move that is
    not listed is forbidden."""

    name: str
    label: Text
    object: str
    field: str
    when: Formula | None
    start: tuple[str, ...]
    stages: Mapping[str, Stage]
    moves: tuple[Move, ...]

    def way(self, source: str, target: str) -> str:
        """What a move between two stages is: `close`, `reopen`, `back`, `forward`, or `skip` over a stage."""
        order = list(self.stages)
        if self.stages[target].category != "open":
            return "close"
        if self.stages[source].category != "open":
            return "reopen"
        ahead = order.index(target) - order.index(source)
        return "back" if ahead < 0 else "forward" if ahead == 1 else "skip"

    @property
    def print(self) -> str:
        """What the process demands, without its texts: another version of it has another print."""
        demands = replace(self, label={}, stages={name: _demands(stage) for name, stage in self.stages.items()})
        return sha256(repr(demands).encode()).hexdigest()


def _demands(stage: Stage) -> Stage:
    tasks = {name: replace(task, label={}, guidance={}) for name, task in stage.tasks.items()}
    return replace(stage, label={}, guidance={}, entry=_bare(stage.entry), exit=_bare(stage.exit), tasks=tasks)


def _bare(criteria: Mapping[str, Criterion]) -> Mapping[str, Criterion]:
    return {name: replace(criterion, message={}) for name, criterion in criteria.items()}
