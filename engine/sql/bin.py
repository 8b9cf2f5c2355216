"""The ids of what is deleted or restored together."""

from __future__ import annotations

from functools import cache

from sqlalchemy import ARRAY, DateTime, Uuid, func, select

from engine.release.release import TableRef
from engine.sql.columns import of, qualified
from engine.sql.statement import Statement, compile_statement, slot


@cache
def in_batch(ref: TableRef) -> Statement:
    """The rows in the bin that were deleted as one batch (slot `batch`)."""
    rows = qualified(ref).alias("t")
    id_ = of(rows, "id", Uuid())
    return compile_statement(
        select(id_).where(of(rows, "deleted_batch", Uuid()) == slot("batch", Uuid())).order_by(id_)
    )


@cache
def following(ref: TableRef, column: str) -> Statement:
    """The live rows whose lookup `column` points to one of the rows in slot `ids`."""
    rows = qualified(ref).alias("t")
    id_ = of(rows, "id", Uuid())
    points = of(rows, column, Uuid()) == func.any(slot("ids", ARRAY(Uuid())))
    return compile_statement(select(id_).where(points, of(rows, "deleted_at", DateTime()).is_(None)).order_by(id_))
