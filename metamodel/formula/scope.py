"""What a formula may name: the shapes of objects and fields, and the context it is written in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from metamodel.formula.ast import Node
from metamodel.formula.calendar import Calendar
from metamodel.formula.types import INTEGER, TEXT, Type

Where = Literal["field", "default", "rule", "access", "query", "group", "measure", "workflow"]
"""The kinds of place a formula stands in; a function declares the ones it is allowed in."""


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field as a formula sees it. `target` is the object a reference points to; `properties` are the typed
    properties of the stage or option it holds (`probability`, `category`, `entered_at`, `limit`). `unique`: no two
    records of the object share a value. `parts` are the names of its parts, each a field `<name>.<part>`."""

    name: str
    type: Type
    target: str | None = None
    properties: Mapping[str, Type] = field(default_factory=dict)
    unique: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildShape:
    """A set of child records: the rows of `object` whose lookup `via` points to the record. `keys` are the fields of
    which no two rows of a set share a value."""

    name: str
    object: str
    via: str
    keys: frozenset[str] = frozenset()


class ObjectShape(Protocol):
    """An object as a formula sees it; `fields` holds only what may be named."""

    @property
    def name(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, FieldShape]: ...
    @property
    def children(self) -> Mapping[str, ChildShape]: ...


@dataclass(frozen=True, slots=True)
class ParamShape:
    """A parameter of a declared function; with a `default` it may be left out."""

    name: str
    type: Type
    default: Node | None = None


@dataclass(frozen=True, slots=True)
class FunctionShape:
    """A function that a pack declares: `body` stands for a call, its parameters replaced by the arguments; without
    one the declaration is wrong, which is reported there."""

    name: str
    params: tuple[ParamShape, ...]
    body: Node | None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Facts of the tenant that are constants of its formulas. `fiscal_year_start` is a month, 1 to 12; `calendar` the
    name of the one among `calendars` that counts where none is named."""

    time_zone: str = "UTC"
    currency: str = "USD"
    fiscal_year_start: int = 1
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    calendar: str | None = None


FACTS = {"currency": TEXT, "time_zone": TEXT, "fiscal_year_start": INTEGER}
"""What formulas may ask of the organisation: `$org.currency`."""


class Schema(Protocol):
    """All objects that can be reached."""

    @property
    def organisation(self) -> Organisation:
        """What formulas know of the tenant."""

    @property
    def functions(self) -> Mapping[str, FunctionShape]:
        """The functions that packs declare, by name."""

    def object(self, name: str) -> ObjectShape | None:
        """The object's shape, or None where there is none (or none that may be named)."""

    def options(self, of: str) -> Collection[str]:
        """The options of a value set, or the stages of a process, by the name a `select` type carries in `of`."""

    def labels(self, of: str) -> Mapping[str, Mapping[str, str]]:
        """The label of each of those in each locale, in their declared order."""

    @property
    def roles(self) -> Collection[str]:
        """The roles that a user may have."""

    def granting(self, permission: str) -> Collection[str] | None:
        """The roles that grant a verb on an object (`order.edit`) or a named capability; None where there is none."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`row` is the record's object; `rows` the object of the implicit set of a measure (then `row` is None).

    `old` allows `old.field`; `user` is the object of `$user`, or None where there is no user. `params` are the
    parameters of the function whose formula this is.
    """

    schema: Schema
    where: Where
    row: str | None = None
    rows: str | None = None
    old: bool = False
    user: str | None = "user"
    params: Mapping[str, Type] = field(default_factory=dict)
