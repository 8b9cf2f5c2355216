"""Numbers against Python's decimal at 250 digits; how large they may be; no operand makes PostgreSQL raise."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from math import comb
from typing import Any

import pytest

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula.check import check
from metamodel.formula.functions.registry import FUNCTIONS
from metamodel.formula.parse import parse
from metamodel.formula.scope import FieldShape, Scope
from metamodel.formula.types import DECIMAL
from tests.formula import shapes
from tests.formula.shapes import ROW, Columns, sql_of, tree

FINE = Context(prec=250, Emin=-999_999, Emax=999_999)
NAMES = "abcdef"
FIELDS = shapes.Shape("numbers", {name: FieldShape(name, DECIMAL) for name in NAMES})
Row = tuple[Decimal | None, ...]


class Schema(shapes.Schema):
    def object(self, name: str) -> shapes.Shape | None:
        return FIELDS if name == "numbers" else None


SCOPE = Scope(Schema(), "field", row="numbers")


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


def answers(database: Database, formula: str, rows: Sequence[Row]) -> list[tuple[Any, str | None]]:
    """Value and error code of the formula for each row of `a`, `b` ..."""
    node, row = tree(formula, SCOPE), Columns()
    names = NAMES[: len(rows[0])]
    given = ", ".join(f"${n}::numeric[]" for n in range(1, len(names) + 1))
    statement = (
        f"SELECT {sql_of(expression.value(node, row))}, {sql_of(expression.error(node, row))}"
        f" FROM unnest({given}) WITH ORDINALITY AS r({', '.join(names)}, n) ORDER BY n"
    )
    return [tuple(found) for found in database.rows(statement, *(list(column) for column in zip(*rows, strict=True)))]


def number(seed: random.Random, low: int = -18, high: int = 20) -> Decimal:
    """A positive number of up to 20 digits and 18 places, any size between the powers of ten."""
    digits = seed.randint(1, 20)
    made = Decimal(seed.randint(1, 10**digits)).scaleb(seed.randint(low, high) - digits)
    return max(rounded(made), Decimal("1e-18"))


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("1e-18"), rounding=ROUND_HALF_UP, context=FINE)


def ln(value: Decimal) -> Decimal:
    return FINE.ln(value)


EXACT: dict[str, tuple[Callable[[random.Random], Row], Callable[..., Decimal]]] = {
    "a / b": (lambda r: (number(r), number(r)), lambda a, b: FINE.divide(a, b)),
    "SQRT(a)": (lambda r: (number(r),), lambda a: FINE.sqrt(a)),
    "LN(a)": (lambda r: (number(r),), ln),
    "LN(1 + a)": (lambda r: (number(r, -17, -1),), lambda a: ln(1 + a)),
    "LOG(a)": (lambda r: (number(r),), lambda a: FINE.divide(ln(a), ln(Decimal(10)))),
    "LOG(a, 1 + b)": (lambda r: (number(r), number(r, -17, 3)), lambda a, b: FINE.divide(ln(a), ln(1 + b))),
    "EXP(a)": (lambda r: (number(r, -18, 2),), lambda a: FINE.exp(a)),
    "EXP(-a)": (lambda r: (number(r, -18, 2),), lambda a: FINE.exp(-a)),
    "a ^ b": (lambda r: (number(r, -9, 9), number(r, -9, 0)), lambda a, b: FINE.exp(b * ln(a))),
    "(1 + a) ^ b": (
        lambda r: (number(r, -18, -9), number(r, 0, 9)), lambda a, b: FINE.exp(FINE.multiply(b, ln(1 + a)))
    ),
    "PMT(a, b, -1000) * 1": (
        lambda r: (number(r, -9, 0), Decimal(r.randint(1, 360))),
        lambda a, b: FINE.divide(1000 * a, 1 - FINE.power(1 + a, -b)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("formula", EXACT)
def test_the_last_of_18_places_is_right(database: Database, formula: str) -> None:
    seed = random.Random(formula)
    make, compute = EXACT[formula]
    rows = [make(seed) for _ in range(300)]
    found = answers(database, formula, rows)
    wrong = [(row, value) for row, (value, _) in zip(rows, found, strict=True) if value is not None
             and value != rounded(compute(*row))]  # fmt: skip
    assert not wrong
    assert all(code == "OVERFLOW" for value, code in found if value is None)
    assert sum(value is not None for value, _ in found) > 200


def test_combinations(database: Database) -> None:
    rows: list[Row] = [(Decimal(n), Decimal(k)) for n in range(0, 90, 7) for k in range(0, n + 1, 3)]
    rows += [(Decimal(10**30), Decimal(10**30 - 3)), (Decimal(336), Decimal(160))]
    assert answers(database, "COMBIN(a, b)", rows) == [(comb(int(n or 0), int(k or 0)), None) for n, k in rows]


# -- how large ------------------------------------------------------------------------------------------------------


def test_a_number_has_at_most_100_digits(database: Database) -> None:
    big: list[Row] = [(Decimal("9" * 38),), (Decimal("-9e37"),), (Decimal(2),), (None,)]
    assert [code for _, code in answers(database, "a * a * a", big)] == ["OVERFLOW", "OVERFLOW", None, None]
    assert [value for value, _ in answers(database, "a * a * a", big)] == [None, None, 8, None]
    assert [value for value, _ in answers(database, "IFERROR(a * a * a, 5) + 1", big)] == [6, 6, 9, None]
    assert [code for _, code in answers(database, "a * a * a / a / a", big)] == ["OVERFLOW", "OVERFLOW", None, None]


@pytest.mark.parametrize("formula", ["amount + cost", "(amount - cost) / amount * 100", "amount * factor + cost"])
def test_an_ordinary_formula_carries_no_check(formula: str) -> None:
    assert "LEAST" not in sql_of(expression.value(tree(formula), Columns()))


def test_a_long_product_grows_with_its_factors() -> None:
    sizes = [len(sql_of(expression.value(tree("*".join(["factor"] * n)), Columns()))) for n in (20, 40, 80)]
    assert sizes[2] - sizes[1] < 2.5 * (sizes[1] - sizes[0])


# -- totality -------------------------------------------------------------------------------------------------------

GROUPS = ("number", "rounding", "trigonometry", "finance")
SPECIAL = [None, *map(Decimal, ("0", "1", "-1", "0.5", "-2.5", "1e-18", "-1e-18", "7", "1e30", "-1e30", "1e64", "-1e64"))]
CALLS = sorted(
    f"{f.name}({', '.join(NAMES[:n])})"
    for f in FUNCTIONS.values()
    if f.group in GROUPS and "field" in f.contexts and not f.operator
    for n in ({f.least, len(f.params)} | ({3, 6} if f.most is None else set()))
)


@pytest.mark.parametrize("call", CALLS)
def test_no_operand_makes_postgresql_raise(database: Database, call: str) -> None:
    seed = random.Random(call)
    rows = [tuple(seed.choice(SPECIAL) for _ in NAMES) for _ in range(40)]
    found = answers(database, call, rows)
    assert all(value is None for value, code in found if code)
    inside = answers(database, f"IFERROR({call} / 3, 0) + ROUND(a / b, 2)", rows)
    assert len(inside) == len(rows)


@pytest.mark.parametrize("call", CALLS)
def test_no_constant_makes_postgresql_raise(database: Database, call: str) -> None:
    seed = random.Random(call)
    for _ in range(4):
        written = {name: seed.choice(["NULL", "0", "1", "-1", "0.5", "-2.5", f"1{'0' * 40}", "-3"]) for name in NAMES}
        name, _, rest = call.partition("(")
        formula = f"{name}({''.join(f'({written[c]})' if c in written else c for c in rest)}"
        if check(parse(formula), ROW).tree is not None:
            node = tree(formula)
            database.row(f"SELECT {sql_of(expression.value(node, Columns()))}, "
                         f"{sql_of(expression.error(node, Columns()))}")  # fmt: skip
