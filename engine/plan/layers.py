"""Which formula fields become columns of the statement, instead of being written out where they are used.

A field that is written twice or more is computed once a row, in an intermediate SELECT behind the rows; so is one with
which expressions would stand too deep in each other. What is used once stays where it is used, and so does what is
indexed: only the expression itself is served by its index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from graphlib import TopologicalSorter

from engine.plan.planned import Computed, PlannedAggregate, outermost, written
from metamodel.formula.functions.registry import lookup
from metamodel.formula.typed import Call, Node, children

NESTING = 20
"""How deep written out formula fields may stand in each other: each guard holds what is below it once more."""


def layers(trees: Iterable[Node]) -> tuple[Computed, ...]:
    """The formula fields of the row itself that become columns, each after those that it is made of."""
    uses: Counter[Computed] = Counter()
    for tree in trees:
        _count(tree, 0, 1, uses)
    parts: dict[Computed, Counter[Computed]] = {}
    waiting = list(uses)
    while waiting:
        node = waiting.pop()
        if node not in parts:
            parts[node] = Counter()
            _count(written(node), 0, 1, parts[node])
            uses.update(parts[node])
            waiting += parts[node]
    chosen: dict[Computed, None] = {}
    nesting: dict[Computed, int] = {}
    for node in TopologicalSorter(parts).static_order():
        inside = max((nesting[part] for part in parts[node] if part not in chosen), default=0)
        nesting[node] = node.formula.nesting + inside
        if not node.formula.indexed and (uses[node] > 1 or nesting[node] > NESTING):
            chosen[node] = None
    return tuple(chosen)


def _count(node: Node, depth: int, times: int, found: Counter[Computed]) -> None:
    """Adds up how often the row's own formula fields are written; in a set that is once for each of its rows."""
    if isinstance(node, Computed):
        if node.level == depth:
            found[outermost(node)] += times if depth == 0 else 2 * times
        return
    if isinstance(node, PlannedAggregate):
        for inside in node.inside:
            _count(inside, depth + 1, times, found)
        return
    if isinstance(node, Call):
        function = lookup(node.function)
        assert function is not None
        times *= max(1, function.copies[0])
    for child in children(node):
        _count(child, depth, times, found)
