"""Lists: every record once in every order, cursors that can not be moved, filters, paths and limits."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from engine.base.limits import PAGE_MAX
from tests.engine.support import Yard, decode
from tests.reference.rights import blanks_last

KEYS = ("name", "qty", "weight", "ratio", "due", "at", "kind", "urgent", "site.name", "total", "code")
COLUMNS = ("id", *KEYS)


async def filled(yard: Yard) -> list[dict[str, Any]]:
    """Forty jobs with many ties and blanks, made once."""
    found = await yard.listed("job", where='memo = "paged"', fields=COLUMNS)
    if found:
        return found
    rng = random.Random(4)
    sites = [None, *(str(s) for s in await yard.many("site", [{"name": f"paged {n}"} for n in range(3)]))]
    rows = [
        {
            "memo": "paged", "name": rng.choice(("a", "B", "é", "中", "aa")) + f" {n}",
            "code": rng.choice((None, f"p{n}")),
            "qty": rng.choice((None, 1, 2, 10)), "weight": rng.choice((None, Decimal("1.5"), 2, 10)),
            "ratio": rng.choice((None, Decimal("0.1"), 1)), "due": rng.choice((None, "2026-01-01", "2025-12-31")),
            "at": rng.choice((None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z")),
            "cost": rng.choice((None, 3)),
            "kind": rng.choice((None, "small", "large")), "urgent": rng.random() < 0.5, "site": rng.choice(sites),
        }
        for n in range(40)
    ]  # fmt: skip
    await yard.many("job", rows)
    return await filled(yard)


@pytest.mark.parametrize("seed", range(30))
async def test_pages_together_are_the_sorted_list(yard: Yard, seed: int) -> None:
    rows = await filled(yard)
    rng = random.Random(seed)
    order = tuple(rng.choice(("", "-")) + key for key in rng.sample(KEYS, rng.choice((1, 2, 3))))
    found = await yard.listed(
        "job", where='memo = "paged"', fields=COLUMNS, order=order, limit=rng.choice((1, 7, 39, 40, 41))
    )
    wanted = list(rows)
    for key in reversed((*order, "-id" if order[-1].startswith("-") else "id")):
        wanted.sort(key=lambda row: blanks_last(row[key.removeprefix("-")]), reverse=key.startswith("-"))
    assert [row["id"] for row in found] == [row["id"] for row in wanted]


async def test_cursors_are_good_for_one_query_of_one_user(yard: Yard) -> None:
    await filled(yard)
    query: dict[str, Any] = {"where": 'memo = "paged"', "order": ("name",), "fields": ("name",)}
    cursor = (await yard.page("job", "boss", limit=5, **query)).next
    assert cursor
    assert len(decode((await yard.page("job", "boss", limit=9, count=True, after=cursor, **query)).items)) == 9
    moved: list[tuple[str, dict[str, Any], str]] = [
        ("boss", query, cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")), ("boss", query, "A" + cursor),
        ("boss", query, "%%%"), ("boss", {**query, "order": ("-name",)}, cursor), ("planner", query, cursor),
        ("boss", {**query, "where": 'memo <> "x"'}, cursor),
    ]  # fmt: skip
    for who, asked, after in moved:
        assert (await yard.refused(yard.page("job", who, after=after, **asked))).code == "query.cursor"


async def test_shortcuts_and_counts(yard: Yard) -> None:
    rows = await filled(yard)
    base = ("memo", "paged")
    cases: list[tuple[str, str, Any]] = [
        ("qty", "10", 10), ("qty", "", None), ("due", "2026-01-01", "2026-01-01"), ("kind", "small", "small"),
        ("urgent", "true", True), ("site.name", "paged 1", "paged 1"), ("weight", "1.50", Decimal("1.5")),
    ]  # fmt: skip
    for name, text, value in cases:
        page = await yard.page("job", equals=(base, (name, text)), fields=COLUMNS, count=True, limit=1)
        assert page.total == len([row for row in rows if row[name] == value]) > 0


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": PAGE_MAX + 1}, {"fields": ("nothing",)}, {"fields": ("name.nothing",)},
        {"fields": ("site.nothing",)}, {"order": ("nothing",)}, {"order": ("tags",)}, {"where": "nothing = 1"},
        {"where": "qty"}, {"where": "qty >"}, {"equals": (("qty", "x"),)}, {"equals": (("qty", "9" * 30),)},
        {"equals": (("cost", "NaN"),)}, {"equals": (("name", "a\x00"),)}, {"equals": (("due", "2026-02-30"),)},
        {"equals": (("tags", "small"),)}, {"equals": (("site", "x"),)},
    ],
    ids=str,
)  # fmt: skip
async def test_queries_that_can_not_be(yard: Yard, query: dict[str, Any]) -> None:
    assert (await yard.refused(yard.page("job", **query))).code == "query.invalid"


async def test_every_wrong_part_of_a_query_is_told(yard: Yard) -> None:
    refused = await yard.refused(yard.page("job", fields=("nme",), where="x = 1", order=("y",), limit=0))
    assert [f.pointer for f in refused.faults] == ["fields", "where", "order", "limit"]
    assert 'did you mean "name"?' in refused.faults[0].detail


async def test_fields_may_be_called_as_ours(yard: Yard) -> None:
    await yard.create("node", name="called", k0=7, target="t")
    found = await yard.listed("node", where='name = "called"', order=("k0",), fields=("k0", "target"))
    assert found == [{"k0": 7, "target": "t"}]


async def test_a_page_holds_so_many_at_most(yard: Yard) -> None:
    await filled(yard)
    page = await yard.page("job", where='memo = "paged"')
    assert (len(decode(page.items)), page.next, page.total) == (40, None, None)
    page = await yard.page("job", where='memo = "paged"', limit=40, fields=("id",))
    assert page.next is None


async def test_pages_behind_one_another_are_planned_once(yard: Yard) -> None:
    await yard.many("node", [{"name": f"paged {n}"} for n in range(5)])
    before = set(yard.rt.prepared.entries)
    found = await yard.listed("node", where='BEGINS(name, "paged")', order=("name",), limit=1)
    assert len(found) == 5
    assert len(set(yard.rt.prepared.entries) - before) == 3, "the words of the cursor, the first page, all others"
