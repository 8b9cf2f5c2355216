"""Options: retired ones stay where they are and are not chosen again, dependent ones go with another field."""

from __future__ import annotations

from tests.engine.support import Yard

OLD = ("tone = 'old', dots = '{tiny}'",)


async def test_retired_options_stay_where_they_are(yard: Yard) -> None:
    for row in ({"tone": "old"}, {"dots": ["big", "tiny"]}):
        refused = await yard.refused(yard.create("outfit", name="o", **row))
        assert [f.code for f in refused.faults] == ["record.option"] and "any more" in refused.faults[0].detail
    record = await yard.create("outfit", name="o", tone="red", dots=["big"])
    assert await yard.codes(yard.update("outfit", record, tone="old")) == {"record.option"}
    await yard.sql(f"UPDATE {{s}}.outfit SET {OLD[0]} WHERE id = $1", record)
    await yard.update("outfit", record, name="kept", tone="old", dots=["tiny", "big"])
    assert (await yard.get("outfit", record, None, "tone", "dots")) == {"tone": "old", "dots": ["tiny", "big"]}
    assert len(await yard.listed("outfit", where='tone = "old"')) == 1
    await yard.update("outfit", record, tone="red")
    assert await yard.codes(yard.update("outfit", record, tone="old")) == {"record.option"}
    assert await yard.codes(yard.create("outfit", name="o", tone="none")) == {"record.option"}


async def test_history_may_hold_retired_options(yard: Yard) -> None:
    await yard.write("outfit", "create", rows=({"name": "h", "tone": "old"},), historical=True)


async def test_options_go_with_another_field(yard: Yard) -> None:
    """`depends_on` a `field`: `options` by its values, `otherwise`, and while it is `blank`."""
    wrong = {("record.option_dependent", "/town", None)}
    for land, town, fits in (
        ("de", "ulm", True), ("de", "lyon", False), ("fr", "lyon", True), ("us", "other", True), ("us", "ulm", False),
        (None, "other", True), (None, "lyon", False), ("fr", None, True),
    ):  # fmt: skip
        made = yard.create("outfit", name="o", land=land, town=town)
        if fits:
            await made
        else:
            assert await yard.faults(made) == wrong
    record = await yard.create("outfit", name="o", land="de", town="ulm")
    assert await yard.faults(yard.update("outfit", record, land="fr")) == wrong
    assert await yard.faults(yard.update("outfit", record, town="lyon")) == wrong
    await yard.update("outfit", record, land="fr", town="lyon")
    await yard.update("outfit", record, name="other things may change")


async def test_several_options_go_with_a_yes_or_no(yard: Yard) -> None:
    await yard.create("outfit", name="o", wet=True, wear=["hat", "boots"])
    await yard.create("outfit", name="o", wet=False, wear=["fan"])
    for wet, wear in ((True, ["hat", "fan"]), (False, ["boots"])):
        assert await yard.codes(yard.create("outfit", name="o", wet=wet, wear=wear)) == {"record.option_dependent"}
