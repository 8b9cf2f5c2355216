"""The checks that function authors run, over every function of the language."""

from __future__ import annotations

import pytest

from engine.testing.database import Database
from engine.testing.functions import function_checks, run_example
from metamodel.formula.functions.registry import FUNCTIONS
from tests.formula.shapes import codes

test_functions = function_checks("*")


@pytest.mark.parametrize(
    "formula", ["[1, 2] = [1.0, 2.0]", "[1.5] <> [1]", "NOT [] = [1]", "[1] IN ([2], [1.0])", "LISTSIZE(CHOOSE(1, [1, 2])) = 2"]
)
def test_lists_of_numbers_compare_as_numbers(fieldwright_database: Database, formula: str) -> None:
    assert run_example(fieldwright_database, FUNCTIONS["="], formula) == ""


@pytest.mark.parametrize(
    ("formula", "code"),
    [('["a"] = [1]', "E201"), ("[@2024-01-01] <> [1]", "E201"), ('IF(active, [1], ["a"])', "E208"), ("IF(active, [1], [2.5])", "E208")],
)
def test_lists_of_different_kinds_do_not_mix(formula: str, code: str) -> None:
    assert codes(formula) == [code]
