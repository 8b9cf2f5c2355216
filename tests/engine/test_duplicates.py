"""Duplicate rules: who is a duplicate of whom, what is told of them, and that two at once do not both get in."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.base.ids import new_id
from engine.plan.request import RecordWrite
from engine.records import matches
from engine.records.bulk import write_each
from engine.records.duplicates import duplicates
from engine.records.write import prepared
from engine.sql.duplicates import search_statement
from tests.engine.support import Yard


async def asked(yard: Yard, who: str | None = None, record: UUID | None = None, **values: Any) -> list[dict[str, Any]]:
    found = await duplicates(yard.rt, yard.context(who), yard.release, "guest", values, record)
    return [{**one, "found": {f["against"]: f for f in one["found"]}} for one in found]


def told(refused: Refused) -> dict[str, list[str]]:
    """The ids that a refusal tells, by what was searched."""
    return {
        str(found["against"]): [str(item["id"]) for item in found["items"]]  # type: ignore[attr-defined]
        for fault in refused.faults for found in fault.about
    }


async def test_what_is_exact_is_refused(yard: Yard) -> None:
    """`severity: error`, `match` by `exact` `against` the same `object`, `where` over the others, the rule's `message` and
    `label`."""
    first = await yard.create("guest", name="Ann", badge=101)
    refused = await yard.refused(yard.create("guest", name="Bob", badge=101))
    (fault,) = refused.faults
    assert (refused.code, fault.code, fault.rule, fault.severity) == (
        "record.invalid", "record.duplicate", "same_badge", "error"
    )
    assert fault.detail == "Someone has this badge" and told(refused) == {"guests": [str(first)]}
    await yard.update("guest", first, gone=True)
    await yard.create("guest", name="Bob", badge=101)
    await yard.update("guest", first, gone=False)  # what it agrees in did not change
    assert await yard.codes(yard.create("guest", name="Cid", badge=101)) == {"record.duplicate"}
    found = await asked(yard, None, name="X", badge=101)
    assert [one["label"] for one in found] == ["One badge for each"]


async def test_a_blank_agrees_with_nothing(yard: Yard) -> None:
    await yard.many("guest", [{"name": "nobody"}, {"name": "nobody"}, {"name": "nobody", "company": ".,。"}])
    await yard.create("guest", name="nobody", company="…", city=" ")


async def test_what_is_normalised(yard: Yard) -> None:
    """`by: normalised`: of telephone numbers the digits; of texts no case, width, space and punctuation."""
    row = {"mobile": "+86 138-0013-8000", "company": "Acme (China) Co., Ltd.", "city": "Köln"}
    first = await yard.create("guest", name="Cy", **row)
    refused = await yard.refused(yard.create("guest", name="Di", mobile="008613800138000"))
    assert refused.code == "record.warning" and told(refused) == {"by_mobile": [str(first)]}
    same = yard.create("guest", name="Di", company="ＡＣＭＥ（china）co ltd", city=" KÖLN。")
    assert told(await yard.refused(same)) == {"by_company": [str(first)]}
    await yard.create("guest", name="Di", company="ＡＣＭＥ（china）co ltd", city="Bonn")


async def test_a_warning_is_acknowledged_by_its_rule(yard: Yard) -> None:
    """It refuses nothing where nobody is there to ask, nor where `when` does not hold."""
    await yard.create("guest", name="Eva", mobile="555 0001")
    row = {"name": "Eve", "mobile": "5550001"}
    assert (await yard.refused(yard.create("guest", **row))).code == "record.warning"
    await yard.write("guest", "create", rows=(row,), acknowledged=(frozenset({"known_guest"}),))
    unattended = await yard.write("guest", "create", rows=(row,), unattended=True)
    assert [fault.rule for fault in unattended.notices[0]] == ["known_guest"]
    trusted = await yard.create("guest", trusted=True, **row)
    assert await yard.codes(yard.update("guest", trusted, trusted=False)) == {"record.duplicate"}
    await yard.update("guest", trusted, note="an edit of something else is not judged")


async def test_other_objects_are_looked_through(yard: Yard) -> None:
    """`object` and `to`: a guest against patrons. Who may not read one hears that there is one, and how many."""
    seen = await yard.create("patron", title="Open", phone="777-1234", open=True)
    await yard.create("patron", title="Closed", phone="7771234", open=False)
    for who, items, hidden in ((None, 2, 0), ("worker", 1, 1)):
        refused = await yard.refused(yard.create("guest", who, name="Flo", mobile="77 712 34"))
        (found,) = refused.faults[0].about
        assert (len(found["items"]), found["hidden"]) == (items, hidden)  # type: ignore[arg-type]
    assert [str(item["id"]) for item in found["items"]] == [str(seen)]  # type: ignore[attr-defined]
    assert [item["title"] for item in found["items"]] == ["Open"]  # type: ignore[attr-defined]
    (asked_for,) = await asked(yard, "worker", name="Flo", mobile="7771234")
    assert asked_for["found"]["patrons"]["hidden"] == 1 and asked_for["severity"] == "warning"


async def test_what_the_caller_may_not_read_tells_nothing(yard: Yard) -> None:
    first = await yard.create("patron", title="One", secret="x-1", open=True)
    await yard.write("patron", "create", rows=({"title": "Two", "secret": "X1", "open": True},), unattended=True)
    mine = await duplicates(yard.rt, yard.context(), yard.release, "patron", {}, first)
    assert [item["title"] for item in mine[0]["found"][0]["items"]] == ["Two"]
    assert await duplicates(yard.rt, yard.context("worker"), yard.release, "patron", {}, first) == []


async def test_rows_of_one_call_are_duplicates_of_each_other(yard: Yard) -> None:
    rows = [{"name": "Gil", "badge": 201}, {"name": "Hal", "badge": 202}, {"name": "Ida", "badge": 201}]
    refused = await yard.refused(yard.many("guest", rows))
    assert {(f.row, f.rule) for f in refused.faults} == {(0, "same_badge"), (2, "same_badge")}
    request = RecordWrite(object="guest", operation="create", rows=tuple(rows), many=True)
    outcomes = await write_each(yard.rt, yard.context(), yard.release, request)
    assert len([one for one in outcomes if isinstance(one[0], UUID)]) == 1


async def test_a_restored_record_is_judged(yard: Yard) -> None:
    first = await yard.create("guest", name="Jo", badge=301)
    await yard.delete("guest", first)
    second = await yard.create("guest", name="Kai", badge=301)
    refused = await yard.refused(yard.restore("guest", first))
    assert told(refused) == {"guests": [str(second)]}


async def test_of_writers_at_the_same_time_one_gets_in(yard: Yard) -> None:
    async def enter(n: int) -> bool:
        try:
            await yard.create("guest", name=f"r{n}", badge=401)
        except Refused as refused:
            assert [f.code for f in refused.faults] == ["record.duplicate"]
            return False
        return True

    assert sum(await asyncio.gather(*(enter(n) for n in range(8)))) == 1


async def test_asking_before_saving(yard: Yard) -> None:
    first = await yard.create("guest", name="Lea", company="Northern Light Trading", city="Oslo", badge=501)
    (found,) = await asked(yard, name="new", company="Northern Lights Trading", city="oslo")
    assert [item["id"] for item in found["found"]["by_company"]["items"]] == [first]
    assert await asked(yard, None, first) == []
    other = await yard.create("guest", name="Mo", company="Elsewhere", city="Oslo")
    (found,) = await asked(yard, None, other, company="northern light trading")
    assert [item["id"] for item in found["found"]["by_company"]["items"]] == [first]
    refused = await yard.refused(asked(yard, None, new_id(1.0), company="x"))
    assert refused.code == "record.unknown"
    refused = await yard.refused(asked(yard, "looker", name="x"))
    assert refused.code == "object.unknown"


def grams(text: str) -> set[str]:
    """The trigrams that the documentation of pg_trgm describes, of a text that is one word."""
    padded = f"  {text} "
    return {padded[n : n + 3] for n in range(len(padded) - 2)}


async def test_what_is_alike(yard: Yard) -> None:
    """`at_least` is the share of common trigrams: the statement finds just what comparing each with each finds."""
    chance = random.Random(7)
    words = ["acme", "north", "light", "trading", "有限公司", "上海", "贸易", "公司", "é", "ltd", "a", "b"]
    names = ["".join(chance.choice(words) for _ in range(chance.randint(1, 5))) for _ in range(150)]
    rows = [{"name": f"s{n}", "company": name, "city": "Simcity", "trusted": True} for n, name in enumerate(names)]
    ids = await yard.many("guest", rows)
    alike = 0
    for probe in [*names[:25], "northlight", "上海贸易有限公司", "x"]:
        wanted = {
            ids[n] for n, name in enumerate(names)
            if Decimal(len(grams(probe) & grams(name))) / len(grams(probe) | grams(name)) >= Decimal("0.5")
        }
        found = await asked(yard, name="p", company=probe, city="simcity")
        items = {item["id"] for one in found for item in one["found"]["by_company"]["items"]}
        assert items == wanted, probe
        alike += len(wanted)
    assert alike > 40


async def test_searches_use_indexes(yard: Yard) -> None:
    """Each way of comparing reads the rows that an index gives: of 20,000 a search reads a few."""
    maker = yard.users["boss"]["id"]
    system = "created_by, modified_by, id, version, created_at, modified_at"
    made_of = "$1, $1, gen_random_uuid(), 1, now(), now()"
    for columns, values in (
        ("guest ({}, name, gone, trusted, company, city, mobile, badge)",
         "'many', true, true, md5(n::text), 'town' || n, (10000000 + n)::text, 100000 + n"),
        ("patron ({}, title, open, phone, secret)",
         "md5((n + 1)::text), false, (20000000 + n)::text, md5(n::text)"),
    ):
        rows = f"SELECT {made_of}, {values} FROM generate_series(1, 20000) n"
        await yard.sql(f"INSERT INTO {{s}}.{columns.format(system)} {rows}", maker)
    await yard.sql("ANALYZE {s}.guest, {s}.patron")
    for obj, given in (
        ("guest", {"name": "x", "mobile": "10000007"}), ("guest", {"name": "x", "badge": 100007}),
        ("guest", {"name": "x", "company": "c4ca4238a0b923820dcc509a6f75849b", "city": "Town1"}),
        ("patron", {"title": "c81e728d9d4c2f636f067f89cc14862", "secret": "no"}),
        ("patron", {"title": "z", "secret": "C4CA4238 A0B923820DCC509A6F75849B"}),
    ):
        request = RecordWrite(object=obj, operation="create", rows=(given,))
        made = prepared(yard.rt, yard.context(), yard.release, request)
        statement = search_statement(made.plan, yard.rt.collation)
        args = statement.arguments(yard.context(), (), payload=made.payload)
        (plan,) = await yard.sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", *args)
        assert max(scanned(json.loads(plan[0])[0]["Plan"])) < 200, given
        found = await matches.find(yard.rt, yard.context(), yard.release, made.plan, made.key, made.payload)
        assert found or "badge" in given  # who is gone has no badge
    for table in ("guest", "patron"):
        await yard.sql(f"DELETE FROM {{s}}.{table} WHERE created_at > now() - interval '1 hour'")


def scanned(node: dict[str, Any]) -> list[float]:
    """How many rows each scan of a plan has read from a table."""
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    own = [read * node["Actual Loops"]] if "Scan" in node["Node Type"] and "Relation Name" in node else [0]
    return own + [rows for child in node.get("Plans", ()) for rows in scanned(child)]
