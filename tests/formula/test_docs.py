"""The pages hold what the code does: the functions page is generated, every formula of the language page is valid."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engine.db.pool import Connection, connect
from engine.formulas.evaluate import Question, answer
from engine.sql import expression
from metamodel.formula import limits
from metamodel.formula.check import check
from metamodel.formula.document import functions_page
from metamodel.formula.functions import registry
from metamodel.formula.functions.guard import ERRORS
from metamodel.formula.parse import parse
from tests.formula.database import Database
from tests.formula.shapes import MEASURE, ROW, Columns, codes, sql_of, tree

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


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = [
        EntryPoint("acme.MARGIN", "tests.formula.test_docs:MARGIN", registry.ENTRY_POINTS),
        EntryPoint("acme.GONE", "no_such_module:gone", registry.ENTRY_POINTS),
        EntryPoint("acme.WRONG", "tests.formula.test_docs:LANGUAGE", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry._declared.cache_clear()
    registry._plugin.cache_clear()
    yield
    registry._declared.cache_clear()
    registry._plugin.cache_clear()


_namespace: dict[str, registry.Function] = {}
exec(re.search(r"```python\n(.*?)```", LANGUAGE, re.DOTALL)[1], _namespace)  # type: ignore[index]  # noqa: S102
MARGIN = _namespace["margin"]


@pytest.mark.usefixtures("plugins")
def test_plugin_of_the_language_page(database_url: str) -> None:
    database = Database(database_url)
    try:
        for example in MARGIN.examples:
            left, _, right = example.partition(" -> ")
            node = tree(left)
            value, failed = (sql_of(f(node, Columns())) for f in (expression.value, expression.failed))
            found = database.row(f"SELECT {value}, {failed}")
            assert found[1] is (right == "error")
            assert found[0] is (None if right else True)
    finally:
        database.close()


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("acme.GONE(1)", "E305"),
        ("acme.WRONG(1)", "E305"),
        ("acme.NONE(1)", "E303"),
        ("acme.margin('x', 1)", "E204"),
    ],
)
def test_a_broken_plugin_is_a_diagnostic(formula: str, code: str) -> None:
    assert codes(formula) == [code]
