"""What is said of wrong formulas: exact messages, places, carets and hints, kept as text.

`golden/bad_formulas.txt` holds blocks of a place (`--- rule`), the formula and, behind `+++`, what is said.
`pytest tests/formula/test_bad_formulas.py --rewrite-golden` writes what is said anew; the difference is read like code.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from metamodel.formula.check import check
from metamodel.formula.diagnostics import CODES, FormulaError
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.issues import Issue, Place, render
from tests.formula.shapes import MEASURE, QUERY, ROW

GOLDEN = Path(__file__).parent / "golden" / "bad_formulas.txt"
PLACES: dict[str, Scope] = {
    "rule": ROW,
    "query": QUERY,
    "measure": MEASURE,
    "without user": replace(QUERY, user=None),
    "default": replace(ROW, where="default", old=False),
    "without row": replace(QUERY, row=None),
}
TOO_LONG_TO_SHOW = {"E305", "E316", "E601", "E602", "E603", "E604", "E605", "E302", "E520", "E521"}
"""Codes that other tests meet: limits by generated formulas, plug-ins and storage by packs."""


def blocks() -> list[tuple[str, str, str]]:
    """(place, formula, what is said) of the golden file."""
    found = re.findall(r"^--- (.*)\n([\s\S]*?)\n\+\+\+\n([\s\S]*?)(?=\n--- |\Z)", GOLDEN.read_text("utf-8"), re.M)
    return [(place, formula, said.rstrip("\n")) for place, formula, said in found]


def said(place: str, formula: str) -> str:
    """Every problem of the formula as the command line shows it."""
    wanted, _, expect = place.partition(" as ")
    try:
        found = check(parse(formula), PLACES[wanted], expect=expect or None).diagnostics  # type: ignore[arg-type]
    except FormulaError as error:
        found = error.diagnostics
    shown = []
    for d in found:
        line = formula.count("\n", 0, d.start) + 1
        column = d.start - (formula.rfind("\n", 0, d.start) + 1) + 1
        where = Place("formula", line, column, max(1, d.end - d.start))
        shown.append(render(Issue(d.code, d.message, where, d.hint), {"formula": formula}))
    return "\n".join(shown)


BLOCKS = blocks()


@pytest.mark.parametrize(("place", "formula", "expected"), BLOCKS, ids=[b[1][:40] for b in BLOCKS])
def test_what_is_said(place: str, formula: str, expected: str, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--rewrite-golden"):
        assert said(place, formula) == expected


def test_the_file_is_current_and_meets_every_code(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite-golden"):
        text = "\n".join(f"--- {p}\n{f}\n+++\n{said(p, f)}" for p, f, _ in BLOCKS)
        GOLDEN.write_text(text + "\n", "utf-8")
    met = set(re.findall(r"^formula:\d+:\d+: ([EW]\d+) ", GOLDEN.read_text("utf-8"), re.M))
    assert set(CODES) - TOO_LONG_TO_SHOW <= met
