"""Before a write: locks on the rows that it hangs on. After it: the judgement of what only then can be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.db import execute
from engine.db.pool import Connection
from engine.plan.write import WritePlan
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.anchors import anchor_statement
from engine.sql.late import late_statement

Locked = Mapping[str, set[UUID]]
"""The ids of locked rows by object."""


async def lock(
    rt: Runtime, release: Release, plan: WritePlan, ids: Sequence[UUID], rows: Sequence[Mapping[str, Any]],
    conn: Connection,
) -> Locked:
    """Locks the anchors of a write, object by object in the order of their names, rows in that of their ids."""
    locked: dict[str, set[UUID]] = {}
    for anchor in plan.anchors:
        statement = rt.statements.get((release, "anchor", plan.object, anchor), partial(anchor_statement, anchor))
        args: dict[str, Any] = {"ids": ids}
        for n, name in enumerate(anchor.fields):
            args[f"given{n}"] = [UUID(str(row[name])) for row in rows if row.get(name)]
        if plan.operation != "create" or not anchor.ways or any(args[f"given{n}"] for n in range(len(anchor.ways))):
            (row,) = await execute.fetch_rows(conn, statement.text, [args[name] for name in statement.slots])
            locked[anchor.object] = set(row[0] or ())
    return locked


async def judge(
    rt: Runtime, ctx: Context, release: Release, plan: WritePlan, key: object, ids: Sequence[UUID], olds: str | None,
    acknowledged: Sequence[Collection[str]], conn: Connection,
) -> str | None:
    """Judges what is `late` of a write that is done, in its transaction; what it notes, as JSON text. Raises Violations
    like the write itself.

    `olds`: the rows as they were, as the writing statement told.
    """
    statement = rt.statements.get((key, "late"), partial(late_statement, plan, rt.collation))
    acks = msgspec.json.encode([list(names) for names in acknowledged]).decode()
    args = statement.arguments(ctx, (), ids=list(ids), olds=olds or "[]", acks=acks)
    (row,) = await execute.fetch_rows(conn, statement.text, args)
    notices: str | None = row.get("notices")
    return notices
