"""The ids of records by a key: for imports and seeds, among the rows that the caller may read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ARRAY, DateTime, Text, Uuid, cast, func, select

from engine.plan.planned import Join
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.typed import Node


@dataclass(frozen=True, slots=True)
class LookupPlan:
    """Finds rows of `table` by `column` (of PostgreSQL type `type`); `access` is judged as a grant."""

    table: TableRef
    column: str
    type: str
    zone: str
    access: Node | None
    joins: tuple[Join, ...]


def lookup_statement(plan: LookupPlan, collation: str | None) -> Statement:
    """Rows of (key as text, id) for the keys in slot `keys` (texts)."""
    base = qualified(plan.table).alias("t")
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, (plan.access,))
    key = of(base, plan.column, COLUMN_TYPES[plan.type])
    wanted = slot("keys", ARRAY(Text()))
    text = key if plan.type == "text" else cast(key, Text)
    where = [text == func.any(wanted), of(base, "deleted_at", DateTime()).is_(None)]
    if plan.access is not None:
        where.append(expression.grants(plan.access, rows.row))
    return compile_statement(select(text, of(base, "id", Uuid())).select_from(rows.source).where(*where))
