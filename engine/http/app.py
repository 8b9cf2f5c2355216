"""The web application: a runtime for its lifetime, and the routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.routing import Route

from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.http.call import Service
from engine.http.resource import check_routes
from engine.http.routes import (
    assignments,
    batch,
    docs,
    duplicates,
    files,
    formula,
    health,
    imports,
    meta,
    processes,
    records,
    reports,
    runs,
    session,
)
from engine.identity.resolve import watch
from engine.runtime import Runtime, follow, running
from engine.tenants.directory import tenants

Task = Callable[[Runtime], Awaitable[None]]
"""What runs beside the requests until it is cancelled, such as the worker of workflows."""

LOADED_AT_START = 32

RESOURCES = (
    *records.RESOURCES,
    *duplicates.RESOURCES,
    *batch.RESOURCES,
    *assignments.RESOURCES,
    *processes.RESOURCES,
    *files.RESOURCES,
    *imports.RESOURCES,
    *reports.RESOURCES,
    *session.RESOURCES,
    *meta.RESOURCES,
    *formula.RESOURCES,
    *runs.RESOURCES,
    *health.RESOURCES,
    *docs.RESOURCES,
)

log = structlog.get_logger("fieldwright.http")


def create_app(settings: Settings, *, tasks: Sequence[Task] = ()) -> FastAPI:
    """The application; its database is opened when it starts and closed when it stops.

    Raises TypeError where a route does not declare who may call it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with running(settings) as rt:
            watch(rt)
            await _load(rt)
            beside = [asyncio.create_task(_beside(task, rt)) for task in (follow, *tasks)]
            try:
                yield {"service": Service(rt)}
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.routes.extend(Route(resource.path, resource) for resource in RESOURCES)
    app.router.default = health.MISSING
    check_routes(app.router.routes)
    # Every route answers its own errors, so the framework's five layers of them would only cost time.
    app.middleware_stack = app.router
    return app


async def _load(rt: Runtime) -> None:
    """The releases of the first tenants, so that a process that says it is ready answers at full speed."""
    async with rt.reads.connection() as conn:
        known = await tenants(conn)
    for tenant in known[:LOADED_AT_START]:
        with contextlib.suppress(Refused):
            await rt.store.release(tenant.name)


async def _beside(task: Task, rt: Runtime) -> None:
    try:
        await task(rt)
    except Exception:
        log.exception("a task beside the requests ended", task=getattr(task, "__name__", repr(task)))
