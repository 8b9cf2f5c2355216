"""A row of any source as `expression.Row`: its fields are columns, its child sets subqueries of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import Select, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from engine.sql import expression
from engine.sql.columns import SQL_TYPES, of, sql_type
from engine.sql.expression import Environment, Lowered
from engine.sql.statement import slot
from metamodel.formula import typed
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import held

Children: TypeAlias = "Callable[[SourceRow, typed.Aggregate], tuple[FromClause, tuple[ColumnElement[bool], ...]]]"
"""The rows of a child set of a row, and the conditions under which they belong to it."""


@dataclass(frozen=True)
class SourceRow:
    """`outer` is the row around the row of a child set. Options have no properties."""

    environment: Environment
    source: FromClause
    children: Children
    outer: SourceRow | None = None

    def field(self, node: typed.Field) -> ColumnElement[Any]:
        """A column of this row or of one around it."""
        row = self
        for _ in range(node.level):
            assert row.outer is not None
            row = row.outer
        return of(row.source, node.name, sql_type(node.type))

    def property(self, node: typed.Property) -> ColumnElement[Any]:
        return sql.constant(None, node.type)

    def system(self, node: typed.System) -> ColumnElement[Any]:
        return slot(node.name, SQL_TYPES[node.type.kind])

    def param(self, node: typed.Param) -> ColumnElement[Any]:
        raise AssertionError("nothing is lifted here")

    def aggregate(self, node: typed.Aggregate) -> Lowered:
        rows, where = self.children(self, node)
        made = expression.aggregate(node, replace(self, source=rows, outer=self))

        def over(found: ColumnElement[Any]) -> Any:
            query: Select[Any] = select(found).select_from(rows).where(*where).correlate_except(rows)
            return type_coerce(query.scalar_subquery(), found.type)

        return replace(made, value=over(made.value), guard=held(over(made.guard.code)) if made.guard else None)
