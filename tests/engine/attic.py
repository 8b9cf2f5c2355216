"""The attic: a pack whose roll-ups are declared twice, stored and not, and writers who change what they count."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from engine.base.context import OPERATOR, Actor
from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.bin import delete, restore
from engine.records.rollups import drift
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from metamodel.load import Loaded
from tests.tenancy import context, load_folder, opened, read, sql, write_pack

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


def unstored(d: dict[str, dict[str, Any]]) -> None:
    for name in BOX:
        del d["box"]["fields"][name]["stored"]
    del d["crate"]["fields"]["mean"]["stored"]


def statement(rt: Runtime, release: Release, actor: Actor = OPERATOR, **query: Any) -> str:
    rights: Rights = rt.rights(actor, release)
    planned = plan_read(RecordQuery(object="box", **query), rights, Names(release, rights), None)
    return read_statement(planned.plan, rt.collation).text


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
