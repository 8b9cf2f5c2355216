"""Formulas that reach beyond the record and its children: lookups, rates, labels, and who asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from engine.base.context import OPERATOR, Actor
from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import AggregateQuery, RecordQuery
from engine.records.read import read_page
from engine.release.release import Release
from engine.reports.run import aggregate
from engine.runtime import Runtime
from engine.sql.read import read_statement
from tests.tenancy import context, create, load_with_settings, opened, read, refusing, sql, update, write_pack

TENANT = "orchard"


def label(en: str) -> dict[str, str]:
    return {"en": en, "zh-CN": f"{en}-zh"}


def formula(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "formula", "formula": text, "label": label("Computed"), **more}


PACK: list[dict[str, Any]] = [
    {
        "kind": "pack", "name": "orchard", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"},
        "locales": ["en", "zh-CN"], "label": label("Orchard"),
    },
    {
        "kind": "value_set", "name": "sorts", "label": label("Sorts"),
        "options": {"apple": label("Apple"), "pear": label("Pear"), "plum": label("Plum")},
    },
    {
        "kind": "object", "name": "grade", "title": "code", "label": label("Grade"),
        "fields": {
            "code": {"type": "text", "required": True, "unique": True, "label": label("Code")},
            "price": {"type": "money", "label": label("Price")},
            "secret": {"type": "text", "label": label("Secret")},
        },
    },
    {
        "kind": "object", "name": "crate", "title": "name", "label": label("Crate"),
        "fields": {
            "name": {"type": "text", "required": True, "label": label("Name")},
            "grade_code": {"type": "text", "label": label("Grade")},
            "sort": {"type": "select", "options": "sorts", "label": label("Sort")},
            "tags": {"type": "multi_select", "options": "sorts", "label": label("Tags")},
            "amount": {"type": "money", "label": label("Amount")},
            "divisor": {"type": "integer", "label": label("Divisor")},
            "billed": {"type": "text", "label": label("Billed in")},
            "picked": {"type": "date", "label": label("Picked")},
            "note": {"type": "text", "default": 'LOOKUP(grade.code, "A", code) & USER(name)', "label": label("Note")},
            "price": formula("LOOKUP(grade.code, grade_code, price)"),
            "checked": formula("IFERROR(LOOKUP(grade.code, TEXT(6 / divisor), price), 999)"),
            "dollars": formula('CONVERTCURRENCY(amount, "USD", picked)'),
            "abroad": formula('IFERROR(CONVERTCURRENCY(amount, billed, picked), -1)'),
            "now_in_yen": formula('CONVERTCURRENCY(amount, "JPY")'),
            "sort_label": formula("PICKLABEL(sort)"),
            "sort_rank": formula("PICKRANK(sort)"),
            "tagged": formula("sort IN tags"),
            "mine": formula('HASROLE("picker")', label=label("Mine")),
            "may": formula('HASPERMISSION("crate.edit")'),
            "runs": formula('HASPERMISSION("view_runs")'),
            "own": formula("RECORDID() = id AND OBJECTNAME() = \"crate\" AND CURRENCYCODE(amount) = $org.currency"),
        },
        "rules": {
            "only_known": {
                "valid_when": 'ISBLANK(grade_code) OR NOT ISBLANK(LOOKUP(grade.code, grade_code, code))',
                "on": ["create", "update"], "field": "grade_code", "message": label("No such grade"),
            },
            "pears_by_pickers": {
                "valid_when": 'sort <> "pear" OR HASROLE("picker") OR HASPERMISSION("grade.delete")',
                "on": ["create", "update"], "field": "sort", "message": label("Only pickers"),
            },
        },
    },
    *(
        {
            "kind": "role", "name": role, "label": label(role),
            "objects": {
                "user": {"read": True},
                "crate": {"read": True, "create": True, **({"edit": True} if role == "picker" else {})},
                "grade": {"read": {"where": 'code <> "C"', "fields": ["code", "price"]}},
                "exchange_rate": {"read": True},
            },
        }
        for role in ("picker", "packer")
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Orchard:
    url: str
    rt: Runtime
    release: Release
    users: dict[str, UUID]

    def actor(self, who: str) -> Actor:
        return OPERATOR if who == "operator" else Actor(self.users[who], (who,), {"id": self.users[who], "name": who})

    async def crates(self, *fields: str, who: str = "operator", **query: Any) -> dict[str, Any]:
        """The field (or fields) of each crate by its name."""
        rows = await read(self.rt, self.release, "crate", "name", *fields, actor=self.actor(who), **query)
        return {row["name"]: row[fields[0]] if len(fields) == 1 else [row[f] for f in fields] for row in rows}


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def orchard(url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Orchard]:
    pack = write_pack(Path(tmp_path_factory.mktemp("orchard")) / "orchard", PACK)
    loaded = load_with_settings(pack, TENANT, {"core": ">=0.1", "orchard": ">=0.1"}, time_zone="UTC", currency="EUR")
    async with opened(url) as rt:
        release = (await apply(rt, TENANT, loaded)).release
        ids = await create(
            rt, release, "user", *({"name": who, "email": f"{who}@orchard.test"} for who in ("picker", "packer"))
        )
        made = Orchard(url, rt, release, dict(zip(("picker", "packer"), ids, strict=True)))
        prices = {"A": "2.50", "B": "1.25", "C": "0.10", "2": "77"}
        await create(rt, release, "grade", *({"code": c, "price": Decimal(p), "secret": "s"} for c, p in prices.items()))
        rates = [
            ("USD", "2025-01-01", "1.10"), ("USD", "2026-01-01", "1.20"), ("USD", "2026-02-01", "1.0834"),
            ("JPY", "2020-01-01", "160"), ("CHF", "2027-01-01", "0.93"),
        ]  # fmt: skip
        rows = ({"currency": c, "valid_from": d, "rate": Decimal(r)} for c, d, r in rates)
        await create(rt, release, "exchange_rate", *rows)
        crates = [
            {"name": "one", "grade_code": "A", "sort": "apple", "tags": ["apple", "plum"], "amount": Decimal("10.00"),
             "divisor": 3, "billed": "EUR", "picked": "2026-01-31"},
            {"name": "two", "grade_code": "C", "sort": "plum", "tags": ["pear"], "amount": Decimal("0.01"),
             "divisor": 0, "billed": "USD", "picked": "2026-02-01"},
            {"name": "three", "amount": Decimal("5.00"), "billed": "CHF", "picked": "2024-12-31"},
        ]  # fmt: skip
        await create(rt, release, "crate", *crates)
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_lookup_finds_the_row_of_the_key(orchard: Orchard) -> None:
    assert await orchard.crates("price") == {"one": Decimal("2.50"), "two": Decimal("0.10"), "three": None}
    assert list(await orchard.crates("price", where="price > 1")) == ["one"]
    assert await orchard.crates("price", order=("-price",), where="NOT ISBLANK(price)") == {
        "one": Decimal("2.50"), "two": Decimal("0.10"),
    }  # fmt: skip


async def test_an_error_in_the_key_is_one_of_the_lookup(orchard: Orchard) -> None:
    assert await orchard.crates("checked") == {"one": Decimal("77"), "two": Decimal(999), "three": None}


async def test_a_reader_finds_only_what_he_may_see(orchard: Orchard) -> None:
    assert await orchard.crates("price", who="packer") == {"one": Decimal("2.50"), "two": None, "three": None}
    found = await orchard.crates("name", who="packer", where='LOOKUP(grade.code, grade_code, code) = "A"')
    assert list(found) == ["one"]
    with refusing("formula.E301", "secret"):
        await orchard.crates("name", who="packer", where='LOOKUP(grade.code, grade_code, secret) = "s"')


async def test_a_key_has_to_be_unique(orchard: Orchard) -> None:
    with refusing("formula.E225", "several records may have the same key"):
        await orchard.crates("name", where='LOOKUP(crate.name, "one", sort) = "apple"')


async def test_a_lookup_in_a_rule_and_in_a_default(orchard: Orchard) -> None:
    with refusing("record.rule", "No such grade"):
        await create(orchard.rt, orchard.release, "crate", {"name": "bad", "grade_code": "Z"})
    (made,) = await create(orchard.rt, orchard.release, "crate", {"name": "four"}, actor=orchard.actor("picker"))
    assert (await orchard.crates("note"))["four"] == "Apicker"
    await update(orchard.rt, orchard.release, "crate", made, grade_code="B")
    assert (await orchard.crates("price"))["four"] == Decimal("1.25")


async def test_amounts_at_the_last_rate_of_the_day(orchard: Orchard) -> None:
    found = await orchard.crates("dollars", "abroad", where='name <> "four"')
    assert found["one"] == [Decimal("12.00"), Decimal("10.00")]
    assert found["two"] == [Decimal("0.010834"), Decimal("0.010834")]
    assert found["three"] == [None, Decimal(-1)]
    assert (await orchard.crates("now_in_yen"))["one"] == Decimal(1600)


async def test_rates_inside_a_measure(orchard: Orchard) -> None:
    asked = AggregateQuery(
        object="crate",
        by={"sort": "PICKLABEL(sort)"},
        measures={"usd": 'SUM(rows, IFERROR(CONVERTCURRENCY(amount, "USD", picked), 0))', "n": "COUNT(rows)"},
        where='name IN ("one", "two")',
        order=("sort",),
    )
    ctx = context(orchard.release, locale="zh-CN")
    result = await aggregate(orchard.rt, ctx, orchard.release, asked)
    rows = [tuple(row.values()) for row in json.loads(result.body, parse_float=Decimal)]
    assert rows == [("Apple-zh", Decimal("12.00"), 1), ("Plum-zh", Decimal("0.010834"), 1)]


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("en", "Apple"), ("zh-CN", "Apple-zh"), ("de", "Apple"), ("en-GB", "Apple")],
)
async def test_labels_in_the_language_of_the_reader(orchard: Orchard, locale: str, expected: str) -> None:
    query = RecordQuery(object="crate", fields=("sort_label",), where='name = "one"')
    page = await read_page(orchard.rt, context(orchard.release, locale=locale), orchard.release, query)
    assert json.loads(page.items) == [{"sort_label": expected}]


async def test_options_by_rank_and_in_lists(orchard: Orchard) -> None:
    assert await orchard.crates("sort_rank", "tagged", where='name <> "four"') == {
        "one": [1, True], "two": [3, False], "three": [None, False],
    }  # fmt: skip
    assert list(await orchard.crates("name", where='"plum" IN tags')) == ["one"]
    assert list(await orchard.crates("name", where='EXCLUDES(tags, "plum") AND LISTSIZE(tags) > 0')) == ["two"]


async def test_who_asks(orchard: Orchard) -> None:
    fields = ("mine", "may", "runs", "own")
    for who, expected in {
        "operator": [False, True, True, True],
        "picker": [True, True, False, True],
        "packer": [False, False, False, True],
    }.items():
        assert (await orchard.crates(*fields, who=who))["one"] == expected
    assert list(await orchard.crates("name", who="picker", where='HASROLE("packer")')) == []
    assert "one" in await orchard.crates("name", who="packer", where='HASROLE("packer") AND USER(name) = "packer"')


async def test_roles_in_rules(orchard: Orchard) -> None:
    for who in ("picker", "operator"):
        await create(orchard.rt, orchard.release, "crate", {"name": f"of {who}", "sort": "pear"}, actor=orchard.actor(who))
    with refusing("record.rule", "Only pickers"):
        await create(orchard.rt, orchard.release, "crate", {"name": "bad", "sort": "pear"}, actor=orchard.actor("packer"))


async def test_a_rate_is_positive_and_has_a_code(orchard: Orchard) -> None:
    for row in ({"currency": "usd", "rate": Decimal(1)}, {"currency": "USD", "rate": Decimal(0)}):
        with pytest.raises(Refused):
            await create(orchard.rt, orchard.release, "exchange_rate", {"valid_from": "2026-05-01", **row})


async def test_indexes_serve_keys_and_rates(orchard: Orchard) -> None:
    await sql(
        orchard.url,
        """INSERT INTO t_orchard.grade SELECT (jsonb_populate_record(g, jsonb_build_object('id', gen_random_uuid(),
           'code', 'g' || i))).* FROM t_orchard.grade g, generate_series(1, 5000) i WHERE g.code = 'A'""",
    )
    await sql(
        orchard.url,
        """INSERT INTO t_orchard.exchange_rate SELECT (jsonb_populate_record(r, jsonb_build_object('id',
           gen_random_uuid(), 'currency', 'C' || i % 9, 'valid_from', date '2020-01-01' + i / 9))).*
           FROM t_orchard.exchange_rate r, generate_series(1, 5000) i WHERE r.currency = 'CHF'""",
    )
    for name in ("grade", "exchange_rate"):
        await sql(orchard.url, f"ANALYZE t_orchard.{name}")
    rights = Rights(orchard.release, (), True)
    query = RecordQuery(object="crate", fields=("price", "dollars"))
    planned = plan_read(query, rights, Names(orchard.release, rights), None)
    statement = read_statement(planned.plan, None)
    arguments = statement.arguments(context(orchard.release), planned.values)
    explained = "\n".join(row[0] for row in await sql(orchard.url, f"EXPLAIN {statement.text}", *arguments))
    assert "using grade__code__key" in explained and "Index Cond: (code = page.grade_code)" in explained
    assert "using exchange_rate__currency__valid_from__key" in explained
