"""Whether the child sets of many rows are better grouped all at once than looked up row by row.

A lookup costs the same for each row that is asked; grouping reads every child, whatever the rows. So a list that has
to know the sets of nearly all its rows (it sorts by them, or keeps only some) groups them, and one whose rows are
narrowed by anything else looks them up: on 50,000 rows the lookup is some 2 to 3 times slower than grouping, on 50 the
grouping several hundred times slower than the lookup.
"""

from __future__ import annotations

from engine.plan.planned import Computed, PlannedAggregate
from metamodel.formula.typed import Call, Field, Node, children, walk

NARROWING = frozenset({"=", "<", "<=", ">", ">=", "in", "BEGINS", "isblank"})


def narrowed(condition: Node | None) -> bool:
    """Whether a condition may hold for few rows, as far as its shape tells: it compares what is no set."""
    if not isinstance(condition, Call):
        return False
    if condition.function == "and":
        return any(map(narrowed, condition.args))
    if condition.function == "or":
        return all(map(narrowed, condition.args))
    sets = any(isinstance(part, PlannedAggregate | Computed) for part in walk(condition))
    return condition.function in NARROWING and not sets


def closed(node: PlannedAggregate) -> bool:
    """Whether the rows of the set and what is made of them depend on no row around them but by the link."""
    return not any(_outward(tree, 0) for tree in node.inside)


def _outward(node: Node, depth: int) -> bool:
    if isinstance(node, Field | PlannedAggregate) and node.level > depth:
        return True
    if isinstance(node, PlannedAggregate):
        return any(_outward(tree, depth + 1) for tree in node.inside)
    return any(_outward(child, depth) for child in children(node))
