"""A tenant with the probe pack, and short ways to write to it and to look at what came of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from engine.base.context import OPERATOR, Actor, Context
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime, running
from metamodel.load import load

ROOT = Path(__file__).resolve().parents[2]
TENANT = "probe"


@dataclass(slots=True)
class Probe:
    """An open runtime on the tenant, with one user for each role."""

    rt: Runtime
    release: Release
    users: dict[str, UUID]

    def actor(self, role: str) -> Actor:
        return Actor(self.users[role], (role,), {"name": role, "id": self.users[role]})

    def context(self, role: str | None) -> Context:
        return Context(self.actor(role) if role else OPERATOR, self.release.tenant, self.rt.clock.now())

    async def create(self, obj: str, role: str | None = None, **row: Any) -> UUID:
        done = await write(
            self.rt, self.context(role), self.release, RecordWrite(object=obj, operation="create", rows=(row,))
        )
        return done.changed[0][0]

    async def update(self, record: UUID, role: str | None = None, obj: str = "item", **row: Any) -> None:
        request = RecordWrite(object=obj, operation="update", rows=(row,), ids=(record,), versions=(None,))
        await write(self.rt, self.context(role), self.release, request)

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Rows of a query in which `{table}` names are those of the tenant's schema."""
        schema = f'"{self.release.schema}".'
        async with self.rt.writes.connection() as conn:
            return [dict(row) for row in await conn.fetch(query.replace("{s}", schema), *args)]

    async def marks(self, source: UUID) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM {s}mark WHERE source = $1 ORDER BY id", source)

    async def runs(self, record: UUID) -> list[dict[str, Any]]:
        found = await self.rows("SELECT * FROM {s}_run WHERE record = $1 ORDER BY id", record)
        return [{**row, "log": json.loads(row["log"])} for row in found]

    async def jobs(self) -> int:
        return int((await self.rows("SELECT count(*) FROM fieldwright.pgqueuer"))[0]["count"])


async def prepare(url: str) -> None:
    """Publishes the probe pack and makes a user with a login for each of its roles."""
    async with running(Settings(database_url=url, pool_size=4)) as rt:
        loaded = load(ROOT / "tests" / "automation" / "pack", ROOT / "tenant_configs" / "core")
        release = (await apply(rt, TENANT, loaded)).release
        probe = Probe(rt, release, {})
        for role in ("maker", "robot", "reader", "admin"):
            user = await probe.create("user", name=role, email=f"{role}@example.com")
            await probe.rows("INSERT INTO {s}_login (user_id, login, roles) VALUES ($1, $2, $3)", user, role, [role])


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Probe]:
    """The probe tenant, through a runtime of its own."""
    settings = Settings(database_url=url, pool_size=6)
    async with running(settings, migrate=False) as rt:
        release = await rt.store.release(TENANT)
        probe = Probe(rt, release, {})
        found = await probe.rows("SELECT login, user_id FROM {s}_login")
        yield replace(probe, users={row["login"]: UUID(int=row["user_id"].int) for row in found})
