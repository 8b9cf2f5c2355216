"""Conversion: one record becomes several at once, what exists is taken, and a second time changes nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine.records.conversion import Made, Wish, convert, preview
from tests.engine.support import Yard

NAME = "offer_of_inquiry"


async def inquiry(yard: Yard, company: str, wishes: int = 2, **row: Any) -> UUID:
    made = await yard.create("inquiry", name="Ann", company=company, **{"budget": 200, "ready": True, **row})
    for n in range(wishes):
        await yard.create("wish", name=f"w{n}", pieces=n + 1, inquiry=str(made))
    return made


async def converted(yard: Yard, record: UUID, wish: Wish | None = None, who: str | None = None) -> dict[str, Made]:
    made = await convert(yard.rt, yard.context(who), yard.release, NAME, record, wish)
    return {m.part: m for m in made}


async def test_one_record_becomes_several(yard: Yard) -> None:
    """Parts in `creates` are records of an `object` with `values`; they refer to each other by `refs`, those of `each`
    come one for a row; the source gets `sets`."""
    record = await inquiry(yard, "Alpha")
    made = await converted(yard, record)
    assert all(m.created for m in made.values()) and set(made) == {"firm", "person", "offer", "items"}
    offer = await yard.get("offer", made["offer"].record, None, "name", "amount", "firm")
    assert offer == {"name": "For Alpha", "amount": Decimal("66.67"), "firm": str(made["firm"].record)}
    items = await yard.listed("item", where=f'offer = "{made["offer"].record}"', fields=("name", "pieces"))
    assert sorted((i["name"], i["pieces"]) for i in items) == [("w0", 1), ("w1", 2)]
    source = await yard.get("inquiry", record, None, "open", "firm", "offer")
    assert source == {"open": False, "firm": str(made["firm"].record), "offer": str(made["offer"].record)}


async def test_a_second_conversion_answers_what_was_made(yard: Yard) -> None:
    record = await inquiry(yard, "Beta")
    results = await asyncio.gather(*(converted(yard, record) for _ in range(4)))
    assert len({result["offer"].record for result in results}) == 1
    assert sum(result["offer"].created for result in results) == 1
    assert len(await yard.listed("offer", where='name = "For Beta"')) == 1


async def test_what_exists_is_taken(yard: Yard) -> None:
    """`match`: the one record with these values; of several the caller says which one."""
    firm = await yard.create("firm", name="Gamma")
    made = await converted(yard, await inquiry(yard, "Gamma"))
    assert (made["firm"].record, made["firm"].created) == (firm, False)
    other = await yard.create("firm", name="Gamma")
    record = await inquiry(yard, "Gamma")
    assert (await yard.refused(converted(yard, record))).code == "conversion.ambiguous"
    made = await converted(yard, record, Wish(use={"firm": other}))
    assert made["firm"].record == other


async def test_all_or_nothing(yard: Yard) -> None:
    record = await inquiry(yard, "Delta", wishes=0)
    refused = await yard.refused(converted(yard, record))
    assert [(f.code, f.rule) for f in refused.faults] == [("record.rule", "has_items")]
    assert not await yard.listed("firm", where='name = "Delta"')
    assert (await yard.get("inquiry", record, None, "firm", "open")) == {"firm": None, "open": True}


async def test_conditions_and_wishes(yard: Yard) -> None:
    """`when` of the whole with its message, `when` of a part, and what is optional."""
    early = await inquiry(yard, "Eps", ready=False)
    refused = await yard.refused(converted(yard, early))
    assert (refused.code, refused.detail) == ("conversion.not_now", "The inquiry is not ready")
    small = await inquiry(yard, "Small", budget=30)
    assert "person" not in await converted(yard, small)
    skipped = await inquiry(yard, "Skip")
    wish = Wish(skip=("person",), values={"offer": {"name": "Mine", "amount": 5}})
    made = await converted(yard, skipped, wish)
    assert "person" not in made
    assert (await yard.get("offer", made["offer"].record, None, "name"))["name"] == "Mine"
    record = await inquiry(yard, "Wrong")
    for bad, pointer in (
        (Wish(skip=("firm",)), "/skip/firm"), (Wish(use={"items": early}), "/use/items"),
        (Wish(values={"nothing": {}}), "/values/nothing"), (Wish(values={"offer": {"amount": -1}}), "/values/offer/amount"),
    ):  # fmt: skip
        refused = await yard.refused(converted(yard, record, bad))
        assert [f.pointer for f in refused.faults] == [pointer]


async def test_hidden_cells_are_not_copied(yard: Yard) -> None:
    record = await inquiry(yard, "Hidden", secret="psst")
    made = await converted(yard, record, who="worker")
    assert (await yard.get("firm", made["firm"].record, None, "note"))["note"] is None
    refused = await yard.refused(converted(yard, await inquiry(yard, "No"), who="looker"))
    assert refused.code == "conversion.unknown"


async def test_a_preview_tells_what_would_be_made(yard: Yard) -> None:
    firm = await yard.create("firm", name="Zeta")
    record = await inquiry(yard, "Zeta")
    told = await preview(yard.rt, yard.context(None, locale="zh-CN"), yard.release, NAME, record)
    assert told["possible"] and not told["converted"]
    parts = {part["name"]: part for part in told["parts"]}
    assert parts["firm"]["matches"] == [firm] and parts["firm"]["label"] == "公司"
    assert sorted(row["name"] for row in parts["items"]["rows"]) == ["w0", "w1"]
    assert parts["person"]["optional"]
    early = await inquiry(yard, "Zeta", ready=False)
    told = await preview(yard.rt, yard.context(None, locale="zh-CN"), yard.release, NAME, early)
    assert (told["possible"], told["message"]) == (False, "询盘尚未就绪")
