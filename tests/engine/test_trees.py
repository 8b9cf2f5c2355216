"""Lookups that make a tree: nothing is above itself, whoever writes at the same time."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

from engine.base.errors import Refused
from tests.engine.support import Yard


async def branches(yard: Yard, count: int) -> list[UUID]:
    """Branches one under the other, the highest first."""
    made: list[UUID] = []
    for n in range(count):
        made.append(await yard.create("branch", name=f"b{n}", above=str(made[-1]) if made else None))
    return made


async def test_nothing_is_above_itself(yard: Yard) -> None:
    """`tree`: neither at once nor over others, and not by several rows of one write."""
    top, middle, low = await branches(yard, 3)
    for below in (top, middle, low):
        refused = await yard.refused(yard.update("branch", top, above=str(below)))
        assert [(f.code, f.pointer) for f in refused.faults] == [("record.tree", "/above")]
    await yard.update("branch", low, above=str(top))
    await yard.update("branch", top, name="the top")
    one, other = await yard.create("branch", name="1"), await yard.create("branch", name="2")
    rows = ({"above": str(other)}, {"above": str(one)})
    refused = await yard.refused(yard.write("branch", "update", rows=rows, ids=(one, other), versions=(None,) * 2, many=True))
    assert {(f.code, f.row) for f in refused.faults} == {("record.tree", 0), ("record.tree", 1)}
    assert (await yard.get("branch", one, None, "above"))["above"] is None


async def test_writers_at_the_same_time_make_no_circle(yard: Yard) -> None:
    chance = random.Random(3)
    made = [await yard.create("branch", name=f"r{n}") for n in range(6)]

    async def hang(_: int) -> bool:
        one, other = chance.sample(made, 2)
        try:
            await yard.update("branch", one, above=str(other))
        except Refused as refused:
            assert [f.code for f in refused.faults] == ["record.tree"]
            return False
        return True

    done = [ok for _ in range(10) for ok in await asyncio.gather(*(hang(n) for n in range(8)))]
    above = {UUID(row["id"]): row["above"] for row in await yard.listed("branch", fields=("id", "above"))}
    for start in made:
        seen, at = set[UUID](), start
        while above[at] is not None:
            assert at not in seen
            seen.add(at)
            at = UUID(above[at])
    assert any(done) and not all(done)
