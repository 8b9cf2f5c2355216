"""Every declared example runs in PostgreSQL; strict functions are blank where an argument is; nothing ever raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from engine.sql import expression
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from tests.formula.database import Database
from tests.formula.shapes import ROW, Columns, sql_of, tree

EXAMPLES = [(name, example) for name, f in FUNCTIONS.items() for example in f.examples]


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


class Row(Columns):
    """No fields, and a clock that stands."""

    def system(self, node: typed.System) -> Any:
        values = {"now": datetime(2024, 5, 31, 22, 30, tzinfo=UTC), "today": date(2024, 6, 1)}
        return sql.constant(values[node.name], node.type)


def evaluate(database: Database, text: str, scope: Scope = ROW) -> Any:
    """The value of a formula without fields, or the error as "#DIV0"."""
    node = tree(text, scope)
    row = Row()
    made = database.row(f"SELECT {sql_of(expression.value(node, row))}, {sql_of(expression.error(node, row))}")
    return f"#{made[1]}" if made[1] else made[0]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example(database: Database, name: str, example: str) -> None:
    left, arrow, right = example.partition(" -> ")
    contexts = FUNCTIONS[name].contexts
    scope = ROW if ROW.where in contexts else replace(ROW, where=min(contexts))
    found = evaluate(database, left, scope)
    if right == "error":
        assert str(found).startswith("#")
    else:
        assert found == ((None if right == "NULL" else right) if arrow else True)


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_aggregate_examples_are_typed(name: str) -> None:
    assert AGGREGATES[name].examples
    for example in AGGREGATES[name].examples:
        assert check(parse(example.replace("amount", "price").replace("product", "label")), ROW).tree is not None


def test_every_function_has_documentation_and_examples() -> None:
    assert {n for n, f in FUNCTIONS.items() if not f.operator and not (f.doc and (f.examples or f.uses))} == set()


@pytest.mark.parametrize(("name", "example"), [(name, use) for name, f in FUNCTIONS.items() for use in f.uses])
def test_use_is_typed(name: str, example: str) -> None:
    assert tree(example).type.kind != "error"
