"""Import of a file: staged by COPY, then written in batches through the ordinary door.

Good rows are written, the others are reported with their line; a dry run does everything and undoes it. A batch is
one transaction, in which a journal may note what became of its rows. The rows of a file are written in its order.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.base.limits import IMPORT_BATCH, IMPORT_STATEMENT_SECONDS
from engine.db import staging
from engine.db.pool import Connection
from engine.db.transaction import atomic, retry
from engine.plan.access import Rights, allowed
from engine.plan.request import Operation, RecordWrite
from engine.plan.written import Unfit
from engine.records.bulk import Outcome, write_each
from engine.records.lookup import ids_by_key, ids_by_keys
from engine.records.mapping import SYSTEM_FIELDS, ImportMapping, Source, option_labels, picked, typed, verify
from engine.records.tables import Table, open_table
from engine.release.release import Release
from engine.runtime import Runtime

MEMORY = 200_000
YIELDING = 200
"""After how many rows of a file others may go on, in a server that has to answer meanwhile."""
ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)")
OPTIONS = frozenset({"select", "multi_select", "stage"})
Line: TypeAlias = "tuple[int, str | None, dict[str, Any], UUID | None]"
"""A row to be written: its line, its key, its fields, and the record that it updates."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not written: its line in the file, its key where it has one, and what is wrong."""

    line: int
    key: str | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A row that was written: its record, and the version that it has by this."""

    line: int
    outcome: str
    record: UUID
    version: int


@dataclass(slots=True)
class Imported:
    """The outcome: counts and every rejected row, in the order of the file."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    dry_run: bool = False


class Journal(Protocol):
    """Where it is kept what became of the rows, so that an import that was interrupted goes on."""

    cursor: int
    """The last line that is done."""

    async def begin(self, conn: Connection) -> None:
        """Called first in the transaction of each batch; raises what ends the import."""

    async def note(
        self, conn: Connection, cursor: int, rows: int, done: Sequence[Done], rejected: Sequence[Rejected]
    ) -> None:
        """Called last in it: the lines up to `cursor` of the file's `rows` have come to this."""


@dataclass(slots=True)
class _Job:
    rt: Runtime
    ctx: Context
    release: Release
    mapping: ImportMapping
    done: Imported
    conn: Connection
    journal: Journal | None
    rehearsed: bool
    typed: bool
    early: dict[int, list[Fault]] = field(default_factory=dict)
    known: dict[tuple[str, str], dict[str, list[UUID]]] = field(default_factory=dict)
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Source, ...]:
        return (*self.mapping.sources, *self.mapping.system)

    @property
    def reader(self) -> Connection | None:
        """Where keys are looked up: what a dry run has written is seen by its own connection alone."""
        return self.conn if self.rehearsed else None


@asynccontextmanager
async def rehearsal(rt: Runtime, release: Release) -> AsyncIterator[Connection]:
    """A connection for dry runs: what is written is seen by the ones that follow, and undone at the end."""
    async with rt.writes.connection(release.role) as conn:
        await conn.execute("BEGIN")
        try:
            yield conn
        finally:
            if not conn.is_closed():
                await conn.execute("ROLLBACK")


async def import_file(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, path: Path, *, dry_run: bool = False,
    within: Connection | None = None, journal: Journal | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Imports the file; `progress(done, rows)` is called after each batch. A dry run may go on `within` a rehearsal
    that others share.

    Raises Refused `import.file`, `import.mapping`, `access.denied` (the verb `import` and the verbs of the mode are
    needed, and `import_historical` for historical mode) before anything is written.
    """
    if dry_run and within is None:
        async with rehearsal(rt, release) as conn:
            return await import_file(rt, ctx, release, mapping, path, dry_run=True, within=conn, progress=progress)
    check_rights(rt.rights(ctx.actor, release), mapping)
    table = await asyncio.to_thread(open_table, path, mapping.encoding, mapping.separator, mapping.sheet)
    verify(mapping, release, table.header)
    if within is not None:
        return await _import(rt, ctx, release, mapping, table, within, journal, dry_run, progress)
    async with rt.writes.connection(release.role) as conn:
        return await _import(rt, ctx, release, mapping, table, conn, journal, dry_run, progress)


async def _import(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, table: Table, conn: Connection,
    journal: Journal | None, dry_run: bool, progress: Callable[[int, int], None] | None,
) -> Imported:
    done = Imported(dry_run=dry_run)
    async with rt.writes.connection(release.role) as staged:
        job = _Job(rt, ctx, release, mapping, done, conn, journal, dry_run, table.typed)
        try:
            await staging.stage(staged, len(job.sources), _staged(job, table))
            twice = {}
            if mapping.key:
                fields = [source.field for source in mapping.sources]
                twice = await staging.repeated(staged, [fields.index(key) for key in mapping.key])
            await conn.execute(f"SET statement_timeout = '{IMPORT_STATEMENT_SECONDS}s'")
            await _batches(job, staged, twice, progress)
        finally:
            if not dry_run and not conn.is_closed():
                await conn.execute("RESET statement_timeout")
            await staging.drop(staged)
    done.rejected.sort(key=lambda rejected: rejected.line)
    return done


def check_rights(rights: Rights, mapping: ImportMapping) -> None:
    """Raises Refused "access.denied" where the actor may not import by the mapping."""
    verbs = {"create": ("create",), "update": ("edit",), "upsert": ("create", "edit")}[mapping.mode]
    if mapping.object not in rights.release.model.objects:
        return
    for verb in ("import", *verbs):
        allowed(rights, mapping.object, verb)
    if mapping.history and "import_historical" not in rights.capabilities:
        raise Refused("access.denied", "the capability import_historical is needed")


async def _staged(job: _Job, table: Table) -> AsyncIterator[tuple[Any, ...]]:
    """Each row as texts after blank, map, template and factor; what is wrong by then is noted with its line."""
    seen: set[str] = set()
    for line, cells, row in table.named():
        if job.mapping.distinct:
            value = row.get(job.mapping.distinct, "")
            if value in seen:
                continue
            seen.add(value)
        job.done.rows += 1
        if len(cells) != len(table.header):
            detail = f"the row has {len(cells)} cells, the header {len(table.header)}"
            job.early[line] = [Fault("import.file", detail)]
        texts: list[str | None] = []
        for source in job.sources:
            try:
                text = picked(source, row)
                if text is not None and "\0" in text:
                    raise Unfit("record.type", "the text holds a NUL character")
            except Unfit as unfit:
                job.early.setdefault(line, []).append(Fault(unfit.code, unfit.detail, f"/{source.field}"))
                text = None
            texts.append(text)
        yield (line, *texts)
        if job.done.rows % YIELDING == 0:
            await asyncio.sleep(0)


async def _batches(
    job: _Job, staged: Connection, twice: dict[int, int], progress: Callable[[int, int], None] | None
) -> None:
    """While the database writes one batch, the next is made ready."""
    after, writing = job.journal.cursor if job.journal else 0, None
    try:
        while rows := await staging.batch(staged, len(job.sources), after, IMPORT_BATCH):
            after = rows[-1]["line"]
            await job.rt.store.check_all()
            if writing is not None and job.rehearsed:
                await writing
            batch = await _prepared(job, rows, twice)
            if writing is not None:
                await writing
            writing = asyncio.create_task(_write(job, batch, progress))
            await asyncio.sleep(0)
        if writing is not None:
            await writing
    finally:
        if writing is not None and not writing.done():
            writing.cancel()
            await asyncio.wait([writing])


@dataclass(slots=True)
class _Batch:
    """The rows of a batch that can be tried, to be created and to be updated, and those that can not."""

    last: int
    creates: list[Line] = field(default_factory=list)
    updates: list[Line] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


async def _write(job: _Job, batch: _Batch, progress: Callable[[int, int], None] | None) -> None:
    """One transaction, begun again where it only lost a race."""

    async def once() -> tuple[list[Done], list[Rejected]]:
        done: list[Done] = []
        rejected = list(batch.rejected)
        async with atomic(job.conn):
            if job.journal:
                await job.journal.begin(job.conn)
            await _write_rows(job, "create", batch.creates, done, rejected)
            await _write_rows(job, "update", batch.updates, done, rejected)
            if job.journal:
                await job.journal.note(job.conn, batch.last, job.done.rows, done, rejected)
        if job.journal:
            job.journal.cursor = batch.last
        return done, rejected

    done, rejected = await (once() if job.rehearsed else retry(once))
    job.done.created += sum(one.outcome == "created" for one in done)
    job.done.updated += sum(one.outcome == "updated" for one in done)
    job.done.rejected += rejected
    if progress:
        progress(job.done.created + job.done.updated + len(job.done.rejected), job.done.rows)


async def _prepared(job: _Job, rows: Any, twice: dict[int, int]) -> _Batch:
    """A batch with the records that its keys and lookups find: those that were there when the batch before the last
    was written."""
    mapping = job.mapping
    for n, source in enumerate(job.sources):
        if source.lookup:
            await _learn(job, source, {row[n + 1] for row in rows if row[n + 1] is not None})
    at = [n + 1 for key in mapping.key for n, source in enumerate(mapping.sources) if source.field == key]
    batch = _Batch(rows[-1]["line"])
    tried: list[tuple[Line, tuple[str, ...] | None, list[Fault]]] = []
    for row in rows:
        line, texts = row["line"], tuple(row[n] for n in at)
        faults = list(job.early.get(line, ()))
        if line in twice:
            detail = f"the key stands in line {twice[line]} already"
            faults.append(Fault("record.unique", detail, _of_key(mapping)))
        made = _row(job, row, faults)
        complete = mapping.key and all(made.get(key) is not None for key in mapping.key)
        key = tuple(_key_text(made[key]) for key in mapping.key) if complete else None
        tried.append(((line, ", ".join(text for text in texts if text) or None, made, None), key, faults))
    wanted = {key for _, key, _ in tried if key is not None}
    there = await ids_by_keys(job.rt, job.ctx, job.release, mapping.object, mapping.key, wanted, job.reader)
    for (line, shown, made, _), key, faults in tried:
        found = there.get(key, []) if key is not None else []
        if mapping.mode == "create" and found:
            faults.append(Fault("record.unique", "there is such a record already", _of_key(mapping)))
        elif mapping.mode == "update" and not found:
            faults.append(Fault("record.unknown", "there is no such record", _of_key(mapping)))
        elif len(found) > 1:
            faults.append(Fault("record.reference", f"{len(found)} records have this key", _of_key(mapping)))
        if faults:
            batch.rejected.append(Rejected(line, shown, tuple(faults)))
        else:
            (batch.updates if found else batch.creates).append((line, shown, made, found[0] if found else None))
    return batch


def _of_key(mapping: ImportMapping) -> str:
    """The pointer of what is wrong with a key: its first field."""
    return f"/{mapping.key[0]}"


def _key_text(value: Any) -> str:
    """A part of a key as the database writes it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _learn(job: _Job, source: Source, keys: set[str]) -> None:
    """Looks up the keys that were not asked for before."""
    target = job.release.object(job.mapping.object).fields[source.field].to
    assert target is not None
    assert source.lookup is not None
    known = job.known.setdefault((target, source.lookup), {})
    new = keys - known.keys()
    if new:
        if len(known) > MEMORY:
            known.clear()
            new = keys
        found = await ids_by_key(job.rt, job.ctx, job.release, target, source.lookup, new, job.reader)
        known.update({key: found.get(key, []) for key in new})


def _row(job: _Job, row: Any, faults: list[Fault]) -> dict[str, Any]:
    fields = job.release.object(job.mapping.object).fields
    made: dict[str, Any] = {}
    count = len(job.mapping.sources)
    for n, source in enumerate(job.sources):
        text = row[n + 1]
        name = source.field if n < count else SYSTEM_FIELDS[source.field]
        if text is None:
            if n < count and job.mapping.mode != "create":
                made[name] = None
            continue
        kind = fields[source.field].type if n < count else "datetime"
        try:
            made[name] = _found(job, source, text) if source.lookup else _typed(job, source, kind, text)
        except Unfit as unfit:
            faults.append(Fault(unfit.code, unfit.detail, f"/{source.field}"))
    if faults:
        # Such a row does not reach the door, which would tell this too.
        told = {fault.pointer for fault in faults}
        faults += [
            Fault("record.required", "a value is required", f"/{source.field}")
            for source, text in zip(job.mapping.sources, row[1:], strict=False)
            if text is None and fields[source.field].required and not fields[source.field].default
            and f"/{source.field}" not in told
        ]
    return made


def _typed(job: _Job, source: Source, kind: str, text: str) -> Any:
    """Most columns hold few distinct texts, so each is converted once."""
    remembered = (source.field, text)
    if remembered not in job.values:
        if len(job.values) > MEMORY:
            job.values.clear()
        form = None if job.typed and ISO.match(text) else source.format
        made = typed(kind, text, form, job.release.model.settings.time_zone)
        if kind in OPTIONS:
            field = job.release.object(job.mapping.object).fields[source.field]
            labels = job.labels.setdefault(source.field, option_labels(job.release, field))
            made = [labels.get(one, one) for one in made] if isinstance(made, list) else labels.get(made, made)
        job.values[remembered] = made
    return job.values[remembered]


def _found(job: _Job, source: Source, text: str) -> str:
    target = job.release.object(job.mapping.object).fields[source.field].to
    ids = job.known[target or "", source.lookup or ""].get(text, [])
    if len(ids) != 1:
        many = f"{len(ids)} records of {target} have" if ids else f"there is no {target} with"
        raise Unfit("record.reference", f'{many} {source.lookup} "{text[:60]}"')
    return str(ids[0])


async def _write_rows(
    job: _Job, operation: Operation, rows: list[Line], done: list[Done], rejected: list[Rejected]
) -> None:
    if not rows:
        return
    request = RecordWrite(
        object=job.mapping.object, operation=operation, rows=tuple(row for _, _, row, _ in rows),
        ids=tuple(id_ for *_, id_ in rows if id_ is not None), historical=job.mapping.history, many=True,
        imported=True, acknowledged=(job.mapping.acknowledged,) * len(rows),
    )
    outcomes: list[Outcome] = await write_each(job.rt, job.ctx, job.release, request, job.conn)
    for (line, key, _, _), outcome in zip(rows, outcomes, strict=True):
        if outcome and isinstance(outcome[0], UUID):
            done.append(Done(line, f"{operation}d", outcome[0], outcome[1]))
        else:
            rejected.append(Rejected(line, key, outcome))
