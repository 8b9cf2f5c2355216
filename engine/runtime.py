"""The composition root of API, worker, command line and tests: settings -> pools -> tenant store."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from engine.base.clock import Clock
from engine.base.context import Actor
from engine.base.errors import Refused
from engine.base.limits import COMPILED_STATEMENTS
from engine.base.settings import Settings
from engine.db import embedded
from engine.db.listen import Listener
from engine.db.migrations import behind, migrate_control, migrate_tenant
from engine.db.pool import Pool, open_pool
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.release.release import Release
from engine.tenants.directory import tenants
from engine.tenants.store import CHANNEL, Store

T = TypeVar("T")
CASE_COLLATIONS = ("und-x-icu", "pg_unicode_fast", "pg_c_utf8")
"""Collations that change case as Unicode says, the best first; which of them exist depends on the server's build."""

_COLLATION = """
SELECT collname FROM pg_collation WHERE collname = ANY($1) AND collencoding IN (-1, pg_char_to_encoding('UTF8'))
ORDER BY array_position($1, collname::text) LIMIT 1
"""

log = structlog.get_logger("fieldwright")


@dataclass(slots=True)
class Cache:
    """A bounded memory of what was made before; the oldest entry goes first."""

    size: int = COMPILED_STATEMENTS
    entries: dict[Hashable, Any] = field(default_factory=dict)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        found = self.entries.get(key)
        if found is None:
            found = make()
            if len(self.entries) >= self.size:
                self.entries.pop(next(iter(self.entries)))
            self.entries[key] = found
        result: T = found
        return result


@dataclass(slots=True)
class Runtime:
    """What every room needs to work: pools, releases, compiled statements, the server's facts, the signing secret."""

    settings: Settings
    url: str
    reads: Pool
    writes: Pool
    store: Store
    listener: Listener
    collation: str | None
    secret: bytes = field(repr=False)
    clock: Clock = field(default_factory=Clock)
    statements: Cache = field(default_factory=Cache)
    prepared: Cache = field(default_factory=Cache)
    credentials: Cache = field(default_factory=Cache)
    _rights: Cache = field(default_factory=lambda: Cache(1_024))

    def rights(self, actor: Actor, release: Release) -> Rights:
        """The rights of the actor's roles in a release, shared by all who have the same roles."""
        key = (release, actor.roles, actor.operator)
        return self._rights.get(key, lambda: Rights(release, actor.roles, actor.operator))

    def names(self, rights: Rights | None, release: Release) -> Names:
        """The resolver of a view, with what it has expanded so far."""
        return self._rights.get((release, rights), lambda: Names(release, rights))


@asynccontextmanager
async def running(settings: Settings, *, migrate: bool = True) -> AsyncIterator[Runtime]:
    """A runtime on the user's server or the embedded one; both pools are closed at the end.

    With `migrate` the system tables are brought up to date first; without it, Refused "database.behind" says that
    they are not. Raises Refused "database.*" where there is no database to be had.
    """
    server = None if settings.database_url else await asyncio.to_thread(embedded.start, settings.home, settings.pg_bin)
    url = settings.database_url or (server.url if server else "")
    revive = (lambda: embedded.revive(settings.home, settings.pg_bin)) if server else None
    writes = await open_pool(url, settings.pool_size, pooler=settings.database_pooler, revive=revive)
    try:
        async with writes.connection() as conn:
            if migrate:
                await migrate_control(conn)
                for tenant in await tenants(conn):
                    await migrate_tenant(conn, tenant.schema)
            elif missing := await behind(conn):
                raise Refused("database.behind", f"missing: {', '.join(missing)}", hint="run `fieldwright doctor`")
            collation = await conn.fetchval(_COLLATION, list(CASE_COLLATIONS))
            secret = await _secret(conn, settings)
        reads = await open_pool(url, settings.pool_size, read_only=True, pooler=settings.database_pooler, revive=revive)
        try:
            listener = Listener(url, listen=settings.database_pooler == "none")
            runtime = Runtime(settings, url, reads, writes, Store(reads), listener, collation, secret)
            yield runtime
            await runtime.listener.close()
        finally:
            await reads.close()
    finally:
        await writes.close()
        if server:
            await asyncio.to_thread(embedded.detach, settings.home)


async def _secret(conn: Any, settings: Settings) -> bytes:
    """The key that signs cursors and entity tags, the same in every process of this database."""
    if settings.secret:
        return settings.secret.encode()
    await conn.execute(
        "INSERT INTO fieldwright.setting VALUES ('secret', $1) ON CONFLICT (key) DO NOTHING", secrets.token_hex(32)
    )
    return str(await conn.fetchval("SELECT value FROM fieldwright.setting WHERE key = 'secret'")).encode()


async def follow(runtime: Runtime) -> None:
    """Keeps the releases in memory current until cancelled: notifications wake it, polling is the truth."""
    changed = asyncio.Event()
    runtime.listener.subscribe(CHANNEL, lambda _tenant: changed.set())
    await runtime.listener.start()
    while True:
        await changed.wait()
        changed.clear()
        try:
            await runtime.store.check_all()
        except Refused as error:
            log.warning("releases could not be checked", code=error.code)
