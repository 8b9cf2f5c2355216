"""`convert`: a conversion of the record that caused the run."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.records.conversion import convert
from engine.records.notices import notice_of
from metamodel.kinds.workflow import Convert


async def perform(step: Step, action: Convert) -> dict[str, Any]:
    """What was made is told part by part; a record that is converted already stays as it is."""
    assert step.record is not None
    made = await convert(
        step.rt, step.ctx, step.release, action.conversion, step.record, conn=step.conn, depth=step.depth,
        unattended=True,
    )
    parts = [
        {"part": m.part, "object": m.object, "record": str(m.record), "created": m.created}
        | ({"notices": [notice_of(fault) for fault in m.notices]} if m.notices else {})
        for m in made
    ]
    return {"action": "convert", "conversion": action.conversion, "parts": parts}
