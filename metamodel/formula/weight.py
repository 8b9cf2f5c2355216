"""How much SQL a typed tree becomes, known before any is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from metamodel.formula import limits, typed
from metamodel.formula.functions.registry import aggregate, lookup

Known = Callable[[typed.Node], "int | None"]


def weight(tree: typed.Node, known: Known = lambda node: None) -> int:
    """An upper estimate of the parts of the tree's SQL; `limits.WEIGHT` is what a formula may weigh.

    The checker refuses a heavier formula; whoever puts trees together (a formula field written out in another
    formula) asks again. `known` gives the weight of nodes that are not to be looked into.
    """
    value, guard = _weigh(tree, known)
    return value + guard


def _weigh(node: typed.Node, known: Known) -> tuple[int, int]:
    """Parts of the value and of the guard."""
    told = known(node)
    if told is not None:
        return told, 0
    parts = [_weigh(part, known) for part in typed.children(node)]
    values, guards = sum(v for v, _ in parts), sum(g for _, g in parts)
    if isinstance(node, typed.Call):
        found = lookup(node.function)
        assert found is not None
        in_value, in_guard = found.copies
        fallible = bool(found.errors) or in_guard > 1 or (guards > 0 and found.lazy is not None)
        caught = guards if node.function in ("IFERROR", "ISERROR") else 0
        return 1 + in_value * values + caught, guards + (in_guard * values if fallible else 0)
    if isinstance(node, typed.Aggregate):
        over = aggregate(node.function)
        assert over is not None
        return 1 + over.copies * values, guards
    return 1 + values, guards


class Weights:
    """Weighs formulas together with the formula fields that they name; `written` gives the tree of such a field.

    A statement computes a field of a row once, however often it is named, and a light one wherever it is. Fields of
    other rows, and those in a child set, are computed for each way that leads to them.
    """

    def __init__(self, written: Callable[[typed.Field], typed.Node | None]) -> None:
        self.written = written
        self._own: dict[tuple[str, str], int] = {}
        self._whole: dict[tuple[str, str], int] = {}
        self._flat: dict[tuple[str, str], int] = {}

    def whole(self, tree: typed.Node) -> int:
        """The weight of all that the tree becomes."""
        total, seen, elsewhere = self.own(tree), set[tuple[str, str]](), dict[object, typed.Field]()
        waiting = [tree]
        while waiting:
            at = waiting.pop()
            for field, place in _fields(at, ()):
                behind, key = self.written(field), (field.object, field.name)
                if behind is None:
                    continue
                if place or field.path or field.level:
                    elsewhere[place and id(at), place, field.path, key] = field
                elif key not in seen:
                    seen.add(key)
                    total += self.own(behind)
                    waiting.append(behind)
        return total + sum(map(self._field, elsewhere.values()))

    def flat(self, tree: typed.Node) -> int:
        """The weight of the tree with all formula fields written out that it names."""
        return weight(tree, self._written_out)

    def _written_out(self, node: typed.Node) -> int | None:
        behind = self.written(node) if isinstance(node, typed.Field) else None
        if behind is None or not isinstance(node, typed.Field):
            return None
        key = node.object, node.name
        if key not in self._flat:
            self._flat[key] = self.flat(behind)
        return self._flat[key]

    def own(self, tree: typed.Node) -> int:
        """The weight of the tree with the light formula fields written out that it names."""
        return weight(tree, self._light)

    def _light(self, node: typed.Node) -> int | None:
        behind = self.written(node) if isinstance(node, typed.Field) else None
        if behind is None or not isinstance(node, typed.Field):
            return None
        key = node.object, node.name
        if key not in self._own:
            self._own[key] = self.own(behind)
        return self._own[key] if self._own[key] <= limits.LAYER else 1

    def _field(self, field: typed.Field) -> int:
        key = field.object, field.name
        behind = self.written(field)
        assert behind is not None
        if key not in self._whole:
            self._whole[key] = self.whole(behind)
        return self._whole[key]


def _fields(node: typed.Node, place: tuple[int, ...]) -> Iterator[tuple[typed.Field, tuple[int, ...]]]:
    """The fields of a tree, each with the sets that it stands in."""
    if isinstance(node, typed.Field):
        yield node, place
    for n, part in enumerate(typed.children(node)):
        yield from _fields(part, (*place, n) if isinstance(node, typed.Aggregate) else place)
