"""Processes that change while records are in flight: they keep working, and are listed where they lack something."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.records.inflight import in_flight
from tests.lifecycle.support import Documents, changed, settle
from tests.tenancy import context, create, read, refusing, update
from tests.tenancy import opened as runtime


def stricter(d: Documents) -> None:
    d["life"]["stages"]["new"] |= {
        "required": ["amount"],
        "entry": {"coded": {"valid_when": "NOT ISBLANK(code)", "message": {"en": "Enter the code", "zh-CN": "请填写编码"}}},
    }


async def test_records_in_flight_are_listed_and_keep_working(database_url: str, tmp_path: Path) -> None:
    async with runtime(database_url) as rt:
        release, ids = await settle(rt, "flight_first", tmp_path / "a")
        wanted = changed(tmp_path / "b", stricter)
        found = await plan(rt, "flight_first", wanted)
        told = {(b.stage, b.field, b.rule, b.records, b.sample) for b in found.breaches}
        assert told == {("new", "amount", None, 1, (ids[2],)), ("new", None, "coded", 1, (ids[2],))}
        assert f"  in flight: 1 records in item_life.new lack: Enter the code ({ids[2]})" in lines(found)
        release = (await apply(rt, "flight_first", wanted)).release
        assert release.version("item_life") == 2
        await update(rt, release, "item", ids[2], name="still works")
        with refusing("record.invalid"):
            await update(rt, release, "item", ids[2], amount=None)
        await update(rt, release, "item", ids[2], stage="done")
        listed = await in_flight(rt, context(release), release, "item_life")
        assert listed == []


async def test_texts_make_no_new_version(database_url: str, tmp_path: Path) -> None:
    def labelled(d: Documents) -> None:
        d["life"]["stages"]["new"] |= {"label": "Brand new", "guidance": "Hurry"}

    async with runtime(database_url) as rt:
        await settle(rt, "flight_texts", tmp_path / "a")
        found = await plan(rt, "flight_texts", changed(tmp_path / "b", labelled))
        assert found.changes and found.target.version("item_life") == 1 and not found.breaches


async def test_what_reads_new_columns_is_told_after_the_change(database_url: str, tmp_path: Path) -> None:
    def more(d: Documents) -> None:
        d["item"]["fields"]["colour"] = {"type": "text"}
        d["life"]["stages"]["new"]["required"] = ["colour"]

    async with runtime(database_url) as rt:
        release, _ = await settle(rt, "flight_columns", tmp_path / "a")
        wanted = changed(tmp_path / "b", more)
        (breach,) = (await plan(rt, "flight_columns", wanted)).breaches
        assert (breach.field, breach.records) == ("colour", None)
        release = (await apply(rt, "flight_columns", wanted)).release
        (breach,) = await in_flight(rt, context(release), release, "item_life")
        assert (breach.stage, breach.field, breach.records) == ("new", "colour", 3)
        with pytest.raises(Refused):
            await in_flight(rt, context(release), release, "nothing")


def second(d: Documents) -> None:
    d["item"]["fields"]["stage"]["process"] = ["red_life", "item_life"]
    d["red"] = {
        **d["life"], "name": "red_life", "when": 'shade = "red"', "start": ["new"],
        "stages": {"new": {"category": "open", "required": ["code"]}, "sold": {"category": "won"}},
        "moves": [{"from": "new", "to": "sold"}],
    }  # fmt: skip


async def test_a_second_process_comes_to_live_records(database_url: str, tmp_path: Path) -> None:
    """Records that are there stay with the process that they began with."""
    async with runtime(database_url) as rt:
        release, ids = await settle(rt, "flight_second", tmp_path / "a")
        release = (await apply(rt, "flight_second", changed(tmp_path / "b", second))).release
        await create(rt, release, "item", {"name": "four", "shade": "red", "code": "d"})
        rows = await read(rt, release, "item", "name", "stage.process")
        assert {row["name"]: row["stage.process"] for row in rows} == {
            "one": "item_life", "two": "item_life", "three": "item_life", "four": "red_life",
        }  # fmt: skip
        await update(rt, release, "item", ids[0], stage="done")
        await update(rt, release, "item", ids[1], shade="red", stage="new")
        gone = changed(tmp_path / "c", lambda d: (second(d), d["item"]["fields"]["stage"].update(process=["item_life"]),
                                                  d.pop("red")))  # fmt: skip
        refused = (await plan(rt, "flight_second", gone)).refused
        assert "records may follow the process red_life" in refused.values()
