"""The syntax tree: what was written, with the place of every part. Names are not resolved yet.

`start` and `end` count code points into the formula's text. They and `depth` do not take part in equality, so two
formulas that differ in spaces, comments or needless brackets have equal trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal as OneOf

from metamodel.formula.diagnostics import Diagnostic, FormulaError

__all__ = [
    "Binary",
    "Call",
    "Diagnostic",
    "FormulaError",
    "In",
    "List",
    "Literal",
    "Logic",
    "Node",
    "Path",
    "Step",
    "Unary",
    "children",
]

Constant = str | int | Decimal | bool | date | datetime | time | None
LiteralKind = OneOf["number", "text", "boolean", "null", "date", "datetime", "time", "duration", "period"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of a formula."""

    start: int = field(compare=False, default=0)
    end: int = field(compare=False, default=0)
    depth: int = field(compare=False, default=1)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant. A duration is seconds (Decimal), a period whole months (int); `datetime` without a zone is
    tenant time."""

    kind: LiteralKind
    value: Constant


@dataclass(frozen=True, slots=True)
class List(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Step(Node):
    """One name of a path, with the filter of a child set."""

    name: str
    filter: Node | None = None


@dataclass(frozen=True, slots=True)
class Path(Node):
    """`account.owner.region`, `lines[amount > 0].amount`, `this.amount`, `old.stage`, `$user.region`."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function by the name that was written; named arguments follow the positional ones."""

    name: str
    args: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-`, `+`, `not` before and `%` after the operand."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An operator in its canonical spelling: `+ - * / ^ & = <> < <= > >=`."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """`a and b and ...` or `a or b or ...`: a chain of one operator is one node, however long."""

    op: OneOf["and", "or"]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class In(Node):
    """`operand IN (items)` or `NOT IN`."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool = False


def children(node: Node) -> Iterator[Node]:
    """The direct parts of a node, in the order they were written."""
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Node):
                    yield item
                elif isinstance(item, tuple) and isinstance(item[1], Node):
                    yield item[1]
