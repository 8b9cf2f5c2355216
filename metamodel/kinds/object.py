"""`kind: object`: fields and rules of a kind of record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of any type; what a type does not use is None (`kinds/field_types.py` says which type takes what).

    `to` is the object that a lookup or a user field refers to.
    """

    name: str
    type: str
    label: Text
    help: Text
    required: bool = False
    required_when: Formula | None = None
    default: Formula | None = None
    unique: bool = False
    indexed: bool = False
    stored: bool = False
    max_length: int | None = None
    min: Decimal | None = None
    max: Decimal | None = None
    scale: int | None = None
    options: str | None = None
    to: str | None = None
    reverse: str | None = None
    on_delete: str | None = None
    process: str | None = None
    format: str | None = None
    formula: Formula | None = None
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition that every saved record meets: `valid_when` is true, or the write is refused with `message`."""

    name: str
    valid_when: Formula
    on: tuple[str, ...]
    field: str | None
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """A kind of record. `fields` holds the system fields first, then the declared ones in file order."""

    name: str
    label: Text
    plural: Text
    description: Text
    title: str
    fields: Mapping[str, Field]
    rules: Mapping[str, Rule]
    unique: Mapping[str, tuple[str, ...]]
    indexes: Mapping[str, tuple[str, ...]]
