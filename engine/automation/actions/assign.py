"""`assign`: an assignment gives the record that caused the run its user."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.records.assignment import assign
from engine.records.notices import notice_of
from metamodel.kinds.workflow import Assign


async def perform(step: Step, action: Assign) -> dict[str, Any]:
    """A record that the assignment is not for, or for which nobody is free, stays as it is."""
    assert step.record is not None
    made = await assign(
        step.rt, step.ctx, step.release, action.assignment, [step.record], conn=step.conn, depth=step.depth,
        unattended=True,
    )
    log: dict[str, Any] = {"action": "assign", "assignment": action.assignment}
    if not made.decisions:
        return log | {"skipped": "the assignment is not for the record"}
    (decision,) = made.decisions
    log |= {"entry": decision.entry, "user": decision.chosen and str(decision.chosen), "missed": decision.missed}
    return log | ({"notices": [notice_of(fault) for fault in decision.notices]} if decision.notices else {})
