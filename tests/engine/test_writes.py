"""The one door of writing: values, rules, batches, versions, history, the recycle bin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.plan.request import RecordWrite
from engine.records.bulk import write_each
from engine.records.write import write
from tests.engine.support import Yard

KINDS_OF_FAULTS = [
    ({"name": 5}, "record.type"),
    ({"name": "x" * 41}, "record.too_long"),
    ({"memo": "x" * 301}, "record.too_long"),
    ({"name": "a\x00b"}, "record.type"),
    ({"name": ""}, "record.required"),
    ({"qty": "5"}, "record.type"),
    ({"qty": 1.5}, "record.type"),
    ({"qty": True}, "record.type"),
    ({"qty": -1}, "record.out_of_range"),
    ({"qty": 1001}, "record.out_of_range"),
    ({"qty": 2**63}, "record.out_of_range"),
    ({"weight": Decimal("1.0001")}, "record.out_of_range"),
    ({"ratio": Decimal("1.01")}, "record.out_of_range"),
    ({"cost": -1}, "record.out_of_range"),
    ({"cost": Decimal("0.001")}, "record.out_of_range"),
    ({"exact": Decimal("1e20")}, "record.out_of_range"),
    ({"exact": Decimal("NaN")}, "record.type"),
    ({"due": "2024-02-30"}, "record.type"),
    ({"due": "2024-W01-1"}, "record.type"),
    ({"due": "2024-01-01T00:00:00Z"}, "record.type"),
    ({"at": "2024-01-01T00:00:00"}, "record.type"),
    ({"urgent": "true"}, "record.type"),
    ({"kind": "huge"}, "record.option"),
    ({"kind": "old"}, "record.option"),
    ({"shape": "flat"}, "record.option"),
    ({"tags": ["small", "huge"]}, "record.option"),
    ({"tags": "small"}, "record.type"),
    ({"site": "nowhere"}, "record.type"),
    ({"site": "00000000-0000-7000-8000-00000000dead"}, "record.reference"),
    ({"who": "00000000-0000-7000-8000-00000000dead"}, "record.reference"),
    ({"mail": "nobody"}, "record.type"),
    ({"phone": "call me"}, "record.type"),
    ({"link": "javascript:alert(1)"}, "record.type"),
    ({"total": 5}, "record.field_read_only"),
    ({"priced": 5}, "record.field_read_only"),
    ({"version": 5}, "record.field_read_only"),
    ({"created_at": "2024-01-01T00:00:00Z"}, "record.field_read_only"),
    ({"nothing": 5}, "record.field_unknown"),
    ({"deleted_at": None}, "record.field_unknown"),
]


@pytest.mark.parametrize(("row", "code"), KINDS_OF_FAULTS, ids=lambda value: str(value)[:40])
async def test_values_that_do_not_fit(yard: Yard, row: dict[str, Any], code: str) -> None:
    """max_length, min, max, scale, options (`active` ones only), types, references and what is never written."""
    (field,) = row
    assert (code, f"/{field}", None) in await yard.faults(yard.create("job", **{"name": "n", **row}))
    job = await yard.create("job", name="n")
    assert (code, f"/{field}", None) in await yard.faults(yard.update("job", job, **row))


FITTING = [
    ("name", "名称 é", "名称 é"),  # text
    ("name", "e\u0301", "é"),
    ("memo", "line\nline", "line\nline"),  # long_text
    ("memo", "", None),
    ("qty", 7.0, 7),  # integer
    ("weight", Decimal("1.5"), Decimal("1.500")),  # decimal
    ("exact", Decimal("12345678901234567890.123456789012345678"), Decimal("12345678901234567890.123456789012345678")),
    ("ratio", Decimal("0.125"), Decimal("0.125")),  # percent
    ("cost", 3, 3),  # money
    ("due", "2024-02-29", "2024-02-29"),  # date
    ("at", "2024-01-01T08:00:00+08:00", "2024-01-01T00:00:00+00:00"),  # datetime
    ("urgent", True, True),  # boolean
    ("kind", "large", "large"),  # select
    ("tags", ["large", "small", "large"], ["large", "small"]),  # multi_select
    ("tags", [], None),
    ("mail", "a@example.com", "a@example.com"),  # email
    ("phone", "+49 30 1234-567", "+49 30 1234-567"),  # phone
    ("link", "https://example.com/a?b=c", "https://example.com/a?b=c"),  # url
]


@pytest.mark.parametrize(("field", "given", "kept"), FITTING, ids=str)
async def test_values_that_fit_are_kept(yard: Yard, field: str, given: Any, kept: Any) -> None:
    job = await yard.create("job", **{"name": "n", field: given})
    assert (await yard.get("job", job, None, field))[field] == kept
    other = await yard.create("job", name="n")
    assert (await yard.update("job", other, **{field: given}))[field] == kept


async def test_lookups_users_and_what_is_computed_from_them(yard: Yard) -> None:
    """`type: lookup` and `type: user` hold ids of records; `type: formula` and `type: rollup` follow them."""
    site = await yard.create("site", name="computed", zone="east")
    user = yard.users["boss"]["id"]
    job = await yard.create("job", name="n", site=str(site), who=str(user), cost=Decimal("2.5"), qty=3, secret=1)
    for price, bad in ((2, False), (3, True)):
        await yard.create("part", name="p", job=str(job), price=price, bad=bad)
    row = await yard.get("job", job, None, "zone", "total", "gain", "priced", "site", "who", "who.name")
    assert row == {
        "zone": "east", "total": Decimal("7.50"), "gain": Decimal("1.50"), "priced": 5, "site": str(site),
        "who": str(user), "who.name": "boss",
    }  # fmt: skip
    assert (await yard.get("site", site, None, "spent", "busy")) == {"spent": Decimal("2.50"), "busy": 0}


async def test_defaults_fill_what_is_not_given(yard: Yard) -> None:
    """`default` of any type; a given blank stays blank, except where a value can not be blank."""
    one, two = await yard.many("job", [{"name": "a"}, {"name": "b", "kind": None, "urgent": None}])
    fields = ("kind", "urgent", "stage", "owner")
    system = str((await yard.sql("SELECT created_by FROM {s}.job WHERE id = $1", one))[0]["created_by"])
    assert await yard.get("job", one, None, *fields) == {
        "kind": "small", "urgent": False, "stage": "draft", "owner": system,
    }  # fmt: skip
    assert await yard.get("job", two, None, *fields[:2]) == {"kind": None, "urgent": False}
    assert await yard.codes(yard.update("job", one, urgent=None)) == {"record.required"}


async def test_defaults_are_made_of_what_is_given(yard: Yard) -> None:
    """Over the record and the records that it names; a given value goes before, an update fills nothing."""
    north, south = [await yard.create("depot", name=name, rate=rate) for name, rate in (("North", Decimal("1.255")), ("South", None))]
    rows = ({"name": "a", "depot": str(north), "pieces": 3}, {"name": "b", "depot": str(south), "pieces": 3},
            {"name": "c", "depot": str(north), "pieces": 2, "price": 7}, {"name": "d"},
            {"name": "e", "depot": str(north), "price": None})  # fmt: skip
    made = await yard.many("bale", rows)
    found = [await yard.get("bale", bale, None, "price", "mark") for bale in made]
    assert [f["price"] for f in found] == [Decimal("3.77"), None, 7, None, None]
    assert [f["mark"] for f in found] == ["North/a", "South/b", "North/c", "d", "North/e"]
    await yard.update("bale", made[3], depot=str(north), pieces=1)
    assert (await yard.get("bale", made[3], None, "price"))["price"] is None


async def test_automatic_numbers_follow_their_format(yard: Yard) -> None:
    """`type: auto_number` counts in its `format`, with the date of the tenant."""
    first, second = await yard.many("site", [{"name": "number one"}, {"name": "number two"}])
    numbers = [(await yard.get("site", site, None, "number"))["number"] for site in (first, second)]
    assert [n[:7] for n in numbers] == ["S-2026-", "S-2026-"]
    assert int(numbers[1][7:]) == int(numbers[0][7:]) + 1
    assert len(numbers[0]) >= 10


async def test_everything_wrong_is_told_at_once(yard: Yard) -> None:
    closed = await yard.create("site", name="closed", open=False)
    taken = await yard.create("job", name="taken", code="TAKEN")
    rows = (
        {"name": "", "site": str(closed), "qty": 600, "stage": "planned"},
        {"name": "fine"},
        {"name": "n", "code": "TAKEN", "who": str(uuid4())},
    )
    refused = await yard.refused(yard.write("job", "create", rows=rows, many=True))
    assert {(f.row, f.code, f.pointer) for f in refused.faults} == {
        (0, "record.required", "/name"), (0, "record.required", "/why"), (0, "record.rule", "/site"),
        (0, "stage.entry", "/stage"), (0, "stage.required", "/due"),
        (2, "record.unique", "/code"), (2, "record.reference", "/who"),
    }  # fmt: skip
    assert not await yard.listed("job", where='name = "fine"')
    assert await yard.codes(yard.update("job", taken, qty="x", nothing=1)) == {"record.type", "record.field_unknown"}


async def test_rules_in_the_language_of_the_caller(yard: Yard) -> None:
    """A rule holds `on` create or update, its `valid_when` false gives the `message` at its `field`."""
    closed = await yard.create("site", name="closed for rules", open=False)
    request = RecordWrite(object="job", operation="create", rows=({"name": "n", "site": str(closed)},))
    refused = await yard.refused(write(yard.rt, yard.context(locale="zh-CN"), yard.release, request))
    assert [(f.code, f.pointer, f.rule, f.detail) for f in refused.faults] == [
        ("record.rule", "/site", "site_is_open", "场地已关闭")
    ]
    job = await yard.create("job", name="n", qty=5)
    assert await yard.faults(yard.update("job", job, qty=4)) == {("record.rule", "/qty", "not_below_before")}
    assert (await yard.update("job", job, qty=4, memo="less"))["qty"] == 4
    assert (await yard.create("job", name="n", qty=0)) is not None


async def test_required_and_required_when(yard: Yard) -> None:
    job = await yard.create("job", name="n")
    assert await yard.faults(yard.update("job", job, qty=501)) == {("record.required", "/why", None)}
    assert (await yard.update("job", job, qty=501, why="many"))["qty"] == 501
    assert await yard.faults(yard.update("job", job, name=None)) == {("record.required", "/name", None)}


async def test_a_rule_that_can_not_be_evaluated_is_not_met(yard: Yard) -> None:
    assert await yard.faults(yard.create("job", name="n", memo="divide", cost=1, qty=0)) == {
        ("record.rule_error", "", "cost_per_piece")
    }


async def test_rules_look_at_children_and_parents(yard: Yard) -> None:
    site = await yard.create("site", name="for rules")
    job = await yard.create("job", name="n", cost=10, site=str(site))
    await yard.create("part", name="p", job=str(job), price=9)
    assert await yard.faults(yard.update("job", job, cost=8)) == {("record.rule", "/cost", "parts_within_cost")}
    await yard.update("site", site, open=False)
    assert await yard.faults(yard.update("job", job, weight=1)) == {("record.rule", "/site", "site_is_open")}


async def test_unique_values_and_keys(yard: Yard) -> None:
    """`unique` of a field, and an object's `unique` keys of several fields: live records only, blanks never clash."""
    rows: list[dict[str, Any]] = [
        {"name": "a", "code": "U1"},
        {"name": "b", "code": "U1"},
        {"name": "c", "code": None},
        {"name": "d"},
    ]
    refused = await yard.refused(yard.many("job", rows))
    assert {(f.row, f.code, f.pointer) for f in refused.faults} == {
        (0, "record.unique", "/code"), (1, "record.unique", "/code"),
    }  # fmt: skip
    site = await yard.create("site", name="for keys")
    one, two = await yard.many(
        "job", [{"name": "k1", "site": str(site), "code": "U1"}, {"name": "k2", "site": str(site)}]
    )
    assert await yard.faults(yard.update("job", two, name="k1")) == {("record.unique", "/site", "name_in_site")}
    assert (await yard.update("job", one, name="k1", code="U1"))["code"] == "U1"
    await yard.delete("job", one)
    again = await yard.create("job", name="k1", site=str(site), code="U1")
    assert await yard.codes(yard.restore("job", one)) == {"record.unique"}
    await yard.delete("job", again)
    await yard.restore("job", one)


async def test_a_version_is_written_once(yard: Yard) -> None:
    job = await yard.create("job", name="n")
    assert (await yard.update("job", job, read_at=1, weight=1))["version"] == 2
    assert (await yard.refused(yard.update("job", job, read_at=1, weight=2))).code == "record.stale"
    assert (await yard.refused(yard.delete("job", job, version=1))).code == "record.stale"
    assert (await yard.update("job", job, weight=3))["version"] == 3


async def test_a_mixed_batch_of_changes(yard: Yard) -> None:
    """Each row changes what it gives; the answer and the faults are in the order of the rows."""
    a, b, c = await yard.many("job", [{"name": n, "qty": 1, "weight": 1} for n in "abc"])
    done = await yard.write(
        "job", "update", many=True, ids=(c, a, b), rows=({"qty": 2}, {"weight": 2}, {"qty": 3, "name": "bb"})
    )
    assert [id_ for id_, _ in done.changed] == [str(c), str(a), str(b)] or [id_ for id_, _ in done.changed] == [c, a, b]
    found = {
        row["id"]: row for row in await yard.listed("job", fields=("id", "name", "qty", "weight"), where="weight <= 2")
    }
    assert [(found[str(i)]["name"], found[str(i)]["qty"], found[str(i)]["weight"]) for i in (a, b, c)] == [
        ("a", 1, 2), ("bb", 3, 1), ("c", 2, 1),
    ]  # fmt: skip
    bad = yard.write(
        "job", "update", many=True, ids=(a, b, c), rows=({"weight": 9}, {"qty": 1}, {"qty": 1, "name": ""})
    )
    refused = await yard.refused(bad)
    assert [(f.row, f.code) for f in refused.faults] == [
        (1, "record.rule"),
        (2, "record.rule"),
        (2, "record.required"),
    ] or {(f.row, f.code) for f in refused.faults} == {(1, "record.rule"), (2, "record.rule"), (2, "record.required")}
    assert (await yard.get("job", a, None, "weight"))["weight"] == 2
    twice = yard.write("job", "update", many=True, ids=(a, a), rows=({"weight": 9}, {"qty": 5}))
    assert (await yard.refused(twice)).code == "request.malformed"


async def test_each_record_for_itself(yard: Yard) -> None:
    a, b, c = await yard.many("job", [{"name": n, "qty": 5} for n in "abc"])
    gone = uuid4()
    request = RecordWrite(
        object="job", operation="update", ids=(a, gone, b, c), versions=(1, None, 7, None),
        rows=({"weight": 2}, {"qty": 9}, {"qty": 9}, {"qty": 2, "name": "x"}),
    )  # fmt: skip
    outcomes = await write_each(yard.rt, yard.context(), yard.release, request)
    assert [tuple(f.code for f in o) if not isinstance(o[0], UUID) else o for o in outcomes] == [
        (a, 2), ("record.unknown",), ("record.stale",), ("record.rule",),
    ]  # fmt: skip


async def test_history_of_values(yard: Yard) -> None:
    job = await yard.create("job", name="n", qty=1, urgent=True)
    boss = str(yard.users["boss"]["id"])
    await yard.update("job", job, "boss", qty=2, name="n", memo="m")
    await yard.update("job", job, "boss", memo=None)
    last, second, first = await yard.history("job", job, "boss")
    assert first["kind"] == "created"
    assert first["changes"]["qty"] == [None, 1]
    assert "weight" not in first["changes"]
    assert (second["kind"], second["actor"], int(second["version"]), second["door"]) == ("changed", boss, 2, "api")
    assert second["changes"] == {"qty": [1, 2], "memo": [None, "m"]}
    assert last["changes"] == {"memo": ["m", None]}


async def test_every_write_leaves_an_event(yard: Yard) -> None:
    job = await yard.create("job", name="n")
    await yard.update("job", job, qty=1)
    await yard.refused(yard.update("job", job, qty=0))
    await yard.delete("job", job)
    await yard.restore("job", job)
    rows = await yard.sql("SELECT kind, version FROM {s}._event WHERE record = $1 ORDER BY id", job)
    assert [tuple(row) for row in rows] == [("created", 1), ("changed", 2), ("deleted", 3), ("restored", 4)]


async def test_deleted_records_are_nowhere(yard: Yard) -> None:
    site = await yard.create("site", name="for deleting")
    job = await yard.create("job", name="gone", site=str(site), cost=5, code="GONE")
    kept = await yard.create("part", name="kept")
    await yard.delete("job", job)
    assert (await yard.refused(yard.get("job", job))).code == "record.unknown"
    assert (await yard.refused(yard.update("job", job, qty=1))).code == "record.unknown"
    assert (await yard.refused(yard.delete("job", job))).code == "record.unknown"
    assert (await yard.refused(yard.history("job", job))).code == "record.unknown"
    assert not await yard.listed("job", where='code = "GONE"')
    assert (await yard.page("job", count=True, equals=(("code", "GONE"),))).total == 0
    assert (await yard.get("site", site, None, "spent"))["spent"] == 0
    assert await yard.faults(yard.update("part", kept, job=str(job))) == {("record.reference", "/job", None)}
    await yard.delete("site", site)


async def test_deleting_restricts_clears_and_cascades(yard: Yard) -> None:
    """`on_delete`: restrict refuses, clear empties the lookup, cascade deletes too, and all of it is one batch."""
    site = await yard.create("site", name="tree")
    job = await yard.create("job", name="j", site=str(site))
    part, spare = await yard.many("part", [{"name": "p", "job": str(job)}, {"name": "q", "job": str(job)}])
    screw = await yard.create("screw", name="s", part=str(part))
    note = await yard.create("note", text="t", job=str(job))
    await yard.delete("part", spare)
    assert (await yard.refused(yard.delete("site", site))).code == "record.in_use"
    await yard.delete("job", job)
    for obj, record in (("job", job), ("part", part), ("screw", screw)):
        assert (await yard.refused(yard.get(obj, record))).code == "record.unknown"
    assert (await yard.get("note", note, None, "job"))["job"] is None
    batches = await yard.sql(
        "SELECT deleted_batch FROM {s}.job WHERE id = $1 UNION SELECT deleted_batch FROM {s}.part WHERE id = $2 "
        "UNION SELECT deleted_batch FROM {s}.screw WHERE id = $3", job, part, screw,
    )  # fmt: skip
    assert len(batches) == 1
    assert await yard.faults(yard.restore("part", part)) == {("record.reference", "/job", None)}
    await yard.restore("job", job)
    assert (await yard.get("screw", screw, None, "part.job.name"))["part.job.name"] == "j"
    assert (await yard.refused(yard.get("part", spare))).code == "record.unknown"


async def test_trees_and_circles_are_deleted_and_restored_whole(yard: Yard) -> None:
    root = await yard.create("node", name="root")
    inner = await yard.create("node", name="inner", parent=str(root))
    leaf = await yard.create("node", name="leaf", parent=str(inner))
    await yard.update("node", root, parent=str(leaf))
    await yard.delete("node", root)
    circle = 'name IN ("root", "inner", "leaf")'
    assert not await yard.listed("node", where=circle)
    await yard.restore("node", root)
    assert len(await yard.listed("node", where=circle)) == 3
    for record in (root, uuid4()):
        assert (await yard.refused(yard.restore("node", record))).code == "record.unknown"
    own = await yard.create("node", name="own")
    await yard.update("node", own, a_name_that_is_as_long_as_names_may_be_x=str(own))
    await yard.delete("node", own)
    await yard.restore("node", own)
    tree = await yard.create("node", name="tree")
    below = await yard.create("node", name="below", parent=str(tree))
    under = await yard.create("node", name="under", parent=str(below))
    await yard.delete("node", tree)
    await yard.restore("node", tree)
    assert (await yard.get("node", under, None, "parent.parent.name"))["parent.parent.name"] == "tree"


async def test_restoring_judges_again(yard: Yard) -> None:
    site = await yard.create("site", name="will be gone")
    job = await yard.create("job", name="j", site=str(site))
    await yard.delete("job", job)
    await yard.delete("site", site)
    assert ("record.reference", "/site", None) in await yard.faults(yard.restore("job", job))
    await yard.restore("site", site)
    restored = await yard.restore("job", job)
    assert dict(restored.changed)[restored.changed[0][0]] == 3


async def test_the_same_values_again_change_nothing_but_the_version(yard: Yard) -> None:
    job = await yard.create("job", name="n", qty=1)
    again = await yard.update("job", job, name="n", qty=1)
    assert again["version"] == 2
    assert (await yard.history("job", job))[0]["changes"] == {}


async def test_large_batches_are_refused(yard: Yard) -> None:
    assert (await yard.refused(yard.many("job", [{"name": "n"}] * 2001))).code == "request.too_large"
    assert await yard.many("job", []) == []


async def test_what_the_history_does_not_keep(yard: Yard) -> None:
    """`history: false`: neither the first value nor changes of the field, nor of the parts of a composite one."""
    made = await yard.create("branch", name="h", pulse=1, spot={"latitude": 1, "longitude": 2})
    await yard.update("branch", made, pulse=2, name="i")
    await yard.update("branch", made, spot=None)
    changes = [entry["changes"] for entry in await yard.history("branch", made)]
    assert [sorted(entry) for entry in changes] == [[], ["name"], ["name", "owner"]]
    assert (await yard.get("branch", made, None, "pulse", "version")) == {"pulse": 2, "version": 3}
