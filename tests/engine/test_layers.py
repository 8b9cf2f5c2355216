"""Formula fields on formula fields: each is computed once a row, however often and however deep it is used."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.planned import Computed, own
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from metamodel.formula.typed import walk
from tests.tenancy import create, load_folder, opened, read, write_pack

TENANT = "layers"


def _formula(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "formula", "formula": text, "label": "f", **more}


def _documents() -> list[Mapping[str, Any]]:
    doubled = {"d0": _formula("a + 1")} | {f"d{n}": _formula(f"d{n - 1} + d{n - 1}") for n in range(1, 21)}
    long = {"s0": _formula("a + 1")} | {f"s{n}": _formula(f"s{n - 1} + 1") for n in range(1, 121)}
    paired = {"p0": _formula("a + 1"), "p1": _formula("p0 + a")}
    paired |= {f"p{n}": _formula(f"p{n - 1} + p{n - 2}") for n in range(2, 61)}
    heavy = "(a * b + 1) * (a * b + 2) * (a * b + 3) / b"
    sheet = {
        "name": {"type": "text", "label": "n"},
        "a": {"type": "decimal", "label": "a"},
        "b": {"type": "decimal", "label": "b"},
        "top": {"type": "lookup", "to": "sheet", "reverse": "below", "label": "t"},
        **doubled, **long, **paired,
        **{f"e{n}": _formula(f"a / (b - {n})") for n in range(60)},
        "heavy": _formula(heavy),
        "twice": _formula("heavy + heavy"),
        "caught": _formula("IFERROR(heavy, -1) + IFERROR(heavy, -2)"),
        "flag": _formula("heavy > 10 AND heavy < 1000"),
        "not_flag": _formula("NOT flag AND NOT flag"),
        "above": _formula("top.heavy + top.heavy"),
        "paired": {"type": "rollup", "formula": "SUM(below.p60)", "stored": True, "label": "c"},
        "bigger": {"type": "rollup", "formula": "COUNT(parts[size > this.heavy])", "label": "c"},
        "total": {"type": "rollup", "formula": "SUM(parts.loaded) + SUM(parts.loaded)", "label": "c"},
    }  # fmt: skip
    part = {
        "name": {"type": "text", "label": "n"},
        "sheet": {"type": "lookup", "to": "sheet", "reverse": "parts", "label": "s"},
        "size": {"type": "decimal", "label": "s"},
        "rough": _formula("(size + 1) * (size + 2) * (size + 3) * (size + 4) / size"),
        "loaded": _formula("rough + rough"),
    }
    return [
        {"kind": "pack", "name": TENANT, "version": "1.0.0", "language": 1, "label": "Layers", "depends": {"core": ">=0.1"}},
        {"kind": "object", "name": "sheet", "label": "Sheet", "title": "name", "fields": sheet},
        {"kind": "object", "name": "part", "label": "Part", "title": "name", "fields": part},
        {"kind": "role", "name": "whole", "label": "Whole", "objects": {"sheet": {"read": True}}},
        {"kind": "role", "name": "part", "label": "Part", "objects": {"sheet": {"read": {"where": "a > 1", "fields": ["a"]}}}},
    ]


class Sheets:
    """A tenant with three sheets: a = 1, 2, 3 and b = 2, 0, blank."""

    def __init__(self, rt: Runtime, release: Release) -> None:
        self.rt, self.release = rt, release

    def text(self, **query: Any) -> str:
        rights = Rights(self.release, (), True)
        asked = RecordQuery(object="sheet", **query)
        return read_statement(plan_read(asked, rights, Names(self.release, rights), None).plan, None).text

    async def rows(self, *fields: str, **query: Any) -> list[dict[str, Any]]:
        """Name and fields of the sheets, in the order of their numbers."""
        return await read(self.rt, self.release, "sheet", "a", *fields, order=("a",), **query)


@pytest.fixture(scope="module")
def layers_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sheets(layers_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sheets]:
    folder: Path = write_pack(tmp_path_factory.mktemp("layers") / TENANT, _documents())
    async with opened(layers_url) as rt:
        release = (await apply(rt, TENANT, load_folder(folder))).release
        (first,) = await create(rt, release, "sheet", {"name": "one", "a": 1, "b": 2})
        (second,) = await create(rt, release, "sheet", {"name": "two", "a": 2, "b": 0, "top": first})
        await create(rt, release, "sheet", {"name": "three", "a": 3, "top": first})
        for size in (1, 10, 100):
            await create(rt, release, "part", {"name": "p", "sheet": first, "size": size})
        await create(rt, release, "part", {"name": "p", "sheet": second, "size": 10})
        yield Sheets(rt, release)


def _laterals(text: str) -> int:
    return text.count("OFFSET 0")


def _numbers(rows: list[dict[str, Any]], name: str) -> list[float | None]:
    return [None if row[name] is None else round(float(row[name]), 6) for row in rows]


async def test_twenty_doublings_plan_and_run_in_milliseconds(sheets: Sheets) -> None:
    sheets.text(fields=("d1",))
    began = time.perf_counter()
    text = sheets.text(fields=("d20", "d19"), where="d20 > 0", order=("d20",))
    planned = time.perf_counter() - began
    assert planned < 0.25
    assert len(text) < 20_000
    began = time.perf_counter()
    assert _numbers(await sheets.rows("d20"), "d20") == [2.0 * 2**20, 3.0 * 2**20, 4.0 * 2**20]
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("roles", [(), ("whole", "part")], ids=["operator", "reader"])
async def test_sixty_on_the_two_before_plan_in_milliseconds(sheets: Sheets, roles: tuple[str, ...]) -> None:
    rights = Rights(sheets.release, roles, not roles)
    began = time.perf_counter()
    plan_read(RecordQuery(object="sheet", fields=("p60",)), rights, Names(sheets.release, rights), None)
    assert time.perf_counter() - began < 1


async def test_the_errors_of_sixty_fields(sheets: Sheets) -> None:
    """A function of PostgreSQL takes at most 100 arguments."""
    fields = tuple(f"e{n}" for n in range(60))
    first, second, third = await sheets.rows(*fields, errors=True)
    assert first["_errors"] == {"e2": "DIV0"} and second["_errors"] == {"e0": "DIV0"} and third["_errors"] == {}


async def test_a_long_chain_does_not_nest(sheets: Sheets) -> None:
    assert _numbers(await sheets.rows("s120"), "s120") == [122, 123, 124]


async def test_what_is_used_once_or_light_stays_where_it_is(sheets: Sheets) -> None:
    assert _laterals(sheets.text(fields=("heavy",))) == 0
    assert _laterals(sheets.text(fields=("d1", "d2"))) == 0
    assert _laterals(sheets.text(fields=("heavy", "twice"))) == 1
    assert _laterals(sheets.text(fields=("name",))) == 0


async def test_values_and_errors_travel_through_layers(sheets: Sheets) -> None:
    # b is 0 in the second sheet: heavy is an error there, and whatever uses it; in the third it is blank.
    rows = await sheets.rows("heavy", "twice", "caught", "flag", "not_flag")
    assert _numbers(rows, "heavy") == [30.0, None, None]
    assert _numbers(rows, "twice") == [60.0, None, None]
    assert _numbers(rows, "caught") == [60.0, -3.0, None]
    assert [row["flag"] for row in rows] == [True, None, False]
    assert [row["not_flag"] for row in rows] == [False, None, True]


async def test_errors_in_filters_do_not_match(sheets: Sheets) -> None:
    assert len(await sheets.rows(where="twice > 0 OR a > 0")) == 2
    assert len(await sheets.rows(where="NOT (flag AND twice > 1)")) == 1
    assert len(await sheets.rows(where="ISERROR(twice) AND ISERROR(heavy)")) == 1


async def test_layers_of_other_rows(sheets: Sheets) -> None:
    rows = await sheets.rows("above", "bigger", "total")
    assert _numbers(rows, "above") == [None, 60.0, 60.0]
    assert _numbers(rows, "bigger") == [1, None, 0]
    one, ten, hundred = ((s + 1) * (s + 2) * (s + 3) * (s + 4) / s for s in (1, 10, 100))
    assert _numbers(rows, "total") == [round(4 * (one + ten + hundred), 6), round(4 * ten, 6), 0]


async def test_a_layer_for_a_set_is_made_once_and_before_it(sheets: Sheets) -> None:
    text = sheets.text(fields=("heavy", "bigger"))
    assert _laterals(text) == 1
    assert text.index("OFFSET 0") < text.index("count(")


async def test_planned_trees_do_not_grow_with_what_they_name(sheets: Sheets) -> None:
    names = Names(sheets.release, None)
    tree = names.field("sheet", "d20")
    assert sum(1 for _ in walk(tree)) < 50
    assert any(isinstance(node, Computed) for node in walk(tree))
    assert {node.name for node in own(tree)} == {"a"}


async def test_equal_plans_of_other_resolvers_are_equal(sheets: Sheets) -> None:
    plans = []
    for _ in range(2):
        rights = Rights(sheets.release, (), True)
        asked = RecordQuery(object="sheet", fields=("d20", "twice"))
        plans.append(plan_read(asked, rights, Names(sheets.release, rights), None).plan)
    assert plans[0] == plans[1]
    assert hash(plans[0]) == hash(plans[1])


async def test_only_what_is_asked_for_is_in_the_statement(sheets: Sheets) -> None:
    text = sheets.text(fields=("a", "d1"))
    assert "part" not in text
    assert len(re.findall(r"LEFT OUTER JOIN", text)) == 0


async def test_paths_of_one_prefix_share_a_join_and_aggregates_of_one_set_a_lateral(sheets: Sheets) -> None:
    text = sheets.text(fields=("top.a", "top.b", "top.top.a", "above", "bigger", "total"))
    assert len(re.findall(r'LEFT OUTER JOIN "?t_layers"?\.sheet', text)) == 2
    assert len(re.findall(r"FROM \S*\bpart AS", text)) == 1


async def test_a_callers_formula_is_weighed_with_what_it_names(sheets: Sheets) -> None:
    light = "SUM(" + ", ".join(["d2 / d2"] * 300) + ") > 0"
    assert "FROM" in sheets.text(where=light.replace("d2", "a"))
    with pytest.raises(Refused) as refused:
        sheets.text(where=light.replace("d2 / d2", "d2 ^ d2"))
    assert [fault.code for fault in refused.value.faults] == ["formula.E605"]
