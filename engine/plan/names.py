"""Typed trees over names become planned trees: formula fields followed, stage properties tabled, rights put in.

Two views exist: a reader's, in which hidden rows and cells are blank, and the system's (rights None), in which rules
and rights themselves are judged. A hop that ends with `!` belongs to the system's view inside a reader's plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from engine.plan.access import NOTHING, Rights
from engine.plan.conditions import all_of, among, code, followed, negated, same
from engine.plan.passes import GRANT, IN_SET, ROWS, VALUE, Pass, run
from engine.plan.planned import (
    Computed,
    Definition,
    Image,
    Join,
    PlannedAggregate,
    define,
    own,
    shift,
    trusted,
    untrusted,
    written,
)
from engine.release.identity import entered_at
from engine.release.release import Release, Staged
from metamodel.formula.functions.registry import lookup
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, Property, Value, rewrite, walk
from metamodel.formula.types import BOOLEAN, TEXT, Type
from metamodel.kinds.process import Stage
from metamodel.model_schema import ModelSchema

STAGE_PROPERTIES: dict[str, Callable[[Stage], Value]] = {
    "probability": lambda stage: stage.probability,
    "category": lambda stage: stage.category,
    "forecast": lambda stage: stage.forecast,
    "limit": lambda stage: stage.limit_days,
}


class Names:
    """Resolves typed trees of one release in one view; keeps what it has expanded."""

    def __init__(self, release: Release, rights: Rights | None) -> None:
        self.release = release
        self.rights = rights
        self._all = ModelSchema(release.model)
        self._definitions: dict[tuple[str, str], Definition] = {}

    @cached_property
    def schema(self) -> ModelSchema:
        return self.rights.schema if self.rights else self._all

    def tree(self, tree: Node, obj: str, passes: tuple[Pass, ...] = VALUE) -> Node:
        """The tree over columns of a row of `obj` and of the rows that its paths reach."""
        return run(passes, self.columns(tree, (obj,)))

    def field(self, obj: str, name: str, image: Image = "new") -> Node:
        """One field of the row itself, over columns."""
        shape = self._all.object(obj)
        assert shape is not None
        kind = shape.fields[name].type
        return self.tree(Field(kind if self.rights is None else shown(kind), (), obj, name, 0, image), obj)

    def grant(self, condition: Node | None, obj: str, passes: tuple[Pass, ...] = GRANT) -> Node | None:
        """A condition of a grant over columns, three-valued, in the system's view whatever this view is."""
        if condition is None:
            return None
        if self.rights is None:
            return self.tree(condition, obj, passes)
        return trusted(self._system.grant(condition, obj, passes) or NOTHING)

    def visible(self, obj: str) -> Node | None:
        """The rows of `obj` that this view shows: None for all, a false constant for none."""
        if self.rights is None:
            return None
        if not self.rights.allows(obj, "read"):
            return NOTHING
        return self.grant(self.rights.rows(obj, "read"), obj, ROWS)

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
        condition = visible and untrusted(visible)
        inner = self._system.joins((condition,), obj)
        return Join(image, path, self.release.column(source, name), self.release.table(obj), condition, inner)

    def _target(self, obj: str, lookup: str) -> str:
        declared = self.release.object(obj).fields[lookup]
        assert declared.to is not None
        return declared.to

    def columns(self, node: Node, rows: tuple[str, ...]) -> Node:
        """The tree with its names resolved, over a row of `rows[0]` that stands in a set of a row of `rows[1]` ..."""
        match node:
            case Field():
                return self._field(node, rows)
            case Property():
                return self._property(node, rows)
            case Aggregate():
                return self._aggregate(node, rows)
            case Call(type=kind, function=function, args=args):
                done = tuple(self.columns(arg, rows) for arg in args)
                return self._stage_test(function, args, rows) or Call(kind, function, done)
        return node

    def _field(self, node: Field, rows: tuple[str, ...]) -> Node:
        declared = self.release.object(node.object).fields[node.name]
        column: Node
        if declared.formula and declared.formula.key in self.release.model.broken:
            column = Call(node.type.blank(), "broken", ())
        elif declared.formula and not self._kept(node):
            column = _reached(self._use(self._definition(node.object, node.name), node), node)
        else:
            column = replace(node, name=self.release.column(node.object, node.name))
        return self._masked(column, node, rows)

    def computed(self, obj: str, name: str) -> Node:
        """The formula of a field over columns of its own row, also where its value is stored."""
        return self._definition(obj, name).tree

    def _definition(self, obj: str, name: str) -> Definition:
        """The definition of a formula field, after those that it names. An explicit stack: chains may be long."""
        stack = [(obj, name)]
        while (obj, name) not in self._definitions:
            ahead = [key for key in self._formulas(*stack[-1]) if key not in self._definitions]
            stack += ahead
            if not ahead:
                key = stack.pop()
                self._definitions[key] = self._define(*key)
        return self._definitions[obj, name]

    def _formulas(self, obj: str, name: str) -> Iterator[tuple[str, str]]:
        """The formula fields that a formula field names."""
        for part in walk(self._typed(obj, name)):
            if isinstance(part, Field) and self.release.object(part.object).fields[part.name].formula:
                yield part.object, part.name

    def _typed(self, obj: str, name: str) -> Node:
        formula = self.release.object(obj).fields[name].formula
        assert formula is not None
        return self.release.model.typed[formula.key]

    def _define(self, obj: str, name: str) -> Definition:
        declared = self.release.object(obj).fields[name]
        made, indexed = self.tree(self._typed(obj, name), obj), declared.indexed and not declared.stored
        return define(_settled(made) if indexed else made, indexed)

    def _use(self, formula: Definition, at: Field) -> Node:
        """A formula field as it stands in another tree."""
        if formula.light:
            return shift(formula.tree, at)
        return Computed(formula.tree.type, at.path, at.object, at.name, at.level, at.image, formula)

    def _kept(self, node: Field) -> bool:
        """Whether a column holds what this view would compute: a reader who may not see all children counts his own."""
        if not self.release.filled(node.object, node.name):
            return False
        return self.rights is None or (
            self.computed(node.object, node.name) == self._system.computed(node.object, node.name)
        )

    @cached_property
    def _system(self) -> Names:
        return Names(self.release, None) if self.rights else self

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
        obj, found = rows[level], []
        for n, name in enumerate(names):
            where = self.grant(self.rights.where_readable(obj, name), obj)
            if where is not None:
                found.append(shift(where, Field(BOOLEAN, names[:n], obj, name, level, image)))
            obj = self._target(obj, name) if n < len(names) - 1 else obj
        return found[0] if len(found) == 1 else Call(BOOLEAN.blank(), "and", tuple(found)) if found else None

    def _property(self, node: Property, rows: tuple[str, ...]) -> Node:
        if node.name == "entered_at":
            column = self.release.column(node.field.object, node.field.name)
            entered = replace(node.field, name=entered_at(column), type=node.type)
            return self._masked(entered, replace(node.field, type=node.type), rows)
        if node.name == "process":
            return self._masked(followed(self._staged(node.field), node.field), replace(node.field, type=TEXT), rows)
        held = self._field(node.field, rows)
        values = {stage.name: STAGE_PROPERTIES[node.name](stage) for stage in self._staged(node.field).stages.values()}
        pairs: list[Node] = []
        for test, value in self._by_process(node, held, values):
            pairs += [test, Literal(node.type.blank(value is None), value)]
        return Call(node.type, "if", (*pairs, Literal(node.type.blank(), None)))

    def _by_process(self, node: Property, held: Node, first: Mapping[str, Value]) -> Iterator[tuple[Node, Value]]:
        """What the property is in each stage, where a stage of several processes may have several values."""
        staged = self._staged(node.field)
        for process in staged.processes:
            for stage in process.stages.values():
                value = STAGE_PROPERTIES[node.name](stage)
                if value != first[stage.name]:
                    follows = same(followed(staged, node.field), code(process.name))
                    yield all_of(follows, same(held, code(stage.name))), value
        for name, value in first.items():
            yield same(held, code(name)), value

    def _staged(self, field: Field) -> Staged:
        staged = self.release.staged(field.object)
        assert staged is not None
        return staged

    def _stage_test(self, function: str, args: tuple[Node, ...], rows: tuple[str, ...]) -> Node | None:
        """`stage.category = "open"` is a test of the stage itself, which an index can serve."""
        if function not in ("=", "<>") or len(args) != 2:
            return None
        for prop, other in (args, args[::-1]):
            if isinstance(prop, Property) and isinstance(other, Literal) and prop.name in STAGE_PROPERTIES:
                value, staged = STAGE_PROPERTIES[prop.name], self._staged(prop.field)
                if any(value(s) != value(staged.stages[s.name]) for p in staged.processes for s in p.stages.values()):
                    return None
                fitting = [stage.name for stage in staged.stages.values() if value(stage) == other.value]
                test = among(self._field(prop.field, rows), fitting)
                return test if function == "=" else negated(test) if fitting else Literal(BOOLEAN, True)
        return None

    def _aggregate(self, node: Aggregate, rows: tuple[str, ...]) -> Node:
        inner = (node.object, *rows) if node.relation or node.whole else (node.object,)
        where = node.where and run(IN_SET, self.columns(node.where, inner))
        value = node.value and self.columns(node.value, inner)
        by = node.by and self.columns(node.by, inner)
        if node.relation is None and not node.whole:
            return replace(node, where=where, value=value, by=by)
        access = _both(self.visible(node.object), self._linked(node))
        where = _both(self._allowed(node.path, node, inner, up=1), where)
        return PlannedAggregate(
            type=node.type, function=node.function, path=node.path, relation=node.relation, object=node.object,
            via=self.release.column(node.object, node.via) if node.via else None, where=where, value=value, by=by,
            whole=node.whole, level=0, image="new", table=self.release.table(node.object),
            joins=self.joins((where, value, by, access), node.object), access=access,
        )

    def _linked(self, node: Aggregate) -> Node | None:
        """The child rows whose lookup the reader may see, so that a set tells no more than the lookup does."""
        if self.rights is None or node.via is None:
            return None
        return self.grant(self.rights.where_readable(node.object, node.via), node.object, ROWS)


def _both(one: Node | None, other: Node | None) -> Node | None:
    return other if one is None else one if other is None else Call(BOOLEAN, "and", (one, other))


def shown(kind: Type) -> Type:
    """The type of a cell in an answer, where a hidden yes or no is neither."""
    return kind.blank() if kind.kind == "boolean" else kind


def _settled(tree: Node) -> Node:
    """The tree as its index holds it: in one piece, and blank where it is an error."""
    tree = _expanded(tree)
    fails = any(isinstance(part, Call) and (known := lookup(part.function)) and known.errors for part in walk(tree))
    kind = tree.type.blank() if fails and tree.type.kind != "boolean" else tree.type
    return Call(kind, "settled", (tree,))


def _expanded(tree: Node) -> Node:
    return rewrite(tree, lambda part: _expanded(written(part)) if isinstance(part, Computed) else part)


def _reached(value: Node, node: Field) -> Node:
    """What is computed in the row at the end of a path: blank where there is no row, whatever it would be of blanks."""
    if node.path == () or (isinstance(value, Field) and not isinstance(value, Computed)):
        return value
    there = replace(node, type=Type("reference", of=node.object), name="id")
    blank = NOTHING if node.type == BOOLEAN else Literal(node.type.blank(), None)
    return Call(blank.type, "if", (Call(BOOLEAN, "isblank", (there,)), blank, value))
