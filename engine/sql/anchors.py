"""Locks that are taken before a write: those of rows by id, and those of the rows that written ones hang on."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, Uuid, cast, func, literal, null, select, union

from engine.plan.anchors import Anchor, Way
from engine.release.release import TableRef
from engine.sql.columns import constant, of, qualified
from engine.sql.statement import Statement, compile_statement, slot

IDS = ARRAY(Uuid())


@cache
def lock_statement(ref: TableRef, nowait: bool = False) -> Statement:
    """Locks rows by id (slot `ids`) in the order of their ids, before a statement that judges with other rows."""
    rows = qualified(ref).alias("t")
    id_ = of(rows, "id", Uuid())
    ids = slot("ids", ARRAY(Uuid()))
    locked = select(id_).where(id_ == func.any(ids)).order_by(id_).with_for_update(nowait=nowait).subquery()
    return compile_statement(select(func.count()).select_from(locked))


def anchor_statement(anchor: Anchor) -> Statement:
    """Locks the rows of an anchor in the order of their ids; an array of the locked ids.

    Slot `ids` holds those of the written rows, `given<n>` those that their payload gives for the first lookup of way n.
    """
    if not anchor.ways:
        name = constant(f"{anchor.table.schema}.{anchor.table.name}")
        held = func.pg_advisory_xact_lock(func.hashtextextended(name, literal(0, BigInteger(), literal_execute=True)))
        return compile_statement(select(cast(null(), IDS)).select_from(select(held.label("held")).subquery("one")))
    rows = qualified(anchor.table).alias("t")
    id_ = of(rows, "id", Uuid())
    ids = [step for n, way in enumerate(anchor.ways) for step in _ids(way, n)]
    chosen = select(id_).select_from(rows).where(id_.in_(union(*ids))).order_by(id_)
    locked = chosen.with_for_update(of=rows, read=anchor.shared).subquery("locked")
    return compile_statement(select(func.array_agg(of(locked, "id", Uuid()))).select_from(locked))


def _ids(way: Way, number: int) -> list[Select[Any]]:
    """The ids at the end of a way: from the rows as they are, and from what the payload gives."""
    if not way:
        return [select(func.unnest(slot("ids", IDS)))]
    starts = [_next(way[0], select(func.unnest(slot("ids", IDS)))), select(func.unnest(slot(f"given{number}", IDS)))]
    for step in way[1:]:
        starts = [_next(step, start) for start in starts]
    return starts


def _next(step: tuple[TableRef, str], ids: Select[Any]) -> Select[Any]:
    rows = qualified(step[0]).alias()
    return select(of(rows, step[1], Uuid())).select_from(rows).where(of(rows, "id", Uuid()).in_(ids))
