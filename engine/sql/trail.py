"""What a write leaves behind beside its rows: history, stage history, events and the job for those who wait."""

from __future__ import annotations

from collections.abc import Mapping
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
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.write import WritePlan
from engine.release.release import Staged, TableRef
from engine.sql.columns import COLUMN_TYPES, Carried, Source, constant, into, json_object, of
from engine.sql.judging import passed
from engine.sql.statement import slot

KINDS = {"create": "created", "update": "changed", "delete": "deleted", "restore": "restored"}


def history(plan: WritePlan, old: Carried | None, new: CTE, gate: CTE) -> CTE:
    """A row of history for each record: what it was created with, or what changed from what to what."""
    pairs: list[ColumnElement[Any]] = []
    for name, type_ in _logged(plan).items():
        kind = COLUMN_TYPES[type_]
        value = _kept(of(new, name, kind))
        if old is not None:
            before = of(old, name, kind)
            changed = func.jsonb_build_array(_kept(before), value)
            value = case((of(new, name, kind).is_distinct_from(before), changed))
        pairs += [constant(name), value]
    entry: dict[str, ColumnElement[Any]] = {
        **_about(plan, new), "door": slot("door", Text()), "request_id": slot("request", Text()),
        "changes": json_object(pairs),
    }
    return _log(plan.history, entry, new, gate).cte("history")


def _kept(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """JSON is kept as text, because blanks inside of it mean something."""
    return cast(value, Text()) if isinstance(value.type, JSONB) else value


def _logged(plan: WritePlan) -> dict[str, str]:
    if plan.operation in ("delete", "restore"):
        return {"deleted_at": "timestamptz"}
    create = plan.operation == "create"
    told = {plan.staged.followed, plan.staged.confirmed if plan.confirming else None} if plan.staged else set()
    named = {name: plan.staged.beside[name] for name in plan.beside if name in told} if plan.staged else {}
    named |= {c.name: c.type for c in plan.columns if c.logged and (c.given or (create and not c.kept))}
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


def stage_history(plan: WritePlan, old: Carried | None, new: CTE, gate: CTE) -> list[CTE]:
    """A row of stage history for each stage entered, and the end of the one that was left."""
    staged, again = plan.staged, plan.choice is not None and plan.choice.again
    if staged is None or not (old is None or again or plan.moving):
        return []
    stage, entered = of(new, staged.column, Text()), of(new, staged.entered, DateTime(timezone=True))
    previous = cast(null(), Text()) if old is None else of(old, staged.column, Text())
    process = _process(staged, new)
    about = _about(plan, new)
    entry: dict[str, ColumnElement[Any]] = {
        "object": about["object"], "record": about["record"], "field": constant(staged.column),
        "process": process, "process_version": _version(plan.versions, process), "stage": stage,
        "previous": previous, "entered_at": entered, "actor": about["actor"],
        "reason": of(new, "_reason", Text()), "door": slot("door", Text()),
    }
    moved = stage.is_distinct_from(previous)
    if again and old is not None:
        moved = or_(moved, process.is_distinct_from(_process(staged, old)))
    found = [_log(plan.stage_history, entry, new, gate, moved).cte("entered")]
    if old is not None:
        log = into(plan.stage_history, ["object", "record", "field", "left_at", "entered_at"])
        left = update(log).values(left_at=entered).where(
            log.c.object == about["object"], log.c.record == about["record"], log.c.field == entry["field"],
            log.c.left_at.is_(None), moved, passed(gate),
        )
        found.append(left.cte("left_stage"))
    return found


def _process(staged: Staged, rows: Source) -> ColumnElement[Any]:
    """The process that a row follows."""
    if staged.followed is None:
        return constant(staged.default.name)
    return func.coalesce(of(rows, staged.followed, Text()), constant(staged.default.name))


def _version(versions: Mapping[str, int], process: ColumnElement[Any]) -> ColumnElement[Any]:
    told = {name: literal(number, BigInteger(), literal_execute=True) for name, number in versions.items()}
    if len(told) == 1:
        return next(iter(told.values()))
    return case({constant(name): number for name, number in told.items()}, value=process)


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
