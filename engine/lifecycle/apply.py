"""Applying a plan: additive operations one by one, then the switch to the new release in one short transaction.

Nothing is taken away, so a crash between steps leaves the tenant on its old release, working; applying again does what
is left. Two applies of one tenant exclude each other.

A roll-up that begins to be stored is kept up by writers from the switch on; then it is filled, and a second release,
of the same data, tells readers to take the column.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from engine.base.context import SYSTEM_USER
from engine.base.errors import Refused
from engine.base.limits import LOCK_MILLISECONDS, RELEASE_SECONDS
from engine.db.listen import notify
from engine.db.migrations import migrate_tenant
from engine.db.transaction import transaction
from engine.lifecycle import seeds
from engine.lifecycle.plan import Plan, check_applicable, plan, with_fills
from engine.migrate.diff import CreateIndex, CreateTable, DropIndex, Operation
from engine.migrate.render import concurrent, render
from engine.records.rollups import fill
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import runs
from engine.tenants.directory import find, register
from engine.tenants.store import CHANNEL, publish
from metamodel.load import Loaded

LOCK_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done. `longest_lock` is the longest time in seconds that one step held an exclusive lock."""

    plan: Plan
    release: Release
    seeded: int
    longest_lock: float


async def apply(rt: Runtime, tenant: str, loaded: Loaded, *, note: str = "") -> Applied:
    """Plans and applies. Raises Refused "plan.refused", "apply.running", "tenant.name"."""
    async with rt.writes.connection() as conn:
        if await find(conn, tenant) is None:
            await register(conn, tenant)
        entry = await find(conn, tenant)
        assert entry is not None
        key = f"fieldwright apply {tenant}"
        if not await conn.fetchval("SELECT pg_catalog.pg_try_advisory_lock(hashtextextended($1, 0))", key):
            raise Refused("apply.running", "another apply of this tenant is under way")
        try:
            await migrate_tenant(conn, entry.schema)
            found = await plan(rt, tenant, loaded)
            check_applicable(found)
            longest = await _operations(conn, [o for o in found.operations if not isinstance(o, DropIndex)])
            await _system_user(rt, conn, found.target)
            release = found.target
            if found.base and (found.base.hash, found.base.identity) == (release.hash, release.identity):
                release = found.base
            else:
                await _switch(rt, found.base, release, note)
            await _operations(conn, [o for o in found.operations if isinstance(o, DropIndex)])
            if found.fills:
                release = await _filled(rt, conn, release, found.fills)
            planted = await seeds.plant(rt, release)
        finally:
            if not conn.is_closed():
                await conn.execute("SELECT pg_catalog.pg_advisory_unlock(hashtextextended($1, 0))", key)
    return Applied(found, release, planted, longest)


async def _switch(rt: Runtime, base: Release | None, target: Release, note: str) -> None:
    """Publishes the release if the tenant still stands where the plan began, and tells every process."""
    async with transaction(rt.writes) as conn:
        now = await conn.fetchval(f'SELECT max(number) FROM "{target.schema}"._release')
        if now != (base.number if base else None):
            raise Refused("plan.stale", "the tenant was changed since the plan was made")
        await publish(conn, target, note)
        timed = [w.name for w in target.workflows.values() if w.trigger.timed]
        await conn.execute(runs.watch(target.schema), timed, rt.clock.now())
        await notify(conn, CHANNEL, target.tenant)
    await rt.store.refresh(target.tenant)


async def _filled(rt: Runtime, conn: Any, release: Release, fills: Sequence[tuple[str, str]]) -> Release:
    """Counts the roll-ups of every record once all writers keep them up; the release whose readers take the columns."""
    await asyncio.sleep(RELEASE_SECONDS)
    began = await conn.fetchval("SELECT clock_timestamp()")
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while await conn.fetchval(_OLDER, began):
        if time.monotonic() > deadline:
            raise Refused("plan.refused", "a long transaction goes on; apply again later to fill the roll-ups")
        await asyncio.sleep(0.05)
    for obj in dict.fromkeys(obj for obj, _ in fills):
        await fill(rt, release, obj, [name for of, name in fills if of == obj])
    full, _ = with_fills(replace(release, number=release.number + 1), None, rt.collation)
    await _switch(rt, release, full, "roll-ups filled")
    return full


_OLDER = """
SELECT count(*) FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
AND xact_start < $1
"""
"""Transactions that may write by the release before."""


async def _operations(conn: Any, steps: Sequence[Operation]) -> float:
    """Runs the operations; the longest time that a statement with an exclusive lock took on an existing table."""
    longest = 0.0
    for step in steps:
        for text in render(step):
            began = time.perf_counter()
            if concurrent(step):
                await _unhurried(conn, text)
            else:
                began = await _patiently(conn, text)
            if step.lock.startswith("exclusive"):
                longest = max(longest, time.perf_counter() - began)
        if isinstance(step, CreateTable):
            await conn.execute(f'ANALYZE "{step.schema}"."{step.table.name}"')
        elif isinstance(step, CreateIndex) and step.index.expression:
            # The planner knows nothing of an expression's values before.
            await conn.execute(f'ANALYZE "{step.table.schema}"."{step.table.name}"')
    return longest


async def _unhurried(conn: Any, text: str) -> None:
    """Runs a statement that must stand outside a transaction and takes as long as the table is large."""
    await conn.execute("SET statement_timeout = 0")
    try:
        await conn.execute(text)
    except asyncpg.InvalidObjectDefinitionError as error:
        raise Refused("plan.refused", f"PostgreSQL does not index this formula: {error}") from error
    finally:
        if not conn.is_closed():
            await conn.execute("RESET statement_timeout")


async def _patiently(conn: Any, text: str) -> float:
    """Runs DDL with a short lock time-out, again and again, so that readers never queue behind it; when it began."""
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        began = time.perf_counter()
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}; SET LOCAL statement_timeout = 0")
                await conn.execute(text)
            return began
        except asyncpg.LockNotAvailableError as error:
            if time.monotonic() > deadline:
                raise Refused("plan.refused", "a long transaction holds a lock; try again later") from error
            await asyncio.sleep(random.uniform(0.02, 0.2))


async def _system_user(rt: Runtime, conn: Any, release: Release) -> None:
    """The user record that automatic work is attributed to; needed before anything can be written."""
    if "user" not in release.model.objects:
        return
    ref, title = release.table("user"), release.object("user").title
    others = [f for f in release.stored("user") if f.required and not f.system and f.name != title]
    columns = [release.column("user", title), *(release.column("user", f.name) for f in others)]
    values = ["Fieldwright", *("system@fieldwright.invalid" for _ in others)]
    listed = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(f"${n + 2}" for n in range(len(values)))
    done = await conn.execute(
        f'INSERT INTO "{ref.schema}"."{ref.name}" (id, version, created_at, created_by, modified_at, modified_by, '
        f"{listed}) VALUES ($1, 1, now(), $1, now(), $1, {marks}) ON CONFLICT (id) DO NOTHING",
        SYSTEM_USER, *values,
    )  # fmt: skip
    kept = [f.name for f in release.kept("user")]
    if kept and done == "INSERT 0 1":
        await fill(rt, release, "user", kept)
