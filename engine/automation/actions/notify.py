"""`notify`: a row of the object `notification` for one user.

To be told is nobody's right to give: the row is written with all rights, whatever the run's own are.
"""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.records.notifications import OBJECT, messages
from metamodel.kinds.workflow import Notify


async def perform(step: Step, action: Notify) -> dict[str, Any]:
    """The message is in the user's language, else in the tenant's first."""
    found = await step.values({"recipient": action.user})
    if found is None:
        return {"action": "notify", "skipped": "the record was deleted"}
    user = found[0]["recipient"]
    if user is None:
        return {"action": "notify", "skipped": "the formula names nobody"}
    (row,) = await messages(step.release, step.conn, action.message, [(user, step.object, step.record)])
    return {"action": "notify", **await step.create(OBJECT, row, trusted=True)}
