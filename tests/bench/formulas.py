"""Formulas in one process and one database: compiling, per row, a page of them, and a filter by an index.

Each figure stands beside a floor in the same run: the bare scan, or the same semantics written by hand in SQL.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from engine.base.clock import Clock
from engine.base.context import OPERATOR, Context
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.names import Names
from engine.plan.request import RecordQuery
from engine.records.read import _prepare
from engine.release.release import Release
from engine.runtime import Cache, Runtime, running
from engine.sql import expression
from engine.sql.columns import qualified
from engine.sql.joins import frame
from engine.sql.statement import compile_statement
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.load import load_packs
from metamodel.model_schema import ModelSchema
from tests.bench.once import Finding

HERE = Path(__file__).parent
PACKS = HERE.parents[1] / "tenant_configs"
REFERENCE = (
    "IF(AND(phase=\"won\", amount-cost>1000), ROUND((amount-cost)/amount*100,2), IF(discount>0.1, amount*0.05, 0))"
)
LONG = REFERENCE + " + IF(closes < @2024-06-30 AND CONTAINS(name, \"x\"), LEN(name), YEAR(closes)) - LEN(phase & name)"
DEALS = 1_000_000
"""A fortieth of them, those that the page shows among them, have ten items each."""
REPEATS = 7
FORMULAS = [f"f{n:02}" for n in range(1, 21)]
ROLLUPS = [f"r{n}" for n in range(1, 6)]
ONE = "1." + "0" * 40

FILL = """
INSERT INTO {schema}.deal (id, version, created_at, created_by, modified_at, modified_by,
  name, phase, amount, cost, discount, closes, plain)
SELECT md5(n::text)::uuid, 1, now(), u, now(), u, 'deal ' || n, CASE WHEN n % 3 = 0 THEN 'won' ELSE 'open' END,
  a, a * (n % 90) / 100, (n % 25) / 100.0, DATE '2023-01-01' + n % 1000, round(a - a * (n % 90) / 100, 2)
FROM (SELECT n, 100 + (n::bigint * 7919 % 500000)::numeric / 100 AS a, '00000000-0000-7000-8000-000000000001'::uuid AS u
      FROM generate_series(1, {deals}) n) s;
INSERT INTO {schema}.item (id, version, created_at, created_by, modified_at, modified_by, name, deal, price, quantity)
SELECT md5(d.id::text || i)::uuid, 1, now(), u, now(), u, 'item ' || i, d.id, (i * 997 % 9973)::numeric / 100, i % 9
FROM (SELECT id, '00000000-0000-7000-8000-000000000001'::uuid AS u FROM {schema}.deal
      ORDER BY plain DESC, id DESC LIMIT {deals} / 40) d CROSS JOIN generate_series(1, 10) i;
"""
BY_HAND = f"""
CASE WHEN phase = 'won' AND amount - cost > 1000
     THEN round(round((amount - cost) * {ONE} / NULLIF(amount, 0), 18) * 100, 2)
     ELSE CASE WHEN discount > 0.1 THEN amount * 0.05 ELSE 0 END END
"""
PAGE_BY_HAND = f"""
WITH page AS (SELECT * FROM {{schema}}.deal WHERE deleted_at IS NULL ORDER BY plain DESC, id DESC LIMIT 51)
SELECT json_agg(r)::text FROM (
  SELECT p.amount - p.cost AS f01,
    CASE WHEN p.amount > 0 THEN round((p.amount - p.cost) * {ONE} / NULLIF(p.amount, 0), 18) ELSE 0 END AS f02,
    round(p.amount * p.discount, 2) AS f03,
    COALESCE(upper(left(p.name, 3)), '') || '-' || COALESCE(p.phase, '') AS f04,
    extract(year FROM p.closes) AS f05, p.closes - $1::date AS f06,
    COALESCE(p.closes < $1::date, false) AND COALESCE(p.phase = 'open', false) AS f07,
    (p.closes + make_interval(months => 3))::date AS f08,
    CASE WHEN p.phase = 'open' THEN 1 WHEN p.phase = 'won' THEN 2 ELSE 0 END AS f09,
    COALESCE(p.discount, 0) * 100 AS f10, (p.amount - p.cost) * 0.19 AS f11,
    p.amount - p.cost + (p.amount - p.cost) * 0.19 AS f12, greatest(p.amount, p.cost, p.plain) AS f13,
    trunc(round(round(p.amount * {ONE} / 7, 18), 12), 1) AS f14, mod(mod(p.amount, 7) + 7, 7) AS f15,
    COALESCE(strpos(p.name, '9') > 0, false) OR COALESCE(p.amount > 500, false) AS f16,
    length(p.name) + strpos(p.name, 'l') AS f17, date_trunc('month', p.closes::timestamp)::date AS f18,
    CASE WHEN p.discount = 0 AND p.cost IS NOT NULL THEN 0
         ELSE round(p.cost * {ONE} / NULLIF(p.discount, 0), 18) END AS f19,
    COALESCE(p.amount, 0) + COALESCE(p.cost, 0) + COALESCE(p.plain, 0) AS f20,
    i.r1, i.r2, i.r3, i.r4, i.r5
  FROM page p LEFT JOIN LATERAL (
    SELECT count(*) AS r1, COALESCE(sum(price), 0) AS r2, COALESCE(sum(price * quantity), 0) AS r3,
      max(price) FILTER (WHERE quantity > 2) AS r4,
      round(sum(quantity) * {ONE} / NULLIF(count(quantity), 0), 18) AS r5
    FROM {{schema}}.item WHERE deal = p.id AND deleted_at IS NULL) i ON true
  ORDER BY p.plain DESC, p.id DESC LIMIT 50) r
"""


def formulas(home: Path, say: Callable[[str], None]) -> list[Finding]:
    """All figures of formulas, on a database of their own in `home`."""
    return asyncio.run(_formulas(home, say))


async def _formulas(home: Path, say: Callable[[str], None]) -> list[Finding]:
    async with running(Settings(home=home)) as rt:
        release = (await apply(rt, "formulas", load_packs([HERE / "formula_pack"], [PACKS]))).release
        async with rt.writes.connection() as conn:
            await conn.execute("SET statement_timeout = 0")
            for statement in FILL.format(schema=release.schema, deals=DEALS).split(";\n"):
                if statement.strip():
                    await conn.execute(statement)
            await conn.execute(f"VACUUM ANALYZE {release.schema}.deal, {release.schema}.item")
            await conn.execute("SET max_parallel_workers_per_gather = 0")
            say(f"{DEALS:,} rows for formulas")
            found = compiled(rt, release)
            found += await per_row(conn, release)
            found += await page(rt, conn, release)
            return found + await by_index(rt, conn, release)


def _middle(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def compiled(rt: Runtime, release: Release) -> list[Finding]:
    """A formula of some 200 characters: text to SQL, and the same question asked again."""
    names, schema = Names(release, None), ModelSchema(release.model)
    environment = expression.Environment(release.model.settings.time_zone, rt.collation)

    def cold() -> None:
        tree = check(parse(LONG), Scope(schema, "field", row="deal")).tree
        assert tree is not None
        planned = names.tree(tree, "deal")
        base = qualified(release.table("deal")).alias("t")
        rows = frame(environment, {"new": base}, names.joins((planned,), "deal"), (planned,))
        compile_statement(select(expression.value(planned, rows.row)).select_from(rows.source))

    ctx, query = _context(release), RecordQuery(object="deal", fields=("name",), where=LONG + " > 5")
    rt.prepared = Cache()
    _prepare(rt, ctx, release, query, None)
    cold()
    first, again = _middle(cold, 100), _middle(lambda: _prepare(rt, ctx, release, query, None), 2_000)
    return [
        Finding("F1", f"text to SQL, {len(LONG)} characters", f"{first * 1e3:.2f} ms", "< 5 ms", first < 5e-3),
        Finding("F1", "the same again", f"{again * 1e6:.1f} µs", "< 50 µs", again < 50e-6),
    ]


def _context(release: Release) -> Context:
    return Context(OPERATOR, release.tenant, Clock().now(), time_zone=release.model.settings.time_zone)


async def _timed(*works: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> list[float]:
    """Medians in seconds, the works taken in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, seen in zip(works, times, strict=True):
            began = time.perf_counter()
            await work()
            seen.append(time.perf_counter() - began)
    return [statistics.median(seen[1:]) for seen in times]


async def per_row(conn: Any, release: Release) -> list[Finding]:
    """The reference formula over every row, beside the bare scan and the expression written by hand."""
    names = Names(release, None)
    tree = names.field("deal", "reference")
    base = qualified(release.table("deal")).alias("t")
    rows = frame(expression.Environment("UTC", None), {"new": base}, names.joins((tree,), "deal"), (tree,))
    text = compile_statement(select(expression.value(tree, rows.row).label("v")).select_from(rows.source)).text
    table = f"{release.schema}.deal"
    bare, ours, hand = await _timed(
        lambda: conn.fetchval(f"SELECT count(amount) FROM {table}"),
        lambda: conn.fetchval(f"SELECT count(v) FROM ({text}) s"),
        lambda: conn.fetchval(f"SELECT count({BY_HAND}) FROM {table}"),
    )
    equal = await conn.fetchval(
        f"SELECT count(*) FROM (SELECT t.id, {_inside(text)} AS v FROM {table} t) a "
        f"JOIN (SELECT id, {BY_HAND} AS w FROM {table}) b USING (id) WHERE v IS DISTINCT FROM w"
    )
    if equal:
        raise RuntimeError(f"the reference formula differs from the one by hand in {equal} rows")
    row, ratio = (ours - bare) / DEALS, (ours - bare) / (hand - bare)
    return [
        Finding("F2", "reference formula, over the bare scan", f"{row * 1e6:.2f} µs a row", "<= 1.0 µs", row <= 1e-6),
        Finding("F2", "the same, beside SQL by hand", f"{ratio:.2f}", "<= 1.15", ratio <= 1.15),
    ]


def _inside(text: str) -> str:
    """The expression of `SELECT expression AS v FROM …`."""
    return text.removeprefix("SELECT ").split(" AS v")[0]


async def page(rt: Runtime, conn: Any, release: Release) -> list[Finding]:
    """50 records with 20 formulas and 5 roll-ups."""
    ctx = _context(release)
    query = RecordQuery(object="deal", fields=(*FORMULAS, *ROLLUPS), order=("-plain",), limit=50)
    prepared = _prepare(rt, ctx, release, query, None)
    arguments = prepared.statement.arguments(ctx, prepared.values)
    hand = PAGE_BY_HAND.format(schema=release.schema)
    ours, floor = await _timed(
        lambda: conn.fetchrow(prepared.statement.text, *arguments), lambda: conn.fetchval(hand, ctx.today), repeats=40
    )
    ratio = ours / floor
    return [
        Finding("F3", "page of 50, 20 formulas, 5 roll-ups", f"{ours * 1e3:.2f} ms", "< 25 ms", ours < 25e-3),
        Finding("F3", "the same, beside SQL by hand", f"{ratio:.2f}", "<= 1.30", ratio <= 1.3),
    ]


async def by_index(rt: Runtime, conn: Any, release: Release) -> list[Finding]:
    """A page of 200 by a filter on an indexed formula, and by the same filter on a plain column."""
    ctx = _context(release)
    works = []
    for name in ("score", "plain"):
        query = RecordQuery(object="deal", fields=("name",), where=f"{name} > 4000", order=(f"-{name}",), limit=200)
        made = _prepare(rt, ctx, release, query, None)
        arguments = made.statement.arguments(ctx, made.values)
        works.append(lambda text=made.statement.text, args=arguments: conn.fetchrow(text, *args))
    formula, column = await _timed(*works, repeats=60)
    ratio = formula / column
    shown = f"{ratio:.2f} ({formula * 1e3:.2f} and {column * 1e3:.2f} ms)"
    return [Finding("F4", "filter and sort by an indexed formula, beside a column", shown, "<= 1.5", ratio <= 1.5)]

