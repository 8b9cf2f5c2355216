"""Rights: what is not granted does not exist, and no use of a name goes around it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.base.errors import Refused
from engine.plan.request import AggregateQuery, RecordQuery
from engine.records.export import export, export_fields
from engine.reports.run import aggregate
from tests.engine.support import Yard


def mine(yard: Yard, who: str) -> str:
    return str(yard.users[who]["id"])


async def test_what_no_role_grants_is_unknown(yard: Yard) -> None:
    """A role without an object in its `objects`: the same answer as for an object that there is not."""
    for obj in ("screw", "nowhere"):
        for made in (
            yard.listed(obj, "worker"),
            yard.create(obj, "worker", name="n"),
            yard.delete(obj, uuid4(), "worker"),
        ):
            assert (await yard.refused(made)).code == "object.unknown"


async def test_hidden_is_as_missing(yard: Yard) -> None:
    """A row outside of `read: {where}`: unknown for reading, changing, deleting and its history."""
    job = await yard.create("job", name="hidden")

    def asked(record: UUID) -> list[Any]:
        return [
            yard.get("job", record, "worker"), yard.update("job", record, "worker", name="x"),
            yard.delete("job", record, "worker"), yard.history("job", record, "worker"),
            yard.stages("job", record, "worker"), yard.restore("job", record, "worker"),
        ]  # fmt: skip

    for hidden, missing in zip(asked(job), asked(uuid4()), strict=True):
        one, two = await yard.refused(hidden), await yard.refused(missing)
        assert (one.code, one.detail) == (two.code, two.detail) == ("record.unknown", "there is no such record of job")


async def test_readable_but_not_writable_is_forbidden(yard: Yard) -> None:
    job = await yard.create("job", name="n", who=mine(yard, "worker"))
    assert (await yard.get("job", job, "worker", "name"))["name"] == "n"
    for made in (yard.update("job", job, "worker", name="x"), yard.delete("job", job, "worker")):
        assert (await yard.refused(made)).code == "access.denied"
    assert (await yard.refused(yard.create("job", "looker", name="n"))).code == "access.denied"


async def test_new_rows_must_satisfy_the_grant(yard: Yard) -> None:
    """`create: {where, fields}` and `edit: {where, fields}` judge the row as it will be."""
    assert await yard.codes(yard.create("job", "worker", name="n", cost=501)) == {"access.row"}
    assert await yard.codes(yard.create("job", "worker", name="n", owner=mine(yard, "boss"))) == {"access.row"}
    job = await yard.create("job", "worker", name="n", cost=500)
    assert await yard.codes(yard.update("job", job, "worker", owner=mine(yard, "boss"))) == {"access.row"}
    assert await yard.codes(yard.update("job", job, "worker", kind="large")) == {"record.field_read_only"}
    assert await yard.codes(yard.create("job", "worker", name="n", secret=1)) == {"record.field_read_only"}


async def test_edit_grants_see_the_old_row_first(yard: Yard) -> None:
    job = await yard.create("job", name="n", stage="planned", due="2026-05-01", cost=1)
    assert (await yard.refused(yard.update("job", job, "planner", stage="draft"))).code == "access.denied"


async def test_a_field_is_written_where_one_grant_allows_row_and_field(yard: Yard) -> None:
    both = yard.actor("worker", "worker", "planner")
    own = await yard.create("job", "worker", name="own")
    other = await yard.create("job", name="other")
    assert (await yard.update("job", own, both, name="mine"))["name"] == "mine"
    assert await yard.codes(yard.update("job", other, both, name="x", qty=1)) == {"record.field_read_only"}
    assert (await yard.update("job", other, both, qty=1))["qty"] == 1


async def test_blank_never_grants_and_neither_does_its_negation(yard: Yard) -> None:
    """Neither `site.zone = $user.title` nor `NOT site.zone = $user.title` holds where one of the two is blank."""
    blank = await yard.create("site", name="blank zone")
    south = await yard.create("site", name="south zone", zone="south")
    at_blank, at_south = await yard.many("job", [{"name": "b", "site": str(blank)}, {"name": "s", "site": str(south)}])
    titled = yard.actor("local")
    untitled = yard.actor("other", "local")
    assert (await yard.get("job", at_south, titled, "id"))["id"] == str(at_south)
    for job, who in ((at_blank, titled), (at_blank, untitled), (at_south, untitled)):
        assert (await yard.refused(yard.get("job", job, who))).code == "record.unknown"
    stranger = yard.actor("boss", "stranger")
    assert (await yard.get("job", at_south, stranger, "id"))["id"] == str(at_south)
    for job, who in ((at_blank, stranger), (at_south, yard.actor("other", "stranger"))):
        assert (await yard.refused(yard.get("job", job, who))).code == "record.unknown"


UNREADABLE = [
    {"fields": ("secret",)}, {"where": "secret > 1"}, {"order": ("-secret",)}, {"equals": (("secret", "1"),)},
    {"fields": ("gain",)}, {"where": "gain > 1 OR TRUE"}, {"fields": ("filled",)}, {"fields": ("site.budget",)},
    {"where": "site.budget = 1"}, {"order": ("site.budget",)}, {"where": "COUNT(notes) > 0"},
    {"where": 'stage = "draft" AND ISBLANK(secret)'},
]  # fmt: skip


@pytest.mark.parametrize("query", UNREADABLE, ids=str)
async def test_an_unreadable_field_does_not_exist(yard: Yard, query: dict[str, Any]) -> None:
    """`read: {fields}` and `fields: {except}`: for any use the same words as for a name that there is not."""
    who = "worker" if "site" in str(query) else "planner"
    refused = await yard.refused(yard.listed("job", who, **query))
    assert refused.code == "query.invalid"
    assert len(refused.faults) == 1
    words = ("there is no field", "unknown field", "COUNT needs a set of records")
    assert refused.faults[0].detail.startswith(words), refused.faults[0].detail


@pytest.mark.parametrize("where", ['LOOKUP({}.id, name, name) = "x"', "COUNT({}) = 1", 'HASPERMISSION("{}.read")'])
async def test_an_unreadable_object_does_not_exist(yard: Yard, where: str) -> None:
    hidden, missing = [await yard.refused(yard.listed("job", "worker", where=where.format(o))) for o in ("screw", "screo")]
    assert hidden.code == missing.code == "query.invalid"
    assert hidden.detail.replace("screw", "screo") == missing.detail


async def test_measures_and_groups_of_what_is_readable_only(yard: Yard) -> None:
    for by, measure in (
        ({"s": "secret"}, "COUNT(rows)"),
        ({}, "SUM(secret)"),
        ({}, "SUM(gain)"),
        ({}, "COUNT(rows[secret > 1])"),
    ):
        query = AggregateQuery(object="job", by=by, measures={"m": measure})
        refused = await yard.refused(aggregate(yard.rt, yard.context("planner"), yard.release, query))
        assert refused.code == "query.invalid"


async def test_answers_history_and_labels_hide_what_is_hidden(yard: Yard) -> None:
    """A reader with two grants sees each cell that one of them allows; the writer's answer and the history as well."""
    site = await yard.create("site", name="shut", open=False, zone="west")
    job = await yard.create(
        "job", name="n", site=str(site), memo="closed", cost=7, secret=3, owner=mine(yard, "worker")
    )
    assert await yard.get("job", job, "worker", "cost", "site.name", "zone") == {
        "cost": 7,
        "site.name": None,
        "zone": None,
    }
    assert "secret" in await yard.get("job", job, "worker")
    both = yard.actor("worker", "worker", "planner")
    other = await yard.create("job", name="m", cost=9, secret=4)
    assert await yard.get("job", other, both, "name", "cost", "secret", "gain", "total") == {
        "name": "m", "cost": None, "secret": None, "gain": None, "total": None,
    }  # fmt: skip
    assert (await yard.get("job", job, both, "cost", "gain"))["gain"] == 4
    changes = (await yard.history("job", other, both))[0]["changes"]
    assert "cost" not in changes
    assert changes["name"] == [None, "m"]
    answer = await yard.update("job", other, both, qty=3)
    assert (answer["qty"], answer["cost"], answer["filled"]) == (3, None, None)
    note = await yard.write("note", "create", "writer", rows=({"text": "t"},))
    assert note.body is None
    assert len(note.changed) == 1


async def test_children_are_those_that_the_reader_may_see(yard: Yard) -> None:
    job = await yard.create("job", "worker", name="n")
    await yard.many(
        "part", [{"name": "g", "job": str(job), "price": 2}, {"name": "b", "job": str(job), "price": 5, "bad": True}]
    )
    assert (await yard.get("job", job, "worker", "priced"))["priced"] == 2
    assert (await yard.get("job", job, "boss", "priced"))["priced"] == 7
    assert len(await yard.listed("job", "worker", where='SUM(parts.price) = 2 AND name = "n"')) == 1
    assert await yard.codes(yard.update("job", job, "worker", cost=6)) == {"record.rule"}


async def test_a_set_tells_no_more_than_the_lookup_behind_it(yard: Yard) -> None:
    """One grant shows the row, another one the lookup of some rows: the other rows are in no set."""
    site = await yard.create("site", name="of a set", zone="far")
    given = await yard.create("job", name="given", site=str(site), who=mine(yard, "boss"))
    own = await yard.create("job", name="own", who=mine(yard, "worker"))
    actor = yard.actor("worker", "worker", "stranger")
    assert (await yard.get("job", given, actor, "who"))["who"] is None
    assert (await yard.get("job", own, actor, "who"))["who"] == mine(yard, "worker")
    for where in ('COUNT(jobs_given[name IN ("given", "own")]) > 0', 'EXISTS(jobs_given[name = "given" OR name = "own"])'):
        all_, seen = [await yard.listed("user", who, fields=("name",), where=where) for who in ("boss", actor)]
        assert {row["name"] for row in all_} == {"boss", "worker"} and seen == [{"name": "worker"}]


async def test_references_to_what_the_writer_can_not_see(yard: Yard) -> None:
    shut, open_ = await yard.many("site", [{"name": "shut site", "open": False}, {"name": "open site"}])
    assert await yard.codes(yard.create("job", "worker", name="n", site=str(shut), memo="closed")) == {
        "record.reference"
    }
    job = await yard.create("job", "worker", name="n", site=str(open_), memo="closed")
    await yard.update("site", open_, open=False)
    assert (await yard.update("job", job, "worker", site=str(open_)))["site"] == str(open_)


async def test_deleting_needs_its_own_right(yard: Yard) -> None:
    """`delete: {where}`; what hangs on the record tells nothing to who may not delete it."""
    site, own = await yard.many("site", [{"name": "not mine", "zone": "theirs"}, {"name": "mine", "zone": "mine"}])
    await yard.create("job", name="n", site=str(site))
    assert (await yard.refused(yard.delete("site", site, "writer"))).code == "access.denied"
    await yard.update("site", site, open=False)
    assert (await yard.refused(yard.delete("site", site, "writer"))).code == "record.unknown"
    await yard.delete("site", own, "writer")
    assert (await yard.refused(yard.restore("site", own, "local"))).code == "access.denied"
    await yard.restore("site", own, "writer")
    job = await yard.create("job", "worker", name="n")
    part = await yard.create("part", name="p", job=str(job))
    await yard.delete("job", job, "worker")
    assert (await yard.refused(yard.restore("part", part, "worker"))).code == "access.denied"
    await yard.restore("job", job, "worker")
    assert (await yard.get("part", part, None, "job"))["job"] == str(job)


async def test_export_is_a_right_of_its_own(yard: Yard) -> None:
    """`export: {where, fields: {except}}` narrows what may be read."""
    own = await yard.create("job", "worker", name="exported", code="EX1", cost=5, who=mine(yard, "worker"))
    given = await yard.create("job", name="given", code="EX2", cost=5, who=mine(yard, "worker"))
    query = RecordQuery(object="job", where='code IN ("EX1", "EX2")')
    ctx = yard.context("worker")
    pages = [row async for page in export(yard.rt, ctx, yard.release, query) for row in page]
    assert [row["id"] for row in pages] == [str(own)]
    assert "cost" not in export_fields(yard.rt, ctx, yard.release, query)
    assert len(await yard.listed("job", "worker", where=query.where)) == 2
    with pytest.raises(Refused, match="access"):
        export_fields(yard.rt, yard.context("looker"), yard.release, query)
    wanted = RecordQuery(object="job", fields=("name", "cost"))
    with pytest.raises(Refused, match="query"):
        [page async for page in export(yard.rt, ctx, yard.release, wanted)]
    assert (await yard.get("job", given, "worker", "cost"))["cost"] == 5


async def test_import_is_a_right_of_its_own(yard: Yard) -> None:
    """`import: {where, fields: {except}}` narrows what may be created and changed."""
    rows: list[tuple[dict[str, Any], set[str]]] = [
        ({"name": "n", "urgent": True}, {"access.row"}), ({"name": "n", "weight": 1}, {"record.field_read_only"}),
    ]  # fmt: skip
    for row, codes in rows:
        assert await yard.codes(yard.write("job", "create", "worker", rows=(row,), imported=True)) == codes
        await yard.write("job", "create", "worker", rows=(row,))
    done = await yard.write("job", "create", "worker", rows=({"name": "n", "qty": 1},), imported=True)
    assert len(done.changed) == 1
