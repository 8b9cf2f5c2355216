"""Conditions without what decides nothing: `TRUE AND a`, `FALSE AND a`, a condition twice, a branch never taken.

Only what is looked at is kept and all of that is: what stands before a part that decides may be an error of the row.
"""

from __future__ import annotations

from dataclasses import replace

from metamodel.formula.typed import Call, Literal, Node, rewrite

DECIDES = {"and": False, "or": True}


def simplify(tree: Node) -> Node:
    """The tree with every AND, OR, NOT and IF written as short as it means the same."""
    return rewrite(tree, _simpler)


def _simpler(node: Node) -> Node:
    if not isinstance(node, Call):
        return node
    if node.function in DECIDES:
        return _joined(node, DECIDES[node.function])
    if node.function == "not" and isinstance(node.args[0], Call) and node.args[0].function == "not":
        return node.args[0].args[0]
    if node.function == "if" and isinstance(node.args[0], Literal):
        return _chosen(node)
    return node


def _joined(node: Call, decides: bool) -> Node:
    kept: list[Node] = []
    for part in (inner for arg in node.args for inner in _flat(arg, node.function)):
        value = part.value if isinstance(part, Literal) else None
        if value is (not decides) or part in kept:
            continue
        kept.append(part)
        if value is decides:
            break
    if not kept:
        return Literal(node.type, not decides)
    return kept[0] if len(kept) == 1 else replace(node, args=tuple(kept))


def _flat(node: Node, function: str) -> tuple[Node, ...]:
    return node.args if isinstance(node, Call) and node.function == function else (node,)


def _chosen(node: Call) -> Node:
    """An IF whose first condition is a constant."""
    test, value, *rest = node.args
    assert isinstance(test, Literal)
    if test.value is True:
        return value if value.type.kind == node.type.kind else node
    if len(rest) > 1:
        return replace(node, args=tuple(rest))
    return rest[0] if rest and rest[0].type.kind == node.type.kind else node
