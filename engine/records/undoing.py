"""Taking back what an import wrote, record by record, through the ordinary door.

What was created goes into the recycle bin; what was changed gets the values back that the history has from before.
A record that somebody has changed since is left as it is; what workflows did in answer is not counted as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db.execute import fetch_rows
from engine.db.pool import Connection
from engine.db.transaction import atomic
from engine.plan.request import RecordWrite
from engine.records.bin import delete_within
from engine.records.bulk import OF_ROWS, write_each
from engine.records.mapping import ImportMapping
from engine.records.write import UNDO_DOOR
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import imports

ANSWERS = frozenset({"workflow"})
"""Doors of changes that nobody made on purpose since."""

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class Written:
    """A row that the import wrote: `created` or `updated`, and the version that the record had by it."""

    line: int
    outcome: str
    record: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a row: why the record was left as it is, or no faults."""

    line: int
    faults: tuple[Fault, ...] = ()


async def undo_rows(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping, rows: Sequence[Written], conn: Connection
) -> list[Undone]:
    """Undoes the rows, in their order, in the transaction of `conn`. Raises Refused only for the whole."""
    ctx, obj = replace(ctx, door=UNDO_DOOR), mapping.object
    table = release.table(obj)
    found = await fetch_rows(conn, imports.present(table), [[row.record for row in rows]])
    live = {UUID(int=row["id"].int) for row in found}
    args = [obj, [row.record for row in rows], [row.version for row in rows]]
    history: dict[UUID, list[Any]] = {}
    for entry in await fetch_rows(conn, imports.since(table.schema), args):
        history.setdefault(UUID(int=entry["record"].int), []).append(entry)
    done: list[Undone] = []
    updates: list[tuple[int, UUID, dict[str, Any]]] = []
    for row in rows:
        entries = history.get(row.record, [])
        if row.record not in live:
            done.append(_kept(row, "the record is not there any more"))
        elif not entries or not entries[0]["first"]:
            done.append(_kept(row, "the history does not have what was imported"))
        elif any(entry["door"] not in ANSWERS for entry in entries[1:]):
            done.append(_kept(row, "the record was changed since it was imported"))
        elif row.outcome == "created":
            done.append(await _delete(rt, ctx, release, obj, row, conn))
        elif values := _before(release, obj, _decode(entries[0]["changes"])):
            updates.append((row.line, row.record, values))
        else:
            done.append(Undone(row.line))
    return done + await _restore(rt, ctx, release, mapping, updates, conn)


def _kept(row: Written, why: str) -> Undone:
    return Undone(row.line, (Fault("import.changed", why),))


async def _delete(
    rt: Runtime, ctx: Context, release: Release, obj: str, row: Written, conn: Connection
) -> Undone:
    """The batch of the recycle bin bears the id of the record, as if it had been deleted alone."""
    try:
        async with atomic(conn):
            await delete_within(rt, ctx, release, obj, [row.record], [None], row.record, conn, unattended=True)
    except Refused as refused:
        if refused.kind not in OF_ROWS:
            raise
        return Undone(row.line, refused.faults or (Fault(refused.code, refused.detail),))
    return Undone(row.line)


def _before(release: Release, obj: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The values that fields had before a change of the history, as the door takes them."""
    values: dict[str, Any] = {}
    for f in release.stored(obj):
        if pair := changes.get(release.column(obj, f.name)):
            values[f.name] = msgspec.json.decode(pair[0]) if f.type == "json" and pair[0] is not None else pair[0]
    return values


async def _restore(
    rt: Runtime, ctx: Context, release: Release, mapping: ImportMapping,
    updates: Sequence[tuple[int, UUID, dict[str, Any]]], conn: Connection,
) -> list[Undone]:
    if not updates:
        return []
    request = RecordWrite(
        object=mapping.object, operation="update", rows=tuple(values for *_, values in updates),
        ids=tuple(record for _, record, _ in updates), historical=mapping.history, unattended=True, many=True,
    )
    outcomes = await write_each(rt, ctx, release, request, conn)
    done = []
    for (line, *_), outcome in zip(updates, outcomes, strict=True):
        faults = () if outcome and isinstance(outcome[0], UUID) else outcome
        done.append(Undone(line, tuple(fault for fault in faults if isinstance(fault, Fault))))
    return done
