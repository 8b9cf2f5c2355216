"""Rules that read other rows: the written rows count themselves, and nobody writes such rows between."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from engine.base.errors import Refused
from tests.engine.support import Yard


async def bag(yard: Yard, **row: Any) -> str:
    return str(await yard.create("bag", **{"name": "b", "most": 10, **row}))


async def test_a_row_counts_itself_among_its_siblings(yard: Yard) -> None:
    into = await bag(yard)
    await yard.create("ball", name="a", weight=6, bag=into)
    heavy = yard.create("ball", name="b", weight=5, bag=into)
    assert await yard.faults(heavy) == {("record.rule", "/weight", "bag_holds")}
    ball = await yard.create("ball", name="b", weight=4, bag=into)
    assert await yard.codes(yard.update("ball", ball, weight=5)) == {"record.rule"}
    assert (await yard.update("ball", ball, weight=3))["weight"] == 3
    assert len(await yard.history("ball", ball)) == 2


async def test_rows_of_one_batch_count_each_other(yard: Yard) -> None:
    into, rows = await bag(yard), [{"name": n, "weight": 4} for n in "abc"]
    refused = await yard.refused(yard.many("ball", [{**row, "bag": into} for row in rows]))
    assert {f.rule for f in refused.faults} == {"bag_holds"} and {f.row for f in refused.faults} == {0, 1, 2}
    assert not await yard.listed("ball", where=f'bag = "{into}"')
    assert len(await yard.many("ball", [{**row, "bag": into} for row in rows[:2]])) == 2


async def test_a_row_that_is_moved_is_judged_where_it_comes(yard: Yard) -> None:
    first, second = await bag(yard), await bag(yard, most=5)
    ball = await yard.create("ball", name="a", weight=6, bag=first)
    assert await yard.codes(yard.update("ball", ball, bag=second)) == {"record.rule"}
    await yard.update("ball", ball, bag=second, weight=5)


async def test_old_values_stand_in_what_is_judged_late(yard: Yard) -> None:
    into = await bag(yard, most=100)
    await yard.many("ball", [{"name": "n", "weight": 1, "bag": into}] * 3)
    assert await yard.codes(yard.create("ball", name="n", weight=1, bag=into)) == {"record.rule"}
    other = await yard.create("ball", name="m", weight=1, bag=into)
    await yard.update("ball", other, name="n")
    loose = await yard.create("ball", name="n", weight=1)
    assert {f.rule for f in (await yard.refused(yard.update("ball", loose, bag=into))).faults} == {"few_alike"}


async def test_rules_see_the_stored_roll_ups_of_parents(yard: Yard) -> None:
    pouch = str(await yard.create("pouch", name="p", most=10))
    bead = await yard.create("bead", name="a", weight=6, pouch=pouch)
    assert await yard.codes(yard.create("bead", name="b", weight=5, pouch=pouch)) == {"record.rule"}
    await yard.create("bead", name="b", weight=4, pouch=pouch)
    assert await yard.codes(yard.update("bead", bead, weight=7)) == {"record.rule"}
    assert (await yard.get("pouch", UUID(pouch), None, "weight"))["weight"] == 10


@pytest.mark.parametrize(("child", "parent"), [("ball", "bag"), ("bead", "pouch")])
async def test_writers_at_the_same_time_never_overfill(yard: Yard, child: str, parent: str) -> None:
    into = [str(await yard.create(parent, name="busy", most=10)) for _ in range(3)]

    async def fill(writer: int) -> int:
        made = 0
        for n in range(12):
            try:
                row = {"name": f"{writer}-{n}", "weight": 1, parent: into[(writer + n) % 3]}
                await yard.create(child, **row)
                made += 1
            except Refused as refused:
                assert {f.code for f in refused.faults} == {"record.rule"}, refused
        return made

    assert sum(await asyncio.gather(*(fill(n) for n in range(8)))) == 30
    for name in into:
        found = await yard.listed(child, where=f'{parent} = "{name}"', fields=("weight",))
        assert len(found) == 10


async def test_two_rules_that_read_each_other_never_both_hold_by_chance(yard: Yard) -> None:
    """A ball comes only into an open bag, and only an empty bag is tied: of both at once one is refused."""

    async def race() -> None:
        into = await bag(yard)
        both = await asyncio.gather(
            yard.create("ball", name="a", weight=1, bag=into), yard.update("bag", UUID(into), tied=True),
            return_exceptions=True,
        )  # fmt: skip
        assert sum(isinstance(result, Refused) for result in both) == 1, both

    for _ in range(20):
        await race()
