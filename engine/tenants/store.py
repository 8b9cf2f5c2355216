"""The releases of tenants: the current one of each in memory, rebuilt from its stored data when it is first needed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog

from engine.base.errors import Refused
from engine.db.pool import Pool, quote_name
from engine.release import release as releases
from engine.release.release import Release
from engine.tenants.directory import Tenant, find
from metamodel.issues import PackError

CHANNEL = "fieldwright_release"

log = structlog.get_logger("fieldwright")


class Store:
    """Hands out the current release of a tenant; `forget` makes the next request look again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._current: dict[str, Release] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def ready(self, tenant: str) -> Release | None:
        """The release that is in memory, if any: no waiting."""
        return self._current.get(tenant)

    async def release(self, tenant: str) -> Release:
        """The current release. Raises Refused "tenant.unknown" where nothing was ever published."""
        found = self._current.get(tenant)
        if found is None:
            async with self._locks.setdefault(tenant, asyncio.Lock()):
                found = self._current.get(tenant) or await self._load(tenant)
                self._current[tenant] = found
        return found

    def binding(self, release: Release) -> Release:
        """The release to write by: a long work keeps the one it began with, unless a newer one keeps other roll-ups,
        which a writer of the old one would leave as they are."""
        now = self._current.get(release.tenant)
        newer = now is not None and now.number > release.number and now.hash != release.hash
        return now if now is not None and newer and (now.keeps or release.keeps) else release

    def forget(self, tenant: str) -> None:
        self._current.pop(tenant, None)

    async def refresh(self, tenant: str) -> None:
        """Loads what is published now and swaps it in; requests under way keep the release they began with."""
        if tenant in self._current:
            self._current[tenant] = await self._load(tenant)

    async def check_all(self) -> None:
        """Looks whether a newer release of a tenant in memory was published: the truth behind notifications."""
        for tenant, held in list(self._current.items()):
            async with self._pool.connection() as conn:
                number = await conn.fetchval(
                    f"SELECT number FROM {quote_name(held.schema)}._release WHERE current"
                )
            if number != held.number:
                await self.refresh(tenant)

    async def _load(self, name: str) -> Release:
        async with self._pool.connection() as conn:
            tenant = await find(conn, name)
            found = await load(conn, tenant) if tenant else None
        if found is None:
            raise Refused("tenant.unknown", "there is no such tenant")
        return found


async def load(conn: Any, tenant: Tenant) -> Release | None:
    """The current release of a tenant, or None before the first one."""
    row = await conn.fetchrow(
        f"SELECT number, data, identity FROM {quote_name(tenant.schema)}._release WHERE current"
    )
    if row is None:
        return None
    data, known = json.loads(row["data"]), json.loads(row["identity"])
    # A model takes tenths of a second to build; requests go on meanwhile.
    try:
        made = await asyncio.to_thread(
            releases.make, tenant.name, tenant.schema, row["number"], data, known, role=tenant.role
        )
    except (PackError, LookupError, TypeError, ValueError) as error:
        # One tenant's release of another version must not end the process that serves the others.
        log.error("release can not be read", tenant=tenant.name, number=row["number"], error=repr(error))
        raise Refused("release.unreadable", "the release of this tenant was published by another version") from error
    for key, reason in made.model.broken.items():
        log.warning("a formula is broken", tenant=tenant.name, formula=key, reason=reason)
    return made


async def publish(conn: Any, release: Release, note: str) -> None:
    """Makes a release the current one. In a transaction of the caller, who also announces it."""
    table = f"{quote_name(release.schema)}._release"
    await conn.execute(f"UPDATE {table} SET current = false WHERE current")
    await conn.execute(
        f"INSERT INTO {table} (number, hash, language, data, identity, note, current) VALUES ($1,$2,1,$3,$4,$5,true)",
        release.number, release.hash, _json(release.data), _json(release.identity), note,
    )  # fmt: skip


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)
