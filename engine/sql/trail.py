"""What a write leaves behind beside its rows: history, stage history, events and the job for those who wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Insert,
    Integer,
    Text,
    Uuid,
    case,
    cast,
    column,
    func,
    insert,
    null,
    select,
    table,
    true,
    update,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause, TableClause

from engine.plan.write import WritePlan
from engine.release.identity import entered_at
from engine.release.release import TableRef
from engine.sql.columns import COLUMN_TYPES, constant, json_object, of
from engine.sql.images import with_old
from engine.sql.judging import passed
from engine.sql.statement import slot

KINDS = {"create": "created", "update": "changed", "delete": "deleted", "restore": "restored"}


def history(plan: WritePlan, old: CTE | None, new: CTE, gate: CTE) -> CTE:
    """A row of history for each record: what it was created with, or what changed from what to what."""
    pairs: list[ColumnElement[Any]] = []
    for name, type_ in _logged(plan).items():
        kind = COLUMN_TYPES[type_]
        value: ColumnElement[Any] = of(new, name, kind)
        if old is not None:
            before = of(old, name, kind)
            value = case((value.is_distinct_from(before), func.jsonb_build_array(before, value)))
        pairs += [constant(name), value]
    entry: dict[str, ColumnElement[Any]] = {
        **_about(plan, new), "door": slot("door", Text()), "request_id": slot("request", Text()),
        "changes": json_object(pairs),
    }
    return _log(plan.history, entry, with_old(new, old), gate).cte("history")


def _logged(plan: WritePlan) -> dict[str, str]:
    if plan.operation in ("delete", "restore"):
        return {"deleted_at": "timestamptz"}
    named = {c.name: c.type for c in plan.columns if c.given or (plan.operation == "create" and not c.kept)}
    return named | {"owner": "uuid"}


def _about(plan: WritePlan, new: CTE) -> dict[str, ColumnElement[Any]]:
    return {
        "object": constant(plan.object),
        "record": of(new, "id", Uuid()),
        "version": of(new, "version", BigInteger()),
        "kind": constant(KINDS[plan.operation]),
        "at": slot("now", DateTime(timezone=True)),
        "actor": slot("user.id", Uuid()),
    }


def stage_history(plan: WritePlan, old: CTE | None, new: CTE, gate: CTE) -> list[CTE]:
    """A row of stage history for each stage entered, and the end of the one that was left."""
    if plan.stage is None or not (old is None or plan.stage in [c.name for c in plan.columns if c.given]):
        return []
    stage, entered = of(new, plan.stage, Text()), of(new, entered_at(plan.stage), DateTime(timezone=True))
    previous = cast(null(), Text()) if old is None else of(old, plan.stage, Text())
    about = _about(plan, new)
    entry: dict[str, ColumnElement[Any]] = {
        "object": about["object"], "record": about["record"], "field": constant(plan.stage),
        "stage": stage, "previous": previous, "entered_at": entered, "actor": about["actor"],
        "reason": of(new, "_reason", Text()), "door": slot("door", Text()),
    }
    moved = stage.is_distinct_from(previous)
    found = [_log(plan.stage_history, entry, with_old(new, old), gate, moved).cte("entered")]
    if old is not None:
        log = into(plan.stage_history, ["object", "record", "field", "left_at", "entered_at"])
        left = update(log).values(left_at=entered).where(
            log.c.object == about["object"], log.c.record == about["record"], log.c.field == entry["field"],
            log.c.left_at.is_(None), of(old, "_ord", Integer()) == of(new, "_ord", Integer()), moved, passed(gate),
        )
        found.append(left.cte("left_stage"))
    return found


def events(plan: WritePlan, new: CTE, gate: CTE) -> CTE:
    """An event row for each record."""
    entry = {**_about(plan, new), "depth": slot("depth", Integer())}
    logged = _log(plan.events, entry, new, gate)
    return (logged.returning(column("id", BigInteger())) if plan.queued else logged).cte("events")


def queued(events: CTE) -> ColumnElement[Any]:
    """One job for all events of the statement, so that it exists if and only if they do."""
    ids = select(func.json_agg(of(events, "id", BigInteger()))).select_from(events).scalar_subquery()
    payload = func.json_build_object(constant("tenant"), slot("tenant", Text()), constant("events"), ids)
    encoded = func.convert_to(cast(payload, Text), constant("UTF8"))
    return func.fieldwright.enqueue(constant("dispatch"), encoded, type_=BigInteger())


def _log(ref: TableRef, entry: dict[str, ColumnElement[Any]], source: FromClause, gate: CTE, *where: Any) -> Insert:
    rows = select(*entry.values()).select_from(source.join(gate, true())).where(passed(gate), *where)
    return insert(into(ref, entry)).from_select(list(entry), rows)


def into(ref: TableRef, columns: Iterable[str]) -> TableClause:
    """A table with the columns that are written."""
    return table(ref.name, *(column(name) for name in columns), schema=ref.schema)
