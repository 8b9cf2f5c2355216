"""Roll-ups that begin to be stored, change or end to be, while records are written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from engine.base import limits
from engine.base.errors import Refused
from engine.lifecycle import apply as applying
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.plan.request import RecordWrite
from engine.records.rollups import drift
from engine.records.write import write
from metamodel.load import load_tenant
from tests.engine.attic import BOX, attic, rollup, settled, statement, storm, unstored
from tests.tenancy import PACKS, context, opened, read, refusing


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only process of the tenant is this one, which knows a release at once."""
    assert limits.RELEASE_SECONDS >= 2
    monkeypatch.setattr(applying, "RELEASE_SECONDS", 0.1)


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
        assert "thing" not in statement(house.rt, await house.release(), fields=("total",))


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


async def test_the_system_user_is_counted_too(database_url: str, tmp_path: Path) -> None:
    """The first apply makes that record itself, past the door."""

    def kept_by_a_user(d: dict[str, dict[str, Any]]) -> None:
        d["thing"]["fields"]["keeper"] = {"type": "user", "reverse": "kept_things"}

    attic(tmp_path / "attic", kept_by_a_user)
    count = rollup("COUNT(kept_things)", stored=True)
    tenant = {
        "kind": "tenant", "name": f"attic_{uuid4().hex[:8]}", "packs": {"attic": ">=0.1"},
        "patches": {"object": {"user": {"fields": {"thing_count": count}}}},
    }  # fmt: skip
    (tmp_path / "tenant.yaml").write_text(yaml.safe_dump(tenant), encoding="utf-8")
    loaded = load_tenant(tmp_path / "tenant.yaml", [tmp_path, PACKS])
    async with opened(database_url) as rt:
        done = await apply(rt, tenant["name"], loaded)
        assert await read(rt, done.release, "user", "thing_count") == [{"thing_count": 0}]
        assert {d.field: d.records for d in await drift(rt, done.release)}["thing_count"] == 0
