"""Comparisons turned round: what they become, that the same rows come back, and that an index serves them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from engine.sql import expression
from engine.sql.statement import compile_statement, slot
from engine.testing.database import Database
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.sargable import sargable
from metamodel.formula.simplify import simplify
from metamodel.formula.types import TEXT
from tests.formula.shapes import QUERY, Columns, sql_of, tree

TODAY = date(2024, 3, 15)
NOW = datetime(2024, 3, 15, 10, 30, tzinfo=UTC)

EXACT = [
    ("TODAY() - due > 30", "due < $1::DATE + (-30)"),
    ("due - TODAY() >= 7", "due >= $1::DATE + 7"),
    ("30 < TODAY() - due", "due < $1::DATE + (-30)"),
    ("due + 30 < TODAY()", "due < $1::DATE + (-30)"),
    ("due - 30 > TODAY()", "due > $1::DATE + 30"),
    ("YEAR(due) = 2024", "due >= CAST('2024-01-01' AS DATE) AND due < CAST('2025-01-01' AS DATE)"),
    ("YEAR(due) > 2024", "due >= CAST('2025-01-01' AS DATE)"),
    ("2024 > YEAR(due)", "due < CAST('2024-01-01' AS DATE)"),
    ('LEFT(name, 2) = "ab"', "(name COLLATE \"C\") >= CAST('ab' AS TEXT) AND (name COLLATE \"C\") < CAST('ac' AS TEXT)"),
    ('LEFT(name, 5) = "ab"', "name = CAST('ab' AS TEXT)"),
    ('BEGINS(name, "ab")', "(name COLLATE \"C\") >= CAST('ab' AS TEXT) AND (name COLLATE \"C\") < CAST('ac' AS TEXT)"),
    ("amount * 2 > 10", "amount > 5"),
    ("-amount < 5", "amount > (-5)"),
    ("10 - amount > 5", "amount < 5"),
    ("amount + 2.5 <= 10", "amount <= 7.5"),
    ("units * 2 > 5", "units > 2"),
    ("units * 2 >= 5", "units >= 3"),
    ("amount * -2 > 10", "amount < (-5)"),
]
IMPLIED = [
    ("due + 30 > TODAY()", "due > $1::DATE + (-30)"),
    ("EDATE(due, 2) < TODAY()", "due <= "),
    ("EDATE(due, 2) >= TODAY()", "due >= "),
    ('DATETRUNC(due, "month") = @2024-03-01', "due >= CAST('2024-03-01' AS DATE)"),
    ("DATEVALUE(seen) = TODAY()", "seen >= timezone("),
    ("YEAR(seen) = 2024", "seen >= timezone("),
    ('LEFT(name, 1) = "ab"', "(name COLLATE \"C\") >= CAST('ab' AS TEXT)"),
]
LEFT_ALONE = [
    "MONTH(due) = 3", "due > begun", "TODAY() - due > units", "amount / 3 > 1", "units * 2 = 5",
    "YEAR(due) <> 2024", "NOT YEAR(due) = 2024", "ISBLANK(due) AND ISBLANK(name)", "due > TODAY()", "LEN(name) = 3",
    "(TODAY() - due > 30) = TRUE", "IF(YEAR(due) = 2024, TRUE, FALSE)",
]  # fmt: skip


def turned(formula: str) -> typed.Node:
    return sargable(tree(formula, QUERY))


@pytest.mark.parametrize(("formula", "expected"), EXACT)
def test_is_the_same_comparison_of_the_bare_column(formula: str, expected: str) -> None:
    assert sql_of(expression.condition(turned(formula), Columns())) == expected


@pytest.mark.parametrize(("formula", "bound"), IMPLIED)
def test_a_bound_stands_beside_what_it_does_not_say_wholly(formula: str, bound: str) -> None:
    found = turned(formula)
    assert sql_of(expression.condition(found, Columns())).startswith(bound)
    assert isinstance(found, typed.Call) and found.function == "and" and found.args[-1] == tree(formula, QUERY)


@pytest.mark.parametrize("formula", LEFT_ALONE)
def test_is_left_alone(formula: str) -> None:
    assert turned(formula) == tree(formula, QUERY)


def test_an_error_beside_an_or_is_not_hidden() -> None:
    both = "EDATE(due, 1) < TODAY() OR active"
    assert turned(both) == tree(both, QUERY)
    assert turned("YEAR(due) = 2024 OR active") != tree("YEAR(due) = 2024 OR active", QUERY)


@pytest.mark.parametrize(
    ("formula", "short"),
    [
        ("TRUE AND active", "active"),
        ("active AND FALSE AND urgent", "active AND FALSE"),
        ("active OR active", "active"),
        ("NOT NOT active", "active"),
        ("IF(TRUE, active, urgent)", "active"),
        ("IF(FALSE, active, urgent)", "urgent"),
        ("active OR (urgent OR active)", "active OR urgent"),
    ],
)
def test_what_decides_nothing_is_left_out(formula: str, short: str) -> None:
    assert simplify(tree(formula, QUERY)) == tree(short, QUERY)


# -- the same rows --------------------------------------------------------------------------------------------------

DAYS = [date(1, 1, 1), date(1, 1, 2), date(9999, 12, 31), date(9999, 12, 1), date(2024, 2, 29), date(2023, 12, 31),
        date(2024, 1, 1), date(2024, 1, 31), date(2024, 12, 31), date(2025, 1, 1), TODAY]  # fmt: skip
TEXTS = ["a", "ab", "abc", "ac", "b", "A", "ä", "ab\U0010ffff", "\U0010ffff", "\U0010ffffz", "ab%", "\ud7ff", "\ue000x"]
NUMBERS = ["0", "5", "-5", "2.5", "4.999999999999999999", "3.333333333333333333", "1000000000000000000", "-0.1"]
OPS = ("=", "<", "<=", ">", ">=")
OPERANDS: dict[str, tuple[str, ...]] = {
    "TODAY() - due": ("0", "30", "-30", "1.5", "4000000", "-4000000", "738000"),
    "due - TODAY()": ("0", "30", "-400", "4000000", "-4000000"),
    "due + 30": ("TODAY()", "@2024-01-01", "@9999-12-31", "@0001-01-01", "@0001-01-20"),
    "due - 30": ("TODAY()", "@0001-01-01", "@9999-12-31", "@9999-12-15"),
    "EDATE(due, 1)": ("@2024-02-29", "@2024-02-28", "@2024-03-31", "@9999-12-31", "@0001-01-31"),
    "EDATE(due, -13)": ("@2024-02-29", "@0001-01-01", "@9998-11-30"),
    "EDATE(due, 200000)": ("TODAY()",),
    "YEAR(due)": ("2024", "0", "-7", "1", "9999", "10000", "2024 + 1"),
    "YEAR(EDATE(due, 1))": ("2024",),
    'DATETRUNC(due, "month")': ("@2024-01-01", "@2024-01-15", "@9999-12-01", "@0001-01-01"),
    'DATETRUNC(due, "week")': ("@2024-01-01", "@2024-01-03"),
    'DATETRUNC(due, "year")': ("@2024-01-01", "@9999-01-01"),
    'DATETRUNC(due, "quarter")': ("@2024-01-01",),
    "DATEVALUE(seen)": ("TODAY()", "@2024-01-01", "@2024-10-27", "@2024-03-31"),
    "YEAR(seen)": ("2024",),
    'DATETRUNC(seen, "day")': ("@2024-01-01T00:00:00", "@2024-10-27T02:30:00Z"),
    'DATETRUNC(seen, "hour")': ("@2024-10-27T01:00:00Z",),
    "NOW() - seen": ("0hours", "36hours", "-1hours", "90minutes"),
    "seen + 2hours": ("NOW()", "@2024-01-01T00:00:00Z"),
    "seen - 36500days": ("@1924-01-01T00:00:00Z",),
    "LEFT(name, 1)": ('"a"', '"ab"', '"\U0010ffff"', '"ä"'),
    "LEFT(name, 2)": ('"ab"', '"a"', '"a" & "b"'),
    "amount + 2.5": ("5", "7.5", "0"),
    "2.5 - amount": ("5", "0"),
    "-amount": ("5", "-2.5"),
    "amount * 2": ("10", "5", "9.999999999999999998", "0"),
    "amount * 3": ("10", "9.999999999999999999", "15"),
    "amount * -0.5": ("2.5", "1.25"),
    "amount * 0": ("0", "1"),
    "units * 2": ("5", "10", "-10", "4.5"),
    "3 - units": ("-2", "0.5"),
}
SINGLE = ['BEGINS(name, "ab")', 'BEGINS(name, "\U0010ffff")', 'BEGINS(name, "a" & "b")', 'BEGINS(name, "")',
          "YEAR(due) = 2024 OR amount * 2 > 9", "YEAR(due) = 2024 AND (units + 1 > 3 OR EDATE(due, 1) < TODAY())",
          "EDATE(due, 200000) < TODAY() OR amount > 0", "due + 30 > TODAY() AND due + 60 > TODAY()"]  # fmt: skip
FORMULAS = [f"{e} {op} {k}" for e, ks in OPERANDS.items() for k in ks for op in OPS] + SINGLE
ROWS, FEW = 20_000, 2_500


def _rows() -> Iterator[tuple[Any, ...]]:
    draw = random.Random(7)
    turn = [datetime(2024, 10, 27, 0, tzinfo=UTC), datetime(2024, 3, 31, 0, tzinfo=UTC), NOW]
    for n in range(ROWS):
        edge = draw.random() < (0.3 if n < FEW else 0.01)
        day = draw.choice(DAYS) if edge else date(1990, 1, 1) + timedelta(draw.randrange(20_000))
        instant = draw.choice(turn) + timedelta(minutes=draw.randrange(-3_000, 3_000)) if edge else None
        instant = instant or datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(20_000_000))
        text = draw.choice(TEXTS) if edge else "".join(draw.choices("abcdefghijkl", k=4))
        number = draw.choice(NUMBERS) if edge else f"{draw.randrange(-100_000, 100_000)}.{draw.randrange(100)}"
        blank = draw.random() < 0.05
        yield (
            n,
            None if blank else day,
            None if draw.random() < 0.05 else instant,
            None if draw.random() < 0.05 else text,
            None if draw.random() < 0.05 else Decimal(number),
            None if draw.random() < 0.05 else draw.randrange(-10_000, 10_000),
            draw.random() < 0.5,
        )


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    found.execute(
        'CREATE TEMPORARY TABLE project (id int, due date, seen timestamptz, name text COLLATE "C", amount numeric,'
        " units bigint, active boolean)"
    )
    rows = list(_rows())
    insert = "INSERT INTO pg_temp.project VALUES ($1, $2, $3, $4, $5, $6, $7)"
    found.loop.run_until_complete(found.connection.executemany(insert, rows))
    for column in ("due", "seen", "name", "amount", "units"):
        found.execute(f"CREATE INDEX ON pg_temp.project ({column})")
    found.execute("ANALYZE pg_temp.project")
    found.execute(f"CREATE TEMPORARY TABLE few AS SELECT * FROM pg_temp.project WHERE id < {FEW}")
    yield found
    found.close()


class Slots(Columns):
    """Columns with the context's values as slots."""

    def system(self, node: typed.System) -> Any:
        return slot(node.name, {"date": sa.Date(), "datetime": sa.DateTime(timezone=True)}[node.type.kind])

    def param(self, node: typed.Param) -> Any:
        return slot(f"v{node.index}", super().param(node).type)


def statement(condition: Any, table: str = "project") -> tuple[str, tuple[str, ...]]:
    source = sa.table(table, schema="pg_temp")
    found = compile_statement(sa.select(sa.column("id")).select_from(source).where(condition))
    return found.text, found.slots


def arguments(slots: tuple[str, ...], values: tuple[Any, ...]) -> list[Any]:
    known: Mapping[str, Any] = {"today": TODAY, "now": NOW}
    by_slot = {**known, **{f"v{n}": v for n, v in enumerate(values)}}
    return [by_slot[name] for name in slots]


def _ids(database: Database, condition: Any, values: tuple[Any, ...] = ()) -> set[int]:
    text, slots = statement(condition, "few")
    return {row[0] for row in database.rows(text, *arguments(slots, values))}


@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("operand", [*OPERANDS, ""])
def test_the_same_rows_come_back(database: Database, operand: str, lifted: bool) -> None:
    """With the pass and without it, and with polarity (bare where only TRUE counts) and without."""
    for formula in [f"{operand} {op} {k}" for k in OPERANDS[operand] for op in OPS] if operand else SINGLE:
        checked = check(parse(formula), QUERY, lift_literals=lifted)
        assert checked.tree is not None, formula
        plain = _ids(database, expression.condition(checked.tree, Slots()), checked.values)
        assert _ids(database, expression.condition(sargable(checked.tree), Slots()), checked.values) == plain, formula
        if not lifted:
            assert _ids(database, expression.value(checked.tree, Slots())) == plain, formula
            assert _ids(database, expression.value(sargable(checked.tree), Slots())) == plain, formula


def test_the_prefix_ends_behind_the_last_text_that_has_it(database: Database) -> None:
    for prefix in ("a", "ab", "\ud7ff", "a\U0010ffff", "z~"):
        for made in (typed.Literal(TEXT.blank(False), prefix), typed.Param(TEXT.blank(False), 0)):
            end = expression.value(typed.Call(TEXT, "prefix_end", (made,)), Slots())
            found = compile_statement(sa.select(end))
            value = database.row(found.text, *([prefix] if found.slots else []))[0]
            assert value > prefix and not value.startswith(prefix)
            assert value.encode() > (prefix + "\U0010ffff" * 9).encode()


# -- by an index ----------------------------------------------------------------------------------------------------

BY_INDEX = {
    "due": ["TODAY() - due > 12400", "due - TODAY() = 3", "due + 30 < @1990-06-01", "due + 30 = TODAY()",
            "due - 7 > @2044-06-01", "YEAR(due) = 2024", "YEAR(due) < 1991", 'DATETRUNC(due, "month") = @2024-03-01',
            "EDATE(due, 2) < @1990-06-01", "YEAR(due) = 2024 AND active",
            "due - TODAY() = 3 OR YEAR(due) = 1990"],
    "seen": ["DATEVALUE(seen) = TODAY()", "NOW() - seen < 10hours AND seen < NOW()", "YEAR(seen) < 2001"],
    "name": ['LEFT(name, 2) = "ab"', 'BEGINS(name, "abc")', 'LEFT(name, 3) = "ab"'],
    "amount": ["amount * 2 > 199990", "amount + 5 < -99900", "-amount > 99990", "amount * 3 > 299990"],
    "units": ["units * 2 > 19990", "units + 1 < -9990"],
}  # fmt: skip


# A caller's whole number is added to as a number of any size, which no bigint index holds.
@pytest.mark.parametrize(
    ("column", "formula", "lifted"),
    [(c, f, lifted) for c, found in BY_INDEX.items() for f in found for lifted in (False, True) if not (lifted and c == "units")],
)
def test_an_index_serves(database: Database, column: str, formula: str, lifted: bool) -> None:
    checked = check(parse(formula), QUERY, lift_literals=lifted)
    assert checked.tree is not None
    text, slots = statement(expression.condition(sargable(checked.tree), Slots()))
    plan = "\n".join(row[0] for row in database.rows("EXPLAIN " + text, *arguments(slots, checked.values)))
    assert re.search(rf"Index Cond: .*\b{column}\b", plan), plan
    text, slots = statement(expression.condition(checked.tree, Slots()))
    plan = "\n".join(row[0] for row in database.rows("EXPLAIN " + text, *arguments(slots, checked.values)))
    assert "Index Cond" not in plan or "AND seen" in formula or "BEGINS" in formula, plan
