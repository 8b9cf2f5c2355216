"""`notify`: a row of the object `notification` for one user.

To be told is nobody's right to give: the row is written with all rights, whatever the run's own are.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine.automation.actions.step import Step
from engine.base.errors import Refused
from engine.sql import runs
from metamodel.kinds.common import in_locale
from metamodel.kinds.workflow import Notify

OBJECT = "notification"
LANGUAGE = "language"


async def perform(step: Step, action: Notify) -> dict[str, Any]:
    """The message is in the user's language, else in the tenant's first."""
    if OBJECT not in step.release.model.objects:
        raise Refused("object.unknown", f'there is no object "{OBJECT}"; the pack "core" brings it')
    found = await step.values({"recipient": action.user})
    if found is None:
        return {"action": "notify", "skipped": "the record was deleted"}
    user = found[0]["recipient"]
    if user is None:
        return {"action": "notify", "skipped": "the formula names nobody"}
    message = in_locale(action.message, await _language(step, user))
    row = {"recipient": str(user), "message": message}
    if step.record:
        row |= {"about_object": step.object, "about_record": str(step.record)}
    return {"action": "notify", **await step.create(OBJECT, row, trusted=True)}


async def _language(step: Step, user: UUID) -> str:
    default = step.release.model.settings.locales[0]
    if LANGUAGE not in step.release.object("user").fields:
        return default
    text = runs.one_value(step.release.table("user"), step.release.column("user", LANGUAGE))
    return str(await step.conn.fetchval(text, user) or default)
