"""RowsPlan -> the values of each row, and which of them are errors."""

from __future__ import annotations

from sqlalchemy import DateTime, Uuid, select

from engine.plan.conversion import RowsPlan
from engine.sql import expression
from engine.sql.columns import of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot

FAILED = "failed "
"""Before the key of a value: whether its formula is an error in the row."""


def rows_statement(plan: RowsPlan, collation: str | None) -> Statement:
    """Rows of the values by their keys, for the record in slot `id`, in the order in which they were created."""
    base = qualified(plan.table).alias("t")
    trees = [output.tree for output in plan.outputs]
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, [*trees, plan.visible])
    id_ = of(base, "id", Uuid())
    columns = [expression.value(output.tree, rows.row).label(output.key) for output in plan.outputs]
    columns += [expression.failed(output.tree, rows.row).label(FAILED + output.key) for output in plan.outputs]
    where = [(of(base, plan.via, Uuid()) if plan.via else id_) == slot("id", Uuid())]
    where.append(of(base, "deleted_at", DateTime()).is_(None))
    if plan.visible is not None:
        where.append(expression.grants(plan.visible, rows.row))
    return compile_statement(select(id_.label("id"), *columns).select_from(rows.source).where(*where).order_by(id_))
