"""The job `dispatch`: events -> runs of the workflows that wait for them.

All in one transaction, and a run is unique by (event, workflow): done twice, it does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.automation.actors import context, known
from engine.base.context import Context
from engine.base.ids import new_ids
from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.plan.workflow import plan_trigger
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import runs
from engine.sql.statement import Statement
from engine.sql.workflow import trigger_statement
from metamodel.kinds.workflow import Workflow


async def dispatch(rt: Runtime, tenant: str, events: Sequence[int]) -> int:
    """Makes a run, with its job, for each workflow that each event causes; how many are new."""
    release = await rt.store.release(tenant)

    now = rt.clock.now()

    async def work(conn: Connection) -> int:
        fits: list[tuple[int, str]] = []
        for cause in await execute.fetch_rows(conn, runs.causes(release.schema), [list(events)]):
            ctx = context(release, await known(rt, release, cause["actor"]), now, "")
            for workflow in (w for w in release.workflows.values() if not w.trigger.timed):
                found = await _caused(rt, conn, ctx, release, workflow, cause["events"])
                fits += [(event, workflow.name) for event in found]
        if not fits:
            return 0
        ids, (numbers, names) = new_ids(len(fits), now.timestamp()), zip(*fits, strict=True)
        made: int = await conn.fetchval(runs.start(release.schema), tenant, release.number, ids, numbers, names, now)
        return made

    return await in_transaction(rt.writes, release.role, work)


async def _caused(
    rt: Runtime, conn: Connection, ctx: Context, release: Release, workflow: Workflow, events: Sequence[int]
) -> list[int]:
    statement: Statement = rt.statements.get(
        ("trigger", release, workflow.name), lambda: trigger_statement(plan_trigger(release, workflow), rt.collation)
    )
    rows = await execute.fetch_rows(conn, statement.text, statement.arguments(ctx, events=list(events)))
    return [row[0] for row in rows]
