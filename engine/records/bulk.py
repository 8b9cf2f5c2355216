"""Batches in which each record stands for itself: the good ones are written, the others say what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db.pool import Connection
from engine.db.transaction import atomic, retry
from engine.plan.request import RecordWrite
from engine.records.write import Written, write
from engine.release.release import Release
from engine.runtime import Runtime

OF_ROWS = ("invalid", "conflict", "not_found", "stale", "forbidden")
"""The kinds of refusal that some row of a batch may have caused."""

Outcome = tuple[UUID, int] | tuple[UUID, int, list[Fault]] | tuple[Fault, ...]
"""What became of one row: (id, version) where it was written, with what is told of it all the same; else its faults."""


async def write_each(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, conn: Connection | None = None
) -> list[Outcome]:
    """Writes the rows that can be written; the outcome of every row in its place. Raises Refused only for the whole."""
    outcomes: list[Outcome | None] = [None] * len(request.rows)
    await _write(rt, ctx, release, replace(request, many=True, fields=()), range(len(request.rows)), outcomes, conn)
    return [outcome if outcome is not None else () for outcome in outcomes]


async def _write(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, places: Sequence[int],
    outcomes: list[Outcome | None], conn: Connection | None,
) -> None:
    """Tries all rows at once; those that are named in the refusal are out, and the rest is tried again."""
    while places:
        part = request.part(places)
        try:
            if conn is None:
                written = await write(rt, ctx, release, part)
            elif conn.is_in_transaction():
                written = await _apart(rt, ctx, release, part, conn)
            else:
                written = await retry(partial(_apart, rt, ctx, release, part, conn))
        except Refused as refused:
            named = {fault.row for fault in refused.faults if fault.row is not None}
            if not named and len(places) > 1 and refused.kind in OF_ROWS:
                half = len(places) // 2
                await _write(rt, ctx, release, request, places[:half], outcomes, conn)
                await _write(rt, ctx, release, request, places[half:], outcomes, conn)
                return
            if not named and refused.kind not in OF_ROWS:
                raise
            for row in named or {0}:
                faults = tuple(replace(fault, row=None) for fault in refused.faults if fault.row in (row, None))
                outcomes[places[row]] = faults or (Fault(refused.code, refused.detail),)
            places = [place for n, place in enumerate(places) if n not in (named or {0})]
        else:
            for n, (place, changed) in enumerate(zip(places, written.changed, strict=True)):
                outcomes[place] = (*changed, written.notices[n]) if n in written.notices else changed
            return


async def _apart(rt: Runtime, ctx: Context, release: Release, request: RecordWrite, conn: Connection) -> Written:
    async with atomic(conn):
        return await write(rt, ctx, release, request, conn)
