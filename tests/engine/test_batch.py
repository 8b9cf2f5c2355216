"""Several objects in one batch: references, what is judged at the end, upserts by a key, all or nothing."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.records.batch import Result, Step, write_batch
from tests.engine.support import Yard


async def done(yard: Yard, *steps: Step, who: str | None = None) -> list[Result]:
    return await write_batch(yard.rt, yard.context(who), yard.release, steps)


def crate(code: str, **more: Any) -> Step:
    return Step(object="crate", operation="create", values={"code": code, **more}, ref=code)


def slat(name: str, into: Any, **more: Any) -> Step:
    return Step(object="slat", operation="create", values={"name": name, "crate": into, **more})


async def faults(yard: Yard, *steps: Step) -> set[tuple[int | None, str, str | None]]:
    refused = await yard.refused(done(yard, *steps))
    return {(f.row, f.code, f.rule) for f in refused.faults}


async def test_steps_refer_to_each_other_in_any_order(yard: Yard) -> None:
    """A crate that has to have slats comes with them."""
    assert await yard.codes(yard.create("crate", code="alone")) == {"record.rule"}
    made = await done(yard, slat("a", {"ref": "c1"}), crate("c1"), slat("b", {"ref": "c1"}))
    assert [(r.version, r.created) for r in made] == [(1, True)] * 3
    found = await yard.listed("slat", where='crate.code = "c1"', fields=("name",))
    assert {row["name"] for row in found} == {"a", "b"}


async def test_what_reads_other_objects_of_the_batch_is_judged_at_its_end(yard: Yard) -> None:
    into = [slat("a", {"ref": "c2"}), slat("long", {"ref": "c2"})]
    assert await faults(yard, crate("c2", kind="small"), *into) == {(2, "record.rule", "fits")}
    assert await faults(yard, crate("c2"), into[0]) == {(0, "record.rule", "has_slats")}
    assert not await yard.listed("crate", where='code = "c2"')
    (found, *_) = await done(yard, crate("c2"), *into)
    change = Step(object="crate", operation="update", record=found.record, values={"kind": "small"})
    longs = await yard.listed("slat", where='crate.code = "c2" AND name = "long"', fields=("id",))
    shorter = Step(object="slat", operation="update", record=UUID(longs[0]["id"]), values={"name": "short"})
    assert await faults(yard, change, Step(object="slat", operation="update", record=shorter.record,
                                           values={"name": "long"})) == {(1, "record.rule", "fits")}  # fmt: skip
    await done(yard, shorter, change)


async def test_everything_that_is_wrong_is_told_with_its_step(yard: Yard) -> None:
    wrong = Step(object="ball", operation="create", values={"name": "x"})
    assert await faults(yard, wrong, slat("a", {"ref": "nobody"})) == {
        (1, "record.reference", None)
    }
    late = Step(object="bag", operation="create", values={"name": None, "most": 1})
    assert await faults(yard, wrong, late) == {(0, "record.required", None), (1, "record.required", None)}
    ring = [
        Step(object="crate", operation="create", values={"code": "r", "best": {"ref": "s"}}, ref="c"),
        Step(object="slat", operation="create", values={"name": "s", "crate": {"ref": "c"}}, ref="s"),
    ]
    assert {code for _, code, _ in await faults(yard, *ring)} == {"record.reference"}


async def test_several_steps_change_one_record_one_after_the_other(yard: Yard) -> None:
    bag = await yard.create("bag", name="b", most=3)
    steps = [Step(object="bag", operation="update", record=bag, values={"most": n}) for n in (5, 7)]
    made = await done(yard, *steps)
    assert [r.version for r in made] == [2, 3]
    assert (await yard.get("bag", bag, None, "most"))["most"] == 7


async def test_deletions_come_last(yard: Yard) -> None:
    bag = await yard.create("bag", name="b", most=3)
    gone = Step(object="bag", operation="delete", record=bag)
    made = await done(yard, gone, Step(object="bag", operation="create", values={"name": "n", "most": 1}))
    assert [r.version for r in made] == [None, 1]
    assert (await yard.refused(yard.get("bag", bag))).code == "record.unknown"


async def test_upserts_find_by_key(yard: Yard) -> None:
    pair = [slat("a", {"ref": "u"}), slat("b", {"ref": "u"})]
    up = Step(object="crate", operation="upsert", key="code", values={"code": "u1", "kind": "x"}, ref="u")
    made = await done(yard, up, *pair)
    assert made[0].created
    again = await done(yard, Step(object="crate", operation="upsert", key="code", values={"code": "u1", "kind": "y"}))
    assert (again[0].record, again[0].created, again[0].version) == (made[0].record, False, 2)
    unkeyed = Step(object="crate", operation="upsert", key="kind", values={"kind": "x"})
    assert {code for _, code, _ in await faults(yard, unkeyed)} == {"record.key"}
    blank = Step(object="crate", operation="upsert", key="code", values={"kind": "x"})
    assert {code for _, code, _ in await faults(yard, blank)} == {"record.key"}


async def test_upserts_of_one_key_at_the_same_time_make_one_record(yard: Yard) -> None:
    def steps(n: int) -> list[Step]:
        up = Step(object="crate", operation="upsert", key="code", values={"code": f"race{n}"}, ref="u")
        return [up, slat("a", {"ref": "u"}), slat("b", {"ref": "u"})]

    for n in range(10):
        made = await asyncio.gather(*(done(yard, *steps(n)) for _ in range(4)))
        assert len({results[0].record for results in made}) == 1
        assert sorted(results[0].created for results in made) == [False, False, False, True]


async def test_rights_hold_for_every_step(yard: Yard) -> None:
    refused = await yard.refused(done(yard, crate("mine"), who="worker"))
    assert refused.code == "object.unknown"
    assert isinstance(refused, Refused)
