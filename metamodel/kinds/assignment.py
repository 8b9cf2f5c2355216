"""`kind: assignment`: who gets a record, by ordered entries, strategies and caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metamodel.kinds.common import Formula, Text

Strategy = Literal["round_robin", "weighted", "least_open"]
USER = "user"
"""The object of the users; formulas over a user are written over it."""
KEPT, FALLBACK = "keep_owner_of", "fallback"
CLAIM, RELEASE = "claim", "release"
RESERVED = frozenset({KEPT, FALLBACK, CLAIM, RELEASE})
"""What decided where no entry did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Records in which `when` holds go to one of the users for whom `members` holds, or to the one that `user` gives.

    `members`, `weight`, `cap_open` (open records at most) and `cap_day` (assigned on one day at most) are written over
    the user, the others over the record.
    """

    name: str
    label: Text
    when: Formula | None
    members: Formula | None
    user: Formula | None
    strategy: Strategy
    weight: Formula | None
    cap_open: Formula | None
    cap_day: Formula | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A record belongs to the pool in its lookup `field` and is in it while it has the pool's owner. The formulas are
    over the pool: whether `$user` may claim, how often on a day, and after how many days the same record again."""

    field: str
    members: Formula
    claims_per_day: Formula | None
    reclaim_after: Formula | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Gives records of `object` in which `when` holds a user in `field`. The user of `keep_owner_of` comes first, then
    the entries, in the end the user of `fallback`. `absent_when` is written over the user; `open_when` says which
    records count for caps and for the strategy `least_open`; `message` is for who gets a record."""

    name: str
    label: Text
    object: str
    field: str
    when: Formula | None
    keep_owner_of: Formula | None
    open_when: Formula | None
    absent_when: Formula | None
    entries: Mapping[str, Entry]
    fallback: Formula | None
    message: Text
    pool: Pool | None
