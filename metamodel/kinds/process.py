"""`kind: process`: the stages of an object, their criteria, and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What must hold to enter or to leave a stage."""

    name: str
    valid_when: Formula
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage. `probability` is a ratio (10% = 0.10), `limit_days` the days a record should stay at most."""

    name: str
    label: Text
    category: str
    probability: Decimal
    guidance: Text
    limit_days: int | None
    required: tuple[str, ...]
    read_only: tuple[str, ...]
    entry: Mapping[str, Criterion]
    exit: Mapping[str, Criterion]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An allowed change of stage. Empty `by` means any role; `within_days` counts from entering `source`."""

    source: str
    target: str
    when: Formula | None
    by: tuple[str, ...]
    reason: bool
    within_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A stage process on one stage field. A move that is not listed is forbidden."""

    name: str
    label: Text
    object: str
    field: str
    start: tuple[str, ...]
    stages: Mapping[str, Stage]
    moves: tuple[Move, ...]
