"""Roll-ups that stand in a column are what counting gives, through every door and with many writers at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from engine.automation.worker import drain
from engine.base import limits
from engine.base.context import OPERATOR, Actor, Context
from engine.base.errors import Refused
from engine.lifecycle import apply as applying
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery, RecordWrite
from engine.plan.write import plan_write
from engine.records.bin import delete, restore
from engine.records.bulk import write_each
from engine.records.importing import import_csv
from engine.records.mapping import load_mapping
from engine.records.rollups import drift, fill
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from metamodel.load import Loaded
from tests.tenancy import context, load_folder, opened, read, refusing, sql, write_pack

BOX: dict[str, Any] = {
    "total": "SUM(things.worth)",
    "live": "COUNT(things[active])",
    "last": "MAX(things.day)",
    "first_name": "FIRST(things.name, day)",
    "busy": "EXISTS(things[active AND qty > 2])",
    "open_count": 'COUNT(things[stage.category = "open"])',
}
"""Each is declared twice, stored and not."""


def rollup(formula: str, **more: Any) -> dict[str, Any]:
    return {"type": "rollup", "formula": formula, **more}


DOCUMENTS: dict[str, dict[str, Any]] = {
    "pack": {"kind": "pack", "name": "attic", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    "box": {
        "kind": "object", "name": "box", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True},
            **{name: rollup(formula, stored=True) for name, formula in BOX.items()},
            **{f"virtual_{name}": rollup(formula) for name, formula in BOX.items()},
            "double": {"type": "formula", "formula": "total * 2"},
        },
        "rules": {
            "not_too_dear": {
                "valid_when": 'total <= 100 OR name = "free"', "on": ["update"], "message": "too dear",
            }
        },
    },
    "crate": {
        "kind": "object", "name": "crate", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True},
            "mean": rollup("AVERAGE(pieces.price)", stored=True, scale=2),
            "virtual_mean": rollup("AVERAGE(pieces.price)", scale=2),
        },
    },
    "thing": {
        "kind": "object", "name": "thing", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True, "unique": True},
            "box": {"type": "lookup", "to": "box", "reverse": "things", "on_delete": "cascade"},
            "crate": {"type": "lookup", "to": "crate", "reverse": "pieces", "on_delete": "clear"},
            "price": {"type": "money"}, "qty": {"type": "integer", "default": 1},
            "active": {"type": "boolean", "default": True},
            "day": {"type": "date"}, "memo": {"type": "text"},
            "worth": {"type": "formula", "formula": "price * qty"},
            "stage": {"type": "stage", "process": "life"},
        },
    },
    "life": {
        "kind": "process", "name": "life", "object": "thing", "field": "stage", "start": ["new"],
        "stages": {"new": {"category": "open"}, "gone": {"category": "lost"}},
        "moves": [{"from": "new", "to": "gone"}],
    },
    "flow": {
        "kind": "workflow", "name": "twin", "object": "thing", "trigger": {"on": "created"},
        "when": 'memo = "twin"', "run_as": "robot",
        "actions": [
            {"create": "thing", "values": {"name": '"twin of " & name', "box": "box", "price": "price"}},
            {"set": {"qty": "qty + 1"}},
        ],
    },
    "keeper": {
        "kind": "role", "name": "keeper",
        "objects": {"box": {"read": True}, "thing": {"read": {"where": "active"}}},
    },
    "robot": {
        "kind": "role", "name": "robot",
        "objects": {"box": {"read": True}, "thing": {"read": True, "create": True, "edit": True}},
    },
    "viewer": {"kind": "role", "name": "viewer", "objects": {"box": {"read": True}, "thing": {"read": True}}},
}  # fmt: skip

Edit = Callable[[dict[str, dict[str, Any]]], object]


def attic(folder: Path, edit: Edit | None = None) -> Loaded:
    documents = deepcopy(DOCUMENTS)
    if edit:
        edit(documents)
    return load_folder(write_pack(folder, documents.values()))


@dataclass
class Attic:
    """A tenant with the pack; every write goes by the release that is published then."""

    rt: Runtime
    tenant: str

    async def release(self) -> Release:
        return await self.rt.store.release(self.tenant)

    async def write(self, obj: str, operation: Any, *rows: dict[str, Any], ids: tuple[UUID, ...] = ()) -> list[UUID]:
        release = await self.release()
        request = RecordWrite(object=obj, operation=operation, rows=rows, ids=ids, many=True)
        return [id_ for id_, _ in (await write(self.rt, context(release), release, request)).changed]

    async def box(self, name: str = "b") -> UUID:
        return (await self.write("box", "create", {"name": name}))[0]

    async def thing(self, box: UUID | None, **row: Any) -> UUID:
        row = {"name": uuid4().hex, "box": str(box) if box else None, "price": 2, **row}
        return (await self.write("thing", "create", row))[0]

    async def update(self, thing: UUID, **row: Any) -> None:
        await self.write("thing", "update", row, ids=(thing,))

    async def delete(self, obj: str, record: UUID) -> None:
        release = await self.release()
        await delete(self.rt, context(release), release, obj, record, None)

    async def restore(self, obj: str, record: UUID) -> None:
        release = await self.release()
        await restore(self.rt, context(release), release, obj, record)

    async def row(self, obj: str, record: UUID, *fields: str, actor: Actor = OPERATOR) -> dict[str, Any]:
        (found,) = await read(
            self.rt, await self.release(), obj, *fields, actor=actor, equals=(("id", str(record)),)
        )
        return found

    async def drifted(self) -> dict[str, int]:
        found = await drift(self.rt, await self.release())
        assert found, "there is something to count"
        return {f"{d.object}.{d.field}": d.records for d in found if d.records}

    async def exact(self, box: UUID) -> dict[str, Any]:
        """The stored values of a box, which are those that are counted."""
        row = await self.row("box", box)
        assert {n: row[n] for n in BOX} == {n: row[f"virtual_{n}"] for n in BOX}
        assert await self.drifted() == {}
        return row

    async def sql(self, text: str, *args: Any) -> list[Any]:
        return await sql(self.rt.url, text.replace("{s}", f'"{(await self.release()).schema}"'), *args)


@asynccontextmanager
async def settled(url: str, folder: Path, tenant: str, edit: Edit | None = None) -> AsyncIterator[Attic]:
    async with opened(url, pool_size=12) as rt:
        await apply(rt, tenant, attic(folder, edit))
        yield Attic(rt, tenant)


@pytest_asyncio.fixture(loop_scope="session")
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[Attic]:
    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}") as made:
        yield made


async def test_every_door_keeps_the_columns(house: Attic, tmp_path: Path) -> None:
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

    await house.write("thing", "update", {"price": 50}, {"box": str(two)}, {"memo": "m"}, ids=tuple(many[:3]))
    assert (await house.exact(two))["total"] == 3 * (1 + 3 + 5 + 7 + 9 + 1) - 3 or await house.exact(two)

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
    done = await import_csv(house.rt, context(release), release, load_mapping(mapping), data)
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
    text = _statement(house.rt, release, viewer, fields=("total",))
    assert "thing" not in text, "who sees all children reads the column"


def _statement(rt: Runtime, release: Release, actor: Actor = OPERATOR, **query: Any) -> str:
    rights: Rights = rt.rights(actor, release)
    planned = plan_read(RecordQuery(object="box", **query), rights, Names(release, rights), None)
    return read_statement(planned.plan, rt.collation).text


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


async def storm(
    house: Attic, seconds: float, writers: int, beside: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Writers who create, change, move, delete and restore children of a few boxes, and boxes with all in them."""
    boxes = [await house.box(f"box {n}") for n in range(4)]
    crates = await house.write("crate", "create", *({"name": f"c{n}"} for n in range(3)))
    things = [await house.thing(random.choice(boxes)) for _ in range(20)]
    deleted: list[UUID] = []
    until, done = time.monotonic() + seconds, 0

    def some() -> dict[str, Any]:
        return {"box": str(random.choice(boxes)), "crate": str(random.choice(crates)), "price": random.randint(0, 9)}

    async def create() -> None:
        things.extend(await house.write("thing", "create", {"name": uuid4().hex, **some()}))

    async def batch() -> None:
        things.extend(await house.write("thing", "create", *({"name": uuid4().hex, **some()} for _ in range(5))))

    async def move() -> None:
        await house.update(random.choice(things), **some())

    async def value() -> None:
        await house.update(random.choice(things), qty=random.randint(0, 5), active=random.random() < 0.5)

    async def moves() -> None:
        chosen = random.sample(things, min(6, len(things)))
        await house.write("thing", "update", *(some() for _ in chosen), ids=tuple(chosen))

    async def remove() -> None:
        thing = random.choice(things)
        await house.delete("thing", thing)
        deleted.append(thing)

    async def back() -> None:
        if deleted:
            await house.restore("thing", deleted.pop())

    async def parent() -> None:
        await house.write("box", "update", {"name": "free"}, ids=(random.choice(boxes),))

    async def box_away() -> None:
        box = random.choice(boxes)
        await house.delete("box", box)
        await house.restore("box", box)

    acts: list[Callable[[], Awaitable[None]]] = [
        create, batch, move, move, value, value, moves, remove, back, parent, box_away,
    ]

    async def writer() -> None:
        nonlocal done
        while time.monotonic() < until:
            try:
                await random.choice(acts)()
                done += 1
            except Refused as refused:
                assert refused.kind != "internal", refused

    disturbing = asyncio.ensure_future(beside()) if beside else None
    await asyncio.gather(*(writer() for _ in range(writers)))
    if disturbing:
        disturbing.cancel()
    print(f"{done} writes in {seconds} s")
    assert done > 50


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
            args = statement.arguments(Context(OPERATOR, house.tenant), planned.values)
            explained = await house.sql("EXPLAIN " + statement.text, *args)
            text = "\n".join(line[0] for line in explained)
            assert "box__total__idx" in text and "Seq Scan on box" not in text, text


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only process of the tenant is this one, which knows a release at once."""
    assert limits.RELEASE_SECONDS >= 2
    monkeypatch.setattr(applying, "RELEASE_SECONDS", 0.1)


def unstored(d: dict[str, dict[str, Any]]) -> None:
    for name in BOX:
        del d["box"]["fields"][name]["stored"]
    del d["crate"]["fields"]["mean"]["stored"]


async def test_storing_begins_while_writers_go_on(hurried: None, database_url: str, tmp_path: Path) -> None:
    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}", unstored) as house:
        writing = asyncio.create_task(storm(house, 4.0, 6))
        await asyncio.sleep(0.7)
        loaded = attic(tmp_path / "attic")
        shown = lines(await plan(house.rt, house.tenant, loaded))
        assert "  fill roll-up box.total (lock: a batch of records at a time)" in shown
        done = await apply(house.rt, house.tenant, loaded)
        assert done.release.filled("box", "total") and not done.plan.target.filled("box", "total")
        await writing
        assert await house.drifted() == {}
        assert (await plan(house.rt, house.tenant, loaded)).empty
        assert "thing" not in _statement(house.rt, await house.release(), fields=("total",))


async def test_a_long_work_of_the_old_release_keeps_up_too(hurried: None, database_url: str, tmp_path: Path) -> None:
    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}", unstored) as house:
        box, old = await house.box(), await house.release()
        await apply(house.rt, house.tenant, attic(tmp_path / "attic"))
        request = RecordWrite(object="thing", operation="create", rows=({"name": "n", "box": str(box), "price": 3},))
        await write(house.rt, context(old), old, request)
        assert (await house.exact(box))["total"] == 3


async def test_a_changed_formula_is_counted_again_and_one_that_ends_is_virtual(
    hurried: None, database_url: str, tmp_path: Path
) -> None:
    def other(d: dict[str, dict[str, Any]]) -> None:
        d["thing"]["fields"]["worth"]["formula"] = "price * qty + 1"

    def text(d: dict[str, dict[str, Any]]) -> None:
        unstored(d)
        d["box"]["fields"]["total"] = rollup("MIN(things.name)", stored=True)
        d["box"]["fields"]["virtual_total"] = rollup("MIN(things.name)")
        del d["box"]["fields"]["double"], d["box"]["rules"]

    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}") as house:
        box = await house.box()
        await house.thing(box, price=3, name="only")
        assert (await apply(house.rt, house.tenant, attic(tmp_path / "attic", other))).plan.fills == (("box", "total"),)
        assert (await house.exact(box))["total"] == 4
        await apply(house.rt, house.tenant, attic(tmp_path / "attic", unstored))
        await house.thing(box, price=5)
        assert (await house.row("box", box, "total"))["total"] == 8
        (left,) = await house.sql("SELECT total FROM {s}.box WHERE id = $1", box)
        assert left["total"] == 4, "the column stays as it was"
        await apply(house.rt, house.tenant, attic(tmp_path / "attic"))
        assert (await house.exact(box))["total"] == 8


async def test_an_interrupted_fill_goes_on(
    hurried: None, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}", unstored) as house:
        box = await house.box()
        await house.thing(box, price=3)

        async def broken(*_: Any) -> int:
            raise Refused("database.unreachable")

        with monkeypatch.context() as patch:
            patch.setattr(applying, "fill", broken)
            with refusing("database.unreachable"):
                await apply(house.rt, house.tenant, attic(tmp_path / "attic"))
        assert (await house.row("box", box, "total"))["total"] == 3
        assert (await house.drifted())["box.total"] == 1
        found = await plan(house.rt, house.tenant, attic(tmp_path / "attic"))
        assert not found.changes and not found.operations and len(found.fills) == len(BOX) + 1
        await apply(house.rt, house.tenant, attic(tmp_path / "attic"))
        await house.exact(box)


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
