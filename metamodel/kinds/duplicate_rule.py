"""`kind: duplicate_rule`: which records are told to be the same thing as others, by what they agree in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from metamodel.kinds.common import Formula, Text

Agreement = Literal["exact", "normalised", "fuzzy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A field of the judged record and the field `to` of the other one, which agree `by` their values; fuzzy ones where
    at least the share `at_least` of their trigrams is common."""

    field: str
    by: Agreement
    to: str
    at_least: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Records of `object` that are looked through, those where `where` holds; one that agrees in all of `match` is a
    duplicate."""

    name: str
    object: str
    where: Formula | None
    match: Mapping[str, Match]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRule:
    """Judges records of `object` where `when` holds. `severity`: duplicates refuse the write, or ask first."""

    name: str
    label: Text
    object: str
    when: Formula | None
    severity: Literal["warning", "error"]
    message: Text
    against: Mapping[str, Against]
