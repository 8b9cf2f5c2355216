"""Seeds: records that a pack brings along, created once through the ordinary door and then left to the tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.base.context import OPERATOR, Context
from engine.base.errors import Refused
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.mapping import typed
from engine.records.read import read_page
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from metamodel.kinds.seed import Seed


async def plant(rt: Runtime, release: Release) -> int:
    """Creates the records that are missing, in the order of the seeds; how many were created.

    Raises Refused "record.reference" where a record refers to one that does not exist, or what the write door raises.
    """
    ctx = Context(OPERATOR, release.tenant, rt.clock.now(), time_zone=release.model.settings.time_zone, door="seed")
    planted = 0
    for seed in release.model.seeds.values():
        for record in seed.records:
            if await find(rt, ctx, release, seed.object, seed.key, record[seed.key]) is None:
                row = await _resolved(rt, ctx, release, seed, record)
                made = RecordWrite(object=seed.object, operation="create", rows=(row,), unattended=True)
                await write(rt, ctx, release, made)
                planted += 1
    return planted


async def find(rt: Runtime, ctx: Context, release: Release, obj: str, key: str, value: Any) -> str | None:
    """The id of the record whose field `key` holds the value, or None."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    query = RecordQuery(object=obj, fields=("id",), equals=((key, text),), limit=1)
    found = msgspec.json.decode((await read_page(rt, ctx, release, query)).items)
    return str(found[0]["id"]) if found else None


async def _resolved(
    rt: Runtime, ctx: Context, release: Release, seed: Seed, record: Mapping[str, Any]
) -> dict[str, Any]:
    """The record with the keys of other records replaced by their ids (by the other object's seed key or title)
    and numbers and times as the write door takes them."""
    row: dict[str, Any] = {}
    keys = {other.object: other.key for other in release.model.seeds.values()}
    for name, value in record.items():
        field = release.object(seed.object).fields[name]
        target = field.to or (value or {}).get("object") if field.to or field.targets else None
        if target and value is not None:
            value = value["id"] if field.targets else value
            key = keys.get(target, release.object(target).title)
            found = await find(rt, ctx, release, target, key, value)
            if found is None:
                raise Refused("record.reference", f'seed {seed.name}: there is no {target} with {key} "{value}"')
            value = {"object": target, "id": found} if field.targets else found
        elif field.type != "json" and not isinstance(value, bool | list | dict | None):
            value = typed(field.type, str(value), None, ctx.time_zone)
        row[name] = value
    return row
