"""The move that a process makes by itself. One that the gate refuses is left for a later write."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.base.errors import Refused
from engine.db.transaction import atomic
from engine.records.write import INVALID
from engine.sql.anchors import lock_statement
from metamodel.kinds.workflow import MakeMove


async def perform(step: Step, action: MakeMove) -> dict[str, Any]:
    """Moves the record unless it left the stage meanwhile; the gate judges it as it judges everybody's move."""
    ref = step.release.table(step.object)
    lock = step.rt.statements.get(("lock", ref), lambda: lock_statement(ref))
    await step.conn.fetchval(lock.text, [step.record])
    found = await step.values({}, (action.field,))
    log = {"action": "move", "to": action.target}
    if found is None or found[1][action.field] != action.source:
        return log | {"skipped": "the record is not in the stage any more"}
    try:
        async with atomic(step.conn):
            return log | await step.update({action.field: action.target})
    except Refused as refused:
        if refused.code not in INVALID:
            raise
        faults = [{"code": fault.code, "rule": fault.rule, "detail": fault.detail} for fault in refused.faults]
        return log | {"skipped": "the process does not allow it yet", "faults": faults}
