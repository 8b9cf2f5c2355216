"""Every function is documented, and the uses that it shows are typed; `test_every_function` runs the examples."""

from __future__ import annotations

import pytest

from metamodel.formula.check import check
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from metamodel.formula.parse import parse
from tests.formula.shapes import ROW, tree


def test_every_function_has_documentation_and_examples() -> None:
    assert {n for n, f in FUNCTIONS.items() if not f.operator and not (f.doc and (f.examples or f.uses))} == set()
    assert {n for n, a in AGGREGATES.items() if not (a.doc and a.examples)} == set()


@pytest.mark.parametrize(("name", "example"), [(name, use) for name, f in FUNCTIONS.items() for use in f.uses])
def test_use_is_typed(name: str, example: str) -> None:
    assert tree(example).type.kind != "error"


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_aggregate_examples_are_typed(name: str) -> None:
    for example in AGGREGATES[name].examples:
        assert check(parse(example.replace("amount", "price").replace("product", "label")), ROW).tree is not None
