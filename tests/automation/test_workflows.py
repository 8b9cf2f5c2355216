"""What causes a run, what its actions write, and with whose rights."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.automation import run as running_runs
from engine.automation.dispatch import dispatch
from engine.automation.run import list_runs, retry_run
from engine.automation.worker import drain, sweep
from engine.base.context import SYSTEM_USER
from engine.base.errors import Refused
from engine.base.limits import RUN_ATTEMPTS, RUN_DEPTH
from engine.db.transaction import transaction
from engine.http.routes.meta import describe
from engine.plan.access import Rights
from engine.plan.request import RecordWrite
from engine.records.write import write
from tests.automation.support import TENANT, Probe, opened


def with_probe(url: str, work: Callable[[Probe], Awaitable[None]]) -> None:
    async def go() -> None:
        async with opened(url) as probe:
            await work(probe)

    asyncio.run(go())


def test_a_warning_stands_in_the_log_and_stops_nothing(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        source = await p.create("item", "maker", name="a", topic="created", n=950)
        await drain(p.rt)
        (run,) = await p.runs(source)
        assert run["state"] == "done"
        assert run["log"][0]["notices"] == [{"rule": "usual", "field": "value", "detail": "That is a lot"}]

    with_probe(probe_url, work)


def test_created_fires_once_where_the_condition_holds(probe_url: str) -> None:
    """The condition `when`, and the action `create` with its `values`."""

    async def work(p: Probe) -> None:
        fits = await p.create("item", "maker", name="a", topic="created", n=7)
        other = await p.create("item", "maker", name="b", topic="nothing", n=7)
        await drain(p.rt)
        (mark,) = await p.marks(fits)
        assert (mark["label"], mark["value"], mark["kept"]) == ("created a", 7, "kept")
        assert mark["created_by"] == SYSTEM_USER
        assert await p.marks(other) == []
        (run,) = await p.runs(fits)
        assert (run["state"], run["attempts"], run["roles"]) == ("done", 1, ["robot"])
        assert run["log"] == [{
            "action": "create", "object": "mark", "record": str(mark["id"]), "version": 1,
            "fields": ["source", "label", "value"],
        }]  # fmt: skip
        (entry,) = await p.rows("SELECT door, request_id FROM {s}_history WHERE record = $1", mark["id"])
        assert entry == {"door": "workflow", "request_id": str(run["id"])}
        assert await p.jobs() == 0

    with_probe(probe_url, work)


def test_convert_makes_what_the_conversion_says_once(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="split", n=3)
        await p.update(item, "maker", note="first")
        await drain(p.rt)
        await p.update(item, "maker", note="again")
        await drain(p.rt)
        runs = await p.runs(item)
        assert {run["state"] for run in runs} == {"done"}
        (twin,) = await p.rows("SELECT * FROM {s}item WHERE name = 'Twin of a'")
        (source,) = await p.rows("SELECT parent FROM {s}item WHERE id = $1", item)
        assert source["parent"] == twin["id"] and twin["n"] == 3
        assert [mark["label"] for mark in await p.marks(twin["id"])] == ["split"]
        first = min(runs, key=lambda run: run["event"])["log"][0]
        assert [part["part"] for part in first["parts"]] == ["twin", "note"]
        assert first["action"] == "convert" and all(part["created"] for part in first["parts"])

    with_probe(probe_url, work)


def test_assign_gives_the_record_to_somebody(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        dealt, left = [await p.create("item", "maker", name="a", topic="deal", n=n) for n in (1, 0)]
        await drain(p.rt)
        (run,), (other,) = await p.runs(dealt), await p.runs(left)
        assert (run["state"], other["state"]) == ("done", "done")
        assert run["log"] == [{"action": "assign", "assignment": "whoever", "entry": "maker", "missed": [],
                               "user": str(p.users["maker"])}]  # fmt: skip
        assert other["log"][0]["entry"] is None
        rows = await p.rows("SELECT who FROM {s}item WHERE id = ANY($1) ORDER BY n", [dealt, left])
        assert [row["who"] for row in rows] == [None, p.users["maker"]]

    with_probe(probe_url, work)


def test_release_gives_the_record_back_to_its_pool(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        pool = await p.create("item", name="pool", owner=str(p.users["admin"]))
        given = [
            await p.create("item", "maker", name="a", topic="return", who=str(p.users["maker"]), **parent)
            for parent in ({"parent": str(pool)}, {})
        ]
        await drain(p.rt)
        logs = [(await p.runs(item))[0]["log"][0] for item in given]
        assert [log["action"] for log in logs] == ["release", "release"]
        assert logs[0]["record"] == str(given[0]) and "skipped" in logs[1]
        rows = await p.rows("SELECT who FROM {s}item WHERE id = ANY($1) ORDER BY parent", given)
        assert [row["who"] for row in rows] == [p.users["admin"], p.users["maker"]]

    with_probe(probe_url, work)


def test_changed_looks_at_its_fields_and_at_the_old_image(probe_url: str) -> None:
    """A `trigger` on changes of named fields."""

    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="changed", n=1)
        await p.update(item, "maker", note="not n")
        await p.update(item, "maker", n=5)
        await drain(p.rt)
        await p.update(item, "maker", n=2)
        await p.update(item, "maker", n=2, note="n is given but the same")
        await drain(p.rt)
        assert [(m["label"], m["value"]) for m in await p.marks(item)] == [("grew", 4)]

    with_probe(probe_url, work)


def test_old_image_has_every_type_of_value(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        before: dict[str, Any] = {"amount": Decimal("10.5"), "note": "before", "due": "2024-02-29", "tags": ["red"],
                                  "who": str(p.users["maker"]), "n": 1, "flag": False}  # fmt: skip
        item = await p.create("item", "maker", name="a", topic="old", **before)
        after: dict[str, Any] = {"amount": Decimal("11"), "note": "after", "due": "2025-01-01", "who": None, "n": 9,
                                 "tags": ["blue"], "flag": True, "stage": "open"}  # fmt: skip
        await p.update(item, "maker", **after)
        await drain(p.rt)
        assert [(m["label"], m["before"]) for m in await p.marks(item)] == [("before", date(2024, 2, 29))]

    with_probe(probe_url, work)


def test_a_computed_field_changes_with_what_it_is_computed_from(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="computed", n=1)
        await p.update(item, "maker", note="nothing to do with it")
        await p.update(item, "maker", n=4)
        await drain(p.rt)
        assert [(m["label"], m["value"]) for m in await p.marks(item)] == [("computed", 8)]

    with_probe(probe_url, work)


def test_stage_entered_and_who_the_formulas_name(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="stage")
        await p.update(item, "maker", stage="open")
        await p.update(item, "maker", note="still open")
        await p.update(item, "maker", stage="closed")
        await drain(p.rt)
        labels = {m["label"]: m["created_by"] for m in await p.marks(item)}
        # The condition of a run looks at the record as it is when the run is made, the event at what changed then.
        assert set(labels) == {"opened by maker", "entered closed"}
        assert labels["opened by maker"] == p.users["maker"]
        assert sorted(r["workflow"] for r in await p.runs(item)) == ["any_stage"] * 3 + ["opened"]

    with_probe(probe_url, work)


def test_set_rounds_once_and_skips_what_is_so_already(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="set", amount=Decimal("10"))
        await drain(p.rt)
        (row,) = await p.rows("SELECT amount, note, version FROM {s}item WHERE id = $1", item)
        assert row == {"amount": Decimal("3.33"), "note": "a third", "version": 2}
        runs = {r["workflow"]: r for r in await p.runs(item)}
        assert runs["same"]["log"] == [{"action": "set", "skipped": "the fields have these values already"}]
        assert set(runs) == {"third", "same"}

    with_probe(probe_url, work)


def test_a_circle_of_workflows_ends_at_the_limit(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="loop", n=0)
        await p.update(item, "maker", n=1)
        await drain(p.rt)
        runs = [r for r in await p.runs(item) if r["workflow"] == "endless"]
        assert [r["state"] for r in runs] == ["done"] * RUN_DEPTH + ["failed"]
        assert runs[-1]["error"].startswith("run.loop")
        assert (await p.rows("SELECT n FROM {s}item WHERE id = $1", item)) == [{"n": 1 + RUN_DEPTH}]
        events = await p.rows("SELECT depth FROM {s}_event WHERE record = $1 ORDER BY id", item)
        assert [e["depth"] for e in events] == [0, 0, 1, 2, 3, 4, 5]

    with_probe(probe_url, work)


def test_initiator_of_a_run_that_a_run_caused_has_the_rights_of_that_one(probe_url: str) -> None:
    """What `run_as` means where nobody signed in."""

    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="chain")
        await drain(p.rt)
        runs = {r["workflow"]: (r["state"], r["roles"]) for r in await p.runs(item)}
        assert runs == {"chain_first": ("done", ["robot"]), "chained": ("done", ["robot"])}
        await p.update(item, "maker", n=3)
        await p.update(item, n=4)
        await drain(p.rt)
        runs_of = [r["roles"] for r in await p.runs(item) if r["workflow"] == "chained"]
        assert sorted(runs_of, key=str) == [None, ["maker"], ["robot"]]
        assert len(await p.marks(item)) == 3

    with_probe(probe_url, work)


async def dispatch_all(p: Probe, record: UUID) -> int:
    """Does by hand what the job `dispatch` does for all events of a record."""
    events = await p.rows("SELECT id FROM {s}_event WHERE record = $1 ORDER BY id", record)
    return await dispatch(p.rt, TENANT, [event["id"] for event in events])


def test_an_action_beyond_the_role_fails_the_run_visibly(probe_url: str) -> None:
    """All `actions` of a run, or none."""

    async def work(p: Probe) -> None:
        item = await p.create("item", "reader", name="a", topic="overstep")
        await drain(p.rt)
        assert await p.marks(item) == []
        listed = json.loads(await list_runs(p.rt, p.context("admin"), p.release, state="failed", workflow="overstep"))
        (run,) = [r for r in listed if r["record"] == str(item)]
        assert run["error"] == 'object.unknown: there is no object "mark"'
        assert (run["attempts"], run["roles"], run["log"][0]["error"]) == (1, ["reader"], "object.unknown")
        allowed = await p.create("item", "maker", name="b", topic="overstep")
        await drain(p.rt)
        assert [m["label"] for m in await p.marks(allowed)] == ["not allowed"]

    with_probe(probe_url, work)


def test_a_disabled_initiator_fails_the_run(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        user = await p.create("user", name="gone", email="gone@example.com")
        await p.rows("INSERT INTO {s}_login (user_id, login, roles) VALUES ($1, 'gone', '{maker}')", user)
        p.users["maker"], before = user, p.users["maker"]
        item = await p.create("item", "maker", name="a", topic="overstep")
        p.users["maker"] = before
        await p.rows("UPDATE {s}_login SET active = false WHERE user_id = $1", user)
        await drain(p.rt)
        (run,) = await p.runs(item)
        assert (run["state"], run["error"].split(":")[0]) == ("failed", "run.initiator")
        await p.rows("UPDATE {s}_login SET active = true WHERE user_id = $1", user)
        await retry_run(p.rt, p.context("admin"), p.release, run["id"])
        await drain(p.rt)
        (run,) = await p.runs(item)
        assert (run["state"], run["attempts"], len(await p.marks(item))) == ("done", 2, 1)
        with pytest.raises(Refused, match=r"run\.not_failed"):
            await retry_run(p.rt, p.context("admin"), p.release, run["id"])
        with pytest.raises(Refused, match=r"run\.unknown"):
            await retry_run(p.rt, p.context("admin"), p.release, uuid4())

    with_probe(probe_url, work)


def test_workflows_are_told_with_their_label(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        told = {w["name"]: w["label"] for w in describe(Rights(p.release, (), everything=True))["workflows"]}
        assert told["created"] == {"en": "Created"}
        assert describe(Rights(p.release, ("maker",)))["workflows"] == []

    with_probe(probe_url, work)


def test_runs_are_for_those_who_may_see_them(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        with pytest.raises(Refused, match=r"access\.denied"):
            await list_runs(p.rt, p.context("maker"), p.release)
        with pytest.raises(Refused, match=r"access\.denied"):
            await retry_run(p.rt, p.context("maker"), p.release, uuid4())

    with_probe(probe_url, work)


def test_a_failure_undoes_the_run_and_is_tried_again(probe_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_runs, "RUN_PAUSE_SECONDS", 0.05)

    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="rule", n=1)
        await dispatch_all(p, item)
        (run,) = await p.runs(item)
        assert await running_runs.run(p.rt, TENANT, run["id"]) == "waiting"
        (run,) = await p.runs(item)
        assert (run["state"], run["attempts"]) == ("waiting", 1)
        assert run["error"] == "record.invalid: n must not be negative"
        assert run["log"][0]["undone"] is True
        assert run["log"][1]["faults"][0] == {
            "code": "record.rule", "detail": "n must not be negative", "pointer": "/n", "rule": "not_negative"
        }  # fmt: skip
        assert await p.marks(item) == []
        await p.update(item, "maker", note="allowed")
        await asyncio.sleep(0.1)
        await drain(p.rt)
        (run,) = await p.runs(item)
        assert (run["state"], run["attempts"], run["error"]) == ("done", 2, None)
        assert [m["label"] for m in await p.marks(item)] == ["first"]

    with_probe(probe_url, work)


def test_attempts_come_to_an_end_and_are_kept(probe_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_runs, "RUN_PAUSE_SECONDS", 0.0)

    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="error", amount=1, n=0)
        await drain(p.rt)
        (run,) = await p.runs(item)
        assert (run["state"], run["attempts"]) == ("failed", RUN_ATTEMPTS)
        assert run["error"] == "run.value: amount: the formula is an error in this record"
        assert run["finished_at"] is not None
        assert run["next_at"] is None

    with_probe(probe_url, work)


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    assert [running_runs.pause(n) for n in range(4)] == [2.0, 8.0, 32.0, 128.0]


def test_notify_speaks_the_user_s_language_and_needs_no_right(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        await p.update(p.users["robot"], obj="user", language="zh-CN")
        items = [
            await p.create("item", "maker", name="a", topic="notify", who=str(p.users["maker"])),
            await p.create("item", "maker", name="b", topic="notify", who=str(p.users["robot"])),
            await p.create("item", "maker", name="c", topic="notify"),
        ]
        await drain(p.rt)
        told = await p.rows("SELECT recipient, message, about_object, about_record, read FROM {s}notification")
        names = ("message", "recipient", "about_record", "about_object", "read")
        found = [tuple(t[name] for name in names) for t in told if t["about_record"] in map(str, items)]
        assert sorted(found) == [
            ("An item is yours", p.users["maker"], str(items[0]), "item", False),
            ("您有一个新条目", p.users["robot"], str(items[1]), "item", False),
        ]
        (run,) = await p.runs(items[2])
        assert run["log"] == [{"action": "notify", "skipped": "the formula names nobody"}]

    with_probe(probe_url, work)


def test_dispatch_and_run_done_again_do_nothing(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="created")
        made = [await dispatch_all(p, item) for _ in range(3)]
        assert made == [1, 0, 0]
        assert sum(await asyncio.gather(*(dispatch_all(p, item) for _ in range(4)))) == 0
        (run,) = await p.runs(item)
        states = await asyncio.gather(*(running_runs.run(p.rt, TENANT, run["id"]) for _ in range(4)))
        assert sorted(states) == ["done", "skipped", "skipped", "skipped"]
        await drain(p.rt)
        assert len(await p.marks(item)) == 1

    with_probe(probe_url, work)


def test_event_and_job_come_with_the_write_or_not_at_all(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        async def counts() -> tuple[int, int]:
            (row,) = await p.rows("SELECT count(*) FROM {s}_event")
            return row["count"], await p.jobs()

        before = await counts()
        rows = ({"name": "a", "topic": "created"}, {"name": "b", "topic": "created", "n": -1})
        request = RecordWrite(object="item", operation="create", rows=rows, many=True)
        with pytest.raises(Refused, match="negative"):
            await write(p.rt, p.context("maker"), p.release, request)
        assert await counts() == before
        good = RecordWrite(object="item", operation="create", rows=rows[:1])
        with suppress(ZeroDivisionError):
            async with transaction(p.rt.writes, p.release.role) as conn:
                await write(p.rt, p.context("maker"), p.release, good, conn)
                raise ZeroDivisionError
        assert await counts() == before
        await write(p.rt, p.context("maker"), p.release, good)
        assert await counts() == (before[0] + 1, before[1] + 1)
        await drain(p.rt)

    with_probe(probe_url, work)


def test_a_deleted_record_has_nothing_done_to_it(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="set", amount=1)
        await dispatch_all(p, item)
        await p.rows("UPDATE {s}item SET deleted_at = now() WHERE id = $1", item)
        await drain(p.rt)
        (run,) = await p.runs(item)
        assert (run["state"], run["log"]) == ("done", [{"action": "set", "skipped": "the record was deleted"}])

    with_probe(probe_url, work)


def test_the_sweep_gives_lost_runs_a_job(probe_url: str) -> None:
    async def work(p: Probe) -> None:
        item = await p.create("item", "maker", name="a", topic="created")
        await dispatch_all(p, item)
        await p.rows("DELETE FROM fieldwright.pgqueuer")
        assert await sweep(p.rt, 3600) == 0
        assert await sweep(p.rt, 0) == 1
        assert await sweep(p.rt, 0) == 0
        await drain(p.rt)
        assert len(await p.marks(item)) == 1

    with_probe(probe_url, work)
