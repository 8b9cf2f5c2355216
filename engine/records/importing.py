"""Import of a CSV file: staged by COPY, then written in batches through the ordinary door.

Good rows are written, the others are reported with their line; a dry run does everything and undoes it. A batch is
one transaction. The rows of a file are written in its order.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.base.limits import IMPORT_BATCH, IMPORT_STATEMENT_SECONDS
from engine.db import staging
from engine.db.pool import Connection
from engine.plan.access import Rights, allowed
from engine.plan.request import Operation, RecordWrite
from engine.plan.written import Unfit
from engine.records.bulk import Outcome, write_each
from engine.records.lookup import ids_by_key
from engine.records.mapping import SYSTEM_FIELDS, ImportMapping, Source, option_labels, picked, typed, verify
from engine.release.release import Release
from engine.runtime import Runtime

MEMORY = 200_000
OPTIONS = frozenset({"select", "multi_select", "stage"})
Line: TypeAlias = "tuple[int, str | None, dict[str, Any], UUID | None]"
"""A row to be written: its line, its key, its fields, and the record that it updates."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not written: its line in the file, its key where it has one, and what is wrong."""

    line: int
    key: str | None
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class Imported:
    """The outcome: counts and every rejected row, in the order of the file."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    dry_run: bool = False


@dataclass(slots=True)
class _Job:
    rt: Runtime
    ctx: Context
    release: Release
    mapping: ImportMapping
    done: Imported
    conn: Connection
    early: dict[int, list[Fault]] = field(default_factory=dict)
    known: dict[tuple[str, str], dict[str, list[UUID]]] = field(default_factory=dict)
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Source, ...]:
        return (*self.mapping.sources, *self.mapping.system)


async def import_csv(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, path: Path, *, dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Imports the file; `progress(done, rows)` is called after each batch.

    Raises Refused `import.file`, `import.mapping`, `access.denied` (the verb `import` and the verbs of the mode are
    needed, and `import_historical` for historical mode) before anything is written.
    """
    rights = rt.rights(ctx.actor, release)
    _check_rights(rights, mapping)
    header, rows = _open(path)
    verify(mapping, release, header)
    done = Imported(dry_run=dry_run)
    async with rt.writes.connection(release.role) as staged, rt.writes.connection(release.role) as conn:
        job = _Job(rt, ctx, release, mapping, done, conn)
        try:
            await staging.stage(staged, len(job.sources), _staged(job, rows))
            twice = {}
            if mapping.key:
                twice = await staging.repeated(staged, [s.field for s in mapping.sources].index(mapping.key))
            await conn.execute(f"SET statement_timeout = '{IMPORT_STATEMENT_SECONDS}s'")
            if dry_run:
                await conn.execute("BEGIN")
            await _batches(job, staged, twice, progress)
        finally:
            if dry_run and not conn.is_closed():
                await conn.execute("ROLLBACK")
            if not conn.is_closed():
                await conn.execute("RESET statement_timeout")
            await staging.drop(staged)
    done.rejected.sort(key=lambda rejected: rejected.line)
    return done


def _check_rights(rights: Rights, mapping: ImportMapping) -> None:
    verbs = {"create": ("create",), "update": ("edit",), "upsert": ("create", "edit")}[mapping.mode]
    if mapping.object not in rights.release.model.objects:
        return
    for verb in ("import", *verbs):
        allowed(rights, mapping.object, verb)
    if mapping.history and "import_historical" not in rights.capabilities:
        raise Refused("access.denied", "the capability import_historical is needed")


def _open(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    try:
        file = path.open(encoding="utf-8-sig", newline="")
        reader = csv.reader(file, strict=True)
        header = next(reader, None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refused("import.file", f"{path.name}: {_reason(error)}") from error
    if not header:
        file.close()
        raise Refused("import.file", f"{path.name} is empty")

    def rows() -> Iterator[tuple[int, list[str]]]:
        with file:
            line = reader.line_num + 1
            try:
                for cells in reader:
                    if cells:
                        yield line, cells
                    line = reader.line_num + 1
            except (UnicodeDecodeError, csv.Error) as error:
                raise Refused("import.file", f"{path.name}, line {line}: {_reason(error)}") from error

    return header, _with_header(header, rows())


def _with_header(header: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield 1, header
    yield from rows


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the text is not UTF-8"
    return error.strerror or "can not be opened" if isinstance(error, OSError) else str(error)


def _staged(job: _Job, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[Any, ...]]:
    """Each row as texts after blank, map, template and factor; what is wrong by then is noted with its line."""
    _, header = next(rows)
    seen: set[str] = set()
    for line, cells in rows:
        row = dict(zip(header, cells, strict=False))
        if job.mapping.distinct:
            value = row.get(job.mapping.distinct, "")
            if value in seen:
                continue
            seen.add(value)
        job.done.rows += 1
        if len(cells) != len(header):
            detail = f"the row has {len(cells)} cells, the header {len(header)}"
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


async def _batches(
    job: _Job, staged: Connection, twice: dict[int, int], progress: Callable[[int, int], None] | None
) -> None:
    """While the database writes one batch, the next is made ready."""
    after, writing = 0, None
    try:
        while rows := await staging.batch(staged, len(job.sources), after, IMPORT_BATCH):
            after = rows[-1]["line"]
            await job.rt.store.check_all()
            creates, updates = await _prepared(job, rows, twice)
            if writing is not None:
                await writing
            writing = asyncio.create_task(_write_both(job, creates, updates, progress))
            await asyncio.sleep(0)
        if writing is not None:
            await writing
    finally:
        if writing is not None and not writing.done():
            writing.cancel()
            await asyncio.wait([writing])


async def _write_both(
    job: _Job, creates: list[Line], updates: list[Line], progress: Callable[[int, int], None] | None
) -> None:
    await _write(job, "create", creates)
    await _write(job, "update", updates)
    if progress:
        progress(job.done.created + job.done.updated + len(job.done.rejected), job.done.rows)


async def _prepared(job: _Job, rows: Any, twice: dict[int, int]) -> tuple[list[Line], list[Line]]:
    """The rows of a batch that can be tried, to be created and to be updated; what is wrong with others is noted.

    Lookups and keys find the records that were there when the batch before the last was written.
    """
    mapping = job.mapping
    for n, source in enumerate(job.sources):
        if source.lookup:
            await _learn(job, source, {row[n + 1] for row in rows if row[n + 1] is not None})
    key_at = [s.field for s in mapping.sources].index(mapping.key) + 1 if mapping.key else None
    there = {}
    if mapping.key and key_at:
        keys = {row[key_at] for row in rows if row[key_at] is not None}
        there = await ids_by_key(job.rt, job.ctx, job.release, mapping.object, mapping.key, keys)
    creates: list[Line] = []
    updates: list[Line] = []
    for row in rows:
        line, key = row["line"], row[key_at] if key_at else None
        faults = list(job.early.get(line, ()))
        if line in twice:
            faults.append(Fault("record.unique", f"the key stands in line {twice[line]} already", f"/{mapping.key}"))
        made = _row(job, row, faults)
        found = there.get(key, []) if key is not None else []
        if mapping.mode == "create" and found:
            faults.append(Fault("record.unique", "there is such a record already", f"/{mapping.key}"))
        elif mapping.mode == "update" and not found:
            faults.append(Fault("record.unknown", "there is no such record", f"/{mapping.key}"))
        elif len(found) > 1:
            faults.append(Fault("record.reference", f"{len(found)} records have this key", f"/{mapping.key}"))
        if faults:
            job.done.rejected.append(Rejected(line, key, tuple(faults)))
        else:
            (updates if found else creates).append((line, key, made, found[0] if found else None))
    return creates, updates


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
        found = await ids_by_key(job.rt, job.ctx, job.release, target, source.lookup, new)
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
        made = typed(kind, text, source.format, job.release.model.settings.time_zone)
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


async def _write(job: _Job, operation: Operation, rows: list[Line]) -> None:
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
            job.done.created += operation == "create"
            job.done.updated += operation == "update"
        else:
            job.done.rejected.append(Rejected(line, key, outcome))
