"""The pages hold what the code does: the functions page is generated, every formula of the language page is valid."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.db.pool import Connection, connect
from engine.formulas.evaluate import Question, answer
from metamodel.formula import limits
from metamodel.formula.check import check
from metamodel.formula.document import functions_page
from metamodel.formula.functions.guard import ERRORS
from metamodel.formula.parse import parse
from tests.formula.shapes import MEASURE, ROW

CASES = ["und-x-icu", "pg_unicode_fast"]
DOCS = Path(__file__).resolve().parents[2] / "docs"
LANGUAGE = (DOCS / "formula.md").read_text(encoding="utf-8")


def test_functions_page_is_current() -> None:
    assert (DOCS / "functions.md").read_text(encoding="utf-8") == functions_page()


@pytest.mark.parametrize(("kind", "formula"), re.findall(r"```(formula|measure)\n(.*?)```", LANGUAGE, re.DOTALL))
def test_formula_of_the_language_page(kind: str, formula: str) -> None:
    assert check(parse(formula), ROW if kind == "formula" else MEASURE).diagnostics == ()


EXAMPLES = [
    (block, line)
    for block in re.findall(r"```eval\n(.*?)```", LANGUAGE, re.DOTALL)
    for line in block.splitlines()
    if "->" in line
]


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[tuple[Connection, str | None]]:
    """A connection, and the collation in which its server changes case."""
    conn = await connect(database_url)
    yield conn, await conn.fetchval("SELECT max(collname) FROM pg_collation WHERE collname = ANY($1)", CASES)
    await conn.close()


def given(block: str, formula: str) -> Question:
    """The question of one line: inputs as `name: type value`, `blanks: zero`, `zone: Europe/Berlin`."""
    head = block.splitlines()[0].removeprefix("given ") if block.startswith("given ") else ""
    pairs = dict(pair.strip().split(": ", 1) for pair in head.split(",") if pair.strip())
    how = {"blanks": pairs.pop("blanks", "blank"), "timezone": pairs.pop("zone", "UTC")}
    inputs = {}
    for name, shown in pairs.items():
        kind, _, value = shown.partition(" ")
        inputs[name] = {"type": kind, "value": None if value == "(blank)" else value}
    return Question(formula, inputs, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(("block", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
async def test_example_of_the_language_page(server: tuple[Connection, str | None], block: str, line: str) -> None:
    formula, _, expected = (part.strip() for part in line.partition("->"))
    found = await answer(*server, given(block, formula))
    if expected.startswith("#"):
        assert found == {"error": expected[1:]}
    else:
        assert found.get("value") == (await answer(*server, given(block, expected)))["value"], found


def test_the_language_page_lists_every_error() -> None:
    listed = dict(re.findall(r"^\| `#([A-Z0-9]+)` \| (.*) \|$", LANGUAGE, re.MULTILINE))
    assert listed == ERRORS
    assert f"{limits.TEXT_CHARACTERS:,} characters in a text" in LANGUAGE
