"""The grammar: precedence, literals, and what is said about a mistake."""

from __future__ import annotations

import time

import pytest

from metamodel.formula import ast
from metamodel.formula.diagnostics import CODES, FormulaError
from metamodel.formula.format import text as formatted
from metamodel.formula.parse import parse

SAME = [
    ("NOT a = b", "NOT (a = b)"),
    ("!a = b", "(!a) = b"),
    ("a or b and c", "a OR (b AND c)"),
    ("a || b && c", "a OR (b AND c)"),
    ("not a and b", "(NOT a) AND b"),
    ("-2 ^ 2", "(-2) ^ 2"),
    ("2 ^ 3 ^ 2", "(2 ^ 3) ^ 2"),
    ("2 * 3 ^ 2", "2 * (3 ^ 2)"),
    ("-5%", "-(5%)"),
    ('"n" & a + b', '"n" & (a + b)'),
    ("a - b - c", "(a - b) - c"),
    ("a & b = c", "(a & b) = c"),
    ("a == b", "a = b"),
    ("a != b", "a <> b"),
    ("a in (1, 2)", "a IN [1, 2]"),
    ("a NOT IN (1)", "a NOT IN (1)"),
    ("OR(a, b) or c", "(OR(a, b)) OR c"),
    ("TRUE()", "true"),
    ("a // comment\n + /* 2 */ 1", "a + 1"),
    ("'it''s'", '"it\'s"'),
    (r'"a\tbé\"\\"', "'a\tbé\"\\\\'"),
    ("1e3", "1000"),
    (".5", "0.5"),
    ("24hours", "1day"),
    ("12months", "1YEAR"),
    ("@2024-01-31T10:00Z", "@2024-01-31T10:00:00+00:00"),
    ("@09:30", "@09:30:00"),
]

MISTAKES = [
    ("a < b < c", "E108", 6, 7, "BETWEEN"),
    ("IF(a; b)", "E106", 4, 5, ","),
    ("“x”", "E105", 0, 1, '"'),
    ("IF（a, b)", "E105", 2, 3, "("),
    ("IF(a, b", "E107", 2, 3, ")"),
    ("(a + [1, 2", "E107", 5, 6, "]"),
    ("a +", "E109", 2, 3, None),
    ("", "E111", 0, 0, None),
    ("  \n ", "E111", 0, 4, None),
    ('name = "abc', "E103", 7, 11, '"'),
    (r'"a\qb"', "E104", 2, 4, r"\\"),
    (r'"\u0000"', "E104", 0, 8, None),
    ("@2024-02-30", "E110", 0, 11, None),
    ("@2024", "E110", 0, 1, "@2024-01-31"),
    ("30dayz", "E110", 0, 6, "30days"),
    ("1.5months", "E110", 0, 9, None),
    ("12abc", "E110", 0, 5, None),
    ("1e99999999999999999999", "E110", 0, 22, None),
    ("@0001-01-01T00:00+14:00", "E110", 0, 23, None),
    ("@9999-12-31T23:59-12:00", "E110", 0, 23, None),
    ("1day\u017f", "E102", 4, 5, None),
    ("\u0661 + 1", "E110", 0, 1, None),
    ("1m\u0131nute", "E110", 0, 7, None),
    ("a = NOT b", "E101", 4, 7, "brackets"),
    ("a b", "E101", 2, 3, None),
    ("IF a THEN b", "E101", 3, 4, None),
    ("a => b", "E101", 3, 4, None),
    ("a ~ b", "E102", 2, 3, None),
    ("日 + 1", "E102", 0, 1, None),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_tree(one: str, other: str) -> None:
    assert parse(one) == parse(other)


@pytest.mark.parametrize(("formula", "code", "start", "end", "hint"), MISTAKES)
def test_mistake_is_named_and_placed(formula: str, code: str, start: int, end: int, hint: str | None) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(formula)
    (found,) = caught.value.diagnostics
    assert (found.code, found.start, found.end) == (code, start, end), found
    assert found.code in CODES
    if hint:
        assert hint in (found.hint or "")


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("(" * 100_000, "E601"),
        ("(" * 4_000 + "1" + ")" * 4_000, "E602"),
        ("-" * 200 + "1", "E602"),
        ("+".join(["a"] * 300), "E602"),
        (" and ".join(["a"] * 1_200), None),
        ("OR(" + ",".join(["a"] * 2_100) + ")", "E603"),
        ("a in (" + ",".join(["1"] * 1_001) + ")", "E604"),
        ("NOT " * 150 + "a", "E602"),
        ("a[" * 150 + "b" + "]" * 150, "E602"),
    ],
)
def test_limits_are_clear_and_quick(formula: str, code: str | None) -> None:
    begun = time.perf_counter()
    try:
        parse(formula)
        found = None
    except FormulaError as error:
        found = error.diagnostics[0].code
    assert found == code
    assert time.perf_counter() - begun < 2


def test_positions_count_code_points() -> None:
    tree = parse('"日本😀" & name')
    assert isinstance(tree, ast.Binary)
    assert (tree.right.start, tree.right.end) == (8, 12)


def test_path_keeps_its_filter() -> None:
    tree = parse("SUM(lines[price > this.amount].price)")
    assert isinstance(tree, ast.Call)
    (path,) = tree.args
    assert isinstance(path, ast.Path)
    assert [step.name for step in path.steps] == ["lines", "price"]
    assert isinstance(path.steps[0].filter, ast.Binary)


def test_named_arguments_and_vendor_names() -> None:
    tree = parse("acme.MARGIN(1, digits: 2)")
    assert isinstance(tree, ast.Call)
    assert tree.name == "acme.MARGIN"
    assert [name for name, _ in tree.named] == ["digits"]


@pytest.mark.parametrize(
    "formula",
    [one for one, _ in SAME]
    + [
        "IF(a, b, c) + 1 * (2 - (3 - 4))",
        "a and (b and c) or not (d or e)",
        "(a = b) = c",
        "(1 + 2)%",
        "-(2 ^ 2)",
        "(-2)%",
        "a NOT IN (x, 'y\"z')",
        "SUM(lines[price > this.amount && b].price)",
        "FN(a, digits: 2)",
        "$user.region = old.stage",
        "1.5hours + 90seconds - 3weeks",
        "18months",
        "1.50",
        "1.5e3",
        "@2024-01-31T10:00:00.5",
        "NOT NOT a",
        "- -a",
        "IF(" + " and ".join(["some_long_field = 1"] * 9) + ", " + " + ".join(["another_long_field"] * 9) + ", 3)",
    ],
)
def test_format_keeps_the_meaning_and_is_idempotent(formula: str) -> None:
    tree = parse(formula)
    canonical = formatted(tree)
    assert formatted(parse(canonical)) == canonical
    assert parse(canonical) == tree


def test_format_writes_functions_upper_and_names_lower() -> None:
    assert formatted(parse("Sum(Lines[Price>THIS.Amount&&b].price)")) == "SUM(lines[price > this.amount AND b].price)"


def test_format_breaks_long_formulas() -> None:
    shown = formatted(parse(" and ".join(["some_long_field = 1"] * 9)))
    assert max(map(len, shown.splitlines())) <= 100
