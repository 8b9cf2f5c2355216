"""What a formula may name: the shapes of objects and fields, and the context it is written in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from metamodel.formula.types import Type

Where = Literal["field", "default", "rule", "access", "query", "group", "measure", "workflow"]
"""The kinds of place a formula stands in; a function declares the ones it is allowed in."""


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field as a formula sees it. `target` is the object a reference points to; `properties` are the typed
    properties of the stage or option it holds (`probability`, `category`, `entered_at`, `limit`)."""

    name: str
    type: Type
    target: str | None = None
    properties: Mapping[str, Type] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildShape:
    """A set of child records: the rows of `object` whose lookup `via` points to the record."""

    name: str
    object: str
    via: str


class ObjectShape(Protocol):
    """An object as a formula sees it; `fields` holds only what may be named."""

    @property
    def name(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, FieldShape]: ...
    @property
    def children(self) -> Mapping[str, ChildShape]: ...


@dataclass(frozen=True, slots=True)
class Organisation:
    """Facts of the tenant that are constants of its formulas. `fiscal_year_start` is a month, 1 to 12."""

    time_zone: str = "UTC"
    currency: str = "USD"
    fiscal_year_start: int = 1


class Schema(Protocol):
    """All objects that can be reached."""

    @property
    def organisation(self) -> Organisation:
        """What formulas know of the tenant."""

    def object(self, name: str) -> ObjectShape | None:
        """The object's shape, or None where there is none (or none that may be named)."""

    def options(self, of: str) -> Collection[str]:
        """The options of a value set, or the stages of a process, by the name a `select` type carries in `of`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`row` is the record's object; `rows` the object of the implicit set of a measure (then `row` is None).

    `old` allows `old.field`; `user` is the object of `$user`, or None where there is no user.
    """

    schema: Schema
    where: Where
    row: str | None = None
    rows: str | None = None
    old: bool = False
    user: str | None = "user"
