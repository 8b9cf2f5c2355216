"""`/{tenant}/api/imports`: imports of uploaded files, seen by who made them and by those with manage_imports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import IO, Any
from uuid import UUID

import msgspec

from engine.automation import imports
from engine.base.errors import Refused
from engine.base.limits import PAGE_DEFAULT, PAGE_MAX
from engine.db.pool import Connection
from engine.http import query
from engine.http.call import Call, path_id
from engine.http.idempotency import once
from engine.http.reply import CSV, Reply, json_reply
from engine.http.resource import Action, Resource

ROOT = "/{tenant}/api/imports"
OUTCOMES = ("created", "updated", "rejected", "undone", "kept")
CHUNK = 1 << 16


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a new import: the id of an uploaded file and how it is read."""

    file: UUID
    mapping: dict[str, Any]
    dry_run: bool = False


async def post_import(call: Call) -> Reply:
    """Queues an import."""
    query.only(query.parse(call.query_string))
    wanted = await call.typed(Wanted)

    async def work(conn: Connection | None) -> Reply:
        made = await imports.start_import(
            call.rt, call.ctx, call.release, wanted.mapping, wanted.file, dry_run=wanted.dry_run, conn=conn
        )
        id_ = msgspec.json.decode(made)["id"]
        return Reply(made.encode(), 202, ((b"location", f"/{call.release.tenant}/api/imports/{id_}".encode()),))

    return await once(call, work)


async def get_imports(call: Call) -> Reply:
    """The newest imports."""
    found = query.parse(call.query_string)
    query.only(found, "limit")
    items = await imports.list_imports(call.rt, call.ctx, call.release, _limit(found))
    return Reply(f'{{"items":{items}}}'.encode())


async def get_import(call: Call) -> Reply:
    """How far an import is, or what it has come to."""
    return Reply((await imports.show_import(call.rt, call.ctx, call.release, _id(call))).encode())


async def get_rows(call: Call) -> Reply:
    """What became of its rows."""
    found = query.parse(call.query_string)
    query.only(found, "outcome", "after", "limit")
    outcome = found.get("outcome")
    if outcome not in (None, *OUTCOMES):
        raise Refused("query.invalid", f"outcome is one of {', '.join(OUTCOMES)}")
    items = await imports.list_rows(
        call.rt, call.ctx, call.release, _id(call), outcome=outcome, after=query.number(found, "after", 0),
        limit=_limit(found),
    )
    return Reply(f'{{"items":{items}}}'.encode())


async def get_errors(call: Call) -> Reply:
    """The rejected rows as CSV."""
    file = await imports.corrections(call.rt, call.ctx, call.release, _id(call))
    name = b'attachment; filename="import_errors.csv"'
    return Reply(
        b"", headers=((b"content-disposition", name),), media=CSV, length=os.fstat(file.fileno()).st_size,
        stream=_stream(file),
    )  # fmt: skip


async def _stream(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


async def cancel(call: Call) -> Reply:
    """Ends an import that is under way."""
    await imports.cancel_import(call.rt, call.ctx, call.release, _id(call))
    return json_reply({"id": _id(call), "state": "cancelled"}, 202)


async def undo(call: Call) -> Reply:
    """Queues the undoing of an import."""
    await imports.undo_import(call.rt, call.ctx, call.release, _id(call))
    return json_reply({"id": _id(call), "state": "undoing"}, 202)


def _id(call: Call) -> UUID:
    return path_id(call.param("id"), "import.unknown", "there is no such import")


def _limit(found: Any) -> int:
    limit = query.number(found, "limit", PAGE_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise Refused("query.invalid", f"limit is a number from 1 to {PAGE_MAX}")
    return limit


RESOURCES = (
    Resource(ROOT, POST=Action(post_import, "user"), GET=Action(get_imports, "user")),
    Resource(ROOT + "/{id}", GET=Action(get_import, "user")),
    Resource(ROOT + "/{id}/rows", GET=Action(get_rows, "user")),
    Resource(ROOT + "/{id}/errors", GET=Action(get_errors, "user")),
    Resource(ROOT + "/{id}/cancel", POST=Action(cancel, "user")),
    Resource(ROOT + "/{id}/undo", POST=Action(undo, "user")),
)
