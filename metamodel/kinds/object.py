"""`kind: object`: fields and rules of a kind of record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from metamodel.kinds.common import Formula, Text

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """Which options go with which value of the field `field`; `otherwise` those that go with values that are not
    listed, `blank` those that may be chosen while it is blank."""

    field: str
    options: Mapping[str, tuple[str, ...]]
    otherwise: tuple[str, ...]
    blank: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of any type; what a type does not use is None (`kinds/field_types.py` says which type takes what).

    An auto number is `gapless` (also where it has `reset` or `per`), or else leaves out numbers of refused writes.
    `to` is the object that a lookup or a user field refers to; `processes` those that govern a stage field, of which a
    record follows the first one whose `when` holds. `min` and `max` bound a number, or the seconds of a duration; `max`
    is also how many tags there may be. Nothing is above itself by a lookup that is a `tree`. `schema` is the JSON
    Schema of a `json` field. A field of files holds one or `many`, of media `types` and at most `max_size` bytes each.
    `whole` names the composite field of which this is a part (`kinds/composites.py`), whose name is `<whole>.<part>`.
    `targets` are the objects of a lookup that
    may point to several, each with what its deletion does.
    """

    name: str
    type: str
    label: Text
    help: Text
    required: bool = False
    required_when: Formula | None = None
    read_only_when: Formula | None = None
    set_once: bool = False
    history: bool = True
    default: Formula | None = None
    unique: bool = False
    indexed: bool = False
    stored: bool = False
    max_length: int | None = None
    min: Decimal | None = None
    max: Decimal | None = None
    scale: int | None = None
    options: str | None = None
    depends_on: Dependence | None = None
    to: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    reverse: str | None = None
    on_delete: str | None = None
    tree: bool = False
    processes: tuple[str, ...] = ()
    format: str | None = None
    gapless: bool = False
    reset: str | None = None
    per: str | None = None
    symbology: str | None = None
    schema: Mapping[str, Any] | None = None
    many: bool = False
    max_size: int | None = None
    types: tuple[str, ...] = ()
    formula: Formula | None = None
    whole: str | None = None
    system: bool = False

    @property
    def choice(self) -> str | None:
        """The name of what the field chooses from: a value set, or the stages of its processes."""
        return self.options or "/".join(self.processes) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition that every saved record meets: `valid_when` is true, or the write is refused with `message`.

    A broken warning refuses until it is acknowledged, an info is told only. `exempt` are the roles that the rule does
    not bind. It is judged from the day `start` until the day before `end`. `edited_only`: a record that broke it before
    is refused only when what the rule reads is changed.
    """

    name: str
    valid_when: Formula
    on: tuple[str, ...]
    field: str | None
    message: Text
    severity: Severity = "error"
    exempt: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    edited_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """While `when` holds, a record is neither deleted nor changed but in the fields `open`, other than by `roles`."""

    when: Formula
    open: tuple[str, ...]
    roles: tuple[str, ...]
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """No two live records where `where` holds (None: all) share the values of these fields; those of `fold` are
    compared without case, width and spaces around. Blanks are never the same."""

    name: str
    fields: tuple[str, ...]
    where: Formula | None = None
    fold: tuple[str, ...] = ()
    message: Text = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether it is unique as it stands, among all records."""
        return self.where is None and not self.fold


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
    unique: Mapping[str, Key]
    indexes: Mapping[str, tuple[str, ...]]
    lock: Lock | None = None
