"""Unique keys with conditions and folded texts."""

from __future__ import annotations

import asyncio

from engine.base.errors import Refused
from tests.engine.support import Yard


async def test_folded_texts_are_the_same(yard: Yard) -> None:
    """`fold`: case, full width and spaces around do not count; the key's own message is told."""
    await yard.create("seat", place="Façade É1", row=1)
    for same in ("façade é1", " FAÇADE É1 ", "Ｆaçade É１"):
        refused = await yard.refused(yard.create("seat", place=same, row=1))
        (fault,) = refused.faults
        assert (fault.code, fault.rule, fault.detail) == ("record.unique", "one_holder", "The seat is taken")
    await yard.create("seat", place="façade é1", row=2)
    await yard.create("seat", place=None, row=1)
    await yard.create("seat", place=None, row=1)


async def test_only_records_where_the_condition_holds_count(yard: Yard) -> None:
    first = await yard.create("seat", place="A", row=7, given_up=True)
    second = await yard.create("seat", place="a", row=7)
    assert await yard.codes(yard.update("seat", first, given_up=False)) == {"record.unique"}
    await yard.update("seat", second, given_up=True)
    await yard.update("seat", first, given_up=False)
    rows = [{"place": "B", "row": 1}, {"place": "b", "row": 1, "given_up": True}, {"place": "B ", "row": 1}]
    refused = await yard.refused(yard.many("seat", rows))
    assert {(f.row, f.code) for f in refused.faults} == {(0, "record.unique"), (2, "record.unique")}
    await yard.many("seat", rows[:2])


async def test_of_writers_at_the_same_time_one_gets_the_seat(yard: Yard) -> None:
    async def take(n: int) -> bool:
        try:
            await yard.create("seat", place="Race" if n % 2 else "RACE", row=3)
        except Refused as refused:
            assert refused.code in ("record.unique", "record.invalid")
            return False
        return True

    assert sum(await asyncio.gather(*(take(n) for n in range(8)))) == 1


async def test_the_key_is_an_index(yard: Yard) -> None:
    found = await yard.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = 'seat'", "t_yard")
    (key,) = [row["indexdef"] for row in found if "UNIQUE" in row["indexdef"] and "place" in row["indexdef"]]
    assert "NORMALIZE(btrim(place), NFKC)" in key and "lower(" in key and "given_up" in key and "deleted_at IS NULL" in key
