"""The typed tree: what the checker makes of a formula and what every later stop works on.

Nodes are frozen and hashable; equal trees are equal values. Names are resolved: a `Field` says which object it
belongs to and by which to-one hops it is reached. Every operator is a `Call` of a registered function
(`"+"`, `"="`, `"and"`, `"if"`, ...), so that a lowering is looked up in one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from typing import Literal as OneOf

from metamodel.formula.calendar import Calendar
from metamodel.formula.types import Type

Value = str | int | Decimal | bool | date | datetime | time | None


@dataclass(frozen=True, slots=True)
class Node:
    """A typed expression."""

    type: Type


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant of the metadata. Durations are exact seconds (Decimal), periods are whole months (int)."""

    value: Value

    @property
    def size(self) -> tuple[int, int]:
        """How many digits a number has before and after the point, at least 1 and 0."""
        number = Decimal(self.value) if isinstance(self.value, int | Decimal) else Decimal(0)
        exponent = number.as_tuple().exponent
        return max(number.adjusted() + 1, 1), max(-exponent, 0) if isinstance(exponent, int) else 0


@dataclass(frozen=True, slots=True)
class CalendarName(Literal):
    """The name of a calendar of the tenant, with what it means."""

    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Param(Node):
    """A caller's constant: the value stands outside the tree, so that trees of one shape are equal."""

    index: int


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field of `object`, reached from the row by `path` (names of lookup fields, outermost first).

    `level` counts enclosing rows: 0 is the row itself; inside the `[ ]` or the expression of a child aggregate
    1 is the record around it (`this.`). `image` is "old" for `old.field` (then `path` is empty).
    """

    path: tuple[str, ...]
    object: str
    name: str
    level: int = 0
    image: OneOf["new", "old"] = "new"


@dataclass(frozen=True, slots=True)
class Property(Node):
    """A property of a stage or option that a field holds: `stage.probability`, `stage.category`, `stage.entered_at`."""

    field: Field
    name: str


@dataclass(frozen=True, slots=True)
class System(Node):
    """A value of the context: `now`, `today`, `user.id`, `user.<field>`; bound when the statement runs."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A registered function or operator with its arguments in declared order (optional ones left out at the end)."""

    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """An aggregate over a set of rows.

    `relation` is the child set's name on the object reached by `path`, or None for `rows` (a measure's rows) and for
    all rows of an object (`whole`); `object` is the object whose rows are aggregated and `via` its lookup field that
    points back. `where` and `value` are written over those rows (level 0), the record around is level 1 (for `rows`:
    not available). `by` is a second expression over them: an order, a weight, the other variable.
    """

    function: str
    path: tuple[str, ...]
    relation: str | None
    object: str
    via: str | None
    where: Node | None
    value: Node | None
    by: Node | None = None
    whole: bool = False

    @property
    def values(self) -> tuple[Node, ...]:
        """The expressions over a row."""
        return tuple(part for part in (self.value, self.by) if part is not None)


def children(node: Node) -> Iterator[Node]:
    """The direct sub-expressions of a node."""
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def extent(node: Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many nodes the tree has where shared ones count each time, and how many stand in each other at most.

    `known` keeps what was found by identity; its nodes have to be kept alive by the caller.
    """
    found = known.get(id(node))
    if found is None:
        parts = [extent(child, known) for child in children(node)]
        found = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        known[id(node)] = found
    return found


def rewrite(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy in which every node, children first, is replaced by `change(node)`."""
    updates: dict[str, Any] = {}
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Node):
            new = rewrite(value, change)
            if new is not value:
                updates[f.name] = new
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            items = tuple(rewrite(item, change) if isinstance(item, Node) else item for item in value)
            if any(a is not b for a, b in zip(items, value, strict=True)):
                updates[f.name] = items
    return change(replace(node, **updates) if updates else node)
