"""The example `hardware_sales`: what its reports must say about the public CRM set, computed by SQLite from the files.

The set is not part of the project; `FIELDWRIGHT_MAVEN_CRM` names the folder with its CSV files (or it lies in
`shared/data/maven_crm` beside the project).
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.lifecycle.apply import apply
from engine.records.importing import Imported, import_file
from engine.records.mapping import load_mapping, mapping_of
from engine.reports.run import run_report
from metamodel.load import load_tenant
from tests.tenancy import PACKS, context, opened, read, sql

EXAMPLE = Path(__file__).parents[2] / "examples" / "hardware_sales"
BESIDE = Path(__file__).parents[3] / "shared" / "data" / "maven_crm"
DATA = Path(os.environ.get("FIELDWRIGHT_MAVEN_CRM", BESIDE))
FILES = ("accounts", "products", "sales_teams", "sales_pipeline")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="FIELDWRIGHT_MAVEN_CRM names no folder with the data set")

Table = list[tuple[Any, ...]]

DEALS = """
    SELECT o.deal_stage AS stage, o.close_value AS amount, o.engage_date, o.close_date,
           t.regional_office AS region, t.manager, p.series, replace(a.sector, 'technolgy', 'technology') AS sector
      FROM sales_pipeline o
      JOIN sales_teams t ON t.sales_agent = o.sales_agent
      JOIN products p ON p.product = replace(o.product, 'GTXPro', 'GTX Pro')
      LEFT JOIN accounts a ON a.account = o.account
"""


@cache
def database() -> sqlite3.Connection:
    """The four files as tables; an empty cell is NULL."""
    connection = sqlite3.connect(":memory:")
    for name in FILES:
        with (DATA / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
        connection.execute(f"CREATE TABLE {name} ({', '.join(header)})")
        marks = ", ".join("?" * len(header))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", [[cell or None for cell in row] for row in rows])
    connection.execute(f"CREATE VIEW deals AS {DEALS}")
    return connection


def ask(sql: str) -> Table:
    return database().execute(sql).fetchall()


def deals_by_stage() -> Table:
    """Stage, deals, amount."""
    return ask(
        "SELECT lower(stage), count(*), coalesce(sum(CAST(amount AS INTEGER)), 0) FROM deals GROUP BY 1 ORDER BY 1"
    )


def won_by_region() -> Table:
    """Region, deals, amount; the largest amount first."""
    return ask(
        "SELECT lower(region), count(*), sum(CAST(amount AS INTEGER)) FROM deals"
        " WHERE stage = 'Won' GROUP BY 1 ORDER BY 3 DESC"
    )


def won_by_series() -> Table:
    """Series, deals, amount; the largest amount first."""
    return ask(
        "SELECT lower(series), count(*), sum(CAST(amount AS INTEGER)) FROM deals"
        " WHERE stage = 'Won' GROUP BY 1 ORDER BY 3 DESC"
    )


def win_rate_by(column: str) -> Table:
    """Manager or sector, won, lost, won / (won + lost); the highest rate first."""
    return ask(
        f"SELECT {column}, sum(stage = 'Won'), sum(stage = 'Lost'), avg(stage = 'Won') FROM deals"
        " WHERE stage IN ('Won', 'Lost') GROUP BY 1 ORDER BY 4 DESC"
    )


def won_by_month() -> Table:
    """First day of the month of closing, deals, amount."""
    return ask(
        "SELECT substr(close_date, 1, 7) || '-01', count(*), sum(CAST(amount AS INTEGER)) FROM deals"
        " WHERE stage = 'Won' GROUP BY 1 ORDER BY 1"
    )


def defects() -> dict[str, int]:
    """Rows by kind of defect, as the example's README lists them."""
    counts = {
        "product name without the blank": "sales_pipeline WHERE product = 'GTXPro'",
        "no account": "sales_pipeline WHERE account IS NULL",
        "no engage date": "sales_pipeline WHERE engage_date IS NULL",
        "no close date": "sales_pipeline WHERE close_date IS NULL",
        "no close value": "sales_pipeline WHERE close_value IS NULL",
        "lost with value 0": "sales_pipeline WHERE deal_stage = 'Lost' AND close_value = '0'",
        "misspelt sector": "accounts WHERE sector = 'technolgy'",
        "misspelt country": "accounts WHERE office_location = 'Philipines'",
        "agent without deals": "sales_teams WHERE sales_agent NOT IN (SELECT sales_agent FROM sales_pipeline)",
        "unknown agent": "sales_pipeline WHERE sales_agent NOT IN (SELECT sales_agent FROM sales_teams)",
        "unknown parent": "accounts WHERE subsidiary_of NOT IN (SELECT account FROM accounts)",
        "closed before engaged": "sales_pipeline WHERE close_date < engage_date",
        "won without account": "sales_pipeline WHERE deal_stage = 'Won' AND account IS NULL",
    }
    return {kind: ask(f"SELECT count(*) FROM {rest}")[0][0] for kind, rest in counts.items()}


def mappings() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in sorted((EXAMPLE / "imports").glob("*.yaml"))]


def declared(kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(EXAMPLE.glob("packs/**/*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if document["kind"] == kind:
                yield document


def test_defects_are_those_of_the_readme() -> None:
    found = defects()
    assert found == {
        "product name without the blank": 1480,
        "no account": 1425,
        "no engage date": 500,
        "no close date": 2089,
        "no close value": 2089,
        "lost with value 0": 2473,
        "misspelt sector": 12,
        "misspelt country": 1,
        "agent without deals": 5,
        "unknown agent": 0,
        "unknown parent": 0,
        "closed before engaged": 0,
        "won without account": 0,
    }
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    assert all(f"| {found[kind]:,} |" in readme for kind in found if found[kind])


def test_expected_tables_agree_with_each_other() -> None:
    stages = {stage: (deals, amount) for stage, deals, amount in deals_by_stage()}
    assert {stage: deals for stage, (deals, _) in stages.items()} == {
        "won": 4238, "lost": 2473, "engaging": 1589, "prospecting": 500,
    }  # fmt: skip
    assert stages["won"][1] == 10_005_534 and stages["lost"][1] == 0
    for table in (won_by_region(), won_by_series(), won_by_month()):
        assert (sum(row[1] for row in table), sum(row[2] for row in table)) == stages["won"]
    for column in ("manager", "sector"):
        rates = win_rate_by(column)
        assert sum(row[1] for row in rates) == 4238 and sum(row[2] for row in rates) == 2473
        assert all(row[0] and abs(row[3] - row[1] / (row[1] + row[2])) < 1e-12 for row in rates)
    assert (len(won_by_region()), len(won_by_series()), len(won_by_month())) == (3, 3, 10)
    assert (len(win_rate_by("manager")), len(win_rate_by("sector"))) == (6, 10)


def test_maps_cover_every_value_of_the_files() -> None:
    objects = {document["name"]: document["fields"] for document in declared("object")}
    options = {document["name"]: set(document["options"]) for document in declared("value_set")}
    labels = {
        document["name"]: {option["en"] for option in document["options"].values()} for document in declared("value_set")
    }
    stages = {document["name"]: set(document["stages"]) for document in declared("process")}
    checked = 0
    for mapping in mappings():
        for name, source in mapping["columns"].items():
            field = objects.get(mapping["object"], {}).get(name, {})
            allowed = options.get(field.get("options")) or stages.get(field.get("process"))
            if allowed:
                table = Path(mapping["file"]).stem
                values = {row[0] for row in ask(f"SELECT DISTINCT {source['column']} FROM {table}")}
                mapped = {source.get("map", {}).get(value, value) for value in values}
                assert mapped == allowed or mapped == labels[field["options"]]
                assert set(source.get("map", {})) <= values
                checked += 1
    assert checked == 4
    assert {row[0].replace("GTXPro", "GTX Pro") for row in ask("SELECT DISTINCT product FROM sales_pipeline")} == {
        row[0] for row in ask("SELECT product FROM products")
    }


def test_mappings_name_declared_fields_and_columns_of_their_file() -> None:
    core = Path(__file__).parents[2] / "tenant_configs" / "core" / "objects"
    objects = {document["name"]: set(document["fields"]) | {"owner"} for document in declared("object")}
    objects |= {
        name: set(yaml.safe_load((core / f"{name}.yaml").read_text("utf-8"))["fields"]) for name in ("user", "team")
    }
    for mapping in mappings():
        header = set((DATA / mapping["file"]).read_text("utf-8-sig").splitlines()[0].split(","))
        assert mapping["key"] in mapping["columns"] and set(mapping["columns"]) <= objects[mapping["object"]]
        named = [source if isinstance(source, str) else source.get("column") for source in mapping["columns"].values()]
        named += [mapping.get("distinct")]
        for column in mapping.get("system", {}).values():
            named += [column] if isinstance(column, str) else column
        assert {column for column in named if column} <= header


def test_generated_keys_are_unique_and_fit_the_rules_of_core() -> None:
    slugs = [re.sub(r"[^a-z]+", ".", name.lower()) for (name,) in ask("SELECT sales_agent FROM sales_teams")]
    slugs += [re.sub(r"[^a-z]+", ".", name.lower()) for (name,) in ask("SELECT DISTINCT manager FROM sales_teams")]
    assert len(set(slugs)) == len(slugs) == 41
    codes = [re.sub(r"[^A-Z]+", "-", name.upper()) for (name,) in ask("SELECT DISTINCT manager FROM sales_teams")]
    assert all(len(code) <= 20 for code in codes) and len(set(codes)) == 6


OWN = 'name <> "Unassigned"'


@dataclass(slots=True)
class Imports:
    """The database after the whole import, and what each step said: by the mapping's name."""

    url: str
    dry: dict[str, Imported] = field(default_factory=dict)
    done: dict[str, Imported] = field(default_factory=dict)
    again: dict[str, Imported] = field(default_factory=dict)


@pytest.fixture(scope="module")
def imports(new_database: Callable[[], str]) -> Imports:
    """Each mapping in turn: a dry run without its value maps, then the import as it ships."""
    made = Imports(new_database())
    asyncio.run(_import(made))
    return made


async def _import(made: Imports) -> None:
    async with opened(made.url) as rt:
        release = (
            await apply(rt, "hardware", load_tenant(EXAMPLE / "tenant.yaml", [EXAMPLE / "packs", PACKS]))
        ).release
        ctx = context(release, door="import")
        for path in sorted((EXAMPLE / "imports").glob("*.yaml")):
            shipped, plain = load_mapping(path), yaml.safe_load(path.read_text("utf-8"))
            plain["columns"] = {
                name: {key: value for key, value in source.items() if key not in ("map", "default")}
                if isinstance(source, dict)
                else source
                for name, source in plain["columns"].items()
            }
            data = DATA / plain["file"]
            made.dry[shipped.name] = await import_file(rt, ctx, release, mapping_of(plain), data, dry_run=True)
            made.done[shipped.name] = await import_file(rt, ctx, release, shipped, data)
            if shipped.name in ("products", "accounts"):
                made.again[shipped.name] = await import_file(rt, ctx, release, shipped, data)


def lines_where(table: str, column: str, value: str) -> set[int]:
    """The lines of a file whose cell in a column is that text."""
    with (DATA / f"{table}.csv").open(encoding="utf-8-sig", newline="") as file:
        return {number for number, row in enumerate(csv.DictReader(file), start=2) if row[column] == value}


def faulty(done: Imported, pointer: str) -> dict[int, str]:
    return {r.line: f.detail for r in done.rejected for f in r.faults if f.pointer == pointer}


def test_a_dry_run_without_value_maps_names_each_defect_row_by_row(imports: Imports) -> None:
    deals = imports.dry["opportunities"]
    products = faulty(deals, "/product")
    assert set(products) == lines_where("sales_pipeline", "product", "GTXPro") and len(products) == 1480
    assert set(products.values()) == {'there is no product with name "GTXPro"'}
    accounts = faulty(deals, "/account")
    assert set(accounts) == lines_where("sales_pipeline", "account", "") and len(accounts) == 1425
    assert {r.line for r in deals.rejected} == set(products) | set(accounts)
    countries = faulty(imports.dry["accounts"], "/country")
    assert set(countries) == lines_where("accounts", "office_location", "Philipines") and len(countries) == 1
    sectors = faulty(imports.dry["accounts"], "/sector")
    assert set(sectors) == lines_where("accounts", "sector", "technolgy") and len(sectors) == 12
    assert {r.line for r in imports.dry["accounts"].rejected} == set(sectors) | set(countries)
    assert not imports.dry["products"].rejected
    assert not imports.dry["teams"].rejected
    assert all(done.dry_run for done in imports.dry.values())


async def test_with_the_shipped_mappings_the_import_is_complete(imports: Imports) -> None:
    assert all(not done.rejected for done in imports.done.values()), imports.done
    assert {name: done.created for name, done in imports.done.items()} == {
        "products": 7, "teams": 6, "managers": 6, "agents": 35, "team_managers": 0, "accounts": 85,
        "account_parents": 0, "opportunities": 8800,
    }  # fmt: skip
    assert imports.done["team_managers"].updated == 6 and imports.done["account_parents"].updated == 85
    assert {name: (done.created, done.updated) for name, done in imports.again.items()} == {
        "products": (0, 7), "accounts": (0, 85),
    }  # fmt: skip
    async with opened(imports.url) as rt:
        release = await rt.store.release("hardware")
        assert len(await read(rt, release, "account", "id", where='country = "philippines"')) == 1
        revenue = sum(row["revenue"] for row in await read(rt, release, "account", "revenue"))
        assert revenue == sum(Decimal(text) * 1_000_000 for (text,) in ask("SELECT revenue FROM accounts"))
        parents = {r["name"]: r["parent.name"] for r in await read(rt, release, "account", "name", "parent.name", where=OWN)}
        assert parents == dict(ask("SELECT account, subsidiary_of FROM accounts"))
    counted = await sql(imports.url, "SELECT count(*) FILTER (WHERE account = "
                        "(SELECT id FROM t_hardware.account WHERE name = 'Unassigned')) AS a, "
                        "count(*) FILTER (WHERE engage_date IS NULL) AS e, "
                        "count(*) FILTER (WHERE amount IS NULL) AS v FROM t_hardware.opportunity")  # fmt: skip
    assert tuple(counted[0]) == (1425, 500, 2089)
    doors = await sql(imports.url, "SELECT DISTINCT door FROM t_hardware._history WHERE object = 'opportunity'")
    assert [row["door"] for row in doors] == ["historical import"]


async def test_original_dates_and_owners_are_kept(imports: Imports) -> None:
    rows = await sql(
        imports.url, "SELECT o.external_id, u.name, "
        "(o.created_at AT TIME ZONE 'America/New_York')::date::text AS made, "
        "(o.stage__entered_at AT TIME ZONE 'America/New_York')::date::text AS moved "
        'FROM t_hardware.opportunity o JOIN t_hardware."user" u ON u.id = o.owner WHERE o.engage_date IS NOT NULL',
    )  # fmt: skip
    wanted = ask(
        "SELECT opportunity_id, sales_agent, engage_date, coalesce(close_date, engage_date) FROM sales_pipeline "
        "WHERE engage_date IS NOT NULL"
    )
    assert sorted(map(tuple, rows)) == sorted(wanted) and len(rows) == 8300


async def result(url: str, name: str) -> tuple[Table, dict[str, Any]]:
    async with opened(url) as rt:
        release = await rt.store.release("hardware")
        found = await run_report(rt, context(release), release, name)
        assert found.totals is not None
        rows = [tuple(row.values()) for row in json.loads(found.body, parse_float=Decimal)]
        return rows, json.loads(found.totals, parse_float=Decimal)


REPORTS: dict[str, Callable[[], Table]] = {
    "deals_by_stage": deals_by_stage,
    "won_by_region": won_by_region,
    "won_by_series": won_by_series,
    "win_rate_by_manager": lambda: win_rate_by("manager"),
    "win_rate_by_sector": lambda: win_rate_by("sector"),
    "won_by_month": won_by_month,
}


@pytest.mark.parametrize("name", REPORTS)
async def test_each_report_says_what_sqlite_computes_from_the_files(imports: Imports, name: str) -> None:
    got, total = await result(imports.url, name)
    wanted = REPORTS[name]()
    if name == "deals_by_stage":
        order = ["prospecting", "engaging", "won", "lost"]
        wanted = sorted(wanted, key=lambda row: order.index(row[0]))
    if name.startswith("win_rate"):
        assert [row[:3] for row in got] == [row[:3] for row in wanted]
        assert all(abs(float(g[3]) - w[3]) < 1e-12 for g, w in zip(got, wanted, strict=True))
        assert (total["won"], total["lost"]) == (4238, 2473)
    else:
        assert [(row[0], row[1], row[2] or 0) for row in got] == wanted
        assert (total["deals"], total["amount"]) == (sum(row[1] for row in wanted), sum(row[2] for row in wanted))
    assert {report["name"] for report in declared("report")} == set(REPORTS)
