"""`/{tenant}/api/records`: records as the caller may read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from engine.base.errors import Fault, Refused
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.http import query
from engine.http.body import MERGE_TYPES
from engine.http.call import Call
from engine.http.idempotency import once
from engine.http.problems import error_of
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.identity.credential import announce
from engine.plan.access import allowed
from engine.plan.request import RecordWrite
from engine.records import bin as recycle_bin
from engine.records import write as writes
from engine.records.bulk import Outcome, write_each
from engine.records.conversion import Wish, convert, preview
from engine.records.history import history, stage_history
from engine.records.merging import merged_into
from engine.records.notices import notice_of
from engine.records.read import read_page, read_record
from engine.records.stages import moves
from engine.records.write import Written

ROOT = "/{tenant}/api/records/{object}"
NOTHING_DONE: Mapping[str, bool] = {}


async def list_records(call: Call) -> Reply:
    """A page: `{"items": [...], "next": cursor or null, "total": where asked}`."""
    key = (call.object, call.query_string)
    asked = call.service.queries.get(key, lambda: query.record_list(*key))
    page = await read_page(call.rt, call.ctx, call.release, asked)
    following = "null" if page.next is None else f'"{page.next}"'
    total = "" if page.total is None else f',"total":{page.total}'
    return Reply(f'{{"items":{page.items},"next":{following}{total}}}'.encode())


async def get_record(call: Call) -> Reply:
    """One record with its entity tag."""
    key = (call.object, call.query_string, "single")
    asked = call.service.queries.get(key, lambda: query.record_single(key[0], key[1]))
    record = call.record
    try:
        found = await read_record(call.rt, call.ctx, call.release, asked, record)
    except Refused as refused:
        master = await merged_into(call.rt, call.ctx, call.release, call.object, record)
        if refused.code != "record.unknown" or master is None:
            raise
        told = Fault("record.merged", "it was merged into another record", about=({"id": master},))
        raise Refused(refused.code, refused.detail, faults=[told]) from refused
    return Reply(found.body.encode(), headers=(call.etag(record, found.version),))


async def create_records(call: Call) -> Reply:
    """One record (201 with Location), a list as a whole, or with `?each=true` each row of a list for itself."""
    found = query.parse(call.query_string)
    query.only(found, "fields", "each")
    body = await call.json()
    if isinstance(body, list):
        return await _create_list(call, body, found)
    if "each" in found:
        raise Refused("request.malformed", "with each=true the body is a list of records")
    request = RecordWrite(
        object=call.object, operation="create", rows=(_row(body),), fields=_fields(found),
        acknowledged=(call.acknowledged(),),
    )  # fmt: skip

    async def work(conn: Connection | None) -> Reply:
        written = await _write(call, request, conn)
        ((record, version),) = written.changed
        location = f"/{call.release.tenant}/api/records/{call.object}/{record}".encode()
        return Reply(_body(written), 201, ((b"location", location), call.etag(record, version)))

    return await once(call, work, obj=call.object)


async def _create_list(call: Call, body: list[Any], found: Mapping[str, str]) -> Reply:
    if "fields" in found or found.get("each", "true") not in ("true", "false"):
        raise Refused("query.invalid", "a list takes each=true or each=false only")
    if not body:
        raise Refused("request.malformed", "the list holds no record")
    rows = tuple(_row(row, n) for n, row in enumerate(body))
    acknowledged = (call.acknowledged(),) * len(rows)
    request = RecordWrite(object=call.object, operation="create", rows=rows, many=True, acknowledged=acknowledged)
    if found.get("each") == "true":
        allowed(call.rt.rights(call.ctx.actor, call.release), call.object, "create")

        async def each(conn: Connection | None) -> Reply:
            outcomes = await write_each(call.rt, call.ctx, call.release, request, conn)
            await people_changed(call, conn)
            return json_reply({"items": [_outcome(outcome) for outcome in outcomes]})

        return await once(call, each, obj=call.object)

    async def work(conn: Connection | None) -> Reply:
        written = await _write(call, request, conn)
        return Reply(f'{{"items":{written.told or "[]"}}}'.encode(), 201)

    return await once(call, work, obj=call.object)


async def change_record(call: Call) -> Reply:
    """A JSON Merge Patch (RFC 7396) of one record; a patch of the stage field is a move, its reason in X-Reason."""
    found = query.parse(call.query_string)
    query.only(found, "fields")
    row = _row(await call.json(MERGE_TYPES))
    return await _update(call, row, call.text_header(b"x-reason"), _fields(found), None)


async def delete_record(call: Call) -> Reply:
    """Puts the record into the recycle bin."""
    record = call.record
    version, said = call.if_match(record), call.acknowledged()
    await recycle_bin.delete(call.rt, call.ctx, call.release, call.object, record, version, said)
    await people_changed(call, None)
    return Reply(None, 204)


async def restore_record(call: Call) -> Reply:
    """Brings a deleted record back."""
    query.only(query.parse(call.query_string))
    await call.body()
    record = call.record

    async def work(conn: Connection | None) -> Reply:
        said = call.acknowledged()
        written = await recycle_bin.restore(call.rt, call.ctx, call.release, call.object, record, conn, said)
        await people_changed(call, conn)
        tag = _tag(call, record, written)
        if len(written.changed) == 1:
            return Reply(_body(written), 200, tag)
        return json_reply(next({"id": r, "version": v} for r, v in written.changed if r == record), 200, tag)

    return await once(call, work, obj=call.object)


class Move(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a move."""

    to: str
    reason: str | None = None
    fields: dict[str, Any] = {}
    done: list[str] = []
    acknowledge: list[str] = []


async def move_record(call: Call) -> Reply:
    """Moves a record to another stage, with other fields of it in the same write where they are given."""
    query.only(query.parse(call.query_string))
    body = await call.typed(Move)
    staged = call.release.staged(call.object) if call.object in call.release.model.objects else None
    if staged is None or staged.field not in call.rt.rights(call.ctx.actor, call.release).readable(call.object):
        await read_record(call.rt, call.ctx, call.release, query.record_single(call.object, b""), call.record)
        raise Refused("request.unknown", f"records of {call.object} have no stages")
    name = staged.field
    if name in body.fields:
        raise Refused("request.malformed", f"the stage is given by `to`, not by fields.{name}")
    call.if_match(call.record)

    async def work(conn: Connection | None) -> Reply:
        try:
            done = dict.fromkeys(body.done, True)
            row = {**body.fields, name: body.to}
            return await _update(call, row, body.reason, None, conn, done, frozenset(body.acknowledge))
        except Refused as refused:
            if not refused.faults:
                raise
            faults = [replace(fault, pointer=_in_move(fault, name)) for fault in refused.faults]
            raise Refused(refused.code, refused.detail, faults=faults) from refused

    return await once(call, work, obj=call.object)


def _in_move(fault: Fault, stage: str) -> str:
    """Where a fault of the write stands in the body of a move."""
    if fault.code == "stage.reason":
        return "/reason"
    if fault.pointer == f"/{stage}" or not fault.pointer:
        return "/to"
    return f"/fields{fault.pointer}"


class Done(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a word about a task."""

    done: bool = True


async def confirm_task(call: Call) -> Reply:
    """Says that a task of the record's stage is done, or is not."""
    query.only(query.parse(call.query_string))
    body = await call.typed(Done)
    call.if_match(call.record)

    async def work(conn: Connection | None) -> Reply:
        return await _update(call, {}, None, None, conn, {call.param("task"): body.done})

    return await once(call, work, obj=call.object)


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a conversion: what the caller wants otherwise, by the names of parts."""

    use: dict[str, UUID] = {}
    skip: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    acknowledge: list[str] = []


async def convert_record(call: Call) -> Reply:
    """Converts a record: `{"items": [{"part", "object", "id", "created"}]}`."""
    query.only(query.parse(call.query_string))
    body = await call.typed(Wanted)
    version = call.if_match(call.record)
    _own_conversion(call)
    acknowledged = frozenset(body.acknowledge) | call.acknowledged()
    wish = Wish(use=body.use, skip=tuple(body.skip), values=body.values, acknowledged=acknowledged)

    async def work(conn: Connection | None) -> Reply:
        made = await convert(call.rt, call.ctx, call.release, call.param("name"), call.record, wish, version, conn)
        items = [
            {"part": m.part, "object": m.object, "id": m.record, "created": m.created}
            | ({"_notices": [notice_of(fault) for fault in m.notices]} if m.notices else {})
            for m in made
        ]
        return json_reply({"items": items}, 201 if any(m.created for m in made) else 200)

    return await once(call, work, obj=call.object)


async def preview_conversion(call: Call) -> Reply:
    """What a conversion of the record would do."""
    _own_conversion(call)
    return json_reply(await preview(call.rt, call.ctx, call.release, call.param("name"), call.record))


def _own_conversion(call: Call) -> None:
    found = call.release.model.conversions.get(call.param("name"))
    if found is None or found.object != call.object:
        raise Refused("conversion.unknown", f'there is no conversion "{call.param("name")}" of {call.object}')


async def list_moves(call: Call) -> Reply:
    return json_reply(await moves(call.rt, call.ctx, call.release, call.object, call.record))


async def list_history(call: Call) -> Reply:
    items = await history(call.rt, call.ctx, call.release, call.object, call.record)
    return Reply(f'{{"items":{items}}}'.encode())


async def list_stages(call: Call) -> Reply:
    items = await stage_history(call.rt, call.ctx, call.release, call.object, call.record)
    return Reply(f'{{"items":{items}}}'.encode())


async def _update(
    call: Call, row: Mapping[str, Any], reason: str | None, fields: tuple[str, ...] | None, conn: Connection | None,
    done: Mapping[str, bool] = NOTHING_DONE, acknowledged: frozenset[str] = frozenset(),
) -> Reply:
    record = call.record
    request = RecordWrite(
        object=call.object, operation="update", rows=(row,), ids=(record,), versions=(call.if_match(record),),
        reasons=(reason,), fields=fields, done=(done,) if done else (),
        acknowledged=(acknowledged | call.acknowledged(),),
    )  # fmt: skip
    written = await _write(call, request, conn)
    return Reply(_body(written), 200, _tag(call, record, written))


async def _write(call: Call, request: RecordWrite, conn: Connection | None) -> Written:
    written = await writes.write(call.rt, call.ctx, call.release, request, conn)
    await people_changed(call, conn)
    return written


async def people_changed(call: Call, conn: Connection | None) -> None:
    """Who a user is decides what the user may see: every process reads changed user records again."""
    if call.object != "user":
        return
    if conn is not None:
        await announce(conn, call.release.tenant)
    else:
        await in_transaction(call.rt.writes, call.release.role, lambda inner: announce(inner, call.release.tenant))


def _tag(call: Call, record: UUID, written: Written) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(call.etag(record, version) for changed, version in written.changed if changed == record)


def _body(written: Written) -> bytes:
    if written.body is None:
        ((record, version),) = written.changed
        written = replace(written, body=msgspec.json.encode({"id": record, "version": version}).decode())
    return (written.told or "").encode()


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if outcome and isinstance(outcome[0], UUID):
        told = {"id": outcome[0], "version": outcome[1]}
        return told | ({"_notices": [notice_of(fault) for fault in outcome[2]]} if len(outcome) > 2 else {})
    return {"errors": [error_of(fault) for fault in outcome if isinstance(fault, Fault)]}


def _fields(found: Mapping[str, str]) -> tuple[str, ...] | None:
    text = found.get("fields")
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _row(value: Any, position: int | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        where = "the body" if position is None else f"row {position}"
        pointer = "" if position is None else f"/{position}"
        detail = f"{where} is not an object of fields"
        raise Refused("request.malformed", detail, faults=[Fault("request.malformed", detail, pointer, row=position)])
    return value


RESOURCES = (
    Resource(f"{ROOT}/{{id}}", GET=Action(get_record, "user"), PATCH=Action(change_record, "user"),
             DELETE=Action(delete_record, "user")),
    Resource(ROOT, GET=Action(list_records, "user"), POST=Action(create_records, "user")),
    Resource(f"{ROOT}/{{id}}/move", POST=Action(move_record, "user")),
    Resource(f"{ROOT}/{{id}}/tasks/{{task}}", POST=Action(confirm_task, "user")),
    Resource(f"{ROOT}/{{id}}/convert/{{name}}", GET=Action(preview_conversion, "user"),
             POST=Action(convert_record, "user")),
    Resource(f"{ROOT}/{{id}}/moves", GET=Action(list_moves, "user")),
    Resource(f"{ROOT}/{{id}}/history", GET=Action(list_history, "user")),
    Resource(f"{ROOT}/{{id}}/stages", GET=Action(list_stages, "user")),
    Resource(f"{ROOT}/{{id}}/restore", POST=Action(restore_record, "user")),
)  # fmt: skip
