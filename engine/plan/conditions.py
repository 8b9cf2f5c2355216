"""The small conditions that checks are made of; what is known before any row is read is not asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.release.release import Staged
from metamodel.formula.typed import Call, Field, Literal, Node
from metamodel.formula.types import BOOLEAN, TEXT

ALWAYS, NEVER = Literal(BOOLEAN, True), Literal(BOOLEAN, False)


def same(a: Node, b: Node) -> Node:
    if isinstance(a, Literal) and isinstance(b, Literal):
        return ALWAYS if a.value == b.value else NEVER
    return Call(BOOLEAN, "=", (a, b))


def all_of(*tests: Node | None) -> Node:
    """A condition of those that there are."""
    there = tuple(test for test in tests if test is not None and test != ALWAYS)
    if not there or NEVER in there:
        return NEVER if there else ALWAYS
    return there[0] if len(there) == 1 else Call(BOOLEAN, "and", there)


def any_of(*tests: Node) -> Node:
    return tests[0] if len(tests) == 1 else Call(BOOLEAN, "or", tests)


def negated(test: Node) -> Node:
    if test in (ALWAYS, NEVER):
        return NEVER if test == ALWAYS else ALWAYS
    return Call(BOOLEAN, "not", (test,))


def filled(value: Node) -> Node:
    if value.type.kind == "boolean":
        return Call(BOOLEAN, "or", (value, negated(value)))
    return negated(Call(BOOLEAN, "isblank", (value,)))


def among(value: Node, names: Sequence[str]) -> Node:
    if not names:
        return NEVER
    if isinstance(value, Literal):
        return ALWAYS if value.value in names else NEVER
    return Call(BOOLEAN, "in", (value, *(code(name) for name in names)))


def code(name: str) -> Literal:
    """An option, stage or process as its column holds it."""
    return Literal(TEXT.blank(False), name)


def followed(staged: Staged, stage: Field) -> Node:
    """Which process the record with this stage field follows; one that says nothing follows the default."""
    if staged.followed is None:
        return code(staged.default.name)
    held = replace(stage, name=staged.followed, type=TEXT)
    return Call(TEXT.blank(False), "if", (Call(BOOLEAN, "isblank", (held,)), code(staged.default.name), held))
