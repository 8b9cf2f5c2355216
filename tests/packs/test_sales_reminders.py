"""The reminders of the sales pack: a deal that nobody works on comes to its owner, then to the manager."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from engine.automation.timers import sweep
from engine.automation.worker import drain
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from metamodel.load import load_tenant
from tests.tenancy import PACKS, context, opened, sql

BEGIN = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""Ten o'clock in Shanghai."""


async def put(rt: Runtime, release: Release, obj: str, row: dict[str, Any], record: UUID | None = None) -> UUID:
    """Creates a record, or changes one, by the runtime's clock."""
    place: dict[str, Any] = {"ids": (record,), "versions": (None,)} if record else {}
    request = RecordWrite(object=obj, operation="update" if record else "create", rows=(row,), **place)
    return (await write(rt, context(release, now=rt.clock.now()), release, request)).changed[0][0]


async def test_a_deal_that_nobody_works_on_is_told(database_url: str, tmp_path: Any) -> None:
    file = tmp_path / "reminders.yaml"
    file.write_text("kind: tenant\nname: reminders\npacks: {core: '*', sales: '*'}\n"
                    "settings: {time_zone: Asia/Shanghai, currency: CNY, locales: [en, zh-CN]}\n", "utf-8")  # fmt: skip
    async with opened(database_url) as rt:
        rt.clock.set(BEGIN)
        release = (await apply(rt, "reminders", load_tenant(file, [PACKS]))).release
        boss = await put(rt, release, "user", {"name": "Boss", "email": "boss@reminders.example"})
        rep = await put(rt, release, "user", {"name": "Rep", "email": "rep@reminders.example", "manager": str(boss)})
        account = await put(rt, release, "account", {"name": "Alpha", "industry": "finance", "region": "east",
                                                           "owner": str(rep)})  # fmt: skip

        async def deal(name: str, close: str) -> UUID:
            row = {"name": name, "account": str(account), "amount": 1000, "planned_close": close, "owner": str(rep)}
            return await put(rt, release, "opportunity", row)

        async def told(day: int, hour: float) -> set[str]:
            """Tasks and messages that are new at that day's hour in Shanghai."""
            before = {row["id"] for t in ("task", "notification") for row in await rows(t)}
            rt.clock.set(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour - 8))
            await sweep(rt)
            await drain(rt)
            tasks = {row["subject"] for row in await rows("task") if row["id"] not in before}
            return tasks | {row["message"] for row in await rows("notification") if row["id"] not in before}

        async def rows(table: str) -> list[Any]:
            return list(await sql(database_url, f'SELECT * FROM "{release.schema}".{table}'))

        quiet, fresh = await deal("Quiet", "2026-06-30"), await deal("Fresh", "2026-03-20")
        at = (BEGIN + timedelta(hours=1)).isoformat()
        await put(rt, release, "activity", {"subject": "Call", "type": "call", "at": at, "account": str(account),
                                               "opportunity": str(quiet)})  # fmt: skip
        assert await told(9, 8.9) == set()
        assert await told(9, 10.5) == {"First contact: Fresh", "Get in touch: Quiet"}
        assert await told(16, 8.9) == set()
        stuck = {"Bring it on or close it: Quiet", "Bring it on or close it: Fresh"}
        assert await told(16, 10.5) == stuck | {
            "First contact: Fresh", "Nobody has been in touch about this deal for two weeks",
        }  # fmt: skip
        assert await told(21, 8.1) == {"Set a new planned close: Fresh"}
        await put(rt, release, "opportunity", {"planned_close": "2026-05-01"}, fresh)
        assert await told(21, 9) == set()
        (counted,) = [row["push_count"] for row in await rows("opportunity") if row["id"] == fresh]
        assert counted == 1
