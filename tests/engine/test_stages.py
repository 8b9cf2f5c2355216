"""The stage gate: what is not listed is forbidden, and nothing goes around it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.records.stages import moves
from tests.engine.support import Yard


async def planned(yard: Yard, **row: Any) -> UUID:
    """A job in stage planned that nothing keeps from being done."""
    made = {"name": "planned", "qty": 10, "cost": 100, "due": "2026-05-01", "stage": "planned", **row}
    job = await yard.create("job", **made)
    await yard.create("part", name="p", job=str(job))
    return job


async def test_records_begin_in_a_start_stage(yard: Yard) -> None:
    job = await yard.create("job", name="a")
    assert (await yard.get("job", job, None, "stage"))["stage"] == "draft"
    codes = await yard.faults(yard.create("job", name="a", stage="done"))
    assert codes == {("stage.start", "/stage", None)}


async def test_what_a_stage_demands_holds_on_create_too(yard: Yard) -> None:
    """`entry` and `required` of the stage that a record starts in."""
    assert await yard.faults(yard.create("job", name="a", stage="planned")) == {
        ("stage.entry", "/stage", "has_cost"), ("stage.required", "/due", "planned"),
    }  # fmt: skip


async def test_unlisted_moves_are_forbidden(yard: Yard) -> None:
    job = await yard.create("job", name="a", qty=1)
    assert await yard.faults(yard.update("job", job, stage="done")) == {("stage.unlisted", "/stage", "draft")}
    assert await yard.codes(yard.update("job", job, stage=None)) == {"record.required"}
    assert (await yard.update("job", job, stage="draft"))["stage"] == "draft"


async def test_the_first_listed_move_that_is_open_to_a_role_decides(yard: Yard) -> None:
    """planned to done is listed twice in `moves`: `by` worker `when` qty >= 10, and `by` boss with a `reason`."""
    worker = yard.users["worker"]["id"]
    few, enough = await planned(yard, name="few", qty=9), await planned(yard, name="enough", qty=10)
    for job in (few, enough):
        await yard.update("job", job, owner=str(worker))
    assert await yard.codes(yard.update("job", few, "worker", stage="done")) == {"stage.guard"}
    both = yard.actor("worker", "boss", "worker")
    assert await yard.codes(yard.update("job", few, both, stage="done", reason="it is enough")) == {"stage.guard"}
    assert await yard.codes(yard.update("job", few, "boss", stage="done")) == {"stage.reason"}
    assert (await yard.update("job", few, "boss", stage="done", reason="it is enough"))["stage"] == "done"
    assert (await yard.update("job", enough, "worker", stage="done"))["stage"] == "done"
    third = await planned(yard, name="third")
    clerk = yard.actor("planner", "planner", "writer")
    assert (await yard.refused(yard.update("job", third, clerk, stage="done"))).code == "access.denied"


async def test_moves_by_roles(yard: Yard) -> None:
    job = await planned(yard, owner=str(yard.users["worker"]["id"]))
    assert await yard.codes(yard.update("job", job, "worker", stage="void")) == {"stage.role"}
    assert (await yard.update("job", job, "boss", stage="void"))["stage"] == "void"


async def test_required_holds_while_the_record_stands_in_the_stage(yard: Yard) -> None:
    job = await planned(yard)
    assert await yard.faults(yard.update("job", job, due=None)) == {("stage.required", "/due", "planned")}
    await yard.sql("UPDATE {s}.job SET due = NULL WHERE id = $1", job)
    assert (await yard.update("job", job, weight=2))["weight"] == 2
    assert await yard.codes(yard.update("job", job, stage="planned")) == {"stage.required"}


async def test_read_only_is_judged_by_the_old_stage(yard: Yard) -> None:
    job = await planned(yard)
    done = await yard.update("job", job, "boss", reason="r", stage="done", cost=120)
    assert done["cost"] == 120
    assert await yard.faults(yard.update("job", job, cost=130)) == {("stage.read_only", "/cost", "done")}
    assert (await yard.update("job", job, cost=120, weight=1))["weight"] == 1
    assert await yard.codes(yard.update("job", job, stage="planned", cost=130)) == {"stage.read_only"}


async def test_entry_criteria_are_judged_on_entering_only(yard: Yard) -> None:
    """An `entry` criterion whose valid_when does not hold tells its message."""
    job = await yard.create("job", name="a", qty=1, due="2026-05-01")
    refused = await yard.refused(yard.update("job", job, stage="planned"))
    assert [(f.code, f.rule, f.detail) for f in refused.faults] == [("stage.entry", "has_cost", "Enter the cost first")]
    job = await yard.create("job", name="a", qty=1, cost=1, due="2026-05-01", stage="planned")
    assert (await yard.update("job", job, cost=0, stage="planned"))["cost"] == 0


async def test_exit_criteria_are_judged_forward_only(yard: Yard) -> None:
    """An `exit` criterion whose valid_when does not hold tells its message, not on the way out or back."""
    job = await yard.create("job", name="a", cost=5, due="2026-05-01")
    assert await yard.faults(yard.update("job", job, stage="planned")) == {("stage.exit", "/stage", "has_quantity")}
    assert (await yard.update("job", job, stage="dropped", memo="no"))["stage"] == "dropped"
    bare = await yard.create("job", name="b", qty=10, cost=5, due="2026-05-01", stage="planned")
    assert await yard.codes(yard.update("job", bare, "boss", stage="done", reason="r")) == {"stage.exit"}
    assert (await yard.update("job", bare, stage="draft"))["stage"] == "draft"
    again = await yard.create("job", name="c", qty=10, cost=5, due="2026-05-01", stage="planned")
    assert (await yard.update("job", again, "boss", stage="void"))["stage"] == "void"


async def test_moves_within_a_period(yard: Yard) -> None:
    """`within: 30 days` counts from entering the stage that is left."""
    job = await planned(yard)
    await yard.update("job", job, "boss", stage="done", reason="r")
    late = yard.now + timedelta(days=30, seconds=1)
    assert await yard.codes(yard.update("job", job, "boss", stage="planned", now=late)) == {"stage.period"}
    back = await yard.update("job", job, "boss", stage="planned", now=yard.now + timedelta(days=30))
    assert back["stage"] == "planned"


async def test_the_category_says_where_a_stage_leads(yard: Yard) -> None:
    rows = {"open": "planned", "won": "done", "lost": "dropped"}
    await planned(yard, code="cat-1")
    for category, stage in rows.items():
        found = await yard.listed(
            "job", where=f'stage.category = "{category}" AND stage = "{stage}"', fields=("stage",)
        )
        every = await yard.listed("job", where=f'stage = "{stage}"', fields=("stage",))
        assert len(found) == len(every) > 0
    assert not await yard.listed("job", where='stage.category = "won" AND stage = "planned"')


async def test_probability_limit_and_time_of_a_stage(yard: Yard) -> None:
    await yard.create("job", name="p", code="prob-1")
    text = 'code = "prob-1" AND stage.probability = 10% AND stage.limit = 3 AND stage.entered_at <= NOW()'
    assert len(await yard.listed("job", where=text)) == 1
    assert not await yard.listed("job", where='code = "prob-1" AND stage.probability > 10%')


async def test_historical_mode_leaves_out_the_gate_alone(yard: Yard) -> None:
    """The capability of `capabilities: [import_historical]` lets records begin anywhere, with their own dates."""
    row = {
        "name": "h",
        "stage": "done",
        "created_at": "2020-01-02T00:00:00Z",
        "stage_entered_at": "2021-01-02T00:00:00Z",
    }
    refused = await yard.refused(yard.write("job", "create", "worker", rows=(row,), historical=True))
    assert refused.code == "access.denied"
    done = await yard.write("job", "create", "boss", rows=(row,), historical=True)
    job = done.changed[0][0]
    found = await yard.get("job", job, None, "stage", "created_at")
    assert found["stage"] == "done"
    assert found["created_at"].startswith("2020-01-02")
    assert [h["door"] for h in await yard.history("job", job)] == ["historical import"]
    stages = await yard.stages("job", job)
    assert [(s["stage"], s["entered_at"][:10]) for s in stages] == [("done", "2021-01-02")]
    moved = await yard.update("job", job, "boss", historical=True, stage="draft", cost=9)
    assert (moved["stage"], moved["cost"]) == ("draft", 9)
    missing = {"name": "h", "stage": "dropped"}
    assert await yard.codes(yard.write("job", "create", "boss", rows=(missing,), historical=True)) == {"stage.required"}
    closed = await yard.create("site", name="closed for history", open=False)
    ruled = {"name": "h", "site": str(closed)}
    assert await yard.codes(yard.write("job", "create", "boss", rows=(ruled,), historical=True)) == {"record.rule"}
    blank = {"name": "h", "stage": None}
    assert await yard.codes(yard.write("job", "create", "boss", rows=(blank,), historical=True)) == {"record.required"}
    assert await yard.codes(yard.update("job", job, "boss", historical=True, stage=None)) == {"record.required"}


async def test_a_field_may_be_called_like_the_time_of_entering(yard: Yard) -> None:
    row = {"name": "n", "stage_entered_at": "2021-01-02T00:00:00Z"}
    node = await yard.create("node", **row)
    assert (await yard.get("node", node))["stage_entered_at"].startswith("2021-01-02")


async def test_stage_history_tells_when_who_and_why(yard: Yard) -> None:
    job = await planned(yard)
    later = yard.now + timedelta(days=2)
    await yard.update("job", job, "boss", stage="dropped", memo="x", now=later)
    await yard.update("job", job, "boss", stage="draft", reason="asked again", now=later + timedelta(days=1))
    found = await yard.stages("job", job, "boss")
    assert [(s["previous"], s["stage"], s["reason"]) for s in found] == [
        (None, "planned", None), ("planned", "dropped", None), ("dropped", "draft", "asked again"),
    ]  # fmt: skip
    assert [s["left_at"] is None for s in found] == [False, False, True]
    assert found[0]["left_at"] == found[1]["entered_at"]
    assert found[1]["actor"] == str(yard.users["boss"]["id"])


async def test_moves_are_answered_before_they_are_tried(yard: Yard) -> None:
    job = await yard.create("job", name="a", cost=5, owner=str(yard.users["worker"]["id"]))
    answer = await moves(yard.rt, yard.context("worker"), yard.release, "job", job)
    assert answer["stage"] == "draft"
    listed = {move["to"]: {(f["code"], f["rule"]) for f in move["blocked_by"]} for move in answer["moves"]}
    assert listed == {
        "planned": {("stage.exit", "has_quantity"), ("stage.required", "planned")},
        "dropped": {("stage.required", "dropped")},
    }
    assert answer["moves"][0]["label"] == "Planned"


@pytest.mark.parametrize("who", ["looker", "planner"])
async def test_no_moves_for_who_may_not_edit_the_record(yard: Yard, who: str) -> None:
    """A planner edits drafts only, though every target of a move would satisfy some other grant."""
    job = await planned(yard)
    answer = await moves(yard.rt, yard.context(who), yard.release, "job", job)
    assert (answer["stage"], answer["missing"], answer["moves"]) == ("planned", [], [])


async def test_no_moves_where_the_stage_may_not_be_written(yard: Yard) -> None:
    north = await yard.create("site", name="moves north", zone="south")
    job = await yard.create("job", name="a", site=str(north))
    answer = await moves(yard.rt, yard.context("local"), yard.release, "job", job)
    assert {f["code"] for move in answer["moves"] for f in move["blocked_by"]} >= {"record.field_read_only"}
    assert not any(move["allowed"] for move in answer["moves"])


async def test_moves_of_an_object_whose_fields_are_called_as_ours(yard: Yard) -> None:
    node = await yard.create("node", name="n", target="t", k0=1)
    answer = await moves(yard.rt, yard.context("boss"), yard.release, "node", node)
    assert [(m["to"], m["allowed"]) for m in answer["moves"]] == [("off", True)]


async def test_guards_see_the_new_values(yard: Yard) -> None:
    job = await planned(yard, qty=3, owner=str(yard.users["worker"]["id"]))
    done = await yard.update("job", job, "worker", stage="done", qty=12)
    assert (done["stage"], done["qty"]) == ("done", 12)
