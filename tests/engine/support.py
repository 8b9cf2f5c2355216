"""The yard: one tenant with users in several roles, and short ways to act as them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from engine.base.context import OPERATOR, Actor, Context
from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.bin import delete, restore
from engine.records.history import history, stage_history
from engine.records.read import Page, read_page, read_record
from engine.records.write import Written, write
from engine.release.release import Release
from engine.runtime import Runtime

PACK = Path(__file__).parent / "pack"
TENANT = "yard"
ROLES = ("boss", "porter", "greeter", "worker", "looker", "local", "stranger", "counter", "planner", "writer")


@dataclass(slots=True)
class Yard:
    """A runtime on the tenant. `users` holds the attributes of a user for each role, and of some others."""

    rt: Runtime
    release: Release
    users: Mapping[str, Mapping[str, Any]]
    now: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 10, tzinfo=UTC))

    def actor(self, who: str | None, *roles: str) -> Actor:
        """The user `who` with his own role or those given; None is the operator."""
        if who is None:
            return OPERATOR
        known = self.users[who]
        return Actor(known["id"], roles or (who,), known)

    def context(self, who: str | Actor | None = None, **more: Any) -> Context:
        actor = who if isinstance(who, Actor) else self.actor(who)
        return Context(actor, TENANT, **{"now": self.now, **more})

    async def create(self, obj: str, who: str | Actor | None = None, /, **row: Any) -> UUID:
        return (await self.write(obj, "create", who, rows=(row,))).changed[0][0]

    async def many(self, obj: str, rows: Sequence[Mapping[str, Any]], who: str | Actor | None = None) -> list[UUID]:
        done = await self.write(obj, "create", who, rows=tuple(rows), many=True)
        return [id_ for id_, _ in done.changed]

    async def update(
        self,
        obj: str,
        record: UUID,
        who: str | Actor | None = None,
        /,
        *,
        read_at: int | None = None,
        reason: str | None = None,
        historical: bool = False,
        now: datetime | None = None,
        acknowledge: Iterable[str] = (),
        **row: Any,
    ) -> dict[str, Any]:
        done = await self.write(
            obj,
            "update",
            who,
            rows=(row,),
            ids=(record,),
            versions=(read_at,),
            reasons=(reason,),
            historical=historical,
            acknowledged=(frozenset(acknowledge),),
            now=now,
        )
        return decode(done.told) if done.told else {}

    async def write(
        self,
        obj: str,
        operation: Any,
        who: str | Actor | None = None,
        *,
        now: datetime | None = None,
        conn: Connection | None = None,
        **more: Any,
    ) -> Written:
        request = RecordWrite(object=obj, operation=operation, **more)
        return await write(self.rt, self.context(who, now=now or self.now), self.release, request, conn)

    async def delete(self, obj: str, record: UUID, who: str | Actor | None = None, version: int | None = None) -> None:
        await delete(self.rt, self.context(who), self.release, obj, record, version)

    async def restore(self, obj: str, record: UUID, who: str | Actor | None = None) -> Written:
        return await restore(self.rt, self.context(who), self.release, obj, record)

    async def get(self, obj: str, record: UUID, who: str | Actor | None = None, *fields: str) -> dict[str, Any]:
        query = RecordQuery(object=obj, single=True, fields=fields or None)
        found: dict[str, Any] = decode(
            (await read_record(self.rt, self.context(who), self.release, query, record)).body
        )
        return found

    async def page(self, obj: str, who: str | Actor | None = None, **query: Any) -> Page:
        return await read_page(self.rt, self.context(who), self.release, RecordQuery(object=obj, **query))

    async def listed(self, obj: str, who: str | Actor | None = None, **query: Any) -> list[dict[str, Any]]:
        """All records of a query, page after page."""
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = await self.page(obj, who, after=after, **{"limit": 200, **query})
            found += decode(page.items)
            after = page.next
            if after is None:
                return found

    async def history(self, obj: str, record: UUID, who: str | Actor | None = None) -> list[dict[str, Any]]:
        return list(decode(await history(self.rt, self.context(who), self.release, obj, record)))

    async def stages(self, obj: str, record: UUID, who: str | Actor | None = None) -> list[dict[str, Any]]:
        return list(decode(await stage_history(self.rt, self.context(who), self.release, obj, record)))

    async def sql(self, text: str, *args: Any) -> list[Any]:
        """Rows past the engine; `{s}` is the tenant's schema."""
        async with self.rt.writes.connection() as conn:
            return list(await conn.fetch(text.replace("{s}", f'"{self.release.schema}"'), *args))

    async def refused(self, made: Any) -> Refused:
        """How the awaitable is refused."""
        try:
            await made
        except Refused as refused:
            return refused
        raise AssertionError("it was not refused")

    async def faults(self, made: Any) -> set[tuple[str, str, str | None]]:
        """(code, pointer, rule) of everything that an invalid write is told."""
        refused = await self.refused(made)
        assert refused.code in ("record.invalid", "record.warning"), refused
        return {(f.code, f.pointer, f.rule) for f in refused.faults}

    async def codes(self, made: Any) -> set[str]:
        return {code for code, _, _ in await self.faults(made)}


def decode(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
