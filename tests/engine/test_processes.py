"""Several processes of one stage field, tasks, who may move, reasons of a set, and what `moves` tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from engine.records.stages import moves
from tests.engine.support import Yard


async def stage(yard: Yard, ticket: UUID) -> tuple[str, str]:
    found = await yard.get("ticket", ticket, None, "stage", "stage.process")
    return found["stage"], found["stage.process"]


async def say(yard: Yard, ticket: UUID, who: Any = None, /, **done: bool) -> None:
    await yard.write("ticket", "update", who, rows=({},), ids=(ticket,), done=(done,))


async def test_the_first_process_whose_condition_holds_is_followed(yard: Yard) -> None:
    """`when` is judged over the record as it is created."""
    south = str(await yard.create("site", name="p south", zone="south"))
    repair = await yard.create("ticket", name="r", kind="repair")
    far = await yard.create("ticket", name="f", kind="repair", site=south)
    rest = await yard.create("ticket", name="q")
    assert [await stage(yard, t) for t in (repair, far, rest)] == [
        ("called", "repairs"), ("asked", "tickets"), ("asked", "tickets"),
    ]  # fmt: skip
    made = await yard.many("ticket", [{"name": "a", "kind": "repair"}, {"name": "b"}, {"name": "c", "stage": "called",
                                      "answer": "x"}])  # fmt: skip
    assert [await stage(yard, t) for t in made] == [("called", "repairs"), ("asked", "tickets"), ("called", "tickets")]


async def test_records_begin_where_their_own_process_begins(yard: Yard) -> None:
    refused = yard.create("ticket", name="r", kind="repair", stage="asked")
    assert await yard.faults(refused) == {("stage.start", "/stage", None), ("stage.process", "/stage", "repairs")}
    assert await yard.faults(yard.create("ticket", name="r", stage="closed")) == {("stage.start", "/stage", None)}


async def test_moves_are_those_of_the_process(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="q", stage="called", answer="x")
    assert await yard.codes(yard.update("ticket", ticket, stage="mending")) == {"stage.unlisted"}
    repair = await yard.create("ticket", name="r", kind="repair")
    assert await yard.codes(yard.update("ticket", repair, stage="shelved")) == {"stage.unlisted"}
    await yard.update("ticket", ticket, stage="shelved")
    assert await stage(yard, ticket) == ("shelved", "tickets")


async def test_another_process_is_followed_when_a_write_says_so(yard: Yard) -> None:
    """The stage stays where the new process has it; else the record starts there, by the same write."""
    ticket = await yard.create("ticket", name="q", answer="x")
    assert await yard.faults(yard.update("ticket", ticket, kind="repair")) == {("stage.process", "/stage", "repairs")}
    late = yard.now + timedelta(hours=1)
    assert (await yard.update("ticket", ticket, now=late, kind="repair", stage="called"))["stage"] == "called"
    assert await stage(yard, ticket) == ("called", "repairs")
    await yard.update("ticket", ticket, now=late, kind="question")
    assert await stage(yard, ticket) == ("called", "tickets")
    assert await yard.codes(yard.update("ticket", ticket, kind="repair", stage="mending")) == {"stage.start"}
    told = [(s["process"], s["stage"], s["left_at"] is not None) for s in await yard.stages("ticket", ticket)]
    assert told == [("tickets", "asked", True), ("repairs", "called", True), ("tickets", "called", False)]
    assert (await yard.stages("ticket", ticket))[0]["seconds"] == 3600
    await yard.update("ticket", ticket, name="other")
    assert len(await yard.stages("ticket", ticket)) == 3


async def test_required_of_a_stage_holds_when_its_process_begins_to_count(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="r", kind="repair")
    assert await yard.faults(yard.update("ticket", ticket, kind=None)) == {("stage.required", "/answer", "called")}
    await yard.update("ticket", ticket, kind=None, answer="x")


async def test_properties_of_stages_hang_on_the_process(yard: Yard) -> None:
    repair = await yard.create("ticket", name="props", kind="repair")
    ticket = await yard.create("ticket", name="props", stage="called", answer="x")
    shown = [await yard.get("ticket", t, None, "stage.probability", "stage.forecast") for t in (repair, ticket)]
    assert [float(s["stage.probability"]) for s in shown] == [0.3, 0.9]
    found = await yard.listed("ticket", where='name = "props" AND stage.probability < 50%', fields=("id",))
    assert [UUID(r["id"]) for r in found] == [repair]
    found = await yard.listed("ticket", where='name = "props" AND stage.process <> "repairs"', fields=("id",))
    assert [UUID(r["id"]) for r in found] == [ticket]


async def test_required_tasks_keep_a_record_from_going_on(yard: Yard) -> None:
    """Those with `fill`, with `create`, with `done_when`, and those that a person confirms; one with `required: false`
    reminds."""
    ticket = await yard.create("ticket", name="r", kind="repair")
    every = {("stage.task", "/stage", name) for name in ("thanked", "priced", "visited")}
    assert await yard.faults(yard.update("ticket", ticket, stage="mending")) == every
    await yard.create("visit", name="v", ticket=str(ticket))
    await say(yard, ticket, thanked=True)
    assert await yard.faults(yard.update("ticket", ticket, stage="mending")) == {("stage.task", "/stage", "priced")}
    await say(yard, ticket, thanked=False, offered=True)
    moved = yard.update("ticket", ticket, stage="mending", cost=5)
    assert await yard.faults(moved) == {("stage.task", "/stage", "thanked")}
    request = {"rows": ({"stage": "mending", "cost": 5},), "ids": (ticket,), "done": ({"thanked": True},)}
    await yard.write("ticket", "update", **request)
    assert await stage(yard, ticket) == ("mending", "repairs")
    assert await yard.codes(yard.update("ticket", ticket, stage="closed", reason="solved")) == {"stage.task"}
    await yard.many("visit", [{"name": "v", "ticket": str(ticket), "good": True}] * 2)
    await yard.update("ticket", ticket, stage="closed", reason="solved")


async def test_words_about_tasks_end_with_the_stage(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="r", kind="repair", cost=1, solved_by=None)
    await yard.create("visit", name="v", ticket=str(ticket))
    await say(yard, ticket, thanked=True)
    await yard.update("ticket", ticket, stage="mending")
    boss = str(yard.users["boss"]["id"])
    owner = await yard.create("user", name="o", email="owner-of-ticket@example.com", manager=boss)
    await yard.update("ticket", ticket, owner=str(owner))
    await yard.update("ticket", ticket, yard.actor("boss", "boss"), stage="called")
    assert await yard.codes(yard.update("ticket", ticket, stage="mending")) == {"stage.task"}


async def test_only_a_task_of_the_stage_can_be_confirmed(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="r", kind="repair")
    for name in ("priced", "nothing"):
        assert await yard.codes(say(yard, ticket, **{name: True})) == {"stage.task_unknown"}
    other = await yard.create("ticket", name="q")
    assert await yard.faults(say(yard, other, thanked=True)) == {("stage.task_unknown", "/stage", "thanked")}
    assert (await yard.history("ticket", ticket))[0]["kind"] == "created"


async def test_who_may_move(yard: Yard) -> None:
    """`by` names roles, the owner and the owner's manager; `who` is a condition; the first listing that is open counts.
    """
    worker, boss = yard.users["worker"]["id"], yard.users["boss"]["id"]
    ready: dict[str, Any] = {"kind": "repair", "cost": 1}
    ticket = await yard.create("ticket", name="w", owner=str(worker), solved_by=str(worker), **ready)
    await yard.many("visit", [{"name": "v", "ticket": str(ticket), "good": True}] * 2)
    await say(yard, ticket, thanked=True)
    writer = yard.actor("writer", "worker")
    assert await yard.codes(yard.update("ticket", ticket, writer, stage="mending")) == {"stage.role"}
    await yard.update("ticket", ticket, "worker", stage="mending")
    assert await yard.codes(yard.update("ticket", ticket, "worker", stage="called")) == {"stage.role"}
    assert await yard.codes(yard.update("ticket", ticket, writer, stage="closed")) == {"stage.role"}
    # solved_by is who it was before the write
    taken = yard.update("ticket", ticket, writer, stage="closed", solved_by=str(writer.user), reason="solved")
    assert await yard.codes(taken) == {"stage.role"}
    assert await yard.codes(yard.update("ticket", ticket, "worker", stage="closed")) == {"stage.reason"}
    for reason in ("because", "bored"):
        assert await yard.codes(yard.update("ticket", ticket, "worker", stage="closed", reason=reason)) == {
            "stage.reason"
        }
    await yard.update("ticket", ticket, "worker", stage="closed", reason="solved")
    second = await yard.create("ticket", name="w", owner=str(boss), **ready)
    await yard.many("visit", [{"name": "v", "ticket": str(second), "good": True}] * 2)
    await say(yard, second, thanked=True)
    await yard.update("ticket", second, "boss", stage="mending")
    await yard.update("ticket", second, "boss", stage="closed")


async def test_moves_tell_what_is_missing_and_what_would_do(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="m", owner=str(yard.users["worker"]["id"]))
    told = await moves(yard.rt, yard.context("worker"), yard.release, "ticket", ticket)
    assert (told["process"], told["version"], told["stage"]) == ("tickets", 1, "asked")
    by = {move["to"]: move for move in told["moves"]}
    assert {name: move["way"] for name, move in by.items()} == {
        "called": "forward", "closed": "close", "shelved": "close",
    }  # fmt: skip
    assert by["shelved"]["allowed"]
    (fault,) = [f for f in by["called"]["blocked_by"] if f["code"] == "stage.exit"]
    assert fault["unmet"] == [
        {"condition": "NOT ISBLANK(answer)", "any": [{"of": "answer", "must": "filled", "be": "", "is": None}]},
        {"condition": '(cost >= 0 OR stage = "closed")', "any": [{"of": "cost", "must": ">=", "be": "0", "is": None}]},
        {"condition": "EXISTS(visits)", "any": [{"of": "EXISTS(visits)", "must": "=", "be": "TRUE", "is": False}]},
    ]
    (fault,) = [f for f in by["closed"]["blocked_by"] if f["code"] == "stage.exit"]
    assert [part["condition"] for part in fault["unmet"]] == ["NOT ISBLANK(answer)", "EXISTS(visits)"]


async def test_moves_tell_the_tasks(yard: Yard) -> None:
    """With label and guidance in the caller's language."""
    ticket = await yard.create("ticket", name="m", kind="repair", cost=3)
    await say(yard, ticket, offered=True)
    told = await moves(yard.rt, yard.context(None, locale="zh-CN"), yard.release, "ticket", ticket)
    assert [(t["name"], t["label"], t["required"], t["done"]) for t in told["tasks"]] == [
        ("thanked", "感谢来电", True, False), ("offered", "奉茶", False, True), ("priced", "填写费用", True, True),
        ("visited", "上门", True, False),
    ]  # fmt: skip
    assert told["tasks"][0]["guidance"] == "热情一些"


async def test_reasons_to_choose_from_are_told(yard: Yard) -> None:
    ticket = await yard.create("ticket", name="m", kind="repair", cost=3)
    await yard.many("visit", [{"name": "v", "ticket": str(ticket), "good": True}] * 2)
    await say(yard, ticket, thanked=True)
    await yard.update("ticket", ticket, stage="mending")
    told = await moves(yard.rt, yard.context("worker"), yard.release, "ticket", ticket)
    (closing,) = [move for move in told["moves"] if move["to"] == "closed"]
    assert closing["reason"] and [o["name"] for o in closing["reasons"]] == ["solved", "silent"]
    assert [f["code"] for f in closing["blocked_by"]] == ["stage.role"]


async def test_who_may_not_read_is_not_told_of_it(yard: Yard) -> None:
    """A local sees no costs: the condition that reads them is told by its message alone."""
    site = str(await yard.create("site", name="own", zone="south"))
    ticket = await yard.create("ticket", name="m", site=site)
    told = await moves(yard.rt, yard.context("local"), yard.release, "ticket", ticket)
    faults = [f for move in told["moves"] for f in move["blocked_by"] if f["code"] == "stage.exit"]
    assert faults and all("unmet" not in f and f["detail"] == "Answer first" for f in faults)
