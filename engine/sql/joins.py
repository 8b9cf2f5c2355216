"""Frames: a row source, the rows that its hops reach (one LEFT JOIN a hop), its child sets (one lateral for all that
have the same rows) and its layers (formula fields that are used more than once, as columns of a lateral)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Text, and_, false, func, literal, select, true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import DateTime, Uuid

from engine.plan.grouping import closed
from engine.plan.layers import layers
from engine.plan.planned import Computed, Image, Join, PlannedAggregate, outermost, own, written
from engine.sql import expression
from engine.sql.columns import SQL_TYPES, Source, of, qualified
from engine.sql.expression import Environment, Lowered
from engine.sql.statement import slot
from metamodel.formula.functions.guard import held
from metamodel.formula.typed import Aggregate, Call, Field, Node, Param, Property, System
from metamodel.formula.types import BOOLEAN

Part: TypeAlias = "Computed | PlannedAggregate"


@dataclass(slots=True)
class Frame:
    """Where the columns of a row come from. `images` holds the row's own source, new and (in writes) old."""

    environment: Environment
    images: Mapping[Image, Source]
    outer: tuple[Frame, ...] = ()
    source: FromClause = None  # type: ignore[assignment]
    grouped: bool = False
    hops: dict[tuple[Image, tuple[str, ...]], Source] = field(default_factory=dict)
    sets: dict[PlannedAggregate, Lowered] = field(default_factory=dict)
    layers: dict[Computed, Lowered] = field(default_factory=dict)

    @property
    def row(self) -> Row:
        return Row((self, *self.outer))

    def column(self, image: Image, path: tuple[str, ...], name: str, kind: str) -> ColumnElement[Any]:
        return of(self.hops[image, path], name, SQL_TYPES[kind])


@dataclass(frozen=True, slots=True)
class Row:
    """Binds the names of a planned tree to the columns of frames; `frames[n]` is the row of level n."""

    frames: tuple[Frame, ...]

    @property
    def environment(self) -> Environment:
        return self.frames[0].environment

    def field(self, node: Field) -> ColumnElement[Any]:
        return self.frames[node.level].column(node.image, node.path, node.name, node.type.kind)

    def property(self, node: Property) -> ColumnElement[Any]:
        raise AssertionError(f"{node} is resolved when the plan is made")

    def system(self, node: System) -> ColumnElement[Any]:
        return slot(node.name, SQL_TYPES[node.type.kind])

    def param(self, node: Param) -> ColumnElement[Any]:
        return slot(f"v{node.index}", SQL_TYPES[node.type.kind])

    def aggregate(self, node: Aggregate) -> Lowered:
        assert isinstance(node, PlannedAggregate)
        return self.frames[node.level].sets[outermost(node)]

    def computed(self, node: Computed) -> Lowered | None:
        return self.frames[node.level].layers.get(outermost(node))


@dataclass(frozen=True, slots=True)
class GroupRow(Row):
    """The row of a grouped statement: its aggregates run over the rows of the frame itself."""

    def aggregate(self, node: Aggregate) -> Lowered:
        if isinstance(node, PlannedAggregate):
            return Row.aggregate(self, node)
        return expression.aggregate(node, Row(self.frames))


def frame(
    environment: Environment,
    images: Mapping[Image, Source],
    joins: Iterable[Join],
    trees: Iterable[Node | None],
    *,
    source: FromClause | None = None,
    outer: tuple[Frame, ...] = (),
    grouped: bool = False,
) -> Frame:
    """A frame over `images["new"]` (or `source`, which holds all images) with the joins and child sets of `trees`.

    With `grouped` the child sets of all rows are made at once where they can be, instead of row by row.
    """
    base = images["new"] if source is None else source
    assert isinstance(base, FromClause)
    made = Frame(environment, images, outer, base, grouped)
    made.hops.update({(image, ()): own for image, own in images.items()})
    for join in joins:
        _hop(made, join)
    _build(made, [tree for tree in trees if tree is not None])
    return made


def _build(made: Frame, trees: list[Node]) -> None:
    """Adds the frame's layers and child sets, each after those that it is made of."""
    apart = layers(trees)
    waiting: dict[Part, dict[Part, None]] = {node: _parts((written(node),), 0, apart) for node in apart}
    for node in _parts((*trees, *map(written, apart)), 0, apart):
        if isinstance(node, PlannedAggregate):
            waiting[node] = _parts(node.inside, 1, apart)
    while waiting:
        ready = [node for node, needs in waiting.items() if not any(part in waiting for part in needs)]
        fields = [node for node in ready if isinstance(node, Computed)]
        if fields:
            _layer(made, fields)
        else:
            for group in _same_rows(made, (node for node in ready if isinstance(node, PlannedAggregate))):
                _set(made, group)
        for done in fields or ready:
            del waiting[done]


def _parts(trees: Sequence[Node], depth: int, apart: Sequence[Computed]) -> dict[Part, None]:
    """The layers and child sets of the frame's own row that trees are made of."""
    found = (node for tree in trees for node in own(tree, depth, frozenset(apart)))
    return {node: None for node in found if isinstance(node, Computed | PlannedAggregate)}


def _hop(made: Frame, join: Join) -> None:
    before = made.hops[join.image, join.path[:-1]]
    joined = qualified(join.table).alias()
    inner = frame(made.environment, {"new": joined}, join.inner, (join.condition,))
    on = [of(joined, "id", Uuid()) == of(before, join.column, Uuid()), of(joined, "deleted_at", DateTime()).is_(None)]
    if join.condition is not None:
        on.append(expression.grants(join.condition, inner.row))
    made.hops[join.image, join.path] = joined
    made.source = made.source.outerjoin(inner.source, and_(*on))


def _set(made: Frame, group: list[PlannedAggregate]) -> None:
    """The aggregates over the same child rows: one lateral, or one grouped table for all rows of the frame."""
    first = group[0]
    child = qualified(first.table).alias()
    joins = {(join.image, join.path): join for node in group for join in node.joins}
    trees = [tree for node in group for tree in (*node.inside, node.access)]
    at_once, parent = _at_once(made, first), made.column(first.image, first.path, "id", "reference")
    inner = frame(
        made.environment, {"new": child}, sorted(joins.values(), key=lambda join: len(join.path)), trees,
        outer=(made, *made.outer), grouped=at_once,
    )
    where: list[ColumnElement[bool]] = [of(child, "deleted_at", DateTime()).is_(None)]
    if first.via is not None and not at_once:
        where.insert(0, of(child, first.via, Uuid()) == parent)
    if first.access is not None:
        where.append(expression.grants(first.access, inner.row))
    common = _common(group, inner.row)
    where += [expression.condition(part, inner.row) for part in common]
    found = [expression.aggregate(_without(node, common), inner.row) for node in group]
    columns = [lowered.value.label(f"a{n}") for n, lowered in enumerate(found)]
    columns += [lowered.guard.code.label(f"g{n}") for n, lowered in enumerate(found) if lowered.guard is not None]
    rows = select(*columns).select_from(inner.source).where(*where)
    table: FromClause
    if at_once:
        via = of(child, first.via or "", Uuid())
        table = rows.add_columns(via.label("via")).group_by(via).subquery()
        made.source = made.source.outerjoin(table, of(table, "via", Uuid()) == parent)
    else:
        table = rows.correlate_except(*tables(inner.source)).lateral()
        made.source = made.source.outerjoin(table, true())
    for n, (node, lowered) in enumerate(zip(group, found, strict=True)):
        value: ColumnElement[Any] = of(table, f"a{n}", SQL_TYPES[node.type.kind])
        if at_once and not node.type.nullable:
            # What the aggregate is of no rows, which the grouped table does not have.
            none = select(lowered.value).select_from(inner.source).where(false()).correlate(None).scalar_subquery()
            value = func.coalesce(value, none, type_=value.type)
        made.sets[node] = Lowered(value, held(of(table, f"g{n}", Text())) if lowered.guard is not None else None)


def _at_once(made: Frame, node: PlannedAggregate) -> bool:
    return made.grouped and node.via is not None and closed(node)


def _common(group: list[PlannedAggregate], row: Row) -> list[Node]:
    """The conditions that all the aggregates share. Only what can not be an error, nor stands behind what can: an
    error of a row that is left out would not be seen."""
    shared: list[Node] | None = None
    for node in group:
        parts = _conjuncts(node.where)
        sure = list(takewhile(lambda part: expression.lower(part, row).guard is None, parts))
        shared = sure if shared is None else [part for part in shared if part in sure]
    return shared or []


def _conjuncts(where: Node | None) -> tuple[Node, ...]:
    if where is None:
        return ()
    return where.args if isinstance(where, Call) and where.function == "and" else (where,)


def _without(node: PlannedAggregate, common: list[Node]) -> PlannedAggregate:
    rest = tuple(part for part in _conjuncts(node.where) if part not in common)
    return replace(node, where=Call(BOOLEAN.blank(), "and", rest) if len(rest) > 1 else rest[0] if rest else None)


def tables(source: FromClause) -> list[FromClause]:
    """The single tables and subqueries that a join is made of."""
    left, right = getattr(source, "left", None), getattr(source, "right", None)
    return [source] if left is None else tables(left) + tables(right)  # type: ignore[arg-type]


def _same_rows(made: Frame, nodes: Iterable[PlannedAggregate]) -> Iterable[list[PlannedAggregate]]:
    """The aggregates over the same rows together."""
    groups: dict[object, list[PlannedAggregate]] = {}
    for node in nodes:
        looked_for = node.where if node.via is None else None
        rows = (node.image, node.path, node.table, node.via, node.access, looked_for, _at_once(made, node))
        groups.setdefault(rows, []).append(node)
    return groups.values()


def _layer(made: Frame, nodes: list[Computed]) -> None:
    """One lateral with a column for each formula field, and one for the code of its error where it can be one."""
    found = [expression.lower(written(node), made.row) for node in nodes]
    columns = [expression.settled(lowered).label(f"f{n}") for n, lowered in enumerate(found)]
    columns += [lowered.guard.code.label(f"e{n}") for n, lowered in enumerate(found) if lowered.guard is not None]
    # OFFSET 0 keeps PostgreSQL from writing the expressions out wherever the columns are used.
    fence = literal(0, BigInteger(), literal_execute=True)
    lateral = select(*columns).offset(fence).correlate(*tables(made.source)).lateral()
    made.source = made.source.join(lateral, true())
    for n, (node, lowered) in enumerate(zip(nodes, found, strict=True)):
        guard = None if lowered.guard is None else held(of(lateral, f"e{n}", Text()))
        column = of(lateral, f"f{n}", lowered.value.type)
        made.layers[node] = Lowered(column, guard, True, lowered.digits, lowered.places)
