"""`/{tenant}/api/batch` and `/upsert`: several writes in one transaction, and writes by a business key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from engine.base.errors import Fault, Refused
from engine.db.pool import Connection
from engine.http import query
from engine.http.call import Call, path_id
from engine.http.idempotency import once
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.http.routes.records import people_changed
from engine.records.batch import Result, Step, write_batch
from engine.records.notices import notice_of


class Write(msgspec.Struct, forbid_unknown_fields=True):
    """One step: one of `create`, `update` (with `id` and `if_match`), `upsert` (with `key`) and `delete` (an id)."""

    object: str
    create: dict[str, Any] | None = None
    update: dict[str, Any] | None = None
    upsert: dict[str, Any] | None = None
    delete: str | None = None
    ref: str | None = None
    id: str | None = None
    if_match: str | None = None
    key: str | None = None
    reason: str | None = None
    done: list[str] = []
    acknowledge: list[str] = []


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a batch."""

    steps: list[Write]


async def write_several(call: Call) -> Reply:
    """All steps or none: `{"items": [{"object", "id", "version", "created"}]}`."""
    query.only(query.parse(call.query_string))
    body = await call.typed(Batch)
    if not body.steps:
        raise Refused("request.malformed", "the batch has no step")
    return await _written(call, [_step(call, n, step) for n, step in enumerate(body.steps)], one=False)


async def upsert(call: Call) -> Reply:
    """Changes the record whose field `key` has the value that is given, or creates it; a list is taken as a whole."""
    found = query.parse(call.query_string)
    query.only(found, "key")
    key = found.get("key")
    if key is None:
        raise Refused("query.invalid", "say by which field records are found: key=...")
    body = await call.json()
    rows = body if isinstance(body, list) else [body]
    wrong = [n for n, row in enumerate(rows) if not isinstance(row, dict)]
    if wrong or not rows:
        raise Refused("request.malformed", "the body is a record, or a list of records")
    said = call.acknowledged()
    steps = [Step(object=call.object, operation="upsert", key=key, values=row, acknowledged=said) for row in rows]
    return await _written(call, steps, one=not isinstance(body, list))


async def _written(call: Call, steps: list[Step], *, one: bool) -> Reply:
    async def work(conn: Connection | None) -> Reply:
        try:
            results = await write_batch(call.rt, call.ctx, call.release, steps, conn)
        except Refused as refused:
            if one and refused.faults:
                faults = [replace(f, row=None) for f in refused.faults]
                raise Refused(refused.code, refused.detail, faults=faults) from refused
            raise
        if any(step.object == "user" for step in steps):
            await people_changed(call, conn)
        items = [_item(step, result) for step, result in zip(steps, results, strict=True)]
        if one:
            tag = call.etag(results[0].record, results[0].version or 0)
            return json_reply(items[0], 201 if results[0].created else 200, (tag,))
        return json_reply({"items": items})

    return await once(call, work)


def _item(step: Step, result: Result) -> dict[str, Any]:
    return {
        "object": step.object, "id": result.record, "version": result.version, "created": result.created,
    } | ({"ref": step.ref} if step.ref else {}) | (
        {"_notices": [notice_of(fault) for fault in result.notices]} if result.notices else {}
    )  # fmt: skip


def _step(call: Call, n: int, given: Write) -> Step:
    """A step of the body. Raises Refused "request.malformed", "request.precondition", "record.stale"."""
    kinds = [kind for kind in ("create", "update", "upsert", "delete") if getattr(given, kind) is not None]
    if len(kinds) != 1:
        raise _malformed(n, "say one of create, update, upsert and delete")
    kind = kinds[0]
    text = given.delete if kind == "delete" else given.id if kind == "update" else None
    record = None if text is None else path_id(text, "record.unknown", f"there is no such record of {given.object}")
    if kind == "update" and record is None:
        raise _malformed(n, "an update names its record: id")
    if kind == "upsert" and not given.key:
        raise _malformed(n, "an upsert names the field by which its record is found: key")
    if record is not None and given.if_match is None:
        raise Refused("request.precondition", f"step {n}: send the ETag of the record as you read it in if_match")
    version = call.seen(record, given.if_match) if record and given.if_match else None
    values = getattr(given, kind) if kind != "delete" else {}
    return Step(
        object=given.object, operation=kind, values=values, ref=given.ref, record=record,  # type: ignore[arg-type]
        version=version, key=given.key, reason=given.reason, done=dict.fromkeys(given.done, True),
        acknowledged=frozenset(given.acknowledge) | call.acknowledged(),
    )  # fmt: skip


def _malformed(n: int, detail: str) -> Refused:
    return Refused("request.malformed", f"step {n}: {detail}", faults=[Fault("request.malformed", detail, row=n)])


RESOURCES = (
    Resource("/{tenant}/api/batch", POST=Action(write_several, "user")),
    Resource("/{tenant}/api/upsert/{object}", POST=Action(upsert, "user")),
)
