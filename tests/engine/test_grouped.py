"""Lists that sort or filter by their child sets: grouped at once or looked up row by row, the answers are the same."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from engine.lifecycle.apply import apply
from engine.plan.access import Rights
from engine.plan.grouping import narrowed
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.report import plan_aggregate
from engine.plan.request import AggregateQuery, RecordQuery
from engine.release.release import Release
from engine.reports.run import aggregate
from engine.runtime import Runtime
from engine.sql.read import read_statement
from engine.sql.report import report_statement
from tests.tenancy import context, create, load_folder, opened, read, write_pack

TENANT = "groups"
ALWAYS = "n >= -1000000"
"""Holds for every record, but narrows the rows as far as the shape of a query tells: then sets are looked up."""


def _documents() -> list[Mapping[str, Any]]:
    def formula(text: str, kind: str = "rollup") -> dict[str, Any]:
        return {"type": kind, "formula": text, "label": "f"}

    crate = {
        "name": {"type": "text", "label": "n"},
        "n": {"type": "integer", "required": True, "label": "n"},
        "top": {"type": "lookup", "to": "crate", "reverse": "below", "label": "t"},
        "pieces_of": formula("COUNT(pieces)"),
        "worth": formula("SUM(pieces.price)"),
        "mean": formula("AVERAGE(pieces.price)"),
        "least": formula("MIN(pieces.price)"),
        "sound": formula("COUNT(pieces[bad = FALSE AND price > 3])"),
        "heavy_sound": formula("SUM(pieces[bad = FALSE AND price > 3].price)"),
        "any_bad": formula("EXISTS(pieces[bad])"),
        "dear": formula("COUNT(pieces[price > this.n])"),
        "ratio": formula("SUM(pieces, 10 / price)"),
        "deep": formula("SUM(pieces.nails_of)"),
        "of_top": formula("COUNT(top.pieces)"),
    }
    piece = {
        "name": {"type": "text", "label": "n"},
        "crate": {"type": "lookup", "to": "crate", "reverse": "pieces", "label": "c"},
        "price": {"type": "decimal", "label": "p"},
        "bad": {"type": "boolean", "label": "b"},
        "nails_of": formula("COUNT(nails[long])"),
    }
    nail = {
        "name": {"type": "text", "label": "n"},
        "piece": {"type": "lookup", "to": "piece", "reverse": "nails", "label": "p"},
        "long": {"type": "boolean", "label": "l"},
    }
    pack = {"kind": "pack", "name": TENANT, "version": "1.0.0", "language": 1, "label": "G", "depends": {"core": ">=0"}}
    objects = [("crate", crate), ("piece", piece), ("nail", nail)]
    return [pack, *({"kind": "object", "name": n, "label": n, "title": "name", "fields": f} for n, f in objects)]


class Crates:
    def __init__(self, rt: Runtime, release: Release) -> None:
        self.rt, self.release = rt, release
        self.rights = Rights(release, (), True)

    def text(self, **query: Any) -> str:
        asked = RecordQuery(object="crate", fields=("id",), **query)
        return read_statement(plan_read(asked, self.rights, Names(self.release, self.rights), None).plan, None).text

    async def ids(self, *order: str, where: str | None = None) -> list[str]:
        rows = await read(self.rt, self.release, "crate", "id", order=order, where=where)
        return [row["id"] for row in rows]

    async def totals(self, query: AggregateQuery) -> Any:
        return (await aggregate(self.rt, context(self.release), self.release, query)).body


@pytest.fixture(scope="module")
def groups_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crates(groups_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crates]:
    folder = write_pack(tmp_path_factory.mktemp("groups") / TENANT, _documents())
    draw = random.Random(11)
    async with opened(groups_url) as rt:
        release = (await apply(rt, TENANT, load_folder(folder))).release
        tops: list[UUID] = await create(
            rt, release, "crate", *({"name": f"c{n}", "n": draw.randrange(8)} for n in range(60))
        )
        lower = await create(
            rt, release, "crate",
            *({"name": f"d{n}", "n": draw.randrange(8), "top": draw.choice([*tops, None])} for n in range(60)),
        )  # fmt: skip
        prices = [None, 1, 2, 3.5, 4, 7]
        pieces = await create(
            rt, release, "piece",
            *(
                {"name": "p", "crate": draw.choice([*tops[:40], *lower[:20], None]), "bad": draw.random() < 0.3,
                 "price": draw.choice(prices if n % 50 else [0])}
                for n in range(400)
            ),
        )  # fmt: skip
        nails = ({"name": "x", "piece": draw.choice(pieces), "long": draw.random() < 0.5} for _ in range(600))
        await create(rt, release, "nail", *nails)
        async with rt.writes.connection() as conn:
            deleted = [piece for piece in pieces if draw.random() < 0.1]
            await conn.execute(f'UPDATE "{release.schema}".piece SET deleted_at = now() WHERE id = ANY($1)', deleted)
        yield Crates(rt, release)


SORTS = ["pieces_of", "worth", "mean", "least", "sound", "any_bad", "ratio", "deep", "of_top", "dear"]
FILTERS = [
    "pieces_of = 0", "COUNT(pieces) > 3", "worth >= 10", "mean > 3", "ISBLANK(mean)", "least = 1", "NOT any_bad",
    "sound > 1 AND heavy_sound < 20", "ratio > 5", "NOT ratio > 5", "ISERROR(ratio)", "IFERROR(ratio, -1) = -1",
    "SUM(pieces, nails_of) > 4", "deep = 0", "of_top > 2", "COUNT(pieces[ISBLANK(price)]) = 1", "dear > 1",
    "COUNTDISTINCT(pieces.price) = 3", "worth > 5 OR pieces_of = 0", "SUM(pieces[price / price = 1].price) > 1",
    "top.worth > 3", "ISBLANK(top.mean) AND worth > 1",
]  # fmt: skip


@pytest.mark.parametrize("key", SORTS)
async def test_a_sort_by_a_set_is_the_same_both_ways(crates: Crates, key: str) -> None:
    for order in (key, f"-{key}"):
        asked = {"order": (order, "n", "name")}
        assert ("GROUP BY" in crates.text(**asked)) == (key != "dear")
        assert "GROUP BY" not in crates.text(**asked, where=ALWAYS)
        assert await crates.ids(order, "n", "name") == await crates.ids(order, "n", "name", where=ALWAYS)


@pytest.mark.parametrize("condition", FILTERS)
async def test_a_filter_by_a_set_is_the_same_both_ways(crates: Crates, condition: str) -> None:
    assert "GROUP BY" not in crates.text(where=f"({condition}) AND {ALWAYS}")
    found = await crates.ids("name", where=condition)
    assert found == await crates.ids("name", where=f"({condition}) AND {ALWAYS}")
    everything = await crates.ids("name")
    assert len(found) < len(everything)


PARTS = {
    "condition": (
        "{number} {op} {constant}", "{number} {op} {number}", "ISBLANK({number})", "ISERROR({number})", "EXISTS({set})",
        "ALL({set}, {of_piece})", "NOT ({condition})", "({condition} AND {condition})", "({condition} OR {condition})",
    ),
    "number": (
        "COUNT({set})", "COUNT({set}, {value})", "SUM({set}, {value})", "AVERAGE({set}, {value})", "MIN({set}, {value})",
        "MAX({set}, {value})", "MEDIAN({set}, {value})", "COUNTDISTINCT({set}, {value})", "STDEVP({set}, {value})",
        "FIRST({set}, {value}, price)", "ARGMAX({set}, {value}, nails_of)", "LARGE({set}, {value}, 2)", "worth", "ratio",
        "deep", "top.mean", "({number} + {number})", "({number} / {number})", "IFERROR({number}, {constant})",
        "BLANKVALUE({number}, {constant})", "IF({condition}, {number}, {constant})",
    ),
    "set": ("pieces", "pieces[{of_piece}]", "top.pieces", "top.pieces[{of_piece}]"),
    "of_piece": (
        "bad", "NOT bad", "price > 3", "ISBLANK(price)", "price / price = 1", "nails_of > 1", "bad OR price < 2",
        "crate.n > 3", "price > this.n",
    ),
    "value": ("price", "10 / price", "nails_of", "IF(bad, price, 1)", "BLANKVALUE(price, 0)", "price * crate.n"),
    "op": ("=", "<>", "<", ">="),
    "constant": ("0", "1", "3", "7.5", "-1"),
}  # fmt: skip
"""A part of a condition over sets, and what may stand for it."""


def drawn(draw: random.Random, part: str, depth: int) -> str:
    """A condition, or a part of one."""
    simple = [text for text in PARTS[part] if "{condition}" not in text and text.count("{number}") < 2]
    text = draw.choice(PARTS[part] if depth else simple)
    return re.sub(r"\{(\w+)\}", lambda place: drawn(draw, place[1], max(depth - 1, 0)), text)


@pytest.mark.parametrize("seed", range(60))
async def test_any_filter_by_sets_is_the_same_both_ways(crates: Crates, seed: int) -> None:
    condition = drawn(random.Random(seed), "condition", 3)
    narrow = f"({condition}) AND {ALWAYS}"
    assert "GROUP BY" not in crates.text(where=narrow)
    assert "GROUP BY" in crates.text(where=condition) or "this." in condition, condition
    assert await crates.ids("name", where=condition) == await crates.ids("name", where=narrow), condition


async def test_what_stands_in_a_set_that_is_looked_up_is_looked_up_too(crates: Crates) -> None:
    """Grouped there, all nails would be counted for each crate."""
    text = crates.text(where="SUM(pieces[price > this.n], nails_of) > 4")
    assert "LATERAL" in text and "GROUP BY" not in text


async def test_a_report_over_all_rows_is_the_same_both_ways(crates: Crates) -> None:
    measures = {"worth": "SUM(worth)", "crates": "COUNT(rows[pieces_of = 0])", "most": "MAX(deep)"}
    plain = AggregateQuery(object="crate", by={"n": "n"}, measures=measures)
    narrow = AggregateQuery(object="crate", by={"n": "n"}, measures=measures, where=ALWAYS)
    texts = [
        report_statement(plan_aggregate(q, crates.rights, Names(crates.release, crates.rights)).plan, None).text
        for q in (plain, narrow)
    ]
    assert "LATERAL" not in texts[0] and "LATERAL" in texts[1]
    assert await crates.totals(plain) == await crates.totals(narrow)


async def test_a_page_that_only_shows_sets_looks_them_up_behind_the_page(crates: Crates) -> None:
    asked = RecordQuery(object="crate", fields=("id", "worth", "mean"), order=("n",))
    plan = plan_read(asked, crates.rights, Names(crates.release, crates.rights), None).plan
    text = read_statement(plan, None).text
    page, shown = text.split(")\n SELECT", 1)
    assert "piece" not in page and "GROUP BY" not in text
    assert shown.count("LATERAL") == 1


async def test_what_all_aggregates_ask_for_is_asked_of_the_rows(crates: Crates) -> None:
    def shown(*fields: str) -> str:
        asked = RecordQuery(object="crate", single=True, fields=fields)
        return read_statement(plan_read(asked, crates.rights, Names(crates.release, crates.rights), None).plan, None).text

    both = shown("sound", "heavy_sound")
    assert "FILTER" not in both and both.count("LATERAL (SELECT count") == 1
    assert both.count("> 3") == 1
    assert "FILTER" in shown("sound", "worth")
    # A part that may be an error stays with its aggregate, or the error would not be seen.
    assert "FILTER" in crates.text(where="COUNT(pieces[10 / price > 3]) > 0")


@pytest.mark.parametrize(
    ("where", "few"),
    [("n = 3", True), ("n > 3 AND worth > 1", True), ("n <> 3", False), ("worth > 1", False), ("n = 3 OR n = 4", True),
     ("n = 3 OR worth > 1", False), ("top.n = 3", True), ("n + 1 = 3", True)],
)  # fmt: skip
async def test_what_narrows_the_rows(crates: Crates, where: str, few: bool) -> None:
    asked = RecordQuery(object="crate", where=where)
    assert narrowed(plan_read(asked, crates.rights, Names(crates.release, crates.rights), None).plan.where) == few
