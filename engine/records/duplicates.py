"""Asking for duplicates before a record is written, or of one that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from engine.base.context import Context
from engine.plan.access import allowed
from engine.plan.request import RecordQuery, RecordWrite
from engine.records import matches
from engine.records.read import read_record
from engine.records.write import prepared
from engine.release.release import Release
from engine.runtime import Runtime


async def duplicates(
    rt: Runtime, ctx: Context, release: Release, obj: str, values: Mapping[str, Any], record: UUID | None
) -> list[dict[str, Any]]:
    """What is a duplicate of a new record with these values, or of `record` with them, by rule. By a rule that looks at
    what the caller may not read of that record nothing is told.

    Raises Refused like a write of the values.
    """
    release = rt.store.binding(release)
    rights = rt.rights(ctx.actor, release)
    if record is None:
        allowed(rights, obj, "create")
        request = RecordWrite(object=obj, operation="create", rows=(values,))
    else:
        await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
        request = RecordWrite(object=obj, operation="update", rows=(values,), ids=(record,))
    if not release.model.duplicate_rules:
        return []
    made = prepared(rt, ctx, release, request)
    found = await matches.find(rt, ctx, release, made.plan, made.key, made.payload)
    hidden = {(one.rule.name, one.against) for one in made.plan.searches if record and not one.told}
    shown = [one for one in found.get(0, ()) if (one.rule, one.against) not in hidden]
    return matches.told(made.plan, shown, ctx.locale)
