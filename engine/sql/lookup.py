"""The ids of records by a key of one or several fields: for imports and seeds, among the rows that the caller may
read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ARRAY, DateTime, Text, Uuid, and_, cast, column, func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

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
    """Finds rows of `table` by `columns` (name, PostgreSQL type); `access` is judged as a grant."""

    table: TableRef
    columns: tuple[tuple[str, str], ...]
    zone: str
    access: Node | None
    joins: tuple[Join, ...]


def lookup_statement(plan: LookupPlan, collation: str | None) -> Statement:
    """Rows of (parts of the key as texts ..., id) for the keys whose parts are in slots `key0`, `key1` ... (texts)."""
    base = qualified(plan.table).alias("t")
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, (plan.access,))
    texts = [
        of(base, name, COLUMN_TYPES[type_]) if type_ == "text" else cast(of(base, name, COLUMN_TYPES[type_]), Text)
        for name, type_ in plan.columns
    ]
    slots = [slot(f"key{n}", ARRAY(Text())) for n in range(len(texts))]
    where: list[ColumnElement[bool]] = [of(base, "deleted_at", DateTime()).is_(None)]
    source: FromClause = rows.source
    if len(texts) == 1:
        where.append(texts[0] == func.any(slots[0]))
    else:
        names = [column(f"k{n}", Text()) for n in range(len(texts))]
        wanted = func.unnest(*slots).table_valued(*names).render_derived(name="wanted")
        source = source.join(wanted, and_(*(text == wanted.c[n] for n, text in enumerate(texts))))
    if plan.access is not None:
        where.append(expression.grants(plan.access, rows.row))
    return compile_statement(select(*texts, of(base, "id", Uuid())).select_from(source).where(*where))
