"""Writers at the same time: nothing is lost, nothing is written twice, nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.base.errors import Refused
from tests.engine.support import Yard


async def outcome(made: Any) -> str:
    try:
        await made
    except Refused as refused:
        return refused.code
    return "done"


async def test_exactly_one_writer_wins_each_version(yard: Yard) -> None:
    job = await yard.create("job", name="n", qty=0)
    for version in range(1, 6):
        tries = [yard.update("job", job, read_at=version, weight=n) for n in range(8)]
        outcomes = await asyncio.gather(*map(outcome, tries))
        assert sorted(outcomes) == ["done"] + ["record.stale"] * 7
    row = await yard.get("job", job, None, "version", "weight")
    last = (await yard.history("job", job))[0]["changes"]
    assert row["version"] == 6
    assert "weight" not in last or last["weight"][1] == row["weight"]


async def test_no_change_is_lost_without_versions(yard: Yard) -> None:
    """Eight writers of eight fields each: every one sees the row as the one before left it."""
    job = await yard.create("job", name="n", qty=0)
    fields: list[dict[str, Any]] = [
        {"weight": 1}, {"exact": 2}, {"ratio": 1}, {"secret": 4}, {"due": "2026-01-01"}, {"urgent": True},
        {"memo": "m"}, {"code": "PAR"},
    ]  # fmt: skip
    await asyncio.gather(*(yard.update("job", job, **row) for row in fields))
    found = await yard.get("job", job)
    assert {name: found[name] for row in fields for name in row} == {k: v for row in fields for k, v in row.items()}
    assert found["version"] == 9
    assert sorted(int(entry["version"]) for entry in await yard.history("job", job)) == list(range(1, 10))


async def test_rules_see_what_the_writer_before_left(yard: Yard) -> None:
    """The quantity never falls, whoever comes first."""
    job = await yard.create("job", name="n", qty=0)
    await asyncio.gather(*(outcome(yard.update("job", job, qty=n)) for n in (5, 3, 8, 1, 7, 2, 6, 4)))
    changes = [entry["changes"]["qty"] for entry in await yard.history("job", job) if "qty" in entry["changes"]]
    assert all(before is None or before <= after for before, after in changes)
    assert (await yard.get("job", job, None, "qty"))["qty"] == 8


async def test_unique_values_are_taken_once(yard: Yard) -> None:
    outcomes = await asyncio.gather(*(outcome(yard.create("job", name="n", code="ONCE")) for _ in range(8)))
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "record.unique", "record.invalid"}
    assert len(await yard.listed("job", where='code = "ONCE"')) == 1


async def test_batches_in_opposite_order_do_not_block_each_other(yard: Yard) -> None:
    jobs = await yard.many("job", [{"name": str(n)} for n in range(30)])

    async def batch(order: list[Any], value: int) -> None:
        rows = ({"weight": value},) * len(order)
        await yard.write("job", "update", many=True, ids=tuple(order), rows=rows)

    await asyncio.gather(*(batch(jobs if n % 2 else jobs[::-1], n) for n in range(8)))
    rows = await yard.sql("SELECT version, weight FROM {s}.job WHERE id = ANY($1)", jobs)
    assert {row["version"] for row in rows} == {9}
    assert len({row["weight"] for row in rows}) == 1


async def test_automatic_numbers_are_given_once(yard: Yard) -> None:
    sites = await asyncio.gather(*(yard.create("site", name=f"number {n}") for n in range(10)))
    numbers = {(await yard.get("site", site, None, "number"))["number"] for site in sites}
    assert len(numbers) == 10
