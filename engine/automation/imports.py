"""Imports as jobs: they go on where they were interrupted, tell how far they are, and can be undone.

A batch of rows commits together with what became of them and the line that it reached, under a lock on the import:
whoever takes an interrupted import goes on behind that line, and of two workers that hold the same one only one
goes on.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec
import structlog

from engine.base.context import OPERATOR, Actor, Context
from engine.base.errors import Fault, Refused
from engine.base.ids import new_id
from engine.base.limits import PAGE_DEFAULT, PAGE_MAX, RUN_ATTEMPTS, UNDO_BATCH
from engine.db import execute
from engine.db.pool import Connection
from engine.db.sqlstate import Outdated
from engine.db.transaction import atomic, in_transaction
from engine.files.store import key, stream
from engine.identity.resolve import attributes
from engine.plan.access import allowed
from engine.plan.structured import ENCODER
from engine.records.corrections import write_corrections
from engine.records.importing import Done, Imported, Rejected, check_rights, import_file
from engine.records.mapping import ImportMapping, given_mapping, mapping_of
from engine.records.undoing import Undone, Written, undo_rows
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import imports, runs

CAPABILITY = "manage_imports"
ACTIVE = frozenset({"queued", "running", "undoing"})
PASSING = frozenset({"database.unreachable", "database.timeout", "database.conflict", "tenant.unknown"})
"""Refusals that say nothing about the import: the job is tried again."""
NAME_KEPT = 60

log = structlog.get_logger("fieldwright.automation")


class _Stopped(Exception):
    """The import was cancelled, or is in the hands of another worker."""


async def start_import(
    rt: Runtime, ctx: Context, release: Release, mapping: Mapping[str, Any], file: UUID, *, dry_run: bool = False,
    conn: Connection | None = None,
) -> str:
    """Queues the import of an uploaded file of the caller's; the import as JSON text.

    Raises Refused `import.mapping`, `access.denied`, `object.unknown`, `file.foreign`.
    """
    data = given_mapping(mapping)
    made = mapping_of(data)
    allowed(rt.rights(ctx.actor, release), made.object, "import")
    check_rights(rt.rights(ctx.actor, release), made)
    id_ = new_id(ctx.now.timestamp())

    async def work(inner: Connection) -> str:
        if not await execute.fetch_rows(inner, imports.take_file(release.schema), [file, ctx.actor.user, id_]):
            raise Refused("file.foreign", "the file is not one that you have uploaded")
        text = ENCODER.encode(data).decode()
        args = [release.tenant, id_, made.object, text, file, dry_run, ctx.now, ctx.actor.user, ctx.actor.operator]
        await execute.fetch_rows(inner, imports.start(release.schema), args)
        (row,) = await execute.fetch_rows(inner, imports.one(release.schema), [id_, None])
        body: str = row["body"]
        return body

    return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))


async def show_import(rt: Runtime, ctx: Context, release: Release, id_: UUID) -> str:
    """The import as JSON text: `id, object, state, dry_run, mapping, file, rows, created, updated, rejected, undone,
    kept, error, created_at, created_by, started_at, finished_at, undone_by`. Raises Refused "import.unknown"."""
    body: str = (await _seen(rt, ctx, release, id_))["body"]
    return body


async def list_imports(rt: Runtime, ctx: Context, release: Release, limit: int = PAGE_DEFAULT) -> str:
    """The newest imports that the caller may see, as the JSON text of an array."""
    args = [_whose(rt, ctx, release), min(limit, PAGE_MAX)]
    body, _ = await execute.read(rt.reads, release.role, imports.listed(release.schema), args)
    return body or "[]"


async def list_rows(
    rt: Runtime, ctx: Context, release: Release, id_: UUID, *, outcome: str | None = None, after: int = 0,
    limit: int = PAGE_DEFAULT,
) -> str:
    """What became of the rows behind line `after`, as the JSON text of an array: `line, outcome, record, version,
    faults`; of one `outcome` (created, updated, rejected, undone, kept) where it is given."""
    await _seen(rt, ctx, release, id_)
    args = [id_, outcome, after, min(limit, PAGE_MAX)]
    body, _ = await execute.read(rt.reads, release.role, imports.rows(release.schema), args)
    return body or "[]"


async def corrections(rt: Runtime, ctx: Context, release: Release, id_: UUID) -> IO[bytes]:
    """A CSV file with the rows that were rejected and why; it is gone when it is closed."""
    row = await _seen(rt, ctx, release, id_)
    async with rt.reads.connection(release.role) as conn:
        found = await execute.fetch_rows(conn, imports.rejected(release.schema), [id_])
    rejected = {line: tuple(_fault(one) for one in msgspec.json.decode(faults)) for line, faults in found}
    mapping = mapping_of(_data(row["mapping"]))
    async with _fetched(rt, release, row) as source:
        made: IO[bytes] = await asyncio.to_thread(write_corrections, source, mapping, rejected)
    return made


async def cancel_import(rt: Runtime, ctx: Context, release: Release, id_: UUID) -> None:
    """Ends an import behind the batch that is being written; what was written stays. Raises Refused "import.state"
    where it has ended already."""
    await _seen(rt, ctx, release, id_)

    async def work(conn: Connection) -> None:
        if not await execute.fetch_rows(conn, imports.cancel(release.schema), [id_, ctx.now]):
            raise Refused("import.state", "the import has ended already")

    await in_transaction(rt.writes, release.role, work)


async def undo_import(rt: Runtime, ctx: Context, release: Release, id_: UUID) -> None:
    """Queues the undoing of an import that has ended, in the caller's rights.

    Raises Refused `access.denied` without the verbs that take back what it did, `import.state` where it runs, was a
    dry run or was undone before.
    """
    row = await _seen(rt, ctx, release, id_)
    rights, mapping = rt.rights(ctx.actor, release), mapping_of(_data(row["mapping"]))
    for verb, count in (("delete", row["created"]), ("edit", row["updated"])):
        if count:
            allowed(rights, mapping.object, verb)
    if mapping.history:
        check_rights(rights, mapping)

    async def work(conn: Connection) -> None:
        args = [release.tenant, id_, ctx.actor.user, ctx.actor.operator]
        if not await execute.fetch_rows(conn, imports.undo(release.schema), args):
            raise Refused("import.state", "only an import that has ended and wrote something is undone, and only once")

    await in_transaction(rt.writes, release.role, work)


async def run_import(rt: Runtime, tenant: str, id_: UUID) -> None:
    """Does what is to be done of an import: all of it, the rest, or its undoing."""
    release = await rt.store.release(tenant)
    now = rt.clock.now()
    async with rt.writes.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, imports.claim(release.schema), [id_, now])
    if not rows:
        return
    row, state = rows[0], rows[0]["state"]
    ended, count, error = "undone" if state == "undoing" else "done", None, None
    try:
        user = row["undone_by"] if state == "undoing" else row["created_by"]
        ctx = await _context(rt, release, None if row["operator"] else UUID(int=user.int), id_)
        mapping = mapping_of(_data(row["mapping"]))
        if state == "undoing":
            await _undo(rt, ctx, release, mapping, id_)
        else:
            count = (await _import(rt, ctx, release, mapping, id_, row)).rows
    except _Stopped:
        return
    except Outdated:
        raise
    except Refused as refused:
        if refused.code in PASSING:
            raise
        ended, error = "failed", _told(refused)
    except Exception as unexpected:
        async with rt.writes.connection(release.role) as conn:
            failures = await conn.fetchval(imports.failed(release.schema), id_)
        if failures < RUN_ATTEMPTS:
            raise
        log.error("an import failed unexpectedly", tenant=tenant, id=str(id_), exc_info=unexpected)
        ended, error = "failed", _told(Refused("internal", "see the server's log"))
    text = None if error is None else msgspec.json.encode(error).decode()
    async with rt.writes.connection(release.role) as conn:
        await conn.execute(imports.finish(release.schema), id_, state, ended, count, text, rt.clock.now())


async def _import(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, id_: UUID, row: Any
) -> Imported:
    journal = _Journal(release, id_, row["cursor"])
    async with _fetched(rt, release, row) as path:
        if not row["dry_run"]:
            return await import_file(rt, ctx, release, mapping, path, journal=journal)
        found = await import_file(rt, ctx, release, mapping, path, dry_run=True)
    async with rt.writes.connection(release.role) as conn, atomic(conn):
        await journal.begin(conn)
        await journal.note(conn, 0, found.rows, (), found.rejected, (found.created, found.updated))
    return found


class _Journal:
    """The import's own tables as the `importing.Journal`."""

    def __init__(self, release: Release, id_: UUID, cursor: int) -> None:
        self.schema, self.id, self.cursor = release.schema, id_, cursor

    async def begin(self, conn: Connection) -> None:
        rows = await execute.fetch_rows(conn, imports.lock(self.schema), [self.id])
        if not rows or tuple(rows[0]) != ("running", self.cursor):
            raise _Stopped

    async def note(
        self, conn: Connection, cursor: int, rows: int, done: Sequence[Done], rejected: Sequence[Rejected],
        counts: tuple[int, int] | None = None,
    ) -> None:
        created, updated = counts or (
            sum(one.outcome == "created" for one in done), sum(one.outcome == "updated" for one in done),
        )  # fmt: skip
        args = [self.id, cursor, rows, created, updated, len(rejected)]
        await execute.fetch_rows(conn, imports.note(self.schema), args)
        entries: list[tuple[Any, ...]] = [(one.line, one.outcome, one.record, one.version, None) for one in done]
        entries += [(one.line, "rejected", None, None, _faults(one.faults)) for one in rejected]
        if entries:
            columns = [list(column) for column in zip(*entries, strict=True)]
            await execute.fetch_rows(conn, imports.note_rows(self.schema), [self.id, *columns])


async def _undo(rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, id_: UUID) -> None:
    """In batches from the last row to the first, so that what refers to earlier rows goes before them."""
    release.object(mapping.object)

    async def work(conn: Connection) -> bool:
        found = await execute.fetch_rows(conn, imports.lock(release.schema), [id_])
        if not found or found[0]["state"] != "undoing":
            raise _Stopped
        rows = await execute.fetch_rows(conn, imports.to_undo(release.schema), [id_, UNDO_BATCH])
        written = [Written(r["line"], r["outcome"], UUID(int=r["record"].int), r["version"]) for r in rows]
        if written:
            undone: list[Undone] = await undo_rows(rt, ctx, release, mapping, written, conn)
            outcomes = ["kept" if one.faults else "undone" for one in undone]
            faults = [_faults(one.faults) if one.faults else None for one in undone]
            args = [id_, [one.line for one in undone], outcomes, faults]
            await execute.fetch_rows(conn, imports.undone(release.schema), args)
        return len(written) == UNDO_BATCH

    while await in_transaction(rt.writes, release.role, work):
        pass


@asynccontextmanager
async def _fetched(rt: Runtime, release: Release, row: Any) -> AsyncIterator[Path]:
    """The file of an import in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / row["name"][-NAME_KEPT:]
        with path.open("wb") as file:
            async for chunk in stream(rt, key(release.tenant, row["sha256"]), 0, row["size"]):
                file.write(chunk)
        yield path


async def _context(rt: Runtime, release: Release, user: UUID | None, id_: UUID) -> Context:
    """In whose rights it is done: those that the user has now, or (None) all."""
    actor = OPERATOR
    if user is not None:
        async with rt.writes.connection(release.role) as conn:
            found = await execute.fetch_rows(conn, runs.login(release.schema), [user])
        if not found or not found[0]["active"]:
            raise Refused("access.denied", "the user whose import this is may not sign in any more")
        actor = Actor(user, tuple(found[0]["roles"]), await attributes(rt, release, user))
    settings = release.model.settings
    zone, locale = settings.time_zone, settings.locales[0]
    return Context(
        actor, release.tenant, rt.clock.now(), time_zone=zone, locale=locale, request_id=id_.hex, door="import"
    )


def _whose(rt: Runtime, ctx: Context, release: Release) -> UUID | None:
    """The user whose imports the caller sees, None for everyone's."""
    return None if CAPABILITY in rt.rights(ctx.actor, release).capabilities else ctx.actor.user


async def _seen(rt: Runtime, ctx: Context, release: Release, id_: UUID) -> Any:
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, imports.one(release.schema), [id_, _whose(rt, ctx, release)])
    if not rows:
        raise Refused("import.unknown", "there is no such import")
    return rows[0]


def _data(text: str) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(text)
    return data


def _faults(faults: Sequence[Fault]) -> str:
    return msgspec.json.encode([_plain(fault) for fault in faults]).decode()


def _plain(fault: Fault) -> dict[str, Any]:
    return {"code": fault.code, "detail": fault.detail, "pointer": fault.pointer, "rule": fault.rule}


def _fault(plain: Mapping[str, Any]) -> Fault:
    return Fault(plain["code"], plain["detail"], plain["pointer"], plain["rule"])


def _told(refused: Refused) -> dict[str, Any]:
    return {
        "code": refused.code, "detail": refused.detail or refused.title, "hint": refused.hint,
        "errors": [_plain(fault) for fault in refused.faults],
    }  # fmt: skip
