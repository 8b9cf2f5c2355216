"""A shop with sixty sales of two people, for all tests of the room."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.base.context import OPERATOR, Actor
from engine.lifecycle.apply import apply
from tests.tenancy import create, load_with_settings, opened, write_pack

TENANT = "shop"
ZONE = "Asia/Shanghai"


def column(value: str, en: str, zh: str, **more: str) -> dict[str, Any]:
    return {"value": value, "label": {"en": en, "zh-CN": zh}, **more}


def report(name: str, **declared: Any) -> dict[str, Any]:
    return {"kind": "report", "name": name, "object": "sale", **declared}


PACK: list[dict[str, Any]] = [
    {
        "kind": "pack",
        "name": "shop",
        "version": "0.1.0",
        "language": 1,
        "depends": {"core": ">=0.1"},
        "locales": ["en", "zh-CN"],
        "label": {"en": "Shop", "zh-CN": "商店"},
    },
    {
        "kind": "value_set",
        "name": "areas",
        "label": {"en": "Areas", "zh-CN": "区域"},
        "options": {
            "west": {"en": "West", "zh-CN": "西"},
            "east": {"en": "East", "zh-CN": "东"},
            "north": {"en": "North", "zh-CN": "北"},
        },
    },
    {
        "kind": "process",
        "name": "sale_life",
        "label": {"en": "Sale", "zh-CN": "销售"},
        "object": "sale",
        "field": "stage",
        "start": ["open", "won", "lost"],
        "stages": {
            "open": {"label": {"en": "Open", "zh-CN": "进行中"}, "category": "open", "probability": "50%"},
            "won": {"label": {"en": "Won", "zh-CN": "赢单"}, "category": "won", "probability": "100%"},
            "lost": {"label": {"en": "Lost", "zh-CN": "输单"}, "category": "lost"},
        },
        "moves": [{"from": "open", "to": "won"}, {"from": "open", "to": "lost"}],
    },
    {
        "kind": "object",
        "name": "place",
        "title": "name",
        "label": {"en": "Place", "zh-CN": "地点"},
        "fields": {
            "name": {"type": "text", "required": True, "label": {"en": "Name", "zh-CN": "名称"}},
            "area": {"type": "select", "options": "areas", "label": {"en": "Area", "zh-CN": "区域"}},
        },
    },
    {
        "kind": "object",
        "name": "sale",
        "title": "name",
        "label": {"en": "Sale", "zh-CN": "销售"},
        "fields": {
            "name": {"type": "text", "required": True, "label": {"en": "Name", "zh-CN": "名称"}},
            "place": {"type": "lookup", "to": "place", "reverse": "sales", "label": {"en": "Place", "zh-CN": "地点"}},
            "amount": {"type": "money", "label": {"en": "Amount", "zh-CN": "金额"}},
            "pieces": {"type": "integer", "label": {"en": "Pieces", "zh-CN": "件数"}},
            "cost": {"type": "money", "label": {"en": "Cost", "zh-CN": "成本"}},
            "gift": {"type": "boolean", "label": {"en": "Gift", "zh-CN": "赠品"}},
            "sold_on": {"type": "date", "label": {"en": "Sold on", "zh-CN": "销售日期"}},
            "stage": {"type": "stage", "process": "sale_life", "label": {"en": "Stage", "zh-CN": "阶段"}},
            "net": {"type": "formula", "formula": "amount * 0.9", "label": {"en": "Net", "zh-CN": "净额"}},
        },
    },
    {
        "kind": "role",
        "name": "rep",
        "label": {"en": "Rep", "zh-CN": "代表"},
        "objects": {
            "sale": {"read": {"where": "owner = $user.id", "fields": {"except": ["cost"]}}, "export": True},
            "place": {"read": True},
            "user": {"read": True},
        },
    },
    {
        "kind": "role",
        "name": "guest",
        "label": {"en": "Guest", "zh-CN": "访客"},
        "objects": {"sale": {"read": {"fields": ["name"]}}},
    },
    report(
        "by_area",
        label={"en": "By area", "zh-CN": "按区域"},
        description={"en": "Won sales", "zh-CN": "赢单"},
        where='stage = "won"',
        group_by={"area": column("place.area", "Area", "区域")},
        measures={
            "sales": column("COUNT(rows)", "Sales", "单数", format="integer"),
            "amount": column("SUM(amount)", "Amount", "金额", format="money"),
            "share": column("SUM(pieces) / COUNT(rows)", "Share", "占比", format="percent"),
            "net": column("SUM(net)", "Net", "净额", format="number"),
        },
        totals=True,
    ),
    report(
        "by_month",
        label={"en": "By month", "zh-CN": "按月"},
        group_by={
            "month": column("DATETRUNC(sold_on, 'month')", "Month", "月份"),
            "stage": column("stage", "Stage", "阶段"),
        },
        measures={"sales": column("COUNT(rows)", "Sales", "单数"), "best": column("MAX(amount)", "Best", "最高")},
    ),
    report(
        "top_places",
        label={"en": "Top places", "zh-CN": "最佳地点"},
        group_by={"place": column("place.name", "Place", "地点")},
        measures={
            "amount": column("SUM(amount)", "Amount", "金额"),
            "win": column(
                'COUNT(rows[stage = "won"]) / COUNT(rows[stage <> "open"])', "Win rate", "赢率", format="percent"
            ),
        },
        sort=["-amount", "place"],
        limit=3,
        totals=True,
    ),
    report(
        "by_stage_down",
        label={"en": "Stages", "zh-CN": "阶段"},
        group_by={"stage": column("stage", "Stage", "阶段")},
        measures={"sales": column("COUNT(rows)", "Sales", "单数")},
        sort=["-stage"],
    ),
    report(
        "whole",
        label={"en": "Whole", "zh-CN": "总计"},
        measures={
            "sales": column("COUNT(rows)", "Sales", "单数"),
            "gifts": column("COUNT(rows[gift])", "Gifts", "赠品数"),
        },
    ),
    report(
        "by_gift",
        label={"en": "By gift", "zh-CN": "按赠品"},
        group_by={"gift": column("gift", "Gift", "赠品")},
        measures={"sales": column("COUNT(rows)", "Sales", "单数")},
    ),
    report("costs", label={"en": "Costs", "zh-CN": "成本"}, measures={"cost": column("SUM(cost)", "Cost", "成本")}),
    report(
        "risky",
        label={"en": "=cmd|' /C calc'!A0", "zh-CN": "风险"},
        group_by={"name": column("name", "+Name", "名称")},
        measures={"amount": column("SUM(amount)", "@Amount", "金额")},
        where='name <> "" AND LEFT(name, 4) <> "sale"',
    ),
]


@dataclass(slots=True)
class Shop:
    """The database, and the people who look at it."""

    url: str
    users: dict[str, UUID]

    def actor(self, who: str) -> Actor:
        if who == "operator":
            return OPERATOR
        return Actor(self.users[who], ("guest",) if who == "guest" else ("rep",), {"id": self.users[who]})


@pytest.fixture(scope="package")
def shop(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Shop:
    url, folder = new_database(), tmp_path_factory.mktemp("shop")
    return asyncio.run(_furnish(url, folder))


async def _furnish(url: str, folder: Path) -> Shop:
    pack = write_pack(folder / "shop", PACK)
    loaded = load_with_settings(
        pack, TENANT, {"core": ">=0.1", "shop": ">=0.1"}, time_zone=ZONE, currency="CNY", locales=["en", "zh-CN"]
    )
    chance = random.Random(11)
    async with opened(url) as rt:
        release = (await apply(rt, TENANT, loaded)).release
        people = [{"name": n, "email": f"{n}@shop.example"} for n in ("ann", "ben", "guest")]
        users = dict(zip(("ann", "ben", "guest"), await create(rt, release, "user", *people), strict=True))
        places = await create(
            rt,
            release,
            "place",
            *({"name": f"place {n}", "area": area} for n, area in enumerate(["north", "west", "east", "west", None])),
        )
        sales = [
            {
                "name": f"sale {n}",
                "place": str(chance.choice(places)) if n % 7 else None,
                "amount": None if n % 11 == 0 else Decimal(chance.randint(0, 90_000)) / 100,
                "pieces": chance.randint(1, 9),
                "cost": 5,
                "gift": n % 5 == 0,
                "sold_on": str(date(2024, 1, 15) + timedelta(days=3 * n)) if n % 13 else None,
                "stage": chance.choice(["open", "won", "won", "lost"]),
                "owner": str(users[chance.choice(["ann", "ben"])]),
            }
            for n in range(60)
        ]
        tricky = [
            {
                "name": name,
                "place": None,
                "amount": amount,
                "pieces": 1,
                "cost": 5,
                "gift": False,
                "sold_on": "2023-12-31",
                "stage": "open",
                "owner": str(users["ann"]),
            }
            for name, amount in (
                ('=HYPERLINK("x")', 1),
                ("@SUM(A1)", 2),
                ("+1", 3),
                ("-2", -4),
                ("|x", 5),
                ('plain, "q"', 6),
            )
        ]
        await create(rt, release, "sale", *sales, *tricky)
    return Shop(url, users)
