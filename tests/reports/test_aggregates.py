"""Groupings that a caller asks for: over his rows only, and every fault of the query named."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import Refused
from engine.plan.request import AggregateQuery
from engine.reports.run import aggregate
from tests.reports.conftest import TENANT, Shop
from tests.reports.test_reports import FROM, near, plain
from tests.tenancy import context, opened


async def ask(shop: Shop, who: str = "operator", **query: Any) -> list[tuple[Any, ...]]:
    async with opened(shop.url) as rt:
        release = await rt.store.release(TENANT)
        asked = AggregateQuery(**{"object": "sale", "by": {}, "measures": {"sales": "COUNT(rows)"}, **query})
        result = await aggregate(rt, context(release, shop.actor(who)), release, asked)
        return [tuple(row.values()) for row in json.loads(result.body, parse_float=Decimal)]


async def test_groups_measures_condition_order_and_limit(shop: Shop) -> None:
    got = await ask(
        shop,
        by={"area": "place.area", "big": "amount > 300"},
        where='stage <> "lost" and pieces >= 2',
        measures={"sales": "COUNT(rows)", "mean": "AVERAGE(amount)"},
        order=("-sales", "area", "big"),
        limit=4,
    )
    wanted = await plain(
        shop,
        f"SELECT p.area, coalesce(amount > 300, false), count(*), avg(amount) {FROM} "
        "AND stage <> 'lost' AND pieces >= 2 "
        "GROUP BY 1, 2 ORDER BY 3 DESC, array_position('{west,east,north}', p.area) NULLS LAST, 2 LIMIT 4",
    )
    assert near(got, wanted) and len(got) == 4


async def test_values_of_the_query_are_values_not_text_of_the_statement(shop: Shop) -> None:
    assert await ask(shop, where="name = \"x' OR '1'='1\"") == [(0,)]
    assert await ask(shop, by={"n": "'; DROP TABLE sale --'"}) == [("; DROP TABLE sale --", 66)]
    assert await ask(shop, where='name = "sale 3"') == [(1,)] == await ask(shop, where='name = "sale 4"')


async def test_the_rows_are_those_of_the_viewer(shop: Shop) -> None:
    own = {
        who: (await plain(shop, f"SELECT count(*) {FROM} AND s.owner = $1", shop.users[who]))[0]
        for who in ("ann", "ben")
    }
    for who, count in own.items():
        assert await ask(shop, who) == [count]
        assert await ask(shop, who, by={"who": "owner.name"}) == [(who, *count)]
    assert await ask(shop) == [(sum(count for (count,) in own.values()),)]
    assert await ask(shop, "guest") == await ask(shop)


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": ({"by": {"x": "colour"}}, "by", "colour"),
    "unreadable field": ({"measures": {"x": "SUM(cost)"}}, "measures", "cost"),
    "unreadable in the condition": ({"where": "cost > 1"}, "where", "cost"),
    "not boolean": ({"where": "amount"}, "where", ""),
    "syntax": ({"by": {"x": "amount +"}}, "by", ""),
    "row value as measure": ({"measures": {"x": "amount"}}, "measures", ""),
    "aggregate as group": ({"by": {"x": "COUNT(rows)"}}, "by", ""),
    "unknown function": ({"measures": {"x": "SUMM(amount)"}}, "measures", "SUM"),
    "unknown order": ({"order": ("-price",)}, "order", 'no column "price"'),
    "limit": ({"limit": 0}, "limit", "1 to"),
    "limit above": ({"limit": 1_000_000}, "limit", "1 to"),
    "no measure": ({"measures": {}}, "measures", "at least one"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_named_with_its_place(shop: Shop, name: str) -> None:
    query, pointer, text = FAULTS[name]
    with pytest.raises(Refused) as refused:
        await ask(shop, "ann", **query)
    assert refused.value.code == "query.invalid"
    assert any(f.pointer.lstrip("/").startswith(pointer) and text in f.detail for f in refused.value.faults), (
        refused.value.faults
    )


async def test_all_faults_come_at_once_and_an_unreadable_object_is_unknown(shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        await ask(shop, "ann", by={"x": "colour"}, measures={"y": "SUM(cost)"}, where="price > 1", limit=0)
    assert len(refused.value.faults) == 4
    for who, obj in (("guest", "place"), ("operator", "nothing")):
        with pytest.raises(Refused) as unknown:
            await ask(shop, who, object=obj)
        assert unknown.value.code == "object.unknown"


async def test_a_division_by_zero_in_a_measure_is_blank(shop: Shop) -> None:
    assert await ask(shop, measures={"x": "SUM(amount) / COUNT(rows[pieces > 99])"}) == [(None,)]
    assert await ask(shop, where="pieces > 99", measures={"n": "COUNT(rows)", "x": "SUM(amount)"}) in (
        [(0, None)],
        [(0, 0)],
    )
    assert await ask(shop, where="pieces > 99", by={"area": "place.area"}) == []
