"""The functions themselves, by the checks that ship with Fieldwright, and in a pack's fields, rule and report; on a
real database (`FIELDWRIGHT_DATABASE_URL` or embedded)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import retail_functions

from engine.base.context import OPERATOR, Context
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.bulk import write_each
from engine.records.read import read_page
from engine.reports.run import run_report
from engine.runtime import running
from engine.testing.functions import function_checks
from metamodel.formula.functions.registry import lookup
from metamodel.load import load_packs

PACK = Path(__file__).parents[1] / "packs" / "retail"
CORE = Path(__file__).parents[3] / "tenant_configs"
ROWS: tuple[dict[str, Any], ...] = (
    {"name": "coat", "price": 100, "cost": 60, "since": "2024-11-05"},
    {"name": "gift", "price": 0, "cost": 5, "since": "2024-03-01"},
    {"name": "hat", "price": 20, "since": "2024-08-31"},
    {"name": "loss", "price": 100, "cost": 95, "since": None},
)


async def _tried() -> tuple[list[Any], list[dict[str, Any]], str]:
    async with running(Settings()) as rt:
        release = (await apply(rt, "retailer", load_packs([PACK], [CORE]))).release
        ctx = Context(OPERATOR, "retailer", rt.clock.now())
        wanted = RecordWrite(object="article", operation="create", rows=ROWS)
        outcomes = await write_each(rt, ctx, release, wanted)
        condition = 'retail.SEASON(since) = "summer" OR margin > 20%'
        query = RecordQuery(object="article", fields=("name", "margin", "season"), order=("name",), where=condition)
        page = await read_page(rt, ctx, release, query)
        return outcomes, json.loads(page.items), (await run_report(rt, ctx, release, "by_season")).body


test_functions = function_checks("retail.*")


def test_names_are_found_as_declared() -> None:
    declared = (retail_functions.margin_pct, retail_functions.season)
    found = (lookup("retail.margin_pct"), lookup("RETAIL.Season"))
    assert [f and f.signature for f in found] == [f.signature for f in declared]
    assert lookup("retail.nothing") is None


def test_fields_rules_queries_and_reports_use_them() -> None:
    outcomes, articles, by_season = asyncio.run(_tried())
    assert [outcome[0].rule for outcome in outcomes if hasattr(outcome[0], "rule")] == ["worth_it"]
    assert articles == [
        {"name": "coat", "margin": 0.4, "season": "winter"},
        {"name": "gift", "margin": None, "season": "summer"},
        {"name": "hat", "margin": None, "season": "summer"},
    ]
    assert json.loads(by_season) == [{"season": "summer", "articles": 2}, {"season": "winter", "articles": 1}]
