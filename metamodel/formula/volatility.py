"""How long the value of a typed tree stays true, and which part decides it (formula.md 2.11).

`immutable` and `zoned` values follow from the row alone (and the tenant's settings), so they can be indexed; `stable`
ones need the clock or the user, `relational` ones other records, `change` ones the old image, `window` ones the grid
of a report, and `volatile` ones differ each time they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, get_args

from metamodel.formula import typed
from metamodel.formula.functions.registry import Volatility, lookup

CLASSES: tuple[Volatility, ...] = get_args(Volatility)
"""From the most lasting to the least."""

Written: TypeAlias = Callable[[typed.Field], typed.Node | None]


def volatility(tree: typed.Node, written: Written = lambda field: None) -> tuple[Volatility, typed.Node]:
    """The class of a typed or planned tree and the part that makes it so; of several parts the first, and the tree
    itself where it is immutable.

    `written` gives the tree of a formula field that stands in this one by name, None for a stored field; the part is
    then the name.
    """
    return _Classes(written).of(tree)


class _Classes:
    """One run; every node is looked at once, however often it is used."""

    def __init__(self, written: Written) -> None:
        self.written = written
        self.known: dict[int, tuple[Volatility, typed.Node]] = {}
        self.kept: list[typed.Node] = []

    def of(self, node: typed.Node) -> tuple[Volatility, typed.Node]:
        found = self.known.get(id(node))
        if found is None:
            own = _own(node)
            found = own, node
            if isinstance(node, typed.Field):
                behind = self.written(node)
                if behind is not None:
                    found = _worse(found, (self.of(behind)[0], node))
            for part in typed.children(node):
                found = _worse(found, self.of(part))
            self.known[id(node)] = found
            self.kept.append(node)
        return found


def _worse(a: tuple[Volatility, typed.Node], b: tuple[Volatility, typed.Node]) -> tuple[Volatility, typed.Node]:
    return b if CLASSES.index(b[0]) > CLASSES.index(a[0]) else a


def _own(node: typed.Node) -> Volatility:
    """The class of a node whose parts are immutable."""
    match node:
        case typed.Call():
            function = lookup(node.function)
            assert function is not None, node.function
            return "immutable" if function.volatility == "zoned" and not _instants(node) else function.volatility
        case typed.Field(image="old"):
            return "change"
        case typed.Aggregate():
            return "relational"
        case typed.Field() if node.path or node.level:
            return "relational"
        case typed.System() | typed.Param():
            return "stable"
        case typed.Literal(value=datetime(tzinfo=None)):
            return "zoned"
    return "immutable"


def _instants(node: typed.Call) -> bool:
    """Whether the call reads or makes an instant, for which it needs the zone."""
    return any("datetime" in (of.kind, of.item) for of in (node.type, *(arg.type for arg in node.args)))
