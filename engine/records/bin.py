"""The recycle bin: deleting hides a record and what hangs on it, restoring brings exactly that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from engine.base.context import Context
from engine.base.limits import BATCH_MAX
from engine.db.execute import fetch_rows
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.plan.access import allowed
from engine.plan.request import RecordWrite
from engine.records.write import BATCH_FIELDS, Written, direct, write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.bin import following, in_batch
from metamodel.kinds.object import Field


async def delete(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, version: int | None,
    acknowledged: frozenset[str] = frozenset(),
) -> None:
    """Puts a record, and what is deleted with it, into the recycle bin, as one batch that is restored as one.

    The batch bears the id of the record.

    Raises Refused `record.in_use` where live records refer to it and their lookup says `restrict`.
    """
    allowed(rt.rights(ctx.actor, release), obj, "delete")

    async def work(conn: Connection) -> None:
        await delete_within(rt, ctx, release, obj, [record], [version], record, conn, acknowledged)

    await in_transaction(rt.writes, release.role, work)


async def restore(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, conn: Connection | None = None,
    acknowledged: frozenset[str] = frozenset(),
) -> Written:
    """Brings back a deleted record with everything that was deleted with it; rules are judged again.

    Only the record itself needs the actor's right, and only its warnings are asked for, as in the deletion. What went
    with another record comes back with that one: alone it would refer to nothing.
    """
    allowed(rt.rights(ctx.actor, release), obj, "delete")

    async def work(inner: Connection) -> Written:
        alone = RecordWrite(object=obj, operation="restore", ids=(record,), rows=({},), acknowledged=(acknowledged,))
        first = await direct(rt, ctx, release, alone, record, inner)
        follow = replace(ctx, actor=replace(ctx.actor, operator=True))
        for name in _downwards(release, obj):
            found = await fetch_rows(inner, in_batch(release.table(name)).text, [record])
            if ids := tuple(row["id"] for row in found):
                request = RecordWrite(
                    object=name, operation="restore", ids=ids, rows=({},) * len(ids), many=True, fields=BATCH_FIELDS,
                    unattended=True,
                )
                await direct(rt, follow, release, request, record, inner)
        return first

    return await work(conn) if conn else await in_transaction(rt.writes, release.role, work)


async def delete_within(
    rt: Runtime, ctx: Context, release: Release, obj: str, ids: list[UUID], versions: Sequence[int | None],
    batch: UUID, conn: Connection, acknowledged: frozenset[str] = frozenset(), unattended: bool = False,
) -> None:
    """Deletes records, and what goes with them, as one batch, in the transaction of `conn`."""
    request = RecordWrite(
        object=obj, operation="delete", ids=tuple(ids), versions=tuple(versions), rows=({},) * len(ids),
        fields=BATCH_FIELDS, many=True, acknowledged=(acknowledged,) * len(ids), unattended=unattended,
    )
    await direct(rt, ctx, release, request, batch, conn)
    for other, f in _followers(release, obj):
        statement = following(release.table(other), release.column(other, f.name))
        children = [row["id"] for row in await fetch_rows(conn, statement.text, [ids])]
        follow = replace(ctx, actor=replace(ctx.actor, operator=True))
        if children and f.on_delete == "cascade":
            versions = [None] * len(children)
            await delete_within(rt, follow, release, other, children, versions, batch, conn, unattended=True)
            continue
        for start in range(0, len(children), BATCH_MAX):
            part = tuple(children[start : start + BATCH_MAX])
            cleared = RecordWrite(
                object=other, operation="update", ids=part, rows=({f.name: None},) * len(part), fields=(), many=True,
                unattended=True,
            )
            await write(rt, follow, release, cleared, conn)


def _followers(release: Release, obj: str) -> list[tuple[str, Field]]:
    """The lookups to `obj` whose rows are deleted or cleared with it."""
    return [
        (other.name, f)
        for other in release.model.objects.values()
        for f in release.stored(other.name)
        if f.to == obj and f.on_delete in ("cascade", "clear")
    ]


def _downwards(release: Release, obj: str) -> list[str]:
    """The objects whose rows may be deleted with one of `obj`, each behind those that it hangs on."""
    behind: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for other, f in _followers(release, name):
                if f.on_delete == "cascade":
                    visit(other)
            behind.append(name)

    visit(obj)
    return behind[::-1]
