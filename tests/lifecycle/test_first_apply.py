"""The first apply, the empty second one, release rows, the identity map, and what other processes see of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path

import pytest

from engine.base.context import SYSTEM_USER
from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.runtime import follow
from tests.lifecycle.support import ROWS, Documents, changed, settle
from tests.tenancy import opened, read, sql


async def test_apply_makes_tables_and_a_release_and_a_second_one_plans_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url) as rt:
        loaded = changed(tmp_path / "depot")
        before = await plan(rt, "first", loaded)
        assert before.base is None and not before.refused and not before.empty
        assert await sql(database_url, "SELECT 1 FROM pg_namespace WHERE nspname = 't_first'") == []
        release, _ = await settle(rt, "first", tmp_path / "depot")
        assert release.number == 1
        assert [row["name"] for row in await read(rt, release, "item", "name", order=("name",))] == [
            "one",
            "three",
            "two",
        ]

        again = await plan(rt, "first", loaded)
        assert again.empty and lines(again) == []
        done = await apply(rt, "first", loaded)
        assert done.release.number == 1 and done.seeded == 0
        found = await sql(database_url, 'SELECT number, hash, note, current, data, identity FROM "t_first"._release')
        assert [(row["number"], row["hash"], row["current"]) for row in found] == [(1, release.hash, True)]
        assert json.loads(found[0]["data"])["object"]["item"]["title"] == "name"
        users = await sql(database_url, 'SELECT id FROM "t_first"."user"')
        assert [row["id"].int for row in users] == [SYSTEM_USER.int]


async def test_each_publication_is_a_row_with_its_note_and_one_is_current(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        await apply(rt, "notes", changed(tmp_path / "depot"), note="first")
        more = changed(tmp_path / "depot", lambda d: d["item"]["fields"].update(extra={"type": "text"}))
        done = await apply(rt, "notes", more, note="second")
        rows = await sql(database_url, 'SELECT number, note, current, hash FROM "t_notes"._release ORDER BY number')
        assert [tuple(row)[:3] for row in rows] == [(1, "first", False), (2, "second", True)]
        assert rows[1]["hash"] == done.release.hash != rows[0]["hash"]


async def test_identities_and_columns_stay_when_things_are_added_before_others(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url) as rt:
        release, _ = await settle(rt, "ids", tmp_path / "depot")

        def first(d: Documents) -> None:
            d["item"]["fields"] = {"version_2": {"type": "integer"}, **d["item"]["fields"]}

        done = await apply(rt, "ids", changed(tmp_path / "depot", first))
        old, new = release.identity["objects"]["item"], done.release.identity["objects"]["item"]
        assert old["id"] == new["id"] and old["table"] == new["table"]
        assert {name: new["fields"][name] for name in old["fields"]} == old["fields"]
        assert [r["version_2"] for r in await read(rt, done.release, "item", "version_2")] == [None, None, None]


async def test_a_field_named_like_a_system_column_gets_a_column_of_its_own(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        loaded = changed(tmp_path / "depot", lambda d: d["item"]["fields"].update(deleted_batch={"type": "text"}))
        done = await apply(rt, "columns", loaded)
        assert done.release.column("item", "deleted_batch") != "deleted_batch"


async def test_a_name_that_can_not_be_a_tenant_is_refused(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        for name in ("api", "Big", "a b", "_x", ""):
            with pytest.raises(Refused) as refused:
                await apply(rt, name, changed(tmp_path / "depot"))
            assert refused.value.code == "tenant.name"
        assert (
            await sql(database_url, "SELECT 1 FROM fieldwright.tenant WHERE name IN ('api', 'Big', 'a b', '_x', '')")
            == []
        )


async def test_another_process_sees_the_new_release_within_a_second(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt, opened(database_url) as other:
        await settle(rt, "watch", tmp_path / "depot")
        following = asyncio.create_task(follow(other))
        try:
            held = await other.store.release("watch")
            await asyncio.sleep(0.3)
            more = changed(tmp_path / "depot", lambda d: d["item"]["fields"].update(extra={"type": "text"}))
            done = await apply(rt, "watch", more)
            published = time.monotonic()
            while other.store.ready("watch") is held:
                assert time.monotonic() - published < 1.0, "the release was not seen"
                await asyncio.sleep(0.01)
            fresh = await other.store.release("watch")
            assert fresh.number == done.release.number == held.number + 1
            # A request that began before keeps what it began with.
            assert len(await read(other, held, "item", "name")) == len(ROWS)
            assert [r["extra"] for r in await read(other, fresh, "item", "extra")] == [None] * len(ROWS)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
