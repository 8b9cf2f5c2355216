"""Texts and conversion: what formats and patterns refuse, and that every lowering can be indexed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula.check import check
from metamodel.formula.functions.patterns import pattern_problem
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from tests.formula.shapes import ROW, SCHEMA, Columns, codes, sql_of, tree

REFUSED = [
    ('TEXT(amount, "abc")', "E209"),
    ('TEXT(amount, "0.0.0")', "E209"),
    ('TEXT(amount, "kg")', "E209"),
    ('TEXT(amount, ",0")', "E209"),
    ('TEXT(amount, "#,##0-0")', "E209"),
    ('TEXT(amount, "0;0")', "E209"),
    ("TEXT(amount, '0 \"kg')", "E209"),
    ('TEXT(due, "hh:mm")', "E209"),
    ('TEXT(due, "0")', "E209"),
    ('TEXT(due, "--")', "E209"),
    ('TEXT(due, "yyyyy")', "E209"),
    ("TEXT(due, name)", "E207"),
    ('TEXT(name, "0")', "E204"),
    ('TEXT(active, "0")', "E204"),
    ('REGEX(name, "(?i)a")', "E209"),
    ('REGEX(name, "a++")', "E209"),
    ('REGEXEXTRACT(name, "a*?")', "E209"),
    ("REGEXREPLACE(name, note, note)", "E207"),
    ('TEXTJOIN(",", TRUE, tags, name)', "E204"),
    ('TEXTJOIN(",", TRUE, [1, 2])', "E204"),
    ("LEN(UUID()) = 36", "E401"),
]


@pytest.mark.parametrize(("formula", "code"), REFUSED)
def test_refused(formula: str, code: str) -> None:
    assert codes(formula) == [code]


def test_an_identifier_is_made_in_defaults_and_workflows() -> None:
    for where in ("default", "workflow"):
        assert check(parse("UUID()"), Scope(SCHEMA, where, row="project")).tree is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["[^*]+", "[$*]x", r"\[a\]", r"[\]a]{2,}", "(?:ab|c)*", r"\d{3}-\w+", "a*?", "^a$", "[a-c-]", "[-a-c]"])
def test_pattern_in_the_subset(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"\ba",
        r"(a)\1",
        "(?=a)",
        "[[:alpha:]]",
        "a{,2}",
        "^*",
        "a{300}",
        "((a{100}){100})",
        "[a",
        "a\\",
        "***:a",
        "[a-c-e]",
        r"[0-9-\w]",
        "a" * 501,
    ],
)
def test_pattern_outside_the_subset(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


INDEXED = [
    "UPPER(name) & LOWER(name) & PROPER(name)",
    "TRIM(name) & TRIMALL(name) & CLEAN(name) & REVERSE(name)",
    "LEFT(name, units) & RIGHT(name, units) & MID(name, units, units)",
    "TEXTBEFORE(name, note) & TEXTAFTER(name, note)",
    "REPT(name, units)",
    "LPAD(name, units, note) & RPAD(name, units)",
    "SUBSTITUTE(name, note, name)",
    "SUBSTITUTE(name, note, name, units)",
    "REPLACE(name, units, units, note)",
    "TEXTJOIN(name, active, name, units, due, seen)",
    'TEXTJOIN(", ", TRUE, tags)',
    "SPLIT(name, note)",
    "FIND(name, note, units) + SEARCH(name, note, units) + CODE(name)",
    "IEQUALS(name, note) || ICONTAINS(name, note) || REGEX(name, 'a+')",
    "REGEXEXTRACT(name, 'a(b)')",
    "REGEXREPLACE(name, '(a)', note)",
    "CHAR(units)",
    "URLENCODE(name)",
    "HTMLENCODE(name)",
    "MD5(name) & SHA256(name)",
    "HASHBUCKET(name, units)",
    "TEXT(amount) & TEXT(due) & TEXT(active) & TEXT(seen)",
    "TEXT(amount, '#,##0.0#%') & TEXT(due, 'ddd d mmmm yyyy') & TEXT(seen, 'h:mm AM/PM')",
    "FIXED(amount, units, active)",
    "FORMATCURRENCY(name, amount) & FORMATDURATION(amount, active)",
    "VALUE(name) + NUMBERVALUE(name, note, note)",
]


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    found.execute("""
        CREATE TEMPORARY TABLE project (name text, note text, amount numeric, units bigint, due date,
                                        seen timestamptz, active boolean, tags text[])
    """)
    yield found
    found.close()


@pytest.mark.parametrize("formula", INDEXED)
def test_value_and_error_are_immutable(database: Database, formula: str) -> None:
    node, row = tree(formula, ROW), Columns()
    database.execute(f"CREATE INDEX ON pg_temp.project (({sql_of(expression.value(node, row))}))")
    database.execute(f"CREATE INDEX ON pg_temp.project (({sql_of(expression.failed(node, row))}))")
