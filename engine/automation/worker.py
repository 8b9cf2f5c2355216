"""The worker: takes jobs from the queue and does them, in a process of its own or inside the server's.

A job that was taken by a worker that died is taken again when its lease is over; every job may be done twice and has
its effect once. Notifications wake the worker, polling once a second is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job

from engine.automation import timers
from engine.automation.dispatch import dispatch
from engine.automation.imports import run_import
from engine.automation.run import run
from engine.base.errors import Refused
from engine.base.limits import (
    FILE_SWEEP_SECONDS,
    IMPORT_DAYS,
    IMPORTS_AT_ONCE,
    RUN_LEASE_SECONDS,
    RUN_SWEEP_SECONDS,
    TIMER_SWEEP_SECONDS,
)
from engine.db import jobs
from engine.db.pool import connect
from engine.db.sqlstate import Outdated
from engine.files.collect import collect
from engine.runtime import Runtime
from engine.sql import imports, runs
from engine.tenants.directory import tenants

POLL = timedelta(seconds=1)
LONGEST_PAUSE_SECONDS = 60.0
RECONNECT_SECONDS = 1.0
LOST = (Refused, *jobs.LOST)

log = structlog.get_logger("fieldwright.automation")


async def _dispatch(rt: Runtime, payload: dict[str, Any]) -> None:
    await dispatch(rt, payload["tenant"], payload["events"])


async def _run(rt: Runtime, payload: dict[str, Any]) -> None:
    await run(rt, payload["tenant"], UUID(payload["run"]))


async def _import(rt: Runtime, payload: dict[str, Any]) -> None:
    await run_import(rt, payload["tenant"], UUID(payload["import"]))


ENTRYPOINTS: dict[str, Callable[[Runtime, dict[str, Any]], Awaitable[None]]] = {
    "dispatch": _dispatch,
    "run": _run,
    "import": _import,
}
AT_ONCE = {"import": IMPORTS_AT_ONCE}
"""How many jobs of a kind are done at the same time, by all workers together; there is no limit for others."""


async def work(rt: Runtime, *, stop: asyncio.Event | None = None, concurrency: int = 4) -> None:
    """Does jobs, at most `concurrency` (2 or more) at once, until `stop` is set; those under way are finished first.

    The caller keeps the releases current (`runtime.follow`). A lost database is waited for.
    """
    stop = stop or asyncio.Event()
    sweeper = asyncio.gather(
        _again("the sweep of runs", sweep, rt, RUN_SWEEP_SECONDS),
        _again("the sweep of timers", timers.sweep, rt, TIMER_SWEEP_SECONDS),
        _again("the collection of unused files", collect, rt, FILE_SWEEP_SECONDS),
    )
    try:
        while not stop.is_set():
            try:
                await _take(rt, stop, max(2, concurrency))
            except LOST as error:
                log.warning("the worker lost the database", error=repr(error))
                await _pause(stop, RECONNECT_SECONDS)
    finally:
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper


async def drain(rt: Runtime, timeout: float = 30.0) -> None:
    """Works in this process until no job is due; attempts that wait for a later time stay. Raises TimeoutError."""
    stop = asyncio.Event()
    worker = asyncio.create_task(work(rt, stop=stop))
    try:
        async with asyncio.timeout(timeout):
            while await _due(rt):
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await worker


async def sweep(rt: Runtime, patience: float = 3 * RUN_LEASE_SECONDS) -> int:
    """Gives a job to each run that has been due for `patience` seconds and has none, and to each import; how many were
    given.

    Jobs that were held after an error come back to the queue too, and the queue's own log is kept short.
    """
    given = 0
    async with rt.writes.connection() as conn:
        for tenant in await tenants(conn):
            given += await conn.fetchval(runs.sweep(tenant.schema), tenant.name, patience)
            given += await conn.fetchval(imports.sweep(tenant.schema), tenant.name)
            await conn.execute(imports.forget(tenant.schema), IMPORT_DAYS)
        await conn.execute(runs.HELD)
        for text in runs.FORGET:
            await conn.execute(text)
    return given


async def _take(rt: Runtime, stop: asyncio.Event, concurrency: int) -> None:
    """Takes jobs over one connection until `stop` is set or the connection is lost."""
    caching = {"statement_cache_size": 0} if rt.settings.database_pooler == "transaction" else {}
    conn = await connect(rt.url, server_settings={"application_name": "fieldwright worker"}, **caching)
    queue = jobs.worker(conn).qm
    for name, task in ENTRYPOINTS.items():
        limit = AT_ONCE.get(name, 0)
        queue.entrypoint(name, accepts_context=False, on_failure="hold", concurrency_limit=limit)(_handler(rt, task))
    stopper = asyncio.create_task(_stop(stop, queue.shutdown))
    try:
        await queue.run(
            dequeue_timeout=POLL, batch_size=concurrency // 2, max_concurrent_tasks=concurrency,
            heartbeat_timeout=timedelta(seconds=RUN_LEASE_SECONDS),
        )  # fmt: skip
    finally:
        stopper.cancel()
        await conn.close(timeout=5.0)


def _handler(
    rt: Runtime, task: Callable[[Runtime, dict[str, Any]], Awaitable[None]]
) -> Callable[[Job], Awaitable[None]]:
    async def handle(job: Job) -> None:
        payload = msgspec.json.decode(job.payload or b"{}")
        try:
            await task(rt, payload)
        except asyncio.CancelledError:
            # The library takes a cancelled job off the queue; this one was only interrupted.
            raise RetryRequested(timedelta(0), "the worker was stopped") from None
        except Exception as error:
            if isinstance(error, Refused) and error.code == "tenant.unknown":
                log.warning("a job of a tenant that is gone was dropped", tenant=payload.get("tenant"))
                return
            if isinstance(error, Outdated):
                await rt.store.refresh(payload["tenant"])
            told = {} if isinstance(error, Refused) else {"exc_info": error}
            log.warning("a job will be tried again", entrypoint=job.entrypoint, error=repr(error), **told)
            pause = min(LONGEST_PAUSE_SECONDS, 0.5 * 2**job.attempts)
            raise RetryRequested(timedelta(seconds=pause), type(error).__name__) from error

    return handle


async def _again(what: str, work: Callable[[Runtime], Awaitable[object]], rt: Runtime, seconds: float) -> None:
    """Does the work every so many seconds until it is cancelled; what fails waits for the next time."""
    while True:
        try:
            await work(rt)
        except Exception as error:
            told = {} if isinstance(error, LOST) else {"exc_info": error}
            log.warning(f"{what} failed", error=repr(error), **told)
        await asyncio.sleep(seconds)


async def _due(rt: Runtime) -> bool:
    async with rt.writes.connection() as conn:
        return bool(await conn.fetchval(runs.DUE))


async def _stop(stop: asyncio.Event, shutdown: asyncio.Event) -> None:
    await stop.wait()
    shutdown.set()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
