"""SQL against the naive evaluator: value and error, over generated typed formulas and rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from engine.sql import expression
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from tests.formula.database import Database
from tests.formula.shapes import COLUMNS as TYPES
from tests.formula.shapes import ROW, SHAPES, ZONE, Columns, sql_of
from tests.reference.evaluator import Evaluator, Fault
from tests.reference.generate import COLUMNS, Formulas, rows

NOW = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
ROWS = rows(24, seed=1)
FORMULAS = int(os.environ.get("FIELDWRIGHT_FORMULAS", "400"))
BATCH = 50
SEED = int(os.environ.get("FIELDWRIGHT_SEED", "20"))


class Bound(Columns):
    """Context values as constants."""

    def system(self, node: Any) -> Any:
        found = NOW if node.name == "now" else Evaluator(ZONE, NOW).local(NOW).date()
        return sa.cast(sa.literal(found.isoformat(), literal_execute=True), TYPES[node.type.kind])


@pytest.fixture(scope="module")
def table(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    shape = SHAPES["project"].fields
    names = ", ".join(
        f"{name} {TYPES[shape[name].type.kind].compile(dialect=sa.dialects.postgresql.dialect())}" for name in COLUMNS
    )
    database.execute("CREATE TEMPORARY TABLE reference (at int, " + names + ")")
    marks = ", ".join(f"${i + 2}" for i in range(len(COLUMNS)))
    for at, row in enumerate(ROWS):
        database.row(f"INSERT INTO pg_temp.reference VALUES ($1, {marks})", at, *(row[name] for name in COLUMNS))
    yield database
    database.close()


def expected(text: str, row: dict[str, Any]) -> Any:
    try:
        return Evaluator(ZONE, NOW).run(parse(text), row)
    except Fault:
        return "error"


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Decimal | int) and isinstance(b, Decimal | int) and not isinstance(a, bool):
        return Decimal(a) == Decimal(b)
    return bool(a == b)


@pytest.mark.parametrize("batch", range(FORMULAS // BATCH))
def test_sql_gives_what_the_page_says(table: Database, batch: int) -> None:
    formulas = Formulas(SEED * 1_000 + batch)
    row = Bound(environment=expression.Environment(ZONE, table.case_collation))
    checked = 0
    while checked < BATCH:
        text = formulas.any(3)
        made = check(parse(text), ROW)
        if made.tree is None or len(text) > 2_000:
            continue
        checked += 1
        columns = [sql_of(expression.value(made.tree, row)), sql_of(expression.failed(made.tree, row))]
        if made.tree.type.kind == "boolean":
            columns += [sql_of(expression.condition(made.tree, row)), sql_of(expression.violated(made.tree, row))]
        found = table.rows(f"SELECT {', '.join(columns)} FROM pg_temp.reference ORDER BY at")
        for data, got in zip(ROWS, found, strict=True):
            wanted = expected(text, data)
            actual = "error" if got[1] else got[0]
            assert same(actual, wanted), (text, data, sql_of(expression.value(made.tree, row)))
            assert not got[1] or got[0] is None
            if made.tree.type.kind == "boolean":
                assert (got[2] is True) == (wanted is True), ("condition", text, data, columns[2])
                assert got[3] is (wanted is not True), ("violated", text, data, columns[3])
