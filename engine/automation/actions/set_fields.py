"""`set`: change fields of the record that caused the run. What is so already is not written again."""

from __future__ import annotations

from typing import Any

from engine.automation.actions.step import Step
from engine.plan.computed import fitted, given
from engine.sql.anchors import lock_statement
from metamodel.kinds.workflow import SetFields


async def perform(step: Step, action: SetFields) -> dict[str, Any]:
    """Locks the record first, so that no other change comes between its values and the formulas' results."""
    ref = step.release.table(step.object)
    lock = step.rt.statements.get(("lock", ref), lambda: lock_statement(ref))
    await step.conn.fetchval(lock.text, [step.record])
    found = await step.values(action.values, tuple(action.values))
    if found is None:
        return {"action": "set", "skipped": "the record was deleted"}
    fields = step.release.object(step.object).fields
    wanted = {name: fitted(fields[name], value) for name, value in found[0].items()}
    changed = {name: given(value) for name, value in wanted.items() if value != found[1][name]}
    if not changed:
        return {"action": "set", "skipped": "the fields have these values already"}
    return {"action": "set", **await step.update(changed)}
