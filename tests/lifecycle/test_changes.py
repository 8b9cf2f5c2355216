"""Changes of a live pack: those that lose nothing are applied and usable, the others refused with path and reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.base.context import Actor
from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import plan
from engine.release.release import Release
from engine.reports.run import run_report
from engine.runtime import Runtime
from tests.lifecycle.support import ROWS, Documents, Edit, changed, settle
from tests.tenancy import context, create, load_with_settings, read, refusing, sql, update
from tests.tenancy import opened as runtime

Use = Callable[[Runtime, Release, list[UUID]], Awaitable[object]]
NOBODY = UUID(int=7)


def field(**declared: Any) -> Edit:
    return lambda d: d["item"]["fields"].update(extra=declared)


async def takes_extra(rt: Runtime, release: Release, ids: list[UUID], value: Any = "x") -> None:
    assert [row["extra"] for row in await read(rt, release, "item", "extra")] == [None] * len(ROWS)
    await update(rt, release, "item", ids[0], extra=value)
    assert [row["extra"] for row in await read(rt, release, "item", "extra", equals=(("name", "one"),))] == [value]


async def limited(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    await takes_extra(rt, release, ids, 5)
    with refusing("record.out_of_range"):
        await update(rt, release, "item", ids[0], extra=11)
    with pytest.raises(Exception, match="check constraint"):
        await sql(rt.url, f'UPDATE "{release.schema}".item SET extra = 11')


async def false_everywhere(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    assert [row["extra"] for row in await read(rt, release, "item", "extra")] == [False] * len(ROWS)
    await update(rt, release, "item", ids[0], extra=True)
    assert len(await read(rt, release, "item", "id", where="extra")) == 1
    await create(rt, release, "item", {"name": "four"})
    assert len(await read(rt, release, "item", "id", where="NOT extra")) == len(ROWS)


async def counted(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    (new,) = await create(rt, release, "item", {"name": "four"})
    rows = {row["name"]: row["extra"] for row in await read(rt, release, "item", "name", "extra")}
    assert rows == {"one": None, "two": None, "three": None, "four": "X-1"} and new


async def linked(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    (box,) = await create(rt, release, "box", {"name": "big"})
    await takes_extra(rt, release, ids, str(box))
    assert [r["name"] for r in await read(rt, release, "item", "name", where='extra.name = "big"')] == ["one"]


async def new_object(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    (place,) = await create(rt, release, "place", {"name": "here", "item": str(ids[0])})
    assert (await read(rt, release, "place", "item.name"))[0]["item.name"] == "one" and place


async def new_option(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    await update(rt, release, "item", ids[0], shade="green")
    rows = [row["shade"] for row in await read(rt, release, "item", "shade", order=("shade",))]
    assert sorted(map(str, rows)) == ["None", "blue", "green"]


async def no_old_option(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with refusing("record.option"):
        await update(rt, release, "item", ids[2], shade="red")
    await update(rt, release, "item", ids[0], code="kept")
    assert [r["shade"] for r in await read(rt, release, "item", "shade", equals=(("code", "kept"),))] == ["red"]


async def new_rule(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with refusing("record.rule", "a code needs a shade"):
        await create(rt, release, "item", {"name": "four", "code": "c"})
    assert len(await read(rt, release, "item", "id")) == len(ROWS)


async def other_rule(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with pytest.raises(Refused):
        await update(rt, release, "item", ids[0], amount=60)
    await update(rt, release, "item", ids[0], amount=40)


async def new_stage(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    await update(rt, release, "item", ids[0], stage="packed")
    await update(rt, release, "item", ids[0], stage="done")
    with refusing("stage.unlisted"):
        await update(rt, release, "item", ids[1], stage="done")


async def new_gate(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with refusing("stage.exit", "give a code"):
        await update(rt, release, "item", ids[2], stage="done")
    await update(rt, release, "item", ids[0], stage="done")


async def new_report(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    result = await run_report(rt, context(release), release, "all_items")
    assert result.body == '[{"items":3}]'


async def other_report(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    result = await run_report(rt, context(release), release, "by_shade")
    assert [column["name"] for column in result.columns] == ["items"]


async def no_report(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with refusing("report.unknown"):
        await run_report(rt, context(release), release, "by_shade")


async def new_role(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    guest, keeper = Actor(NOBODY, ("guest",)), Actor(NOBODY, ("keeper",))
    assert len(await read(rt, release, "item", "name", actor=guest, where="amount > 15")) == 1
    with pytest.raises(Refused):
        await read(rt, release, "item", "code", actor=guest)
    assert len(await read(rt, release, "item", "code", actor=keeper)) == 1


async def doubled(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    found = {r["name"]: (r["twice"], r["extra"]) for r in await read(rt, release, "item", "name", "twice", "extra")}
    assert found["one"] == (30, 11) and found["three"] == (None, None)


async def labelled(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    obj = release.object("item")
    assert obj.label["en"] == "Piece" and obj.fields["code"].label["en"] == "Mark" and obj.title == "code"
    assert release.model.value_sets["shades"].options["red"].label["en"] == "Ruby"


async def indexed(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    found = await sql(
        rt.url,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND indexdef ~ '\\(shade, amount, id\\)'",
        release.schema,
    )
    assert len(found) == 1
    valid = await sql(
        rt.url,
        "SELECT bool_and(indisvalid) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1",
        release.schema,
    )
    assert valid[0][0] is True


async def indexed_field(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    found = await sql(
        rt.url, "SELECT 1 FROM pg_indexes WHERE schemaname = $1 AND indexdef ~ '\\(code, id\\)'", release.schema
    )
    assert len(found) == 1


async def watched(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    assert "item" in release.watched
    await update(rt, release, "item", ids[0], amount=15)
    events = await sql(rt.url, f'SELECT 1 FROM "{release.schema}"._event')
    assert events


async def defaulted(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    await create(rt, release, "item", {"name": "four"})
    found = {r["name"]: r["code"] for r in await read(rt, release, "item", "name", "code")}
    assert found["four"] == "new" and found["three"] is None


async def required_when(rt: Runtime, release: Release, ids: list[UUID]) -> None:
    with refusing("record.required"):
        await update(rt, release, "item", ids[2], amount=5)
    assert len(await read(rt, release, "item", "id")) == len(ROWS)


def edit_labels(d: Documents) -> None:
    d["item"].update(label="Piece", title="code", description="A thing")
    d["item"]["fields"]["code"].update(label="Mark", help="What is written on it")
    d["shades"]["options"]["red"]["label"] = "Ruby"
    d["life"]["label"] = "Way"


def edit_stages(d: Documents) -> None:
    d["life"]["stages"] = {"new": {"category": "open"}, "packed": {"category": "open"}, "done": {"category": "won"}}
    d["life"]["moves"] = [{"from": "new", "to": "packed"}, {"from": "packed", "to": "done"}]


def edit_gate(d: Documents) -> None:
    d["life"]["stages"]["new"]["exit"] = {"marked": {"valid_when": "NOT ISBLANK(code)", "message": "give a code"}}
    d["life"]["stages"]["done"]["required"] = ["amount"]


def edit_formula(d: Documents) -> None:
    d["item"]["fields"]["twice"]["formula"] = "amount * 3"
    d["item"]["fields"]["extra"] = {"type": "formula", "formula": "amount + 1"}


WORKFLOW = {
    "kind": "workflow",
    "name": "grew",
    "object": "item",
    "trigger": {"on": "changed", "fields": ["amount"]},
    "run_as": "keeper_user",
    "actions": [{"create": "box", "values": {"name": "name"}}],
}
REPORT = {"kind": "report", "name": "all_items", "object": "item", "measures": {"items": "COUNT(rows)"}}
PLACE = {
    "kind": "object",
    "name": "place",
    "title": "name",
    "fields": {"name": {"type": "text"}, "item": {"type": "lookup", "to": "item", "reverse": "places"}},
}
GUEST = {
    "kind": "role",
    "name": "guest",
    "objects": {"item": {"read": {"where": "amount > 0", "fields": ["name", "amount"]}}},
}
RULE = {
    "valid_when": "ISBLANK(code) OR NOT ISBLANK(shade)",
    "on": ["create", "update"],
    "message": "a code needs a shade",
}

ALLOWED: dict[str, tuple[Edit, Use]] = {
    "object": (lambda d: d.update(place=PLACE), new_object),
    "text field": (field(type="text", max_length=5), takes_extra),
    "limited number": (field(type="integer", min=0, max=10, indexed=True), limited),
    "boolean": (field(type="boolean", default=False), false_everywhere),
    "auto number": (field(type="auto_number", format="X-{0}"), counted),
    "lookup": (field(type="lookup", to="box", reverse="extras"), linked),
    "option": (lambda d: d["shades"]["options"].update(green={"label": "Green"}), new_option),
    "option put out of use": (lambda d: d["shades"]["options"]["red"].update(active=False), no_old_option),
    "labels": (edit_labels, labelled),
    "rule": (lambda d: d["item"]["rules"].update(coded=RULE), new_rule),
    "changed rule": (lambda d: d["item"]["rules"]["small"].update(valid_when="amount < 50"), other_rule),
    "stages and moves": (edit_stages, new_stage),
    "criteria": (edit_gate, new_gate),
    "report": (lambda d: d.update(second=REPORT), new_report),
    "changed report": (lambda d: d["report"].update(group_by={}, measures={"items": "COUNT(rows)"}), other_report),
    "no report": (lambda d: d.pop("report"), no_report),
    "role": (
        lambda d: (d.update(guest=GUEST), d["keeper"]["objects"]["item"].update(read={"where": "amount < 15"})),
        new_role,
    ),
    "workflow": (lambda d: d.update(flow={**WORKFLOW, "run_as": "keeper"}), watched),
    "index": (lambda d: d["item"].update(indexes={"shade_amount": ["shade", "amount"]}), indexed),
    "indexed field": (lambda d: d["item"]["fields"]["code"].update(indexed=True), indexed_field),
    "formula": (edit_formula, doubled),
    "default": (lambda d: d["item"]["fields"]["code"].update(default='"new"'), defaulted),
    "required when": (lambda d: d["item"]["fields"]["code"].update(required_when="amount > 0"), required_when),
}


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_loses_nothing_is_applied_usable_and_keeps_the_rows(
    name: str, database_url: str, tmp_path: Path
) -> None:
    edit, use = ALLOWED[name]
    tenant = "may_" + name.replace(" ", "_")
    async with runtime(database_url) as rt:
        before, ids = await settle(rt, tenant, tmp_path / "depot")
        loaded = changed(tmp_path / "depot", edit)
        found = await plan(rt, tenant, loaded)
        assert found.changes and not found.refused
        done = await apply(rt, tenant, loaded)
        assert done.release.number == before.number + 1
        kept = {row["id"]: row["name"] for row in await read(rt, done.release, "item", "id", "name")}
        assert kept == dict(zip(map(str, ids), ("one", "two", "three"), strict=True))
        await use(rt, done.release, ids)
        assert (await plan(rt, tenant, loaded)).empty


REFUSED: dict[str, tuple[Edit, str, str]] = {
    "dropped field": (
        lambda d: d["item"]["fields"].pop("code"),
        "object.item.fields.code",
        "not dropped",
    ),
    "renamed field": (
        lambda d: d["item"]["fields"].update(mark=d["item"]["fields"].pop("code")),
        "object.item.fields.code",
        "not dropped",
    ),
    "changed type": (
        lambda d: d["item"]["fields"].update(code={"type": "integer"}),
        "object.item.fields.code.type",
        "type",
    ),
    "required": (
        lambda d: d["item"]["fields"]["code"].update(required=True),
        "object.item.fields.code.required",
        "records may break",
    ),
    "unique": (
        lambda d: d["item"]["fields"]["code"].update(unique=True),
        "object.item.fields.code.unique",
        "records may break",
    ),
    "new required field": (
        lambda d: d["item"]["fields"].update(extra={"type": "text", "required": True}),
        "object.item.fields.extra",
        "optional",
    ),
    "new unique field": (
        lambda d: d["item"]["fields"].update(extra={"type": "text", "unique": True}),
        "object.item.fields.extra",
        "unique",
    ),
    "unique key": (
        lambda d: d["item"].update(unique={"both": ["code", "shade"]}),
        "object.item.unique.both",
        "records may break",
    ),
    "narrower text": (
        lambda d: d["item"]["fields"]["name"].update(max_length=3),
        "object.item.fields.name.max_length",
        "records may break",
    ),
    "narrower number": (
        lambda d: d["item"]["fields"]["amount"].update(max=15),
        "object.item.fields.amount.max",
        "records may break",
    ),
    "other lookup": (
        lambda d: d["item"]["fields"]["box"].update(to="item"),
        "object.item.fields.box.to",
        "not supported",
    ),
    "dropped option": (
        lambda d: d["shades"]["options"].pop("blue"),
        "value_set.shades.options.blue",
        "active: false",
    ),
    "dropped stage": (
        lambda d: d["life"].update(
            stages={"new": {"category": "open"}, "gone": {"category": "won"}}, moves=[{"from": "new", "to": "gone"}]
        ),
        "process.item_life.stages.done",
        "may stand in this stage",
    ),
    "dropped object": (
        lambda d: (d.pop("box"), d["item"]["fields"].pop("box")),
        "object.box",
        "not dropped",
    ),
    "dropped value set": (
        lambda d: (d.pop("shades"), d["item"]["fields"].pop("shade"), d.pop("report")),
        "value_set.shades",
        "",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_could_lose_something_is_refused_with_path_and_reason(
    name: str, database_url: str, tmp_path: Path
) -> None:
    edit, path, reason = REFUSED[name]
    tenant = "not_" + name.replace(" ", "_")
    async with runtime(database_url) as rt:
        before, ids = await settle(rt, tenant, tmp_path / "depot")
        # A harmless change beside it is not applied either.
        loaded = changed(tmp_path / "depot", lambda d: (d.update(place=PLACE), edit(d)))
        found = await plan(rt, tenant, loaded)
        assert path in found.refused and reason in found.refused[path]
        columns = await _columns(database_url, tenant)
        with pytest.raises(Refused) as refused:
            await apply(rt, tenant, loaded)
        assert refused.value.code == "plan.refused"
        assert path in refused.value.detail and found.refused[path] in refused.value.detail
        assert await _columns(database_url, tenant) == columns
        assert (await rt.store.release(tenant)).number == before.number
        assert len(await read(rt, before, "item", "id")) == len(ids)
        assert len(await sql(database_url, f'SELECT 1 FROM "t_{tenant}"._release')) == 1


@pytest.mark.parametrize(("setting", "value"), [("time_zone", "Asia/Shanghai"), ("currency", "CNY")])
async def test_settings_of_a_live_tenant_stay(setting: str, value: object, database_url: str, tmp_path: Path) -> None:
    packs, tenant = {"core": ">=0.1", "depot": ">=0.1"}, f"set_{setting}"
    async with runtime(database_url) as rt:
        before, _ = await settle(rt, tenant, tmp_path / "packs" / "depot")
        loaded = load_with_settings(tmp_path / "packs" / "depot", tenant, packs, **{setting: value})
        found = await plan(rt, tenant, loaded)
        assert found.refused == {f"settings.{setting}": "formulas and stored values depend on this setting"}
        with refusing("plan.refused"):
            await apply(rt, tenant, loaded)
        assert (await rt.store.release(tenant)).hash == before.hash


async def test_a_column_of_another_type_in_the_database_is_refused(database_url: str, tmp_path: Path) -> None:
    async with runtime(database_url) as rt:
        await settle(rt, "drifted", tmp_path / "depot")
        await sql(database_url, 'ALTER TABLE "t_drifted".item ALTER COLUMN code TYPE varchar(20)')
        found = await plan(rt, "drifted", changed(tmp_path / "depot"))
        assert found.refused == {"(database)": "column item.code is character varying(20), not text"}
        with refusing("plan.refused"):
            await apply(rt, "drifted", changed(tmp_path / "depot"))


async def _columns(url: str, tenant: str) -> list[Any]:
    return await sql(
        url,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2",
        f"t_{tenant}",
    )
