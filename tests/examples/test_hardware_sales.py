"""The example `hardware_sales`: what its reports must say about the public CRM set, computed by SQLite from the files.

The set is not part of the project; `FIELDWRIGHT_MAVEN_CRM` names the folder with its CSV files.
"""

from __future__ import annotations

import csv
import os
import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "hardware_sales"
DATA = Path(os.environ.get("FIELDWRIGHT_MAVEN_CRM", "missing"))
FILES = ("accounts", "products", "sales_teams", "sales_pipeline")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="FIELDWRIGHT_MAVEN_CRM names no folder")

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
        "SELECT lower(region), count(*), sum(CAST(amount AS INTEGER)) FROM deals WHERE stage = 'Won' GROUP BY 1 ORDER BY 3 DESC"
    )


def won_by_series() -> Table:
    """Series, deals, amount; the largest amount first."""
    return ask(
        "SELECT lower(series), count(*), sum(CAST(amount AS INTEGER)) FROM deals WHERE stage = 'Won' GROUP BY 1 ORDER BY 3 DESC"
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
    stages = {document["name"]: set(document["stages"]) for document in declared("process")}
    checked = 0
    for mapping in mappings():
        for name, source in mapping["columns"].items():
            field = objects.get(mapping["object"], {}).get(name, {})
            allowed = options.get(field.get("options")) or stages.get(field.get("process"))
            if allowed:
                table = Path(mapping["file"]).stem
                values = {row[0] for row in ask(f"SELECT DISTINCT {source['column']} FROM {table}")}
                assert {source["map"].get(value, value) for value in values} == allowed
                assert set(source["map"]) <= values
                checked += 1
    assert checked == 3
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
