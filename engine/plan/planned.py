"""The nodes of planned trees, and how a tree is written over another row than its own.

A planned tree is written over columns. What it takes from other rows stands in it as hops (`Field.path`, whose rows
are the plan's `Join`s), as child sets (`PlannedAggregate`) and as formula fields (`Computed`). A formula field that is
light is written out where it is used; a heavy one stays one node, however often it is used and however deep others are
built on it, so that trees never grow with what they name.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Literal as OneOf
from typing import TypeAlias, TypeVar

from engine.release.release import TableRef
from metamodel.formula import limits
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, Param, children, rewrite
from metamodel.formula.types import Type
from metamodel.formula.weight import weight

Image = OneOf["new", "old"]
NOWHERE = TableRef("", "")


@dataclass(frozen=True, slots=True)
class Join:
    """A to-one hop to the row of `table` whose id stands in `column` of the row before it; `path` ends with the hop.

    `condition` (judged as a grant, over the joined row as a frame of its own with the joins `inner`) hides rows.
    """

    image: Image
    path: tuple[str, ...]
    column: str
    table: TableRef
    condition: Node | None
    inner: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class PlannedAggregate(Aggregate):
    """An aggregate whose child table, link column (`via`), joins and right of reading are resolved.

    Its rows are those of `table` that point with `via` to the record at `path` from the row of `level`; without `via`
    all of them.
    `access` is judged as a grant over the child row.
    """

    level: int = 0
    image: Image = "new"
    table: TableRef = NOWHERE
    joins: tuple[Join, ...] = ()
    access: Node | None = None

    @property
    def inside(self) -> tuple[Node, ...]:
        """What is written over the rows of the set."""
        return tuple(tree for tree in (self.where, *self.values) if tree is not None)


@dataclass(frozen=True, slots=True)
class Definition:
    """A formula field over columns of its own row. Equal by its print, so that comparing never follows what it names.

    `nesting` is how deep its nodes stand in each other; an `indexed` one has to stay the expression that is indexed.
    """

    tree: Node = field(compare=False, repr=False)
    weight: int
    nesting: int
    indexed: bool
    print: str

    @property
    def light(self) -> bool:
        """Whether computing it again costs less than keeping it."""
        return self.weight <= limits.LAYER and self.nesting <= limits.LAYER


@dataclass(frozen=True, slots=True)
class Computed(Field):
    """A heavy formula field of the row at the end of `path`; `written` is what it stands for.

    `trusted`: its hops are the system's inside a reader's plan; `unknown`: its conditions are three-valued.
    """

    formula: Definition = Definition(Literal(Type("null"), None), 0, 0, False, "")
    trusted: bool = False
    unknown: bool = False


A = TypeVar("A", bound=Aggregate)
Own: TypeAlias = "Field | PlannedAggregate"
RowChange = Callable[[Field | PlannedAggregate, int], Node]


def define(tree: Node, indexed: bool) -> Definition:
    """The definition of a formula field; child sets weigh nothing, since a row has each of them once."""
    cost = weight(tree, lambda node: 1 if isinstance(node, PlannedAggregate) else None)
    return Definition(tree, cost, _nesting(tree), indexed, sha256(repr(tree).encode()).hexdigest())


def _nesting(tree: Node) -> int:
    return 1 + max(map(_nesting, children(tree)), default=0)


@lru_cache(2_048)
def written(node: Computed) -> Node:
    """What a formula field stands for, over the rows of the tree that it stands in."""
    tree = node.formula.tree
    if node.unknown:
        tree = three_valued(tree)
    return shift(trusted(tree) if node.trusted else tree, node)


def own(node: Node, depth: int = 0, apart: Container[Computed] = ()) -> Iterator[Own]:
    """What a planned tree takes from the row it is written over: columns and child sets, inner ones first.

    Formula fields are followed, but those in `apart` are given themselves. Formula fields and child sets are given as
    written over the row itself, however deep they stand in sets.
    """
    yield from _own(node, depth, apart, set())


def _own(node: Node, depth: int, apart: Container[Computed], seen: set[Computed]) -> Iterator[Own]:
    if isinstance(node, Computed):
        if node.level == depth and node not in seen:
            seen.add(node)
            if outermost(node) in apart:
                yield outermost(node)
            else:
                yield from _own(written(node), depth, apart, seen)
        return
    if isinstance(node, PlannedAggregate):
        for inside in node.inside:
            yield from _own(inside, depth + 1, apart, seen)
    else:
        for child in children(node):
            yield from _own(child, depth, apart, seen)
    if isinstance(node, Field | PlannedAggregate) and node.level == depth:
        yield outermost(node)


def everywhere(node: Node) -> Iterator[Node]:
    """Every column and child set that a planned tree takes from any row."""
    todo, seen = [node], set[Node]()
    while todo:
        part = todo.pop()
        if isinstance(part, Computed):
            if part not in seen:
                seen.add(part)
                todo.append(written(part))
            continue
        if isinstance(part, Field | PlannedAggregate):
            yield part
        todo.extend(children(part))


N = TypeVar("N", bound=Own)


def outermost(node: N) -> N:
    """The same node as written over the row itself, outside any set."""
    if node.level == 0:
        return node
    if isinstance(node, Field):
        return replace(node, level=0)
    level = node.level

    def nearer(part: Own, depth: int) -> Node:
        return replace(part, level=depth) if part.level == depth + level else part

    return _map_rows(node, nearer)  # type: ignore[return-value]


def with_image(tree: Node, image: Image) -> Node:
    """The tree over another image of its own row."""

    def change(node: Own, depth: int) -> Node:
        return replace(node, image=image) if node.level == depth else node

    return _map_rows(tree, change)


def trusted(tree: Node) -> Node:
    """The tree with its hops marked as the system's, where a reader's own hop could hide the row."""
    return _map_hops(tree, lambda hop: f"{hop}!", True)


def untrusted(tree: Node) -> Node:
    """The tree with plain hops, for a frame that is the system's as a whole."""
    return _map_hops(tree, lambda hop: hop.rstrip("!"), False)


def _map_hops(tree: Node, change: Callable[[str], str], system: bool) -> Node:
    def move(node: Own, depth: int) -> Node:
        if node.level != depth:
            return node
        made = replace(node, path=tuple(map(change, node.path)))
        return replace(made, trusted=system) if isinstance(made, Computed) else made

    return _map_rows(tree, move)


def shift(tree: Node, to: Field) -> Node:
    """The tree of a formula field, written over its own row, as seen from the row that reaches it by `to`."""

    def move(node: Own, depth: int) -> Node:
        if node.level != depth:
            return node
        image = to.image if to.image == "old" else node.image
        return replace(node, path=to.path + node.path, level=depth + to.level, image=image)

    return tree if to.path == () and to.level == 0 and to.image == "new" else _map_rows(tree, move)


def _map_rows(node: Node, change: RowChange, depth: int = 0) -> Node:
    """A copy in which `change(node, depth)` replaces each node that names a row; depth counts enclosing aggregates."""
    match node:
        case Field():
            return change(node, depth)
        case PlannedAggregate():
            return change(_map_inside(node, change, depth + 1), depth)
        case Aggregate():
            return _map_inside(node, change, depth)
        case Call(args=args):
            return replace(node, args=tuple(_map_rows(arg, change, depth) for arg in args))
    return node


def _map_inside(node: A, change: RowChange, depth: int) -> A:
    where, value, by = (tree and _map_rows(tree, change, depth) for tree in (node.where, node.value, node.by))
    return replace(node, where=where, value=value, by=by)


def three_valued(node: Node) -> Node:
    """The tree with comparisons that may be unknown, also inside aggregates and branches: a blank is no yes."""

    def change(part: Node) -> Node:
        if isinstance(part, Computed):
            part = replace(part, unknown=True)
        known = isinstance(part, Aggregate) and part.function in ("EXISTS", "ALL")
        fixed = known or isinstance(part, Literal | Param)
        return part if fixed or part.type.kind != "boolean" else replace(part, type=Type("boolean"))

    return rewrite(node, change)
