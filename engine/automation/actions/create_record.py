"""`create`: a new record, its values computed over the record that caused the run."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.plan.computed import fitted, given
from metamodel.kinds.workflow import CreateRecord


async def perform(step: Step, action: CreateRecord) -> dict[str, Any]:
    """A blank value is left out, so that the field's default applies."""
    found = await step.values(action.values)
    if found is None:
        return {"action": "create", "skipped": "the record was deleted"}
    fields = step.release.object(action.object).fields
    row = {name: given(fitted(fields[name], value)) for name, value in found[0].items() if value is not None}
    return {"action": "create", **await step.create(action.object, row)}
