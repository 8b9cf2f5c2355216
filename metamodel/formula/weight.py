"""How much SQL a typed tree becomes, known before any is made."""

from __future__ import annotations

from metamodel.formula import typed
from metamodel.formula.functions.registry import lookup


def weight(tree: typed.Node) -> int:
    """An upper estimate of the parts of the tree's SQL; `limits.WEIGHT` is what a formula may weigh.

    The checker refuses a heavier formula; whoever puts trees together (a formula field written out in another
    formula) asks again.
    """
    value, guard = _weigh(tree)
    return value + guard


def _weigh(node: typed.Node) -> tuple[int, int]:
    """Parts of the value and of the guard."""
    parts = [_weigh(part) for part in typed.children(node)]
    values, guards = sum(v for v, _ in parts), sum(g for _, g in parts)
    if isinstance(node, typed.Call):
        found = lookup(node.function)
        assert found is not None
        in_value, in_guard = found.copies
        fallible = guards > 0 or bool(found.errors) or in_guard > 1
        caught = guards if node.function in ("IFERROR", "ISERROR") else 0
        return 1 + in_value * values + caught, guards + (in_guard * values if fallible else 0)
    return 1 + values, guards
