"""The way of a formula from its checked tree to SQL: every pass, in order.

`metamodel.formula.check` types the text. Then, one pure function from tree to tree each:

1. `Names.columns`: names become columns, hops and child sets, as the reader may see them; light formula fields are
   written out, heavy ones become one node (`planned.Computed`).
2. `three_valued` (grants only): a comparison with a blank is unknown.
3. `simplify`: parts of conditions that decide nothing are left out.
4. `sargable` (filters and grants of rows): comparisons are turned round so that indexes serve them.

The SQL stop takes the trees of one statement together: `layers.layers` says which formula fields become columns of a
lateral, `joins.frame` adds the rows of hops, child sets and layers, and `expression` lowers what is left, bare where
only TRUE counts (polarity).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from engine.plan.planned import three_valued
from metamodel.formula.sargable import sargable
from metamodel.formula.simplify import simplify
from metamodel.formula.typed import Node

Pass = Callable[[Node], Node]

VALUE: tuple[Pass, ...] = (simplify,)
"""What is shown, sorted by, grouped, counted or judged."""
FILTER: tuple[Pass, ...] = (simplify, sargable)
"""Which rows a query gives."""
IN_SET: tuple[Pass, ...] = (simplify, lambda tree: sargable(tree, fallible=False))
"""Which rows a child set has; an error of one of them is an error of the aggregate."""
GRANT: tuple[Pass, ...] = (three_valued, simplify)
"""Where a right is granted."""
ROWS: tuple[Pass, ...] = (three_valued, simplify, sargable)
"""Which rows a right shows."""


def run(passes: tuple[Pass, ...], tree: Node) -> Node:
    """The tree after the passes."""
    return reduce(lambda made, change: change(made), passes, tree)
