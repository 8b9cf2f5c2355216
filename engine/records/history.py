"""The history of a record: who changed what and when, in the reader's present rights."""

from __future__ import annotations

from uuid import UUID

from engine.base.context import Context
from engine.base.limits import PAGE_MAX
from engine.db import execute
from engine.plan.names import Names
from engine.plan.request import RecordQuery
from engine.records.read import read_record
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.history import HistoryPlan, history_statement, stage_history_statement

FORMED = ("duration", "json")
"""The types of which the history keeps another form than is shown."""


async def history(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, limit: int = PAGE_MAX) -> str:
    """The changes of a record, newest first, as the JSON text of an array.

    Each has `version, at, actor, kind, door, request_id` and `changes` (`{field: [before, after]}`) with only the
    fields that the reader may read now. Raises Refused "record.unknown" where the record may not be read.
    """
    plan = await _plan(rt, ctx, release, obj, record)
    statement = rt.statements.get(("history", release, plan), lambda: history_statement(plan, rt.collation))
    args = statement.arguments(ctx, (), id=record, limit=limit)
    body, _ = await execute.read(rt.reads, release.role, statement.text, args)
    return body or "[]"


async def stage_history(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> str:
    """The stages that a record went through, oldest first: `stage, previous, entered_at, left_at, actor, reason`."""
    plan = await _plan(rt, ctx, release, obj, record)
    statement = rt.statements.get(("stages", release, plan), lambda: stage_history_statement(plan))
    args = statement.arguments(ctx, (), id=record, limit=PAGE_MAX)
    body, _ = await execute.read(rt.reads, release.role, statement.text, args)
    return body or "[]"


async def _plan(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> HistoryPlan:
    await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
    rights = rt.rights(ctx.actor, release)
    names: Names = rt.names(rights, release)
    readable = rights.readable(obj)
    fields = []
    for f in release.stored(obj):
        if f.name in readable:
            fields.append((release.column(obj, f.name), f.name, names.grant(rights.where_readable(obj, f.name), obj)))
    conditions = [condition for _, _, condition in fields]
    return HistoryPlan(
        object=obj, zone=release.model.settings.time_zone, table=release.table(obj),
        history=release.system("_history"), stage_history=release.system("_stage_history"),
        fields=tuple(fields),
        forms=tuple((release.column(obj, f.name), f.type) for f in release.stored(obj) if f.type in FORMED),
        joins=names.joins(conditions, obj),
    )
