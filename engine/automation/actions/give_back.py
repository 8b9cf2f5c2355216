"""`release`: the record that caused the run goes back to the pool that it belongs to."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.base.errors import Refused
from engine.records.pool import give_back
from metamodel.kinds.workflow import GiveBack

NOTHING_TO_DO = {"pool.there", "pool.unknown", "record.unknown"}


async def perform(step: Step, action: GiveBack) -> dict[str, Any]:
    """A record that is in its pool, or belongs to none, stays as it is."""
    assert step.record is not None
    log: dict[str, Any] = {"action": "release", "assignment": action.assignment}
    try:
        written = await give_back(
            step.rt, step.ctx, step.release, step.object, step.record, step.conn, step.depth, unattended=True
        )
    except Refused as refused:
        if refused.code not in NOTHING_TO_DO:
            raise
        return log | {"skipped": refused.detail}
    return log | {"record": str(step.record), "version": written.changed[0][1]}
