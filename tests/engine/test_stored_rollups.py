"""Roll-ups that stand in a column are what counting gives, through every door and with many writers at once."""

from __future__ import annotations

import asyncio
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from engine.automation.worker import drain
from engine.base.clock import Clock
from engine.base.context import OPERATOR, Actor, Context
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery, RecordWrite
from engine.plan.write import plan_write
from engine.records.bulk import write_each
from engine.records.importing import import_file
from engine.records.mapping import load_mapping
from engine.records.rollups import drift, fill
from engine.records.write import write
from engine.release.release import Release
from engine.sql.read import read_statement
from tests.engine.attic import BOX, Attic, settled, statement, storm, unstored
from tests.tenancy import context, refusing


async def test_every_door_keeps_the_columns(house: Attic) -> None:
    """`stored: true`: create, batch, update, move, delete, restore, cascade, clearing, bulk, import, workflow."""
    one, two = await house.box("one"), await house.box("two")
    empty = await house.exact(one)
    assert [empty[n] for n in BOX] == [0, 0, None, None, False, 0]

    first = await house.thing(one, price=3, qty=2, day="2026-01-05", name="z")
    row = await house.exact(one)
    assert [row[n] for n in BOX] == [6, 1, "2026-01-05", "z", False, 1] and row["double"] == 12

    many = await house.write("thing", "create", *(
        {"name": f"n{n}", "box": str(two if n % 2 else one), "price": n, "qty": 3} for n in range(10)
    ))
    assert (await house.exact(one))["total"] == 6 + 3 * (0 + 2 + 4 + 6 + 8)
    assert (await house.exact(two))["busy"] is True

    await house.update(first, box=str(two), day="2025-12-31")
    assert (await house.exact(one))["last"] is None
    assert (await house.exact(two))["first_name"] == "z"
    await house.update(first, box=None)
    await house.update(first, box=str(one), active=False, stage="gone")
    row = await house.exact(one)
    assert (row["live"], row["open_count"]) == (5, 5)

    chosen = (many[0], many[2], many[1])
    await house.write("thing", "update", {"price": 50}, {"box": str(two)}, {"memo": "m"}, ids=chosen)
    assert (await house.exact(one))["total"] == 6 + 3 * (50 + 4 + 6 + 8)
    assert (await house.exact(two))["total"] == 3 * (1 + 3 + 5 + 7 + 9 + 2)

    await house.delete("thing", many[0])
    before = await house.exact(one)
    await house.restore("thing", many[0])
    after = await house.exact(one)
    assert after["total"] == before["total"] + 150

    await house.delete("box", one)
    assert await house.drifted() == {}
    (deleted,) = await house.sql("SELECT total FROM {s}.box WHERE id = $1", one)
    assert deleted["total"] == 0
    await house.restore("box", one)
    assert await house.exact(one) == after | {"version": 3, "modified_at": (await house.exact(one))["modified_at"]}


async def test_the_other_doors(house: Attic, tmp_path: Path) -> None:
    box, release = await house.box(), await house.release()
    crate = (await house.write("crate", "create", {"name": "c"}))[0]
    piece = await house.thing(box, crate=str(crate), price=5)
    await house.thing(None, crate=str(crate), price=6)
    assert (await house.row("crate", crate, "mean", "virtual_mean")) == {"mean": Decimal("5.5"), "virtual_mean": 5.5}
    await house.delete("crate", crate)
    assert (await house.row("thing", piece, "crate"))["crate"] is None
    (cleared,) = await house.sql("SELECT mean FROM {s}.crate WHERE id = $1", crate)
    assert cleared["mean"] is None and await house.drifted() == {}

    rows = tuple({"name": name, "box": str(box), "price": 1} for name in ("p", "q", "p", "r"))
    request = RecordWrite(object="thing", operation="create", rows=rows)
    outcomes = await write_each(house.rt, context(release), release, request)
    assert [isinstance(o[0], UUID) for o in outcomes].count(True) == 2
    assert (await house.exact(box))["total"] == 7

    data = tmp_path / "things.csv"
    data.write_text("name,box,price\n" + "".join(f"i{n},b,{n}\n" for n in range(20)) + "i0,b,7\n", "utf-8")
    mapping = tmp_path / "things.yaml"
    mapping.write_text(
        "kind: import\nname: things\nobject: thing\nfile: things.csv\n"
        "columns: {name: name, box: {column: box, lookup: name}, price: price}\n", "utf-8",
    )  # fmt: skip
    done = await import_file(house.rt, context(release), release, load_mapping(mapping), data)
    assert (done.created, len(done.rejected)) == (19, 2)
    assert (await house.exact(box))["total"] == 7 + sum(range(20))

    await house.thing(box, price=100, memo="twin")
    await drain(house.rt)
    assert (await house.exact(box))["total"] == 7 + sum(range(20)) + 2 * 100 + 100


async def test_the_record_itself_is_not_changed(house: Attic) -> None:
    box = await house.box()
    before = await house.row("box", box, "version", "modified_at", "modified_by", "total")
    thing = await house.thing(box)
    await house.update(thing, price=9)
    after = await house.row("box", box, "version", "modified_at", "modified_by", "total")
    assert after == before | {"total": 9}
    (history,) = await house.sql("SELECT changes FROM {s}._history WHERE record = $1", box)
    assert not BOX.keys() & set(history["changes"])
    (events,) = await house.sql("SELECT count(*) FROM {s}._event WHERE record = $1", box)
    assert events["count"] == 1


async def test_it_is_computed_and_rules_see_it(house: Attic) -> None:
    with refusing("record.field_read_only", "computed"):
        await house.write("box", "create", {"name": "b", "total": 5})
    box = await house.box()
    await house.thing(box, price=101)
    with refusing("record.rule", "too dear"):
        await house.write("box", "update", {"name": "c"}, ids=(box,))
    await house.write("box", "update", {"name": "free"}, ids=(box,))


async def test_only_what_is_stored_costs_statements(house: Attic) -> None:
    """A change of a field that no roll-up reads stays one statement."""
    thing = await house.thing(await house.box())
    release = await house.release()
    used: list[str] = []
    for row in ({"memo": "m"}, {"price": 4}):
        request = RecordWrite(object="thing", operation="update", rows=(row,), ids=(thing,))
        await write(house.rt, context(release), release, request)
        used.append("upkeep" if _plan(house, release, row).upkeep else "one statement")
    assert used == ["one statement", "upkeep"]


def _plan(house: Attic, release: Release, row: dict[str, Any]) -> Any:
    request = RecordWrite(object="thing", operation="update", rows=(row,))
    return plan_write(request, house.rt.rights(OPERATOR, release), frozenset(row), frozenset(), [])


async def test_who_sees_some_children_counts_those(house: Attic) -> None:
    box, release = await house.box(), await house.release()
    await house.thing(box, price=1)
    await house.thing(box, price=10, active=False)
    keeper, viewer = (Actor(UUID(int=9), (role,), {}) for role in ("keeper", "viewer"))
    assert (await house.row("box", box, "total", "double", actor=keeper)) == {"total": 1, "double": 2}
    assert (await house.row("box", box, "total", "double", actor=viewer)) == {"total": 11, "double": 22}
    text = statement(house.rt, release, viewer, fields=("total",))
    assert "thing" not in text, "who sees all children reads the column"


async def test_eight_writers_leave_no_drift(house: Attic) -> None:
    await storm(house, seconds=4.0, writers=8)
    assert await house.drifted() == {}


async def test_broken_connections_leave_no_drift(house: Attic) -> None:
    """Backends are ended in the middle of what they do."""
    ended = 0

    async def reaper() -> None:
        nonlocal ended
        conn = await asyncpg.connect(house.rt.url)
        try:
            while True:
                await asyncio.sleep(random.uniform(0.02, 0.1))
                ended += await conn.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE "
                    "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL "
                    "ORDER BY random() LIMIT 1) AS one"
                )
        finally:
            await conn.close()

    await storm(house, seconds=3.0, writers=6, beside=reaper)
    assert ended > 5
    assert await house.drifted() == {}


async def test_verify_finds_and_repairs(house: Attic) -> None:
    box, other = await house.box(), await house.box()
    await house.thing(box, price=4)
    await house.sql("UPDATE {s}.box SET total = total + 1, live = NULL WHERE id = $1", box)
    found = {d.field: d for d in await drift(house.rt, await house.release()) if d.records}
    assert {name: (d.records, d.sample) for name, d in found.items()} == {"total": (1, (box,)), "live": (1, (box,))}
    assert await fill(house.rt, await house.release(), "box", ["total"]) == 1
    assert await house.drifted() == {"box.live": 1}
    await house.thing(other)
    assert await house.drifted() == {"box.live": 1}, "a change of another record's children repairs nothing here"
    await house.thing(box)
    assert await house.drifted() == {}


async def test_a_stored_and_indexed_one_sorts_and_filters_by_its_index(database_url: str, tmp_path: Path) -> None:
    def edit(d: dict[str, dict[str, Any]]) -> None:
        d["box"]["fields"]["total"]["indexed"] = True

    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}", edit) as house:
        release = await house.release()
        await house.sql(
            "INSERT INTO {s}.box (id, version, created_at, created_by, modified_at, modified_by, name, total, live, "
            "busy, open_count) SELECT gen_random_uuid(), 1, now(), $1, now(), $1, 'n', n, 0, false, 0 "
            "FROM generate_series(1, 20000) AS n", UUID(int=1),
        )  # fmt: skip
        await house.sql("ANALYZE {s}.box")
        for query in ({"order": ("-total",)}, {"order": ("total",)}, {"where": "total > 19990"}, {"where": "total = 5"}):
            rights = house.rt.rights(OPERATOR, release)
            planned = plan_read(
                RecordQuery(object="box", fields=("name", "total"), limit=20, **query), rights, Names(release, rights),
                None,
            )  # fmt: skip
            statement = read_statement(planned.plan, house.rt.collation)
            args = statement.arguments(Context(OPERATOR, house.tenant, Clock().now()), planned.values)
            explained = await house.sql("EXPLAIN " + statement.text, *args)
            text = "\n".join(line[0] for line in explained)
            assert "box__total__idx" in text and "Seq Scan on box" not in text, text


async def test_what_a_child_costs(house: Attic, database_url: str, tmp_path: Path) -> None:
    """Writing a child whose record has six stored roll-ups, against one whose record has none."""
    async with settled(database_url, tmp_path / "plain", f"plain_{uuid4().hex[:8]}", unstored) as plain:
        spent: dict[str, float] = {}
        for name, where in (("plain", plain), ("stored", house)):
            boxes = [await where.box() for _ in range(20)]
            taken = []
            for n in range(200):
                began = time.perf_counter()
                await where.thing(boxes[n % 20])
                taken.append(time.perf_counter() - began)
            spent[name] = sorted(taken)[100] * 1000
        print(f"a child: {spent['plain']:.2f} ms, with six stored roll-ups {spent['stored']:.2f} ms")
        assert spent["stored"] - spent["plain"] < 5
