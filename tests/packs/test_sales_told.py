"""The sales story told through the ordinary door: it passes every rule, and the reports say what plain SQL says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.base.context import OPERATOR, Actor
from engine.identity.resolve import attributes
from engine.lifecycle.apply import apply
from engine.lifecycle.story import Told, forget_jobs, story_of, tell
from engine.reports.run import run_report
from metamodel.load import load_tenant
from tests.tenancy import PACKS, context, opened, sql

TODAY = date(2026, 3, 17)
S = "t_demo"


@dataclass(slots=True)
class Demo:
    """The told tenant: what was written, and how many steps were seen."""

    url: str
    told: Told
    steps: int


@pytest.fixture(scope="module")
def demo(new_database: Callable[[], str]) -> Demo:
    return asyncio.run(_tell(new_database()))


async def _tell(url: str) -> Demo:
    story = story_of(PACKS / "sales")
    seen: list[tuple[int, datetime]] = []
    async with opened(url) as rt:
        release = (await apply(rt, "demo", load_tenant(PACKS / "demo" / "tenant.yaml", [PACKS]))).release
        steps = list(story.story(7, TODAY, scale=0.05))
        told = await tell(rt, release, steps, lambda so_far, at: seen.append((so_far.rows, at)))
        before = datetime.combine(TODAY, datetime.min.time(), UTC) - timedelta(days=7)
        await forget_jobs(rt, release, before=before)
    assert [at for _, at in seen] == sorted(at for _, at in seen)
    return Demo(url, told, len(seen))


async def run(demo: Demo, name: str, actor: Actor | None = None) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    async with opened(demo.url) as rt:
        release = await rt.store.release("demo")
        now = datetime.combine(TODAY, datetime.min.time(), UTC)
        ctx = context(release, actor or OPERATOR, now=now)
        result = await run_report(rt, ctx, release, name)
        assert result.totals is not None
        rows = [tuple(row.values()) for row in json.loads(result.body, parse_float=Decimal)]
        return rows, json.loads(result.totals, parse_float=Decimal)


async def plain(demo: Demo, text: str, *args: Any) -> list[tuple[Any, ...]]:
    return [tuple(str(v) if isinstance(v, date) else v for v in row) for row in await sql(demo.url, text, *args)]


def near(got: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    def same(a: Any, b: Any) -> bool:
        return abs(Decimal(a) - b) < Decimal("1e-9") if isinstance(b, Decimal) and a is not None else a == b

    return len(got) == len(wanted) > 0 and all(all(map(same, g, w)) for g, w in zip(got, wanted, strict=True))


async def test_everything_was_written_under_the_clock_of_its_step(demo: Demo) -> None:
    counts = dict(
        await plain(
            demo,
            f"SELECT 'opportunity', count(*) FROM {S}.opportunity UNION ALL "
            f"SELECT 'account', count(*) FROM {S}.account",
        )
    )
    assert counts == {"opportunity": 200, "account": 40} and demo.steps > 100
    assert demo.told.rows > len(demo.told.ids) > 1000
    (made,) = await sql(demo.url, f"SELECT min(created_at) AS first, max(modified_at) AS last FROM {S}.opportunity")
    assert made["first"].date() < TODAY - timedelta(days=500) and made["last"].date() <= TODAY
    doors = await plain(demo, f"SELECT DISTINCT door FROM {S}._history")
    assert doors == [("demo",)]
    moves = await plain(demo, f"SELECT count(*) FROM {S}._stage_history WHERE previous IS NOT NULL")
    assert moves[0][0] > 200
    old = await plain(
        demo,
        f"SELECT count(*) FROM {S}._event e WHERE at < $1 AND EXISTS (SELECT 1 FROM fieldwright.pgqueuer j "
        "WHERE j.entrypoint = 'dispatch' AND (convert_from(j.payload, 'UTF8')::jsonb -> 'events') @> to_jsonb(e.id))",
        datetime.combine(TODAY, datetime.min.time(), UTC) - timedelta(days=7),
    )
    assert old == [(0,)]


async def test_pipeline_by_stage_and_by_region(demo: Demo) -> None:
    still = "o.stage NOT IN ('won', 'lost') AND o.deleted_at IS NULL"
    got, total = await run(demo, "pipeline_by_stage")
    wanted = await plain(demo, f"SELECT stage, count(*), sum(amount) FROM {S}.opportunity o WHERE {still} GROUP BY 1")
    assert near(sorted(row[:3] for row in got), sorted(wanted)) and total["deals"] == sum(row[1] for row in wanted)
    got, total = await run(demo, "pipeline_by_region")
    wanted = await plain(
        demo,
        f"SELECT a.region, count(*), sum(amount) FROM {S}.opportunity o JOIN {S}.account a ON a.id = o.account "
        f"WHERE {still} GROUP BY 1 ORDER BY 3 DESC NULLS LAST",
    )
    assert near([row[:3] for row in got], wanted) and total["amount"] == sum(row[2] for row in wanted)


async def test_sales_trend_and_win_rates(demo: Demo) -> None:
    closed = f"{S}.opportunity o WHERE o.stage IN ('won', 'lost') AND o.deleted_at IS NULL"
    won = "count(*) FILTER (WHERE o.stage = 'won')"
    amount = "coalesce(sum(o.amount) FILTER (WHERE o.stage = 'won'), 0)"
    got, _ = await run(demo, "won_by_month")
    wanted = await plain(
        demo,
        f"SELECT date_trunc('month', actual_close)::date, count(*), {won}, {amount}, {won}::numeric / count(*) "
        f"FROM {closed} GROUP BY 1 ORDER BY 1",
    )
    assert near([row[:5] for row in got], wanted) and len(wanted) > 12
    got, total = await run(demo, "win_rate_by_industry")
    closed_by = closed.replace("WHERE", f"JOIN {S}.account a ON a.id = o.account WHERE")
    wanted = await plain(
        demo,
        f"SELECT a.industry, count(*), {won}, {amount}, {won}::numeric / count(*) FROM {closed_by} GROUP BY 1",
    )
    assert near(sorted(row[:5] for row in got), sorted(wanted)) and [r[4] for r in got] == sorted(
        (r[4] for r in got), reverse=True
    )
    assert total["closed"] == sum(row[1] for row in wanted)
    got, total = await run(demo, "win_rate_by_team")
    by_team = closed.replace("WHERE", f'JOIN {S}."user" u ON u.id = o.owner JOIN {S}.team t ON t.id = u.team WHERE')
    wanted = await plain(demo, f"SELECT t.name, count(*), {won}, {amount} FROM {by_team} GROUP BY 1")
    assert near(sorted(row[:4] for row in got), sorted(wanted)) and total["won"] == sum(row[2] for row in wanted)


async def test_product_lines(demo: Demo) -> None:
    line = "round(l.quantity * l.price * (1 - coalesce(l.discount, 0)), 2)"
    wanted = await plain(
        demo,
        f"SELECT pl.name, count(*), coalesce(sum({line}) FILTER (WHERE o.stage NOT IN ('won', 'lost')), 0), "
        f"coalesce(sum({line}) FILTER (WHERE o.stage = 'won'), 0), "
        f"coalesce(sum(l.quantity) FILTER (WHERE o.stage = 'won'), 0) "
        f"FROM {S}.opportunity_line l JOIN {S}.opportunity o ON o.id = l.opportunity "
        f"JOIN {S}.product p ON p.id = l.product "
        f"JOIN {S}.product_line pl ON pl.id = p.line WHERE o.stage <> 'lost' AND l.deleted_at IS NULL GROUP BY 1",
    )
    got, total = await run(demo, "sales_by_product_line")
    assert near(sorted(got), sorted(wanted)) and total["lines"] == sum(row[1] for row in wanted)


async def test_a_rep_sees_own_numbers_only(demo: Demo) -> None:
    login, role, key = next(entry for entry in story_of(PACKS / "sales").logins() if entry[1] == "sales_rep")
    user = demo.told.ids[key]
    async with opened(demo.url) as rt:
        actor = Actor(user, (role,), await attributes(rt, await rt.store.release("demo"), user))
    _, own = await run(demo, "pipeline_by_stage", actor)
    _, whole = await run(demo, "pipeline_by_stage")
    wanted = await plain(
        demo, f"SELECT count(*) FROM {S}.opportunity WHERE stage NOT IN ('won', 'lost') AND owner = $1", user
    )
    assert own["deals"] == wanted[0][0] < whole["deals"], login
