"""Roll-ups that stand in a column: counted again with every change of a child, filled once, searched for drift.

Whoever changes children locks the records they belonged to and belong to, in the order of their ids, and counts in a
later statement: that sees every child whose writer held the lock before (READ COMMITTED takes a new snapshot for each
statement). Who comes later counts again. So the last writer to commit leaves what all of them together made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import msgspec

from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import SNAPSHOT, in_transaction, transaction
from engine.plan.upkeep import Upkeep, kept_of
from engine.plan.write import WritePlan
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.anchors import lock_statement
from engine.sql.rollups import drift_statement, next_ids_statement, recount_statement

FILL_BATCH = 500
"""Records that one transaction locks and counts when a column is filled."""
NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Drift:
    """A roll-up whose column is not what is counted in `records` records, `sample` being some of their ids."""

    object: str
    field: str
    records: int
    sample: tuple[UUID, ...]


async def upkeep(
    rt: Runtime, release: Release, plan: WritePlan, affected: str, locked: Mapping[str, set[UUID]], conn: Connection
) -> None:
    """Counts again what a write made stale, in its transaction. `affected` is what its statement told."""
    told = msgspec.json.decode(affected, type=dict[str, list[UUID] | None])
    stale = [(kept, ids) for kept in plan.upkeep if (ids := told[kept.object])]
    for kept, ids in stale:
        # A child that was moved between the two statements, or that a default put there. These locks come out of
        # order, so they are not waited for: the work begins again.
        if late := [id_ for id_ in ids if id_ not in locked.get(kept.object, ())]:
            await execute.fetch_rows(conn, lock_statement(kept.table, True).text, [late])
    for kept, ids in stale:
        await _recount(rt, release, kept, ids, conn)


async def fill(rt: Runtime, release: Release, obj: str, names: Iterable[str]) -> int:
    """Counts the named roll-ups of every record of an object, a batch of records at a time under their locks; how many
    records were not right. Writers wait for a batch at most."""
    kept = kept_of(release, obj, [f for f in release.kept(obj) if f.name in set(names)])
    repaired = 0
    async for ids in _all_ids(rt, release, kept):

        async def batch(conn: Connection, ids: list[UUID] = ids) -> int:
            await conn.execute("SET LOCAL statement_timeout = 0")
            await execute.fetch_rows(conn, lock_statement(kept.table).text, [ids])
            return await _recount(rt, release, kept, ids, conn)

        repaired += await in_transaction(rt.writes, release.role, batch)
    return repaired


async def drift(rt: Runtime, release: Release) -> list[Drift]:
    """Counts every kept roll-up of every record in one snapshot an object, while writers go on."""
    found: list[Drift] = []
    for obj in release.model.objects:
        if not release.kept(obj):
            continue
        kept = kept_of(release, obj, release.kept(obj))
        text = drift_statement(kept, rt.collation).text
        async with transaction(rt.reads, release.role, mode=SNAPSHOT) as conn:
            await conn.execute("SET LOCAL statement_timeout = 0")
            row = (await execute.fetch_rows(conn, text))[0]
        found += [
            Drift(obj, k.field, row[2 * n], tuple(UUID(int=id_.int) for id_ in row[2 * n + 1]))
            for n, k in enumerate(kept.fields)
        ]
    return found


async def _recount(rt: Runtime, release: Release, kept: Upkeep, ids: list[UUID], conn: Connection) -> int:
    key = (release, "recount", kept.object, tuple(k.field for k in kept.fields))
    statement = rt.statements.get(key, partial(recount_statement, kept, rt.collation))
    return len(await execute.fetch_rows(conn, statement.text, [ids]))


async def _all_ids(rt: Runtime, release: Release, kept: Upkeep) -> AsyncIterator[list[UUID]]:
    text, after = next_ids_statement(kept.table, FILL_BATCH).text, NO_ID
    while True:
        async with rt.writes.connection(release.role) as conn:
            ids = [row["id"] for row in await execute.fetch_rows(conn, text, [after])]
        if not ids:
            return
        yield ids
        after = ids[-1]
