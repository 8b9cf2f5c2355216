"""The lowering: SQL that indexes serve, two-valued conditions, access, aggregates over real rows, totality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.functions import sql
from metamodel.formula.parse import parse
from tests.formula.shapes import MEASURE, PROJECT, QUERY, Columns, sql_of, tree

CONDITIONS = [
    ('stage = "won"', "stage = CAST('won' AS TEXT)"),
    ("amount > 1000", "amount > 1000"),
    ("NOT amount = 5", "amount IS DISTINCT FROM 5"),
    ("amount <> 5", "amount IS DISTINCT FROM 5"),
    ("amount = cost", "amount IS NOT DISTINCT FROM cost"),
    ("note = NULL", "note IS NULL"),
    ('note <> ""', "note IS NOT NULL"),
    ("ISBLANK(note)", "note IS NULL"),
    (
        'stage IN ("won", "lost") AND due >= TODAY()',
        "stage IN (CAST('won' AS TEXT), CAST('lost' AS TEXT)) AND due >= $1::DATE",
    ),
    ("active", "active"),
    ("client.vip", "client_vip"),
    ("NOT client.vip", "(NOT coalesce(client_vip, false))"),
    (
        "amount / cost > 2",
        f"round(round((amount * {sql.EXACT}) / CAST(nullif(cost, 0) AS NUMERIC), 18), 12) > 2",
    ),
    ('name > "m"', "(name COLLATE \"C\") > CAST('m' AS TEXT)"),
    ("units IN ()", "false"),
    ("owner = $user", "owner = $1::UUID"),
    ('name = "50%\\\\ o\'k"', "name = CAST(U&'50!0025!005c o''k' UESCAPE '!' AS TEXT)"),
]


@pytest.mark.parametrize(("formula", "expected"), CONDITIONS)
def test_condition_stays_bare(formula: str, expected: str) -> None:
    assert sql_of(expression.condition(tree(formula), Columns())) == expected


def test_parameters_stay_bare_too() -> None:
    found = check(parse('stage = "won" and amount >= 10'), QUERY, lift_literals=True)
    assert found.tree is not None
    assert sql_of(expression.condition(found.tree, Columns())) == "stage = $1::VARCHAR AND amount >= $2::BIGINT"


def test_a_guard_that_null_carries_is_left_out() -> None:
    assert "CASE" not in sql_of(expression.value(tree("amount / cost * 100"), Columns()))
    assert sql_of(expression.value(tree("SUM(amount, cost / units)"), Columns())).startswith("CASE WHEN")


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    found.execute("""
        CREATE TEMPORARY TABLE project (id uuid, name text, note text, amount numeric, cost numeric, units bigint,
                                        active boolean, stage text, tags text[], owner uuid);
        CREATE TEMPORARY TABLE line (id uuid, project uuid, price numeric, quantity bigint, number bigint, label text,
                                     day date);
        INSERT INTO pg_temp.project VALUES
          ('00000000-0000-0000-0000-000000000001', 'one', NULL, 10, 5, 2, true, 'won', '{red,blue}',
           '00000000-0000-0000-0000-0000000000aa'),
          ('00000000-0000-0000-0000-000000000002', 'two', 'n', NULL, 0, NULL, false, 'open', NULL, NULL),
          ('00000000-0000-0000-0000-000000000003', 'three', 'n', 7, 0, 3, false, NULL, '{}', NULL);
        INSERT INTO pg_temp.line VALUES
          ('00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000001',
           1.5, 2, 2, 'b', '2024-01-02'),
          ('00000000-0000-0000-0000-000000000012', '00000000-0000-0000-0000-000000000001', 20, 1, 1, 'a', '2024-01-01'),
          ('00000000-0000-0000-0000-000000000013', '00000000-0000-0000-0000-000000000001', NULL, 0, NULL, NULL, NULL),
          ('00000000-0000-0000-0000-000000000014', '00000000-0000-0000-0000-000000000002', 4, 0, 1, 'z', '2023-12-31');
    """)
    yield found
    found.close()


USER = UUID("00000000-0000-0000-0000-0000000000aa")


ROW = Columns(table=PROJECT)


def column(database: Database, clause: Any, *values: Any) -> list[Any]:
    """The clause for each of the three projects."""
    statement = sa.select(clause).select_from(PROJECT).order_by(sa.column("id", _selectable=PROJECT))
    return [r[0] for r in database.rows(sql_of(statement), *values)]


AGGREGATES = [
    ("COUNT(lines)", [3, 1, 0]),
    ("COUNT(lines.price)", [2, 1, 0]),
    ("COUNT(lines[price > this.amount])", [1, 0, 0]),
    ("SUM(lines.price)", ["21.5", 4, 0]),
    ("SUM(lines[number = 1].price)", [20, 4, 0]),
    ("SUM(lines, price * quantity)", [23, 0, 0]),
    ("AVERAGE(lines.price)", ["10.75", 4, None]),
    ("MEDIAN(lines.price)", ["10.75", 4, None]),
    ("MIN(lines.label)", ["a", "z", None]),
    ("MAX(lines.price) - MIN(lines.price)", ["18.5", 0, None]),
    ("COUNTDISTINCT(lines.label)", [2, 1, 0]),
    ("EXISTS(lines[quantity = 0])", [True, True, False]),
    ("FIRST(lines.label, number)", ["a", "z", None]),
    ("LAST(lines.label, number)", ["b", "z", None]),
    ("LAST(lines, price, day)", ["1.5", 4, None]),
    ("SUM(lines, price / quantity)", ["20.75", "error", 0]),
    ("SUM(lines[quantity > 0], price / quantity)", ["20.75", 0, 0]),
    ("SUM(lines, IFERROR(price / quantity, 0))", ["20.75", 0, 0]),
    ("COUNT(lines[price / quantity > 1])", [1, "error", 0]),
    ("IFERROR(COUNT(lines[price / quantity > 1]), -1)", [1, -1, 0]),
]


@pytest.mark.parametrize(("formula", "expected"), AGGREGATES)
def test_child_aggregate(database: Database, formula: str, expected: list[Any]) -> None:
    node = tree(formula)
    values, wrong = column(database, expression.value(node, ROW)), column(database, expression.failed(node, ROW))
    shown = ["error" if bad else value for value, bad in zip(values, wrong, strict=True)]
    plain = [x if isinstance(x, str | bool) or x is None else float(x) for x in shown]
    assert plain == [float(x) if isinstance(x, str) and x[0].isdigit() else x for x in expected]


def test_measures(database: Database) -> None:
    def of(formula: str) -> Any:
        node = tree(formula, MEASURE)
        return database.row(f"SELECT {sql_of(expression.value(node, ROW))} FROM pg_temp.project")[0]

    assert of("SUM(amount)") == 17
    assert of("COUNT(rows)") == 3
    assert float(of('COUNT(rows[stage = "won"]) / COUNT(rows)')) == pytest.approx(1 / 3)
    assert of("SUM(amount * 2) + MAX(cost)") == 39


ACCESS = [
    ('stage = "won"', [True, False, False]),
    ('NOT stage = "won"', [False, True, False]),
    ('stage <> "won"', [False, True, False]),
    ("owner = $user", [True, False, False]),
    ("NOT owner = $user", [False, False, False]),
    ("IF(amount > 8, FALSE, TRUE)", [False, False, True]),
    ('CONTAINS(note, "x") OR TRUE', [True, True, True]),
    ('NOT CONTAINS(note, "x")', [False, True, True]),
    ("NOT (amount > 8 AND active)", [False, True, True]),
    ("(amount > 8) = FALSE", [False, False, True]),
    ("COUNT(lines[price <> 4]) = 0", [False, True, True]),
    ("amount / cost > 1", [True, False, False]),
    ("NOT amount / cost > 100", [True, False, False]),
    ("ISBLANK(stage)", [False, False, True]),
    ("stage IN ()", [False, False, False]),
    ("NOT stage IN ('lost')", [True, True, False]),
    ("1 IN (1, amount / cost)", [True, True, False]),
]


@pytest.mark.parametrize(("formula", "expected"), ACCESS)
def test_access_grants_only_what_is_true(database: Database, formula: str, expected: list[bool]) -> None:
    clause = expression.grants(tree(formula), ROW)
    values = [USER] if "$user" in formula else []
    assert [found is True for found in column(database, clause, *values)] == expected


def test_access_with_a_blank_user_field_grants_nothing(database: Database) -> None:
    for formula in ("name = $user.region", "NOT name = $user.region", "COUNT(lines[label = $user.region]) > 0"):
        assert not any(column(database, expression.grants(tree(formula), ROW), None))


def test_a_rule_that_can_not_be_evaluated_is_violated(database: Database) -> None:
    node = tree("amount / cost > 1")
    assert column(database, expression.violated(node, ROW)) == [False, True, True]
    assert column(database, expression.failed(node, ROW)) == [False, False, True]


def test_lists(database: Database) -> None:
    assert column(database, expression.value(tree('INCLUDES(tags, "red")'), ROW)) == [True, False, False]
    assert column(database, expression.value(tree("ISBLANK(tags)"), ROW)) == [False, True, True]


EXTREMES = [
    "amount * 1e38 * 1e38 ^ 1",
    "units * units * units * units",
    "(9e37 + amount) / 1e-18",
    "POWER(amount, 1e38)",
    "POWER(1e-18, 1e30)",
    "POWER(-1e30, 1e30)",
    "SQRT(-1e38)",
    "MOD(1e38, 1e-18)",
    "ROUND(amount, 1e30)",
    "LEFT(name, 1e30)",
    "MID(name, -1e30, 1e30)",
    "@2024-01-01 + 1e30",
    "@2024-01-01 - amount * 1e30",
    "EDATE(@0001-01-01, -1e20)",
    "EOMONTH(@9999-12-31, amount * 1e20)",
    "DATE(1e30, 1e30, -1e30)",
    "DATE(amount, 1e9, 1e9)",
    'DATEADD(NOW(), 1e30, "year")',
    'DATEADD(NOW(), amount * 1e30, "second")',
    "NOW() + 1e30 * 1days",
    'VALUE("9" & name)',
    'DATEVALUE("0000-00-00")',
    'DATEVALUE("9999-99-99")',
    'SUBSTITUTE(name, "", "x")',
    "CEILING(1e38, 1e-18)",
    "QUOTIENT(1e38, 1e-18)",
    "WEEKDAY(@2024-01-01, amount)",
    "10 ^ 64 * 10 ^ 64 * 10 ^ 64",
    'DATEDIF(@9999-12-31, @0001-01-01, "day")',
    "1e38 % % % %",
    "TEXT(1e38 * 1e38)",
    "SUM(lines, price * 1e38 * 1e38)",
]


@pytest.mark.parametrize("formula", EXTREMES)
def test_nothing_raises(database: Database, formula: str) -> None:
    node = tree(formula)
    values = [database.row("SELECT now()")[0]] if "NOW()" in formula else []
    for clause in (expression.value(node, ROW), expression.failed(node, ROW)):
        assert len(column(database, clause, *(values if "$1" in sql_of(clause) else ()))) == 3


def test_a_number_that_keeps_growing_is_an_error_and_does_not_raise(database: Database) -> None:
    node = tree("BLANKVALUE(amount, 1) + 1e30")
    for _ in range(9):
        node = typed.Call(node.type, "*", (node, node))
    assert column(database, expression.failed(node, ROW)) == [True] * 3


def test_a_text_that_keeps_growing_is_an_error(database: Database) -> None:
    text = 'name & "aaaaaaaaaaaaaaaa"'
    for old, new in ("ab", "bc", "cd"):
        text = f'SUBSTITUTE({text}, "{old}", "{new * 100}")'
    grown = tree(text)
    assert column(database, expression.failed(grown, ROW)) == [True] * 3
