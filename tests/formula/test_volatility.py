"""The class of a formula and the part that makes it so."""

from __future__ import annotations

import pytest

from metamodel.formula import typed
from metamodel.formula.functions.registry import FUNCTIONS, Volatility
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DECIMAL
from metamodel.formula.volatility import volatility
from tests.formula.shapes import QUERY, ROW, tree

IMMUTABLE = ["amount * 2 + cost", "YEAR(due) = 2024", "EDATE(due, 1)", 'DATEVALUE("2024-01-31")', "client", "TEXT(due)"]
CASES: list[tuple[str, Volatility, type[Node]]] = [
    ("YEAR(seen) = 2024", "zoned", Call),
    ("DATEVALUE(seen)", "zoned", Call),
    ("seen > @2024-01-31T10:00:00", "zoned", Literal),
    ("TODAY() - due > 30", "stable", System),
    ("$user = owner", "stable", System),
    ("amount > 1 AND client.region = name", "relational", Field),
    ("IF(TODAY() > due, SUM(lines.price), 0)", "relational", Aggregate),
    ("SUM(lines[day < TODAY()].price) + amount", "relational", Aggregate),
    ("old.amount < amount", "change", Field),
    ("client.region = name AND ISCHANGED(amount)", "change", Field),
]


@pytest.mark.parametrize("formula", IMMUTABLE)
def test_the_row_alone(formula: str) -> None:
    made = tree(formula, ROW)
    assert volatility(made) == ("immutable", made)


@pytest.mark.parametrize(("formula", "wanted", "part"), CASES)
def test_the_worst_part_decides(formula: str, wanted: Volatility, part: type[Node]) -> None:
    found, node = volatility(tree(formula, ROW))
    assert found == wanted
    assert type(node) is part


def test_the_first_of_several_parts_is_told() -> None:
    found, node = volatility(tree("YEAR(seen) + MONTH(ended)", QUERY))
    assert found == "zoned"
    assert isinstance(node, Call) and node.function == "YEAR"


def test_what_stands_behind_a_name_counts_and_the_name_is_told() -> None:
    behind = {"amount": tree("SUM(lines.price)")}
    found, node = volatility(tree("amount * 2"), lambda field: behind.get(field.name))
    assert found == "relational"
    assert isinstance(node, Field) and node.name == "amount"


def test_a_shared_part_is_looked_at_once() -> None:
    node: Node = typed.Field(DECIMAL, (), "project", "amount")
    for _ in range(200):
        node = Call(DECIMAL, "+", (node, node))
    assert volatility(node)[0] == "immutable"


def test_every_declared_class_is_known() -> None:
    for function in FUNCTIONS.values():
        arguments = tuple(Field(BOOLEAN, (), "project", "active") for _ in range(function.least))
        found, _ = volatility(Call(BOOLEAN, function.name, arguments))
        assert found == ("immutable" if function.volatility == "zoned" else function.volatility)
