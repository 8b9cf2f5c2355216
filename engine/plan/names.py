"""Typed trees over names become trees over columns: computed fields inlined, stage properties tabled, rights put in.

A planned tree holds `Field` nodes whose `name` is a column and whose `path` is a tuple of hops; the rows that those
hops reach are the plan's `Join`s. Two views exist: a reader's, in which hidden rows and cells are blank, and the
system's (rights None), in which rules and rights themselves are judged. A hop that ends with `!` belongs to the
system's view inside a reader's plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal as OneOf
from typing import TypeVar

from engine.plan.access import NOTHING, Rights, three_valued
from engine.release.identity import entered_at
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, Property, Value, children
from metamodel.formula.types import BOOLEAN, TEXT, Type
from metamodel.kinds.process import Stage
from metamodel.type_formulas import ModelSchema

Image = OneOf["new", "old"]
NOWHERE = TableRef("", "")

STAGE_PROPERTIES: dict[str, Callable[[Stage], Value]] = {
    "probability": lambda stage: stage.probability,
    "category": lambda stage: stage.category,
    "limit": lambda stage: stage.limit_days,
}


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

    Its rows are those of `table` that point with `via` to the record at `path` from the row of `level`.
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
        return tuple(tree for tree in (self.where, self.value, self.by) if tree is not None)


A = TypeVar("A", bound=Aggregate)
RowChange = Callable[[Field | PlannedAggregate, int], Node]


class Names:
    """Resolves typed trees of one release in one view; keeps what it has expanded."""

    def __init__(self, release: Release, rights: Rights | None) -> None:
        self.release = release
        self.rights = rights
        self._all = ModelSchema(release.model)
        self._computed: dict[tuple[str, str], Node] = {}

    @cached_property
    def schema(self) -> ModelSchema:
        return self.rights.schema if self.rights else self._all

    def tree(self, tree: Node, obj: str) -> Node:
        """The tree over columns of a row of `obj` and of the rows that its paths reach."""
        return self._columns(tree, (obj,))

    def field(self, obj: str, name: str, image: Image = "new") -> Node:
        """One field of the row itself, over columns."""
        shape = self._all.object(obj)
        assert shape is not None
        kind = shape.fields[name].type
        return self.tree(Field(kind if self.rights is None else shown(kind), (), obj, name, 0, image), obj)

    def grant(self, condition: Node | None, obj: str) -> Node | None:
        """A condition of a grant over columns, three-valued, in the system's view whatever this view is."""
        if condition is None:
            return None
        if self.rights is None:
            return three_valued(self.tree(condition, obj))
        return _trusted(Names(self.release, None).grant(condition, obj) or NOTHING)

    def visible(self, obj: str) -> Node | None:
        """The rows of `obj` that this view shows: None for all, a false constant for none."""
        if self.rights is None:
            return None
        if not self.rights.allows(obj, "read"):
            return NOTHING
        return self.grant(self.rights.rows(obj, "read"), obj)

    def joins(self, trees: Iterable[Node | None], obj: str) -> tuple[Join, ...]:
        """The joins that a frame of `obj` needs for these planned trees, parents before children."""
        hops: dict[tuple[Image, tuple[str, ...]], None] = {}
        for tree in trees:
            for node in own(tree) if tree is not None else ():
                for end in range(1, len(node.path) + 1):
                    hops[node.image, node.path[:end]] = None
        return tuple(self._join(image, path, obj) for image, path in sorted(hops, key=lambda hop: len(hop[1])))

    def _join(self, image: Image, path: tuple[str, ...], obj: str) -> Join:
        for hop in path:
            source, name = obj, hop.rstrip("!")
            obj = self._target(source, name)
        visible = None if path[-1].endswith("!") else self.visible(obj)
        condition = visible and _untrusted(visible)
        inner = Names(self.release, None).joins((condition,), obj)
        return Join(image, path, self.release.column(source, name), self.release.table(obj), condition, inner)

    def _target(self, obj: str, lookup: str) -> str:
        declared = self.release.object(obj).fields[lookup]
        assert declared.to is not None
        return declared.to

    def _columns(self, node: Node, rows: tuple[str, ...]) -> Node:
        match node:
            case Field():
                return self._field(node, rows)
            case Property():
                return self._property(node, rows)
            case Aggregate():
                return self._aggregate(node, rows)
            case Call(type=kind, function=function, args=args):
                done = tuple(self._columns(arg, rows) for arg in args)
                return self._stage_test(function, args, rows) or Call(kind, function, done)
        return node

    def _field(self, node: Field, rows: tuple[str, ...]) -> Node:
        declared = self.release.object(node.object).fields[node.name]
        column: Node
        if declared.formula:
            key = (node.object, node.name)
            if key not in self._computed:
                self._computed[key] = self._columns(self.release.model.typed[declared.formula.key], (node.object,))
            column = _reached(_shift(self._computed[key], node), node)
        else:
            column = replace(node, name=self.release.column(node.object, node.name))
        return self._masked(column, node, rows)

    def _masked(self, value: Node, node: Field, rows: tuple[str, ...]) -> Node:
        """The value of a cell, blank where the reader may not see it or a lookup on the way to it."""
        allowed = self._allowed((*node.path, node.name), node, rows)
        if allowed is None:
            return value
        blank = node.type.blank()
        seen = Call(blank, "if", (allowed, value, Literal(blank, None)))
        return Call(BOOLEAN, "=", (seen, Literal(BOOLEAN, True))) if node.type == BOOLEAN else seen

    def _allowed(
        self, names: tuple[str, ...], node: Field | Aggregate, rows: tuple[str, ...], up: int = 0
    ) -> Node | None:
        """Where the reader sees all cells at `names`, one after the other from the row; None for everywhere."""
        if self.rights is None:
            return None
        level, image = (node.level, node.image) if isinstance(node, Field) else (up, "new")
        obj, found = rows[level - up], []
        for n, name in enumerate(names):
            where = self.grant(self.rights.where_readable(obj, name), obj)
            if where is not None:
                found.append(_shift(where, Field(BOOLEAN, names[:n], obj, name, level, image)))
            obj = self._target(obj, name) if n < len(names) - 1 else obj
        return found[0] if len(found) == 1 else Call(BOOLEAN.blank(), "and", tuple(found)) if found else None

    def _property(self, node: Property, rows: tuple[str, ...]) -> Node:
        if node.name == "entered_at":
            column = self.release.column(node.field.object, node.field.name)
            entered = replace(node.field, name=entered_at(column), type=node.type)
            return self._masked(entered, replace(node.field, type=node.type), rows)
        held = self._field(node.field, rows)
        pairs: list[Node] = []
        for stage in self._stages(node.field):
            value: Value = STAGE_PROPERTIES[node.name](stage)
            here = Call(BOOLEAN, "=", (held, Literal(TEXT.blank(False), stage.name)))
            pairs += [here, Literal(node.type.blank(value is None), value)]
        return Call(node.type, "if", (*pairs, Literal(node.type.blank(), None)))

    def _stages(self, field: Field) -> Iterable[Stage]:
        declared = self.release.object(field.object).fields[field.name]
        process = self.release.model.stage_process(declared)
        return process.stages.values() if process else ()

    def _stage_test(self, function: str, args: tuple[Node, ...], rows: tuple[str, ...]) -> Node | None:
        """`stage.category = "open"` is a test of the stage itself, which an index can serve."""
        if function not in ("=", "<>") or len(args) != 2:
            return None
        for prop, other in (args, args[::-1]):
            if isinstance(prop, Property) and isinstance(other, Literal) and prop.name in STAGE_PROPERTIES:
                fitting = tuple(
                    Literal(TEXT.blank(False), s.name) for s in self._stages(prop.field)
                    if STAGE_PROPERTIES[prop.name](s) == other.value
                )
                if not fitting:
                    return Literal(BOOLEAN, function == "<>")
                test = Call(BOOLEAN, "in", (self._field(prop.field, rows), *fitting))
                return test if function == "=" else Call(BOOLEAN, "not", (test,))
        return None

    def _aggregate(self, node: Aggregate, rows: tuple[str, ...]) -> Node:
        inner = (node.object, *rows) if node.relation else (node.object,)
        where = node.where and self._columns(node.where, inner)
        value = node.value and self._columns(node.value, inner)
        by = node.by and self._columns(node.by, inner)
        if node.relation is None or node.via is None:
            return replace(node, where=where, value=value, by=by)
        access = self.visible(node.object)
        if allowed := self._allowed(node.path, node, inner, up=1):
            where = allowed if where is None else Call(BOOLEAN, "and", (allowed, where))
        return PlannedAggregate(
            type=node.type, function=node.function, path=node.path, relation=node.relation, object=node.object,
            via=self.release.column(node.object, node.via), where=where, value=value, by=by, level=0, image="new",
            table=self.release.table(node.object), joins=self.joins((where, value, by, access), node.object),
            access=access,
        )


def shown(kind: Type) -> Type:
    """The type of a cell in an answer, where a hidden yes or no is neither."""
    return kind.blank() if kind.kind == "boolean" else kind


def with_image(tree: Node, image: Image) -> Node:
    """The tree over another image of its own row."""

    def change(node: Field | PlannedAggregate, depth: int) -> Node:
        return replace(node, image=image) if node.level == depth else node

    return _map_rows(tree, change)


def _trusted(tree: Node) -> Node:
    """The tree with its hops marked as the system's, where a reader's own hop could hide the row."""
    return _map_hops(tree, lambda hop: f"{hop}!")


def _untrusted(tree: Node) -> Node:
    """The tree with plain hops, for a frame that is the system's as a whole."""
    return _map_hops(tree, lambda hop: hop.rstrip("!"))


def _map_hops(tree: Node, change: Callable[[str], str]) -> Node:
    def move(node: Field | PlannedAggregate, depth: int) -> Node:
        return replace(node, path=tuple(map(change, node.path))) if node.level == depth else node

    return _map_rows(tree, move)


def _reached(value: Node, node: Field) -> Node:
    """What is computed in the row at the end of a path: blank where there is no row, whatever it would be of blanks."""
    if node.path == () or isinstance(value, Field):
        return value
    there = replace(node, type=Type("reference", of=node.object), name="id")
    blank = NOTHING if node.type == BOOLEAN else Literal(node.type.blank(), None)
    return Call(blank.type, "if", (Call(BOOLEAN, "isblank", (there,)), blank, value))


def _shift(tree: Node, to: Field) -> Node:
    """The tree of a computed field, written over its own row, as seen from the row that reaches it by `to`."""

    def move(node: Field | PlannedAggregate, depth: int) -> Node:
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


def own(node: Node, depth: int = 0) -> Iterator[Field | PlannedAggregate]:
    """What a planned tree takes from the row it is written over: fields and child sets, inner ones first."""
    if isinstance(node, PlannedAggregate):
        for inside in node.inside:
            yield from own(inside, depth + 1)
    else:
        for child in children(node):
            yield from own(child, depth)
    if isinstance(node, Field | PlannedAggregate) and node.level == depth:
        yield node
