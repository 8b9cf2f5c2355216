"""The small conditions that checks are made of."""

from __future__ import annotations

from collections.abc import Sequence

from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, TEXT


def same(a: Node, b: Node) -> Node:
    return Call(BOOLEAN, "=", (a, b))


def all_of(*tests: Node) -> Node:
    return Call(BOOLEAN, "and", tests)


def negated(test: Node) -> Node:
    return Call(BOOLEAN, "not", (test,))


def filled(value: Node) -> Node:
    if value.type.kind == "boolean":
        return Call(BOOLEAN, "or", (value, negated(value)))
    return negated(Call(BOOLEAN, "isblank", (value,)))


def among(value: Node, names: Sequence[str]) -> Node:
    if not names:
        return Literal(BOOLEAN, False)
    return Call(BOOLEAN, "in", (value, *(Literal(TEXT.blank(False), name) for name in names)))
