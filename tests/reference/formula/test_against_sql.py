"""SQL against the specification: value and error code of generated formulas over random rows, none may differ.

`FIELDWRIGHT_PAIRS` says how many pairs of a formula and a row are compared (100,000), `FIELDWRIGHT_SEED` draws other
formulas and rows. What is drawn in half of the pairs is any formula, in the other half each function has its share.
Measures come on top, a tenth as many formulas; each has a value per group of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.testing.database import Database
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from tests.reference.formula import strategies, world
from tests.reference.formula.compare import Bench, Measures
from tests.reference.formula.hunt import PAIRS, ROWS, SEED, hunt, shares
from tests.reference.formula.world import TEAMS

ANY = {"N": 6, "T": 3, "B": 6, "D": 3, "I": 2, "C": 1, "U": 1, "L": 1}
"""How much each kind of formula weighs."""
BY_FUNCTION: dict[str, list[tuple[str, str]]] = {}
for _kind in strategies.KINDS:
    for _template in strategies.usable(_kind):
        for _name in sorted(strategies.calls(_template)) or ["operators"]:
            BY_FUNCTION.setdefault(_name, []).append((_kind, _template))
UNPROVEN = {
    # Another value at every call, or the clock, which leaves of the formulas read.
    *("RAND", "UUID", "TODAY", "NOW", "TIMENOW"),
    # They read the schema, the reader, other tables or the record's identity: the engine's own tests have those.
    *("USER", "ORG", "HASROLE", "HASPERMISSION", "PICKLABEL", "PICKRANK", "OBJECTNAME", "RECORDID"),
    *("CURRENCYCODE", "CONVERTCURRENCY", "LOOKUP"),
    # The calendars of a tenant: tests/formula/test_worktime.py counts minute by minute.
    *("WORKTIME", "ADDWORKTIME"),
}
"""Functions that this comparison can not hold to the specification."""


@pytest.fixture(scope="module")
def bench(database_url: str) -> Iterator[Bench]:
    database = Database(database_url)
    yield Bench(database, world.world(ROWS, SEED))
    database.close()


@pytest.fixture(scope="module")
def measures(bench: Bench) -> Measures:
    return Measures(bench.database, bench.world)


@pytest.mark.parametrize(("kind", "examples"), shares(ANY, PAIRS // 2), ids=list(strategies.KINDS.values()))
def test_any_formula(bench: Bench, kind: str, examples: int) -> None:
    pairs = hunt(bench, strategies.formula(kind, 3), examples, kind)
    assert pairs >= 0.7 * examples * ROWS


@pytest.mark.parametrize(("kind", "examples"), shares(ANY, PAIRS // 10), ids=list(strategies.KINDS.values()))
def test_any_measure(measures: Measures, kind: str, examples: int) -> None:
    assert hunt(measures, strategies.formula(kind, 3, "measure"), examples, f"measure {kind}") >= 0.5 * examples * TEAMS


@pytest.mark.parametrize(
    ("name", "examples"),
    shares({name: len(BY_FUNCTION[name]) + 1 for name in sorted(BY_FUNCTION)}, PAIRS // 2),
    ids=sorted(BY_FUNCTION),
)
def test_function(bench: Bench, name: str, examples: int) -> None:
    templates = [template for _, template in BY_FUNCTION[name]]
    assert hunt(bench, strategies.one_of(templates, 1), examples, name)


def test_every_function_has_its_share() -> None:
    """A function of the language is known here and drawn, or it is named above."""
    declared = {name for name, found in FUNCTIONS.items() if not found.operator} | set(AGGREGATES)
    public = {name for name in declared if name.isupper()}
    assert public - set(BY_FUNCTION) - UNPROVEN == set()
