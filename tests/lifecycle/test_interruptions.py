"""Applies that are killed, that meet each other, or that meet readers and what an earlier one left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from engine.base.errors import Refused
from engine.db.pool import open_pool
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.migrate.diff import CreateIndex, DropInvalidIndex
from engine.release.identity import index_name
from engine.release.release import Release
from engine.runtime import Runtime
from tests.lifecycle.support import ROWS, Documents, changed, settle
from tests.tenancy import ROOT, create, opened, read, refusing, sql, update

SEED = {
    "kind": "seed",
    "name": "boxes",
    "object": "place",
    "key": "name",
    "records": [{"name": "here"}, {"name": "there"}],
}
PLACE = {
    "kind": "object",
    "name": "place",
    "title": "name",
    "fields": {"name": {"type": "text", "unique": True}, "item": {"type": "lookup", "to": "item", "reverse": "places"}},
}


def grown(d: Documents) -> None:
    """Everything that an apply has to do: a table, columns, a check, an index, a sequence, seeds."""
    d.update(place=PLACE, seed=SEED)
    d["item"]["fields"].update(
        size={"type": "integer", "min": 0, "max": 10},
        checked={"type": "boolean"},
        number={"type": "auto_number", "format": "I-{000}"},
    )
    d["item"]["indexes"] = {"size": ["size", "shade"]}
    d["shades"]["options"]["green"] = {"label": "Green"}


async def _killed(url: str, tenant: str, folder: Path, where: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.lifecycle.crash_child", url, tenant, str(folder), where, cwd=ROOT
    )
    assert await child.wait() == -signal.SIGKILL


async def _usable(rt: Runtime, release: Release) -> None:
    (new,) = await create(rt, release, "item", {"name": "new", "amount": 5, "shade": "red"})
    await update(rt, release, "item", new, stage="done")
    assert (await read(rt, release, "item", "twice", "stage", where=f'id = "{new}"')) == [
        {"twice": 10, "stage": "done"}
    ]


# Statements: sequence, table, index of it, three columns, check, check, validate, validate, index.
@pytest.mark.parametrize("where", ["0", "1", "3", "5", "7", "9", "publish", "seeds"])
async def test_a_killed_apply_leaves_the_old_release_working_and_the_next_one_finishes(
    where: str, database_url: str, tmp_path: Path
) -> None:
    tenant, folder = f"crash_{where}", tmp_path / "depot"
    async with opened(database_url) as rt:
        before, _ = await settle(rt, tenant, folder)
        loaded = changed(folder, grown)
        steps = len((await plan(rt, tenant, loaded)).operations)
        await _killed(database_url, tenant, folder, where)
    async with opened(database_url) as rt:
        release = await rt.store.release(tenant)
        assert release.number == before.number + (where == "seeds")
        await _usable(rt, release)
        left = await plan(rt, tenant, loaded)
        if where == "seeds":
            assert left.empty
        else:
            assert len(left.operations) == steps if where == "0" else len(left.operations) < steps
        done = await apply(rt, tenant, loaded)
        assert done.release.number == before.number + 1 and done.seeded == 2
        await _usable(rt, done.release)
        rows = await read(rt, done.release, "item", "name", "size", "checked")
        assert len(rows) == len(ROWS) + 2 and {row["checked"] for row in rows} == {False}
        assert (await plan(rt, tenant, loaded)).empty
        assert (await apply(rt, tenant, loaded)).seeded == 0


async def test_two_applies_of_a_tenant_exclude_each_other(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt, opened(database_url) as other:
        await settle(rt, "twice", tmp_path / "depot")
        loaded = changed(tmp_path / "depot", grown)
        reader = await asyncpg.connect(database_url)
        try:
            await reader.execute("BEGIN; SELECT count(*) FROM t_twice.item")
            first = asyncio.create_task(apply(rt, "twice", loaded))
            await asyncio.sleep(0.5)
            assert not first.done()
            with refusing("apply.running"):
                await apply(other, "twice", loaded)
            # Another tenant is not concerned.
            assert (await apply(other, "beside", changed(tmp_path / "depot"))).release.number == 1
        finally:
            await reader.close()
        assert (await first).release.number == 2
        assert (await apply(other, "twice", loaded)).release.number == 2


async def test_a_release_published_after_the_plan_makes_it_stale(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        await settle(rt, "stale", tmp_path / "depot")
        loaded = changed(tmp_path / "depot", grown)
        reader = await asyncpg.connect(database_url)
        try:
            await reader.execute("BEGIN; SELECT count(*) FROM t_stale.item")
            running = asyncio.create_task(apply(rt, "stale", loaded))
            await asyncio.sleep(0.5)
            await sql(database_url, "UPDATE t_stale._release SET current = false")
            await sql(
                database_url,
                "INSERT INTO t_stale._release (number, hash, language, data, identity, note, current) "
                "SELECT number + 1, 'other', language, data, identity, '', true FROM t_stale._release",
            )
        finally:
            await reader.close()
        with pytest.raises(Refused, match=r"plan\.stale"):
            await running


async def test_a_long_reader_delays_the_apply_but_no_other_reader(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, 8) as rt:
        release, _ = await settle(rt, "locks", tmp_path / "depot")
        loaded = changed(tmp_path / "depot", lambda d: d["item"]["fields"].update(size={"type": "integer", "min": 0}))
        reader = await asyncpg.connect(database_url)
        longest = 0.0
        try:
            await reader.execute("BEGIN; SELECT count(*) FROM t_locks.item")
            applying = asyncio.create_task(apply(rt, "locks", loaded))
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                began = time.monotonic()
                assert len(await read(rt, release, "item", "name")) == len(ROWS)
                await create(rt, release, "box", {"name": "b"})
                longest = max(longest, time.monotonic() - began)
            assert not applying.done()
        finally:
            await reader.close()
        done = await asyncio.wait_for(applying, 10)
        # A reader may have to sit out one wait for the lock (LOCK_MILLISECONDS) or two, never the whole transaction.
        assert longest < 0.8 and done.release.number == 2
        assert 0 < done.longest_lock < 0.5


async def test_an_index_may_take_longer_than_a_statement_of_a_request(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        await settle(rt, "slow", tmp_path / "depot")
        loaded = changed(tmp_path / "depot", lambda d: d["item"].update(indexes={"code": ["code"]}))
        await rt.writes.close()
        rt.writes = await open_pool(rt.url, 4, statement_seconds=0.3)
        old = await asyncpg.connect(database_url)
        try:
            await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t_slow.item")
            applying = asyncio.create_task(apply(rt, "slow", loaded))
            await asyncio.sleep(0.8)
            assert not applying.done()
        finally:
            await old.close()
        assert (await applying).release.number == 2
        async with rt.writes.connection() as conn:
            assert await conn.fetchval("SHOW statement_timeout") == "300ms"


async def test_an_invalid_index_is_dropped_and_built_again(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        await settle(rt, "invalid", tmp_path / "depot")
        name = index_name("item", ("code", "shade"), "idx")
        with pytest.raises(asyncpg.UniqueViolationError):
            await sql(database_url, f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON t_invalid.item ((1))')
        loaded = changed(tmp_path / "depot", lambda d: d["item"].update(indexes={"both": ["code", "shade"]}))
        found = await plan(rt, "invalid", loaded)
        assert [type(step) for step in found.operations] == [DropInvalidIndex, CreateIndex]
        assert any("drop invalid index" in line for line in lines(found))
        await apply(rt, "invalid", loaded)
        rows = await sql(
            database_url,
            "SELECT x.indisvalid, pg_get_indexdef(x.indexrelid) AS made FROM pg_index x "
            "WHERE x.indexrelid = $1::regclass",
            f"t_invalid.{name}",
        )
        assert rows[0]["indisvalid"] and "(code, shade, id)" in rows[0]["made"]
        assert (await plan(rt, "invalid", loaded)).empty
