"""The job `run`: the actions of one workflow for one event, and what an administrator sees and repeats of it.

Effects, log and completion commit together, so a run has happened as a whole or not at all, and never twice. A
failure undoes them and is noted in a transaction of its own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog

from engine.automation.actions import ACTIONS
from engine.automation.actions.step import Step
from engine.automation.actors import INITIATOR, acting, context, known
from engine.automation.timers import still_due
from engine.base.context import SYSTEM_USER, Context
from engine.base.errors import Fault, Refused
from engine.base.limits import PAGE_DEFAULT, PAGE_MAX, RUN_ATTEMPTS, RUN_DEPTH, RUN_PAUSE_SECONDS
from engine.db import execute
from engine.db.pool import Connection
from engine.db.sqlstate import Outdated
from engine.db.transaction import in_transaction
from engine.identity.logins import need
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import runs

TIMER = "timer"
"""What stands for the door of the event where there was none."""
FINAL = frozenset({"run.loop", "run.initiator", "run.workflow", "access.denied", "object.unknown"})
"""Failures that no further attempt can mend."""
UNNOTED = frozenset({"database.unreachable"})
"""Failures of the server, not of the run: the job is tried again and no attempt is counted."""

log = structlog.get_logger("fieldwright.automation")


@dataclass(slots=True)
class _Try:
    """What one attempt has come to so far; kept when its transaction is undone."""

    began: datetime
    attempts: int = 0
    roles: list[str] | None = None
    log: list[dict[str, Any]] = field(default_factory=list)


async def run(rt: Runtime, tenant: str, run_id: UUID) -> str:
    """Does a run that is due: "done", "waiting", "failed", or "skipped" where it is finished or done elsewhere.

    Raises Refused "database.*" where the attempt could not even be noted.
    """
    release = await rt.store.release(tenant)
    state = _Try(rt.clock.now())

    async def attempt(conn: Connection) -> bool:
        rows = await execute.fetch_rows(conn, runs.claim(release.schema), [run_id])
        if rows:
            state.attempts, state.log = rows[0]["attempts"], []
            await _actions(rt, conn, release, run_id, rows[0], state)
            entry = msgspec.json.encode(state.log).decode()
            await conn.execute(runs.finish(release.schema), run_id, entry, state.roles, state.began)
        return bool(rows)

    try:
        return "done" if await in_transaction(rt.writes, release.role, attempt) else "skipped"
    except Outdated:
        raise
    except Exception as error:
        if isinstance(error, Refused) and error.code in UNNOTED:
            raise
        return await _note(rt, release, run_id, state, error)


async def _actions(
    rt: Runtime, conn: Connection, release: Release, run_id: UUID, row: Mapping[str, Any], state: _Try
) -> None:
    workflow = release.workflows.get(row["workflow"])
    if workflow is None:
        raise Refused("run.workflow", f'there is no workflow "{row["workflow"]}" any more')
    record = row["record"] and UUID(int=row["record"].int)
    if row["due"]:
        if workflow.run_as == INITIATOR or (workflow.object or None) != row["object"]:
            raise Refused("run.workflow", f'the workflow "{workflow.name}" is another one now')
        if record and not await still_due(rt, conn, release, workflow, record, row["due"]):
            state.log.append({"skipped": "the record is not due any more"})
            return
    depth = (row["depth"] or 0) + 1
    if depth > RUN_DEPTH:
        raise Refused("run.loop", f"this would be the {depth}th run that one change leads to; {RUN_DEPTH} are allowed")
    cause = await known(rt, release, row["actor"] or SYSTEM_USER)
    actor = await acting(conn, release, workflow, cause, row["door"] or TIMER, row["roles"])
    state.roles = None if actor.operator else list(actor.roles)
    writing, asking = (context(release, who, state.began, str(run_id)) for who in (actor, cause))
    for number, action in enumerate(workflow.actions):
        step = Step(
            rt, conn, release, writing, asking, workflow.object, row["event"], record, depth, (workflow.name, number)
        )
        state.log.append(await ACTIONS[type(action)](step, action))


async def _note(rt: Runtime, release: Release, run_id: UUID, state: _Try, error: Exception) -> str:
    """Writes a failed attempt down and, unless it was the last one, queues the next."""
    if isinstance(error, Refused):
        code, faults, shown = error.code, error.faults, str(error)
    else:
        log.error("a run failed unexpectedly", tenant=release.tenant, run=str(run_id), exc_info=error)
        code, faults, shown = "internal", (), "internal: see the server's log"
    last = code in FINAL or state.attempts + 1 >= RUN_ATTEMPTS
    delay = None if last else timedelta(seconds=pause(state.attempts))
    # What the actions before did is undone with the attempt; the log keeps what was tried, with this mark.
    tried = [{**entry, "undone": True} for entry in state.log]
    entry = msgspec.json.encode([*tried, {"error": code, "faults": _plain(faults)}]).decode()
    args = (release.tenant, run_id, state.attempts, delay, shown, entry, state.roles, state.began)

    async def work(conn: Connection) -> None:
        await conn.execute(runs.fail(release.schema), *args)

    await in_transaction(rt.writes, release.role, work)
    return "failed" if last else "waiting"


def pause(attempts: int) -> float:
    """Seconds until the next attempt: 2, 8, 32, 128 ... after as many failures, give or take half of it."""
    return RUN_PAUSE_SECONDS * float(4**attempts) * random.uniform(0.5, 1.5)


def _plain(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [{"code": f.code, "detail": f.detail, "pointer": f.pointer, "rule": f.rule} for f in faults]


async def list_runs(
    rt: Runtime, ctx: Context, release: Release, *, state: str | None = None, workflow: str | None = None,
    limit: int = PAGE_DEFAULT,
) -> str:  # fmt: skip
    """The newest runs as the JSON text of an array, of one `state` and `workflow` where they are given.

    Each has `id, workflow, object, record, state, attempts, created_at, next_at, started_at, finished_at, error,
    roles, log`. Raises Refused "access.denied" without the capability view_runs.
    """
    need(rt, ctx, release, "view_runs")
    args = [state, workflow, min(limit, PAGE_MAX)]
    body, _ = await execute.read(rt.reads, release.role, runs.listed(release.schema), args)
    return body or "[]"


async def retry_run(rt: Runtime, ctx: Context, release: Release, run_id: UUID) -> None:
    """Queues a failed run for one more attempt.

    Raises Refused "run.unknown", "run.not_failed", or "access.denied" without the capability view_runs.
    """
    need(rt, ctx, release, "view_runs")

    async def work(conn: Connection) -> None:
        if await execute.fetch_rows(conn, runs.again(release.schema), [release.tenant, run_id]):
            return
        known_state = await execute.fetch_rows(conn, runs.one_state(release.schema), [run_id])
        if not known_state:
            raise Refused("run.unknown", "there is no such run")
        raise Refused("run.not_failed", f"the run is {known_state[0]['state']}")

    await in_transaction(rt.writes, release.role, work)
