"""Frames: a row source, the rows that its hops reach (one LEFT JOIN a hop) and its child sets (one lateral each)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Text, and_, select, true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import DateTime, Uuid

from engine.plan.names import Image, Join, PlannedAggregate, own
from engine.sql import expression
from engine.sql.columns import SQL_TYPES, of, qualified
from engine.sql.expression import Environment, Lowered
from engine.sql.statement import slot
from metamodel.formula.functions.guard import held
from metamodel.formula.typed import Aggregate, Field, Node, Param, Property, System


@dataclass(slots=True)
class Frame:
    """Where the columns of a row come from. `images` holds the row's own source, new and (in writes) old."""

    environment: Environment
    images: Mapping[Image, FromClause]
    outer: tuple[Frame, ...] = ()
    source: FromClause = None  # type: ignore[assignment]
    hops: dict[tuple[Image, tuple[str, ...]], FromClause] = field(default_factory=dict)
    sets: dict[PlannedAggregate, Lowered] = field(default_factory=dict)

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
        return self.frames[node.level].sets[node]


@dataclass(frozen=True, slots=True)
class GroupRow(Row):
    """The row of a grouped statement: its aggregates run over the rows of the frame itself."""

    def aggregate(self, node: Aggregate) -> Lowered:
        if isinstance(node, PlannedAggregate):
            return Row.aggregate(self, node)
        return expression.aggregate(node, Row(self.frames))


def frame(
    environment: Environment,
    images: Mapping[Image, FromClause],
    joins: Iterable[Join],
    trees: Iterable[Node | None],
    *,
    source: FromClause | None = None,
    outer: tuple[Frame, ...] = (),
) -> Frame:
    """A frame over `images["new"]` (or `source`, which holds all images) with the joins and child sets of `trees`."""
    made = Frame(environment, images, outer, images["new"] if source is None else source)
    made.hops.update({(image, ()): own for image, own in images.items()})
    for join in joins:
        _hop(made, join)
    for group in _groups(trees):
        _set(made, group)
    return made


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
    """One lateral for all aggregates over the same child rows."""
    first = group[0]
    child = qualified(first.table).alias()
    joins = {(join.image, join.path): join for node in group for join in node.joins}
    trees = [tree for node in group for tree in (*node.inside, node.access)]
    inner = frame(
        made.environment, {"new": child}, sorted(joins.values(), key=lambda join: len(join.path)), trees,
        outer=(made, *made.outer),
    )
    link = of(child, first.via or "", Uuid()) == made.column(first.image, first.path, "id", "reference")
    where = [link, of(child, "deleted_at", DateTime()).is_(None)]
    if first.access is not None:
        where.append(expression.grants(first.access, inner.row))
    columns: list[ColumnElement[Any]] = []
    guards: list[int] = []
    for index, node in enumerate(group):
        lowered = expression.aggregate(node, inner.row)
        columns.append(lowered.value.label(f"a{index}"))
        if lowered.guard is not None:
            guards.append(index)
            columns.append(lowered.guard.code.label(f"g{index}"))
    lateral = (
        select(*columns).select_from(inner.source).where(*where).correlate_except(*tables(inner.source)).lateral()
    )
    made.source = made.source.outerjoin(lateral, true())
    for index, node in enumerate(group):
        guard = held(of(lateral, f"g{index}", Text())) if index in guards else None
        made.sets[node] = Lowered(of(lateral, f"a{index}", SQL_TYPES[node.type.kind]), guard)


def tables(source: FromClause) -> list[FromClause]:
    """The single tables and subqueries that a join is made of."""
    left, right = getattr(source, "left", None), getattr(source, "right", None)
    return [source] if left is None else tables(left) + tables(right)  # type: ignore[arg-type]


def _groups(trees: Iterable[Node | None]) -> Iterable[list[PlannedAggregate]]:
    """The aggregates that belong to this frame's own row, those over the same rows together, inner ones first."""
    groups: dict[tuple[int, object], list[PlannedAggregate]] = {}
    for tree in trees:
        for node in own(tree) if tree is not None else ():
            if isinstance(node, Field):
                continue
            same_rows = (node.image, node.path, node.table, node.via, node.access)
            group = groups.setdefault((_rank(node), same_rows), [])
            if node not in group:
                group.append(node)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _rank(node: PlannedAggregate) -> int:
    """How deep the aggregates of the same row are stacked that are named over the rows of this one."""
    inner = (part for inside in node.inside for part in own(inside, 1) if isinstance(part, PlannedAggregate))
    return max((1 + _rank(part) for part in inner), default=0)
