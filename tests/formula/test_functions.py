"""Every declared example runs in PostgreSQL; strict functions are blank where an argument is; nothing ever raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.sql import expression
from metamodel.formula.check import check
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from metamodel.formula.parse import parse
from tests.formula.database import Database
from tests.formula.shapes import ROW, Columns, sql_of, tree

EXAMPLES = [(name, example) for name, f in FUNCTIONS.items() for example in f.examples]


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


def evaluate(database: Database, text: str) -> Any:
    """The value of a formula without fields, or the text "error"."""
    node = tree(text)
    row = Columns()
    made = database.row(f"SELECT {sql_of(expression.value(node, row))}, {sql_of(expression.failed(node, row))}")
    return "error" if made[1] else made[0]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example(database: Database, name: str, example: str) -> None:
    left, arrow, right = example.partition(" -> ")
    expected = {"error": "error", "NULL": None}[right] if arrow else True
    assert evaluate(database, left) == expected


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_aggregate_examples_are_typed(name: str) -> None:
    assert AGGREGATES[name].examples
    for example in AGGREGATES[name].examples:
        assert check(parse(example.replace("amount", "price").replace("product", "label")), ROW).tree is not None


def test_every_function_has_documentation_and_examples() -> None:
    without = {name for name, f in FUNCTIONS.items() if not f.operator and (not f.doc or not f.examples)}
    assert without <= {"ISNEW", "ISCHANGED", "PRIORVALUE", "TODAY", "NOW", "INCLUDES"}
