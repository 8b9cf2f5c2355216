"""Runs that no event causes: what is due by the clock, made once for each workflow, record and due moment.

How far a workflow's moments have their runs is its watermark, which moves in the transaction that makes them, so that
a worker may die between any two steps. A moment is looked for a little longer than that, because a record with it may
be committed a little later; the run that it has then already is unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from engine.automation.actors import context
from engine.base.context import OPERATOR
from engine.base.errors import Refused
from engine.base.ids import new_ids
from engine.base.limits import TIMER_OVERLAP_SECONDS, TIMER_PAGE, TIMER_REST_SECONDS
from engine.db import execute, jobs
from engine.db.pool import Connection
from engine.db.sqlstate import Outdated
from engine.db.transaction import in_transaction
from engine.plan import timers as plans
from engine.plan.timers import TimerPlan, Window
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import runs, timers
from engine.sql.statement import Statement
from engine.tenants.directory import tenants
from metamodel.kinds.workflow import Workflow

OVERLAP, REST = timedelta(seconds=TIMER_OVERLAP_SECONDS), timedelta(seconds=TIMER_REST_SECONDS)
FIRST = UUID(int=0)

log = structlog.get_logger("fieldwright.automation")
Due = Sequence[tuple[UUID | None, datetime]]


async def sweep(rt: Runtime) -> int:
    """Makes the runs that are due now in every tenant; how many are new. What fails of one workflow waits for the
    next sweep. Raises Refused "database.*" where the database can not be reached."""
    made = 0
    async with rt.writes.connection() as conn:
        known = {t.name: await conn.fetchval(runs.timers(t.schema)) for t in await tenants(conn)}
    for tenant, names in known.items():
        if names is None:
            continue
        release = await rt.store.release(tenant)
        for workflow in release.workflows.values():
            if workflow.name in names and workflow.trigger.timed:
                made += await _sweep(rt, release, workflow)
    return made


async def _sweep(rt: Runtime, release: Release, workflow: Workflow) -> int:
    made, more = 0, True

    async def page(conn: Connection) -> tuple[int, bool]:
        return await _page(rt, conn, release, workflow)

    try:
        while more:
            new, more = await in_transaction(rt.writes, release.role, page)
            made += new
    except Outdated:
        await rt.store.refresh(release.tenant)
    except (Refused, *jobs.LOST) as error:
        if isinstance(error, Refused) and error.code == "database.unreachable":
            raise
        log.warning("a timer will be tried again", tenant=release.tenant, workflow=workflow.name, error=repr(error))
    return made


async def _page(rt: Runtime, conn: Connection, release: Release, workflow: Workflow) -> tuple[int, bool]:
    """One page of a workflow's due runs; how many are new, and whether more may be due."""
    now = rt.clock.now()
    rows = await execute.fetch_rows(conn, runs.timer(release.schema), [workflow.name])
    if not rows:
        return 0, False  # another worker is at it
    watermark, until, after = rows[0]["watermark"], rows[0]["until"] or now, rows[0]["after"]
    if until <= watermark:
        return 0, False
    due = await _due(rt, conn, release, workflow, watermark, until, after or FIRST)
    made = 0
    if due:
        ids, (records, moments) = new_ids(len(due), now.timestamp()), zip(*due, strict=True)
        args = (release.tenant, release.number, ids, workflow.name, workflow.object or None, records, moments, now)
        made = await conn.fetchval(runs.start_due(release.schema), *args)
    if len(due) == TIMER_PAGE:
        await conn.execute(runs.turn(release.schema), workflow.name, watermark, until, due[-1][0])
        return made, True
    if made or rows[0]["until"] or until - watermark >= REST:
        await conn.execute(runs.turn(release.schema), workflow.name, until, None, None)
    return made, False


async def _due(
    rt: Runtime, conn: Connection, release: Release, workflow: Workflow, since: datetime, until: datetime, after: UUID
) -> Due:
    trigger = workflow.trigger
    if trigger.cron:
        named = plans.calendar(release, trigger.calendar)
        moment = plans.scheduled(trigger.cron, plans.zone(release, named), named, since, until)
        if moment is None:
            return ()
        if not workflow.object:
            return ((None, moment),)
        until = moment
    plan, statement = _statement(rt, release, workflow)
    slots: dict[str, Any] = {"until": until, "after": after, "page": TIMER_PAGE}
    if plan.base is not None:
        since -= OVERLAP
        found = plans.windows(plan, since, until, await _oldest(rt, conn, release, workflow, plan))
        if not found:
            return ()
        slots |= {"since": since, **_slots(found)}
    return await _rows(conn, release, statement, until, slots)


async def still_due(
    rt: Runtime, conn: Connection, release: Release, workflow: Workflow, record: UUID, moment: datetime
) -> bool:
    """Whether the moment of a run is still one of its record, and the condition holds."""
    plan, statement = _statement(rt, release, workflow, one=True)
    slots: dict[str, Any] = {"until": moment, "record": record}
    if plan.base is not None:
        since = moment - timedelta(microseconds=1)
        found = plans.windows(plan, since, moment, await _oldest(rt, conn, release, workflow, plan))
        if not found:
            return False
        slots |= {"since": since, **_slots(found)}
    return bool(await _rows(conn, release, statement, moment, slots))


async def _rows(conn: Connection, release: Release, statement: Statement, now: datetime, slots: dict[str, Any]) -> Due:
    args = statement.arguments(context(release, OPERATOR, now, ""), **slots)
    return [(UUID(int=row[0].int), row[1]) for row in await execute.fetch_rows(conn, statement.text, args)]


def _statement(rt: Runtime, release: Release, workflow: Workflow, one: bool = False) -> tuple[TimerPlan, Statement]:
    def make() -> tuple[TimerPlan, Statement]:
        plan = plans.plan_timer(release, workflow)
        return plan, timers.due_statement(plan, rt.collation, one=one)

    return rt.statements.get(("timer", release, workflow.name, one), make)


async def _oldest(
    rt: Runtime, conn: Connection, release: Release, workflow: Workflow, plan: TimerPlan
) -> datetime | None:
    if plan.every is None:
        return None
    statement: Statement = rt.statements.get(
        ("oldest", release, workflow.name), lambda: timers.oldest_statement(plan)
    )
    found: datetime | None = await conn.fetchval(statement.text)
    return found


def _slots(found: Sequence[Window]) -> dict[str, Any]:
    steps = [window.step for window in found]
    columns = (
        [window.low for window in found], [window.high for window in found], [step.count for step in steps],
        [step.stage for step in steps], [step.process for step in steps],
        [step.calendar.name if step.calendar else None for step in steps],
    )  # fmt: skip
    return dict(zip(timers.SLOTS, columns, strict=True))
