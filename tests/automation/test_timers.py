"""Runs that time causes: when, of which records, and once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from engine.automation import run as running_runs
from engine.automation import timers
from engine.automation.run import list_runs
from engine.automation.timers import sweep
from engine.automation.worker import drain
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.plan.timers import scheduled
from engine.records.stages import moves
from engine.records.write import write
from engine.runtime import running
from metamodel.load import Loaded, load_packs, load_tenant
from tests.automation.support import ROOT, Probe

PACK = ROOT / "tests" / "automation" / "timer_pack"
MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""Eight o'clock in Berlin."""
numbers = count()


def loaded(tmp_path: Any, tenant: str, zone: str = "Europe/Berlin") -> Loaded:
    file = tmp_path / f"{tenant}.yaml"
    file.write_text(
        f"kind: tenant\nname: {tenant}\npacks: {{core: '*', timer_probe: '*'}}\nsettings: {{time_zone: {zone}}}\n", "utf-8"
    )
    return load_tenant(file, [PACK, ROOT / "tenant_configs"])


@asynccontextmanager
async def clocked(url: str, tmp_path: Any, now: datetime = MONDAY) -> AsyncIterator[Probe]:
    """A tenant of its own that was published at that moment, with a user for each role."""
    tenant = f"timers{next(numbers)}"
    async with running(Settings(database_url=url, pool_size=6)) as rt:
        rt.clock.set(now)
        release = (await apply(rt, tenant, loaded(tmp_path, tenant))).release
        p = Probe(rt, release, {})
        for role in ("robot", "admin"):
            p.users[role] = await p.create("user", name=role, email=f"{role}@example.com")
        yield p


def at(p: Probe, moment: datetime) -> None:
    p.rt.clock.set(moment)


async def made(p: Probe, moment: datetime, weekly: bool = False) -> list[str]:
    """What is made of tasks when the clock shows that moment and all work is done; those of the week where asked for."""
    before = {row["id"] for row in await p.rows("SELECT id FROM {s}task")}
    at(p, moment)
    await sweep(p.rt)
    await drain(p.rt)
    rows = await p.rows("SELECT id, subject FROM {s}task ORDER BY id")
    return sorted(row["subject"] for row in rows if row["id"] not in before and (weekly or "week" not in row["subject"]))


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


async def test_untouched_for_days_then_again_and_again(database_url: str, tmp_path: Any) -> None:
    """After so many `days`, and again after `every` further ones."""
    async with clocked(database_url, tmp_path) as p:
        manager = p.users["admin"]
        deal = await p.create("deal", name="A", manager=str(manager))
        await p.create("deal", name="B", stage="closed", manager=str(manager))
        week = timedelta(days=7)
        assert await made(p, MONDAY + week - timedelta(minutes=1)) == []
        assert await made(p, MONDAY + week + timedelta(minutes=1)) == ["Call about A", "Hurry up: A"]
        assert await made(p, MONDAY + week + timedelta(minutes=5)) == []

        async def told() -> int:
            return len(await p.rows("SELECT id FROM {s}notification WHERE recipient = $1", manager))

        assert await told() == 0
        await made(p, MONDAY + 2 * week + timedelta(minutes=1))
        assert await told() == 1
        await made(p, MONDAY + 3 * week + timedelta(minutes=1))
        assert await told() == 2
        # Several that were missed are one.
        await made(p, MONDAY + 7 * week + timedelta(minutes=1))
        assert await told() == 3
        touched = MONDAY + 7 * week + timedelta(days=1)
        at(p, touched)
        await p.update(deal, obj="deal", note="called")
        assert await made(p, touched + week - timedelta(minutes=1)) == []
        assert await made(p, touched + week + timedelta(hours=1)) == ["Call about A"]
        assert await told() == 3


async def test_a_date_that_moves_takes_its_moment_with_it(database_url: str, tmp_path: Any) -> None:
    """Seven days before the `field` by an `offset`, `at` eight o'clock; overdue counts by a `calendar`."""
    async with clocked(database_url, tmp_path) as p:
        a, b, c = [await p.create("bill", name=name, due_date="2026-03-30") for name in "ABC"]
        await p.create("bill", name="no date")
        await p.update(b, obj="bill", due_date="2026-04-10")
        await p.update(c, obj="bill", paid=True)
        assert await made(p, berlin("2026-03-23T07:59")) == []
        assert await made(p, berlin("2026-03-23T08:00:01")) == ["Due soon: A"]
        at(p, berlin("2026-03-24T08:00"))
        await p.update(a, obj="bill", due_date="2026-04-09")
        assert await made(p, berlin("2026-04-02T08:01")) == ["Due soon: A"]
        # The day after a day before the holidays is a Tuesday; of A the Friday.
        assert await made(p, berlin("2026-04-03T08:01")) == ["Due soon: B"]
        await p.update(a, obj="bill", due_date="2026-04-02")
        assert await made(p, berlin("2026-04-07T07:59")) == []
        assert await made(p, berlin("2026-04-07T08:01")) == ["Overdue: A!"]


async def test_ends_of_contracts_and_hours_of_work(database_url: str, tmp_path: Any) -> None:
    """A formula with an index, weeks, and an hour of work over a weekend."""
    async with clocked(database_url, tmp_path) as p:
        bill = await p.create("bill", name="A", due_date="2026-03-10", promised="2026-03-06T14:30:00+01:00")
        assert await made(p, berlin("2026-03-06T23:00")) == ["Due soon: A"]
        assert "Answer: A" not in await made(p, berlin("2026-03-09T09:29"))
        assert await made(p, berlin("2026-03-09T09:31")) == ["Answer: A"]
        await p.update(bill, obj="bill", paid=True)
        assert await made(p, berlin("2026-04-01T23:59")) == []
        assert await made(p, berlin("2026-04-02T00:01")) == ["Ends: A"]


async def test_the_limit_of_a_stage(database_url: str, tmp_path: Any) -> None:
    async with clocked(database_url, tmp_path) as p:
        a = await p.create("deal", name="A")
        await p.create("deal", name="B", stage="closed")
        days = [MONDAY + timedelta(days=n, minutes=1) for n in range(30)]
        assert await made(p, days[7]) == ["Call about A", "Hurry up: A"]
        at(p, days[8])
        await p.update(a, obj="deal", stage="offer")
        assert await made(p, days[10]) == []
        assert await made(p, days[11] + timedelta(minutes=1)) == ["Too long in offer: A"]
        assert await made(p, days[20]) == ["Call about A"]


async def test_a_schedule_is_kept_for_each_record_and_without_one(database_url: str, tmp_path: Any) -> None:
    """By a line of `cron`."""
    async with clocked(database_url, tmp_path, berlin("2026-03-27T12:00")) as p:
        for name in "AB":
            await p.create("bill", name=name, due_date="2026-03-20")
        await p.create("bill", name="C", due_date="2026-03-20", paid=True)
        assert await made(p, berlin("2026-03-29T20:00")) == []
        assert await made(p, berlin("2026-03-30T06:01"), weekly=True) == ["Plan the week of 2026-03-30"]
        assert await made(p, berlin("2026-03-30T08:29")) == []
        assert await made(p, berlin("2026-03-30T08:30:01")) == ["Still open: A", "Still open: B"]
        # A week without a worker: what was missed is made up for once. Holidays are no working days.
        missed = await made(p, berlin("2026-04-06T23:00"), weekly=True)
        assert missed == ["Plan the week of 2026-04-06", "Still open: A", "Still open: B"]
        runs = await p.rows("SELECT due, object, record FROM {s}_run WHERE workflow IN ('morning', 'weekly') ORDER BY due")
        assert [run["due"] for run in runs] == [
            berlin("2026-03-30T06:00"), *[berlin("2026-03-30T08:30")] * 2, *[berlin("2026-04-02T08:30")] * 2, berlin("2026-04-06T06:00")
        ]  # fmt: skip
        assert runs[0]["object"] is runs[0]["record"] is None
        told = json.loads(await list_runs(p.rt, p.context("admin"), p.release, workflow="weekly"))
        assert told[0]["due"].startswith("2026-04-06T04:00:00") and told[0]["roles"] == ["robot"]


async def test_a_limit_counts_by_the_calendar_of_its_stage(database_url: str, tmp_path: Any) -> None:
    """A `limit` of two working days and one of a day (`time`), of processes that name their stages alike."""
    async with clocked(database_url, tmp_path, berlin("2026-03-06T10:00")) as p:
        for name, rush in (("slow", False), ("rush", True)):
            await p.create("parcel", name=name, rush=rush)
        (record,) = await p.rows("SELECT id FROM {s}parcel WHERE name = 'slow'")
        told = await moves(p.rt, p.context("robot"), p.release, "parcel", record["id"])
        assert timedelta() <= told["due_at"] - berlin("2026-03-10T10:00") < timedelta(seconds=30)
        assert await made(p, berlin("2026-03-07T09:59")) == []
        assert await made(p, berlin("2026-03-07T10:01")) == ["Late: rush"]
        assert await made(p, berlin("2026-03-10T09:59")) == []
        assert await made(p, berlin("2026-03-10T10:01")) == ["Late: slow"]


async def test_a_process_moves_records_by_itself(database_url: str, tmp_path: Any) -> None:
    """An `automatic` move `to` the next stage, where its condition holds and the gate lets it, and `after` a time."""
    async with clocked(database_url, tmp_path) as p:
        async def stands(record: UUID) -> str:
            await made(p, p.rt.clock.now() + timedelta(seconds=1))
            (row,) = await p.rows("SELECT stage FROM {s}parcel WHERE id = $1", record)
            return str(row["stage"])

        a, b, c, rush = [await p.create("parcel", name=name, rush=name == "R") for name in "ABCR"]
        await p.update(a, obj="parcel", weight=3)
        assert await stands(a) == "packed"
        for run in await p.runs(a):
            assert (run["workflow"], run["state"]) == ("standard.packed.weighed", "done")
        assert run["log"][0]["skipped"] == "the process does not allow it yet"
        assert run["log"][0]["faults"][0]["rule"] == "labelled"
        # The next write brings it on, through both moves; the history says that nobody did it.
        await p.update(a, obj="parcel", label="A1")
        assert await stands(a) == "sent"
        passed = await p.rows("SELECT stage FROM {s}_stage_history WHERE record = $1 ORDER BY id", a)
        assert [row["stage"] for row in passed] == ["packed", "weighed", "sent"]
        await p.update(b, obj="parcel", label="B1", weight=40)
        assert await stands(b) == "weighed"
        told = await moves(p.rt, p.context("robot"), p.release, "parcel", b)
        assert [(m["to"], m["automatic"], m["allowed"]) for m in told["moves"]] == [("sent", True, False), ("lost", True, False)]
        # After ten days the others are lost, unless they have what the move asks for or follow another process.
        at(p, p.rt.clock.now() + timedelta(days=9, hours=23))
        assert await stands(c) == "packed"
        at(p, p.rt.clock.now() + timedelta(hours=2))
        assert [await stands(record) for record in (b, c, rush)] == ["weighed", "lost", "packed"]
        await p.update(b, obj="parcel", label=None)
        assert await stands(b) == "lost"


def test_cron_where_the_clock_is_changed() -> None:
    def times(cron: str, first: str, last: str, zone: str = "Europe/Berlin") -> list[str]:
        found, since, until = [], datetime.fromisoformat(first).replace(tzinfo=UTC), datetime.fromisoformat(last).replace(tzinfo=UTC)
        while moment := scheduled(cron, zone, None, since, until):
            found.append(moment.strftime("%d %H:%M"))
            until = moment - timedelta(microseconds=1)
        return found[::-1]

    assert times("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00") == ["29 01:00", "30 00:30"]
    assert times("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00") == ["25 00:30", "26 01:30"]
    assert times("30 * * * *", "2026-10-24T23:00", "2026-10-25T02:00") == ["24 23:30", "25 00:30", "25 01:30"]
    assert times("0 8 * * 1-5", "2026-03-27T06:59", "2026-03-30T07:00") == ["27 07:00", "30 06:00"]
    assert times("0 8 1 * *", "2026-01-02T00:00", "2026-01-31T00:00") == []


async def test_a_moment_has_one_run_whoever_looks(database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers at once, pages of three, sweeps after the run is done: one run for each record."""
    monkeypatch.setattr(timers, "TIMER_PAGE", 3)
    async with clocked(database_url, tmp_path) as p:
        rows = tuple({"name": f"b{n}", "due_date": "2026-03-30"} for n in range(20))
        await write(p.rt, p.context(None), p.release, RecordWrite(object="bill", operation="create", rows=rows, many=True))
        at(p, berlin("2026-03-23T08:00:30"))
        await asyncio.gather(*(sweep(p.rt) for _ in range(4)))
        assert await sweep(p.rt) == 0
        await drain(p.rt)
        at(p, berlin("2026-03-23T08:05"))
        assert sum(await asyncio.gather(*(sweep(p.rt) for _ in range(4)))) == 0
        for table in ("task", "_run"):
            found = await p.rows(f"SELECT count(*) FROM {{s}}{table} GROUP BY {'bill' if table == 'task' else 'record'}")
            assert [row["count"] for row in found] == [1] * 21


async def test_a_record_that_is_committed_late_is_seen(database_url: str, tmp_path: Any) -> None:
    """Its moment lies before the watermark; up to ten minutes later it is looked for."""
    async with clocked(database_url, tmp_path) as p:
        assert await made(p, berlin("2026-03-23T08:05")) == []
        await p.create("bill", name="late", due_date="2026-03-30")
        assert await made(p, berlin("2026-03-23T08:06")) == ["Due soon: late"]
        assert await made(p, berlin("2026-03-23T09:00")) == []
        await p.create("bill", name="too late", due_date="2026-03-30")
        assert await made(p, berlin("2026-03-23T09:01")) == []


async def test_what_is_not_due_any_more_when_its_run_begins_is_left(database_url: str, tmp_path: Any) -> None:
    async with clocked(database_url, tmp_path) as p:
        moved, paid, deleted, plain = [await p.create("bill", name=name, due_date="2026-03-30") for name in "ABCD"]
        at(p, berlin("2026-03-23T08:01"))
        await sweep(p.rt)
        await p.update(moved, obj="bill", due_date="2026-03-31")
        await p.update(paid, obj="bill", paid=True)
        await p.rows("UPDATE {s}bill SET deleted_at = now() WHERE id = $1", deleted)
        await drain(p.rt)
        assert [row["bill"] for row in await p.rows("SELECT bill FROM {s}task WHERE bill IS NOT NULL")] == [plain]
        for record in (moved, paid, deleted):
            (run,) = await p.runs(record)
            assert (run["state"], run["log"]) == ("done", [{"skipped": "the record is not due any more"}])


async def test_what_was_due_before_a_workflow_was_published_stays(database_url: str, tmp_path: Any) -> None:
    async with clocked(database_url, tmp_path) as p:
        watched = await p.rows("SELECT workflow, watermark FROM {s}_timer ORDER BY workflow")
        assert [row["workflow"] for row in watched] == sorted(w.name for w in p.release.workflows.values() if w.trigger.timed)
        assert all(timedelta() <= row["watermark"] - MONDAY < timedelta(minutes=2) for row in watched)
        await p.create("bill", name="old", due_date="2025-01-01")
        assert await made(p, MONDAY + timedelta(minutes=2)) == []


async def test_a_workflow_that_changed_meanwhile_does_not_run(database_url: str, tmp_path: Any) -> None:
    async with clocked(database_url, tmp_path) as p:
        bill = await p.create("bill", name="A", due_date="2026-03-30")
        at(p, berlin("2026-03-23T08:01"))
        await sweep(p.rt)
        (run,) = await p.runs(bill)
        flow = replace(p.release.model.workflows["reminded"], run_as="initiator")
        model = replace(p.release.model, workflows={**p.release.model.workflows, "reminded": flow})
        p.rt.store._current[p.release.tenant] = replace(p.release, model=model)
        assert await running_runs.run(p.rt, p.release.tenant, run["id"]) == "failed"
        (run,) = await p.runs(bill)
        assert run["error"].startswith("run.workflow")


async def test_an_index_serves_every_timer(database_url: str, tmp_path: Any) -> None:
    """Of `half` there is none, so that nothing counts from it."""
    async with clocked(database_url, tmp_path) as p:
        found = await p.rows("SELECT indexdef FROM pg_indexes WHERE schemaname = $1", p.release.schema)
        told = " ".join(row["indexdef"] for row in found)
        for part in ("deal USING btree (modified_at, id)", "deal USING btree (stage__entered_at, id)", "bill USING btree (due_date, id)",
                     "bill USING btree (promised, id)", "((due_date + "):  # fmt: skip
            assert part in told, part


def test_a_formula_without_an_index_is_warned_of(tmp_path: Any) -> None:
    text = (PACK / "workflows.yaml").read_text("utf-8").replace("field: ends", "field: half")
    for name in ("pack.yaml", "objects.yaml"):
        (tmp_path / name).write_text((PACK / name).read_text("utf-8"), "utf-8")
    (tmp_path / "workflows.yaml").write_text(text, "utf-8")
    assert [w.code for w in load_packs([tmp_path], [ROOT / "tenant_configs"]).warnings] == ["M252"]


