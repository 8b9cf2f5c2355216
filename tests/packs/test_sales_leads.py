"""A lead of the sales pack from its pool to somebody of its region, and back where nobody answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from engine.automation.timers import sweep
from engine.automation.worker import drain
from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from engine.runtime import Runtime
from metamodel.load import load_tenant
from tests.packs.test_sales_reminders import put
from tests.tenancy import PACKS, opened, sql

BEGIN = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""Ten o'clock in Shanghai, on a Monday."""


async def test_leads_are_assigned_by_region_and_taken_back(database_url: str, tmp_path: Any) -> None:
    url, file = database_url, tmp_path / "leads.yaml"
    file.write_text("kind: tenant\nname: leads\npacks: {core: '*', sales: '*'}\n"
                    "settings: {time_zone: Asia/Shanghai, currency: CNY, locales: [en, zh-CN]}\n", "utf-8")  # fmt: skip
    async with opened(url) as rt:
        rt.clock.set(BEGIN)
        release = (await apply(rt, "leads", load_tenant(file, [PACKS]))).release
        teams = {
            region: await put(rt, release, "team", {"name": region, "code": region.upper(), "region": region})
            for region in ("east", "south")
        }
        people: dict[str, UUID] = {}
        for name, region in (("keeper", "south"), ("ann", "east"), ("bob", "east"), ("cid", "south"), ("dan", "east")):
            row = {"name": name, "email": f"{name}@leads.example", "team": str(teams[region])}
            people[name] = UUID(int=(await put(rt, release, "user", row)).int)
            await create_login(rt, release, people[name], name, "a long enough word", ["sales_rep"])
        pool = await put(rt, release, "lead_pool", {"name": "East pool", "owner": str(people["keeper"])})
        for name in ("ann", "bob", "cid"):
            await put(rt, release, "lead_pool_member", {"pool": str(pool), "user": str(people[name])})

        async def lead(n: int, region: str) -> UUID:
            row = {"name": f"L{n}", "company": f"C{n}", "mobile": f"1380000{n:04}", "source": "website", "region": region,
                   "pool": str(pool), "owner": str(people["keeper"])}  # fmt: skip
            return await put(rt, release, "lead", row)

        east = [await lead(n, "east") for n in range(4)]
        south, west = await lead(10, "south"), await lead(11, "west")
        await drain(rt)
        owners = await held(rt, url)
        assert sorted(owners[i][0] for i in east) == ["ann", "ann", "bob", "bob"]
        assert (owners[south][0], owners[west][0]) == ("cid", "keeper")
        told = await sql(url, 'SELECT count(*) AS n FROM "t_leads".notification')
        assert told[0]["n"] >= 5
        answered = east[0]
        await put(rt, release, "activity", {"subject": "called", "type": "call", "lead": str(answered),
                                            "at": rt.clock.now().isoformat(), "owner": str(people["ann"])})  # fmt: skip
        rt.clock.set(BEGIN + timedelta(hours=25))
        await sweep(rt)
        await drain(rt)
        owners = await held(rt, url)
        assert [owners[i] for i in east[1:]] == [("keeper", "recycled")] * 3
        assert owners[answered][0] in ("ann", "bob") and owners[answered][1] == "new"


async def held(rt: Runtime, url: str) -> dict[UUID, tuple[str, str]]:
    """Who has each lead, and its status."""
    rows = await sql(
        url, 'SELECT l.id, u.name, l.status FROM "t_leads".lead l JOIN "t_leads"."user" u ON u.id = l.owner'
    )
    return {UUID(int=row["id"].int): (row["name"], row["status"]) for row in rows}
