"""Records of one thing: asking for them before one is written, and making one of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from engine.db.pool import Connection
from engine.http import query
from engine.http.call import Call
from engine.http.idempotency import once
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.records.duplicates import duplicates
from engine.records.merging import Choice, merge
from engine.records.notices import notice_of


class Candidate(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a question for duplicates: the values of a new record, or those that `id` would get."""

    values: dict[str, Any] = {}
    id: UUID | None = None


async def ask_duplicates(call: Call) -> Reply:
    """What would be a duplicate: `{"items": [{"rule", "severity", "message", "found": [...]}]}`."""
    query.only(query.parse(call.query_string))
    body = await call.typed(Candidate)
    return json_reply({"items": await duplicates(call.rt, call.ctx, call.release, call.object, body.values, body.id)})


class Merging(msgspec.Struct, forbid_unknown_fields=True, rename={"others": "from"}):
    """The body of a merge: the records that go into this one, and what it shall have otherwise."""

    others: list[UUID]
    take: dict[str, UUID] = {}
    values: dict[str, Any] = {}
    versions: dict[UUID, int] = {}
    acknowledge: list[str] = []


async def merge_records(call: Call) -> Reply:
    """Merges others into this record: `{"id", "version", "values", "moved", "merged"}`; `?dry=true` only tries."""
    found = query.parse(call.query_string)
    query.only(found, "dry")
    dry = query.flag(found, "dry")
    body = await call.typed(Merging)
    version = call.if_match(call.record)
    acknowledged = frozenset(body.acknowledge) | call.acknowledged()
    choice = Choice(take=body.take, values=body.values, versions=body.versions, acknowledged=acknowledged)

    async def work(conn: Connection | None) -> Reply:
        merged = await merge(
            call.rt, call.ctx, call.release, call.object, call.record, body.others, choice, version, conn, dry
        )
        told = {"id": call.record, "version": merged.version, "values": merged.values, "moved": merged.moved,
                "merged": body.others}  # fmt: skip
        if merged.notices:
            told["_notices"] = [notice_of(fault) for fault in merged.notices[0]]
        return json_reply(told, 200, () if dry else (call.etag(call.record, merged.version),))

    return await (work(None) if dry else once(call, work, obj=call.object))


RESOURCES = (
    Resource("/{tenant}/api/duplicates/{object}", POST=Action(ask_duplicates, "user")),
    Resource("/{tenant}/api/records/{object}/{id}/merge", POST=Action(merge_records, "user")),
)
