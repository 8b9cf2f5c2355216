"""Workers are killed (SIGKILL) while writes go on: no effect is lost and none comes twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.automation import worker
from engine.automation.worker import drain, work
from engine.base.limits import RUN_LEASE_SECONDS
from engine.runtime import Runtime
from tests.automation.support import ROOT, Probe, opened, prepare

KILLS = int(os.environ.get("FIELDWRIGHT_TEST_KILLS", "8"))
RECOVERY_SECONDS = 2 * RUN_LEASE_SECONDS


async def _worker(url: str) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.automation.worker_child", url, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


async def _writing(p: Probe, stop: asyncio.Event) -> tuple[int, int]:
    """Creates and changes items until told to stop: how many of each were acknowledged."""
    created = changed = 0
    while not stop.is_set():
        item = await p.create("item", "maker", name=f"i{created}", topic="crash", n=0)
        created += 1
        for n in range(1, random.randint(1, 3)):
            await p.update(item, "maker", n=n)
            changed += 1
        await asyncio.sleep(0.15)
    return created, changed


async def _settled(p: Probe, seconds: float) -> float:
    """Waits until no job is left; how long it took."""
    began = time.monotonic()
    while left := await p.jobs():
        assert time.monotonic() - began < seconds, f"{left} jobs are left over"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def test_killed_workers_lose_and_double_nothing(new_database: Callable[[], str]) -> None:
    url = new_database()

    async def go() -> None:
        await prepare(url)
        async with opened(url) as p:
            stop = asyncio.Event()
            writing = [asyncio.create_task(_writing(p, stop)) for _ in range(2)]
            child = await _worker(url)
            caught = 0
            for _ in range(KILLS):
                await asyncio.sleep(random.uniform(0.1, 0.8))
                child.send_signal(signal.SIGKILL)
                await child.wait()
                picked = await p.rows("SELECT count(*) FROM fieldwright.pgqueuer WHERE status = 'picked'")
                caught += picked[0]["count"] > 0
                child = await _worker(url)
            stop.set()
            done = await asyncio.gather(*writing)
            created, changed = sum(c for c, _ in done), sum(c for _, c in done)
            backlog = await p.jobs()
            took = await _settled(p, RECOVERY_SECONDS + 60)
            child.terminate()
            await child.wait()
            print(f"{KILLS} kills, {caught} with jobs in hand; {created} created, {changed} changed; "
                  f"{backlog} jobs left after the last one, done in {took:.1f} s")  # fmt: skip
            assert caught > 0
            await _judge(p, created, changed)

    asyncio.run(go())


async def _judge(p: Probe, created: int, changed: int) -> None:
    (found,) = await p.rows(
        "SELECT count(*) FILTER (WHERE label = 'created') AS created, "
        "count(*) FILTER (WHERE label = 'changed') AS changed, "
        "count(DISTINCT source) FILTER (WHERE label = 'created') AS sources FROM {s}mark"
    )
    assert found == {"created": created, "changed": changed, "sources": created}
    assert await p.rows("SELECT state, count(*) FROM {s}_run GROUP BY state") == [
        {"state": "done", "count": created + changed}
    ]
    unseen = await p.rows("SELECT id FROM {s}item WHERE note IS DISTINCT FROM 'seen'")
    assert unseen == []


def test_a_killed_worker_s_job_is_taken_within_ten_seconds(new_database: Callable[[], str]) -> None:
    url = new_database()

    async def go() -> None:
        await prepare(url)
        async with opened(url) as p:
            item = await p.create("item", "maker", name="a", topic="crash", n=0)
            # What a worker leaves that dies right after it took the job.
            await p.rows(
                "UPDATE fieldwright.pgqueuer "
                "SET status = 'picked', heartbeat = now(), queue_manager_id = gen_random_uuid()"
            )
            died = time.monotonic()
            child = await _worker(url)
            await _settled(p, RECOVERY_SECONDS)
            took = time.monotonic() - died
            assert RUN_LEASE_SECONDS * 0.9 < took < RECOVERY_SECONDS
            child.terminate()
            await child.wait()
            print(f"taken over after {took:.1f} s")
            assert len(await p.marks(item)) == 1

    asyncio.run(go())


def test_a_job_interrupted_by_the_end_of_the_process_stays(probe_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with opened(probe_url) as p:
            await drain(p.rt)
            begun = asyncio.Event()

            async def endless(rt: Runtime, payload: dict[str, Any]) -> None:
                begun.set()
                await asyncio.Event().wait()

            with monkeypatch.context() as patch:
                patch.setitem(worker.ENTRYPOINTS, "dispatch", endless)
                item = await p.create("item", "maker", name="a", topic="crash", n=0)
                working = asyncio.create_task(work(p.rt))
                await begun.wait()
                # What asyncio.run does with everything that is still there when the main task ends.
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                assert working.done()
            assert await p.jobs() == 1
            await drain(p.rt)
            assert len(await p.marks(item)) == 1

    asyncio.run(go())


def test_an_unexpected_error_is_tried_again(probe_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with opened(probe_url) as p:
            whole, failures = worker.ENTRYPOINTS["dispatch"], iter(range(2))

            async def failing(rt: Runtime, payload: dict[str, Any]) -> None:
                if next(failures, None) is not None:
                    raise ValueError("a defect")
                await whole(rt, payload)

            monkeypatch.setitem(worker.ENTRYPOINTS, "dispatch", failing)
            item = await p.create("item", "maker", name="a", topic="crash", n=0)
            deadline = time.monotonic() + 10
            while not await p.marks(item):
                assert time.monotonic() < deadline
                await drain(p.rt)
                await asyncio.sleep(0.1)

    asyncio.run(go())


def test_a_worker_that_loses_its_connection_comes_back(probe_url: str) -> None:
    async def go() -> None:
        async with opened(probe_url) as p:
            stop = asyncio.Event()
            working = asyncio.create_task(work(p.rt, stop=stop))
            for name in ("a", "b"):
                item = await p.create("item", "maker", name=name, topic="crash", n=0)
                deadline = time.monotonic() + 15
                while not await p.marks(item):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
                cut = await p.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'fieldwright worker' AND datname = current_database()"
                )
                assert len(cut) == 1
            stop.set()
            await asyncio.wait_for(working, 10)

    asyncio.run(go())
