"""Moves of a record between stages: which are open, and what stands in the way of the others.

A move itself is a write of the stage field; this answers before it is tried, from the same checks.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Refused
from engine.db import execute
from engine.plan.request import RecordQuery, RecordWrite
from engine.plan.stages import open_to
from engine.plan.write import plan_write
from engine.records.read import read_record
from engine.records.violations import explain
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.moves import moves_statement
from metamodel.kinds.common import in_locale


async def moves(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> dict[str, Any]:
    """`{"stage": now, "moves": [{"to", "label", "allowed", "reason": needed, "blocked_by": [faults]}]}`.

    Every move that the process lists from the present stage is answered. Raises Refused "record.unknown",
    "object.unknown", or "request.unknown" for an object without stages.
    """
    stage = release.stage_field(obj) if obj in release.model.objects else None
    rights = rt.rights(ctx.actor, release)
    if stage is None:
        await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
        raise Refused("request.unknown", f"records of {obj} have no stages")
    field, process = stage
    found = await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=(field.name,)), record)
    now = msgspec.json.decode(found.body)[field.name]
    listed: dict[str, list[Any]] = {}
    for move in process.moves:
        if move.source == now:
            listed.setdefault(move.target, []).append(move)
    if not listed or not rights.allows(obj, "edit"):
        return {"stage": now, "moves": []}
    request = RecordWrite(object=obj, operation="update")
    plan = plan_write(request, rights, frozenset({field.name}), frozenset(), ("id",))
    statement = moves_statement(plan, list(listed), rt.collation)
    body, _ = await execute.read(rt.reads, release.role, statement.text, statement.arguments(ctx, (), id=record))
    if body is None:
        return {"stage": now, "moves": []}
    judged = dict(msgspec.json.decode(body))
    answer = []
    for target, choices in listed.items():
        faults = explain(release, plan, [(0, judged.get(target, []))], ctx.locale, many=False)
        move = next((m for m in choices if open_to(m, rights)), choices[0])
        answer.append({
            "to": target,
            "label": in_locale(process.stages[target].label, ctx.locale),
            "allowed": not faults,
            "reason": move.reason,
            "blocked_by": [
                {"code": f.code, "pointer": f.pointer, "rule": f.rule, "detail": f.detail} for f in faults
            ],
        })
    return {"stage": now, "moves": answer}
