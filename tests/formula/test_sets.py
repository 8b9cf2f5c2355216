"""Aggregates of child records in PostgreSQL against plain Python over the same rows: blanks, ties, none, a single row.

The expectations are written from the definitions (deviations from the mean, interpolation, discounting), in exact
fractions; nothing of them follows the way in which the SQL adds things up.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any, TypeAlias
from uuid import UUID

import pytest
import sqlalchemy as sa

from engine.sql import expression
from engine.testing.database import Database
from tests.formula.shapes import MEASURE, PROJECT, ROW, Columns, codes, sql_of, tree

Rows: TypeAlias = "Sequence[Mapping[str, Any]]"
Oracle: TypeAlias = "Callable[[Rows, Mapping[str, Any]], Any]"
CASES = 60
WORDS = ("pear", "fig", "Fig", "água", "🍐", "", None)


@pytest.fixture(scope="module")
def data() -> list[dict[str, Any]]:
    """Projects with none, one, two or more lines."""
    source = random.Random(20240229)

    def maybe(value: Any) -> Any:
        return None if source.random() < 0.2 else value

    def line(n: int) -> dict[str, Any]:
        return {
            "id": UUID(int=source.getrandbits(128)),
            "price": maybe(Decimal(source.randint(-300, 900)).scaleb(-source.choice((0, 1, 2, 4)))),
            "quantity": maybe(source.randint(0, 4)),
            "number": maybe(source.randint(1, 6)),
            "label": source.choice(WORDS) or None,
        }

    return [
        {
            "id": UUID(int=n + 1),
            "name": source.choice((", ", "", "; ")) or None,
            "rate": maybe(source.choice([Decimal(p) for p in ("0", "0.1", "0.25", "0.5", "0.9", "1", "1.5", "-0.2")])),
            "factor": maybe(source.choice([Decimal(r) for r in ("0.05", "0", "-1", "-0.5", "-1.5", "2")])),
            "units": maybe(source.randint(-1, 5)),
            "amount": maybe(Decimal(source.randint(-9_999, 9_999)).scaleb(-2)),
            "lines": [line(i) for i in range(0 if n < 4 else 1 if n < 12 else source.randint(2, 9))],
        }
        for n in range(CASES)
    ]


@pytest.fixture(scope="module")
def database(database_url: str, data: list[dict[str, Any]]) -> Iterator[Database]:
    found = filled(database_url, data)
    yield found
    found.close()


def filled(database_url: str, data: Sequence[Mapping[str, Any]]) -> Database:
    """A connection with the projects and their lines in tables of its own."""
    found = Database(database_url)
    found.execute(
        "CREATE TEMP TABLE project (id uuid, name text, rate numeric, factor numeric, units bigint, amount numeric);"
        "CREATE TEMP TABLE line (id uuid, project uuid, price numeric, quantity bigint, number bigint, label text)"
    )
    for project in data:
        keys = ("id", "name", "rate", "factor", "units", "amount")
        found.row("INSERT INTO project VALUES ($1, $2, $3, $4, $5, $6)", *(project[key] for key in keys))
        for line in project["lines"]:
            values = (line["id"], project["id"], *(line[key] for key in ("price", "quantity", "number", "label")))
            found.row("INSERT INTO line VALUES ($1, $2, $3, $4, $5, $6)", *values)
    return found


def asked(database: Database, formula: str) -> list[Any]:
    """The value or "#error" of the formula for each project."""
    node, row = tree(formula, ROW), Columns()
    statement = sa.select(expression.value(node, row), expression.error(node, row)).select_from(PROJECT)
    found = database.rows(sql_of(statement.order_by(sa.column("id", _selectable=PROJECT))))
    return [f"#{error}" if error else value for value, error in found]


# -- the definitions ------------------------------------------------------------------------------------------------


def near(exact: Fraction | int | None) -> Decimal | None:
    """A fraction to 18 places, half away from zero."""
    if exact is None:
        return None
    exact = Fraction(exact)
    whole = int(abs(exact) * 10**18 + Fraction(1, 2))
    with localcontext() as context:
        context.prec = 200
        return Decimal(whole if exact >= 0 else -whole).scaleb(-18)


def root(exact: Fraction) -> Decimal:
    with localcontext() as context:
        context.prec = 200
        value = (Decimal(exact.numerator) / Decimal(exact.denominator)).sqrt()
        return value.quantize(Decimal(1).scaleb(-18), ROUND_HALF_UP)


def known(rows: Rows, *names: str) -> list[Any]:
    """The values of the rows in which all are known: alone, or as tuples of fractions."""
    found = [tuple(Fraction(row[name]) for name in names) for row in rows if all(row[n] is not None for n in names)]
    return [values[0] for values in found] if len(names) == 1 else found


def share(values: Sequence[Fraction], p: Any, *, ends: bool = True) -> Any:
    if not values or p is None:
        return None
    p, values, n = Fraction(p), sorted(values), len(values)
    place = (n - 1) * p + 1 if ends else (n + 1) * p
    if not 0 <= p <= 1 or not 1 <= place <= n:
        return "#NUM"
    low = int(place)
    above = values[low] if low < n else values[low - 1]
    return near(values[low - 1] + (place - low) * (above - values[low - 1]))


def nth(values: Sequence[Fraction], k: Any, *, largest: bool) -> Any:
    if not values or k is None:
        return None
    return near(sorted(values, reverse=largest)[k - 1]) if 1 <= k <= len(values) else "#NUM"


def spread(values: Sequence[Fraction], *, sample: bool, square: bool) -> Any:
    n = len(values)
    if n == 0 or (sample and n == 1):
        return None if n == 0 else "#DIV0"
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1 if sample else n)
    return near(variance) if square else root(variance)


def line_of_least_squares(pairs: Sequence[tuple[Fraction, Fraction]], *, at_zero: bool) -> Any:
    if not pairs:
        return None
    y, x = (sum(pair[i] for pair in pairs) / len(pairs) for i in (0, 1))
    below = sum((pair[1] - x) ** 2 for pair in pairs)
    if below == 0:
        return "#DIV0"
    slope = sum((pair[0] - y) * (pair[1] - x) for pair in pairs) / below
    return near(y - slope * x if at_zero else slope)


def correlation(pairs: Sequence[tuple[Fraction, Fraction]]) -> Any:
    if not pairs:
        return None
    x, y = (sum(pair[i] for pair in pairs) / len(pairs) for i in (0, 1))
    below = sum((a - x) ** 2 for a, _ in pairs) * sum((b - y) ** 2 for _, b in pairs)
    if below == 0:
        return "#DIV0"
    above = sum((a - x) * (b - y) for a, b in pairs)
    return root(above**2 / below).copy_sign(Decimal(1 if above >= 0 else -1))


def weighted(pairs: Sequence[tuple[Fraction, Fraction]]) -> Any:
    weights = sum(weight for _, weight in pairs)
    return None if not pairs else near(sum(v * w for v, w in pairs) / weights) if weights else "#DIV0"


def geometric(values: Sequence[Fraction]) -> Any:
    if not values or min(values) <= 0:
        return None if not values else "#NUM"
    with localcontext() as context:
        context.prec = 150
        product = Decimal(1)
        for value in values:
            product *= Decimal(value.numerator) / Decimal(value.denominator)
        return (product ** (Decimal(1) / len(values))).quantize(Decimal(1).scaleb(-18), ROUND_HALF_UP)


def by(rows: Rows, name: str) -> list[Mapping[str, Any]]:
    """The rows in ascending order, blank ones last, then by identity."""
    return sorted(rows, key=lambda row: (row[name] is None, row[name] or 0, row["id"]))


def present(rows: Rows, rate: Any) -> Any:
    values = [row["price"] for row in by(rows, "number") if row["price"] is not None]
    if rate is None:
        return None
    if rate == -1:
        return "#DIV0"
    exact = sum((Fraction(value) / (1 + Fraction(rate)) ** n for n, value in enumerate(values, 1)), Fraction(0))
    return near(exact) if abs(exact) < 10**100 else "#OVERFLOW"


def frequent(values: Sequence[Any]) -> Any:
    counted = Counter(values)
    return min((v for v, n in counted.items() if n == max(counted.values())), default=None)


def end(rows: Rows, value: str, order: str, *, greatest: bool) -> Any:
    """ARGMAX and ARGMIN: of rows with the same order that made first, here the one of the smallest identity."""
    known_rows = [row for row in rows if row[order] is not None]
    pick = max if greatest else min
    best = pick((row[order] for row in known_rows), default=None)
    return next((row[value] for row in by(rows, "id") if best is not None and row[order] == best), None)


def texts(rows: Rows, separator: str | None, order: str) -> Any:
    found = [row["label"] for row in by(rows, order) if row["label"] is not None]
    return (separator or "").join(found) or None


def doubled(rows: Rows) -> list[Fraction]:
    return [2 * price for price in known(rows, "price")]


ORACLES: dict[str, Oracle] = {
    "COUNT(lines)": lambda rows, p: len(rows),
    "COUNT(lines.price)": lambda rows, p: len(known(rows, "price")),
    "COUNTDISTINCT(lines.price)": lambda rows, p: len(set(known(rows, "price"))),
    "SUM(lines.price)": lambda rows, p: near(sum(known(rows, "price"))),
    "SUM(lines, price * quantity)": lambda rows, p: near(sum(a * b for a, b in known(rows, "price", "quantity"))),
    "SUMPRODUCT(lines.price, quantity)": lambda rows, p: near(sum(a * b for a, b in known(rows, "price", "quantity"))),
    "AVERAGE(lines.price)": lambda rows, p: near(sum(v) / len(v)) if (v := known(rows, "price")) else None,
    "MIN(lines.price)": lambda rows, p: near(min(known(rows, "price"), default=None)),
    "MAX(lines, price * 2)": lambda rows, p: near(max(doubled(rows), default=None)),
    "MAX(lines.label)": lambda rows, p: max((row["label"] for row in rows if row["label"]), default=None),
    "EXISTS(lines)": lambda rows, p: bool(rows),
    "EXISTS(lines, price > 10)": lambda rows, p: any(price > 10 for price in known(rows, "price")),
    "ALL(lines, price > 10)": lambda rows, p: all(row["price"] is not None and row["price"] > 10 for row in rows),
    "ALL(lines, price > this.amount)": lambda rows, p: all(
        row["price"] is not None and p["amount"] is not None and row["price"] > p["amount"] for row in rows
    ),
    "FIRST(lines.price, number)": lambda rows, p: (by(rows, "number") or [{"price": None}])[0]["price"],
    "ARGMAX(lines.label, price)": lambda rows, p: end(rows, "label", "price", greatest=True),
    "ARGMIN(lines, price * 2, quantity)": lambda rows, p: (
        None if (v := end(rows, "price", "quantity", greatest=False)) is None else 2 * v
    ),
    "MEDIAN(lines.price)": lambda rows, p: share(known(rows, "price"), Fraction(1, 2)),
    "MEDIAN(lines.quantity)": lambda rows, p: share(known(rows, "quantity"), Fraction(1, 2)),
    "PERCENTILE(lines.price, 0.9)": lambda rows, p: share(known(rows, "price"), Fraction(9, 10)),
    "PERCENTILE(lines, price * 2, rate)": lambda rows, p: share(doubled(rows), p["rate"]),
    "PERCENTILE_EXC(lines.price, rate)": lambda rows, p: share(known(rows, "price"), p["rate"], ends=False),
    "PERCENTILE_EXC(lines.price, 1/3)": lambda rows, p: share(known(rows, "price"), near(Fraction(1, 3)), ends=False)
    if len(known(rows, "price")) != 2
    else near(min(known(rows, "price"))),
    "QUARTILE(lines.price, units)": lambda rows, p: share(
        known(rows, "price"), None if p["units"] is None else Fraction(p["units"], 4)
    ),
    "SMALL(lines.price, units)": lambda rows, p: nth(known(rows, "price"), p["units"], largest=False),
    "LARGE(lines, price * 2, units)": lambda rows, p: nth(doubled(rows), p["units"], largest=True),
    "MODE(lines.quantity)": lambda rows, p: frequent([row["quantity"] for row in rows if row["quantity"] is not None]),
    "MODE(lines.label)": lambda rows, p: frequent([row["label"] for row in rows if row["label"] is not None]),
    "STDEV(lines.price)": lambda rows, p: spread(known(rows, "price"), sample=True, square=False),
    "STDEVP(lines, price * 2)": lambda rows, p: spread(doubled(rows), sample=False, square=False),
    "VAR(lines.price)": lambda rows, p: spread(known(rows, "price"), sample=True, square=True),
    "VARP(lines.quantity)": lambda rows, p: spread(known(rows, "quantity"), sample=False, square=True),
    "WEIGHTEDAVG(lines.price, quantity)": lambda rows, p: weighted(known(rows, "price", "quantity")),
    "CORREL(lines.price, quantity)": lambda rows, p: correlation(known(rows, "price", "quantity")),
    "SLOPE(lines.price, quantity)": lambda rows, p: line_of_least_squares(
        known(rows, "price", "quantity"), at_zero=False
    ),
    "INTERCEPT(lines, price, quantity)": lambda rows, p: line_of_least_squares(
        known(rows, "price", "quantity"), at_zero=True
    ),
    "GEOMEAN(lines.price)": lambda rows, p: geometric(known(rows, "price")),
    "GEOMEAN(lines, quantity + 1)": lambda rows, p: geometric([q + 1 for q in known(rows, "quantity")]),
    "NPV(10%, lines.price, number)": lambda rows, p: present(rows, Decimal("0.1")),
    "NPV(factor, lines, price, number)": lambda rows, p: present(rows, p["factor"]),
    "NPV(units - 0.999999999999999999, lines.price, number)": lambda rows, p: present(
        rows, None if p["units"] is None else p["units"] - Decimal("0.999999999999999999")
    ),
    'TEXTJOIN(", ", lines.label)': lambda rows, p: texts(rows, ", ", "id"),
    "TEXTJOIN(name, lines.label, number)": lambda rows, p: texts(rows, p["name"], "number"),
    "LISTSIZE(COLLECT(lines.label))": lambda rows, p: sum(row["label"] is not None for row in rows),
    "LISTSIZE(UNIQUE(COLLECT(lines.label)))": lambda rows, p: len({r["label"] for r in rows if r["label"] is not None}),
    "LISTAT(COLLECT(lines.price, number), 2)": lambda rows, p: (
        [*(r["price"] for r in by(rows, "number") if r["price"] is not None), None, None][1]
    ),
    "units IN COLLECT(lines.quantity)": lambda rows, p: (
        p["units"] is not None and p["units"] in {r["quantity"] for r in rows}
    ),
}


# What stands in the record around alone, where an aggregate of SQL would belong to the query around.
ORACLES |= {
    "SUM(lines, this.amount)": lambda rows, p: near(len(rows) * Fraction(p["amount"] or 0)),
    "COUNT(lines, this.amount)": lambda rows, p: len(rows) if p["amount"] is not None else 0,
    "ALL(lines, this.units > 2)": lambda rows, p: not rows or (p["units"] or 0) > 2,
    "COUNT(lines[quantity > 1 AND this.units > 2])": lambda rows, p: (
        sum((row["quantity"] or 0) > 1 for row in rows) if (p["units"] or 0) > 2 else 0
    ),
    "MODE(lines, this.units)": lambda rows, p: p["units"] if rows else None,
    "SUM(lines, price / this.rate)": lambda rows, p: (
        "#DIV0"
        if p["rate"] == 0 and known(rows, "price")
        else near(sum((Fraction(near(v / Fraction(p["rate"]))) for v in known(rows, "price")), Fraction(0)))
        if p["rate"]
        else near(0)
    ),
}


@pytest.mark.parametrize("formula", ORACLES)
def test_against_the_definition(database: Database, data: list[dict[str, Any]], formula: str) -> None:
    expected = [ORACLES[formula](project["lines"], project) for project in data]
    assert asked(database, formula) == expected
    assert len(set(expected)) > 1


def filtered(formula: str) -> str:
    return formula if "lines[" in formula else formula.replace("lines", "lines[quantity > 1]", 1)


@pytest.mark.parametrize("formula", ORACLES)
def test_only_the_rows_of_the_filter(database: Database, data: list[dict[str, Any]], formula: str) -> None:
    kept = [[row for row in project["lines"] if (row["quantity"] or 0) > 1] for project in data]
    expected = [ORACLES[formula](rows, project) for rows, project in zip(kept, data, strict=True)]
    assert asked(database, filtered(formula)) == expected


def test_last_is_the_last_of_those_with_an_order(database: Database, data: list[dict[str, Any]]) -> None:
    def last(rows: Rows) -> Any:
        ordered = [row for row in by(rows, "number") if row["number"] is not None]
        return ordered[-1]["price"] if ordered else None

    found = asked(database, "LAST(lines[number > 0].price, number)")
    assert found == [last([row for row in project["lines"] if row["number"]]) for project in data]


@pytest.mark.parametrize(
    "formula",
    [
        "MEDIAN(lines, price / quantity)",
        "STDEV(lines, price / quantity)",
        "FIRST(lines, price, 1 / quantity)",
        "CORREL(lines, price, 1 / quantity)",
        'TEXTJOIN(",", lines, price / quantity)',
        "ALL(lines, price / quantity > 0)",
        "NPV(10%, lines, price / quantity, number)",
        "MODE(lines, price / quantity)",
    ],
)
def test_an_error_in_any_row_that_counts_is_one_of_the_whole(
    database: Database, data: list[dict[str, Any]], formula: str
) -> None:
    plain = formula.replace("price / quantity", "1 / quantity")
    wrong = [any(row["quantity"] == 0 for row in project["lines"]) for project in data]
    found = asked(database, plain)
    assert all(value == "#DIV0" for value, failed in zip(found, wrong, strict=True) if failed)
    assert any(wrong) and not all(wrong)
    kept = asked(database, plain.replace("lines", "lines[quantity <> 0]", 1))
    assert any(value not in (None, "#DIV0") for value in kept)


def test_nothing_raises(database_url: str) -> None:
    """The largest and smallest numbers that a field holds, in every place of every formula."""
    source = random.Random(7)
    sizes = [Decimal(sign + text) for sign in ("", "-") for text in ("9e37", "1e-18", "1", "0", "0.999999999999999999")]

    def line() -> dict[str, Any]:
        whole = {name: source.choice((0, 1, -(2**63), 2**63 - 1, None)) for name in ("quantity", "number")}
        return {"id": UUID(int=source.getrandbits(128)), "price": source.choice(sizes), "label": "x" * 9, **whole}

    data = [
        {
            "id": UUID(int=n + 1),
            "name": "x" * source.choice((1, 60_000)),
            **{name: source.choice(sizes) for name in ("rate", "factor", "amount")},
            "units": source.choice((0, 2, -(2**63), 2**63 - 1)),
            "lines": [line() for _ in range(source.choice((1, 2, 30)))],
        }
        for n in range(60)
    ]
    database = filled(database_url, data)
    for formula in ORACLES:
        assert len(asked(database, formula)) == 60, formula
    database.close()


def test_measures_over_the_rows_themselves(database: Database, data: list[dict[str, Any]]) -> None:
    amounts = known(data, "amount")
    rates = known(data, "amount", "rate")
    expected = {
        "MEDIAN(amount)": share(amounts, Fraction(1, 2)),
        "PERCENTILE(amount, 0.9)": share(amounts, Fraction(9, 10)),
        "PERCENTILE(rows[units > 1].amount, 90%)": share(
            known([p for p in data if (p["units"] or 0) > 1], "amount"), Fraction(9, 10)
        ),
        "LARGE(amount, 2)": nth(amounts, 2, largest=True),
        "LARGE(amount, COUNTDISTINCT(units))": nth(amounts, len(set(known(data, "units"))), largest=True),
        "STDEV(amount)": spread(amounts, sample=True, square=False),
        "WEIGHTEDAVG(rows.amount, rate)": weighted(rates),
        "CORREL(amount, rate)": correlation(rates),
        "COUNT(rows) - COUNT(amount)": len(data) - len(amounts),
        "MAX(SUM(units), 7)": max(sum(known(data, "units")), 7),
        "LISTSIZE(UNIQUE([COUNT(rows), SUM(rows, 1)]))": 1,
    }
    row = Columns()
    for formula, value in expected.items():
        node = tree(formula, MEASURE)
        assert database.row(f"SELECT {sql_of(expression.value(node, row))} FROM project")[0] == value, formula


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("PERCENTILE(lines.price)", "E205"),
        ("PERCENTILE(lines.price, name)", "E204"),
        ("MEDIAN(lines.label)", "E204"),
        ("MEDIAN(lines)", "E205"),
        ("CORREL(lines.price)", "E205"),
        ("ALL(lines)", "E205"),
        ("ALL(lines, price)", "E204"),
        ("MEDIAN(amount)", "E312"),
        ("SUMPRODUCT(lines.price)", "E205"),
        ("NPV(10%, lines.price)", "E205"),
        ("SUM(lines.price, quantity)", "E205"),
        ("LOOKUP(lines.label, name, price)", "E225"),
        ("LOOKUP(client.region, name, region)", "E225"),
        ("LOOKUP(lines.number, SUM(lines.price), price)", "E313"),
        ("LOOKUP(nothing.number, 1, price)", "E312"),
        ("LOOKUP(lines.number, name, price)", "E201"),
        ('PICKLABEL(name)', "E204"),
        ('ISPICKVAL(stage, "opne")', "E221"),
        ('HASROLE("boss")', "E223"),
        ("HASROLE(name)", "E207"),
        ('HASPERMISSION("project.paint")', "E224"),
        ("USER(colour)", "E301"),
        ("$org.colour", "E304"),
        ("ORG(colour)", "E204"),
        ("INCLUDES(tags, 1)", "E204"),
        ('"pink" IN tags', "E221"),
        ('DISTANCE(GEOLOCATION(1, 2), 2, "km")', "E204"),
        ('DISTANCE(GEOLOCATION(1, 2), GEOLOCATION(1, 2), "m")', "E204"),
    ],
)
def test_what_is_wrong_is_told_once(formula: str, code: str) -> None:
    assert codes(formula) == [code]


def test_a_record_of_its_own_is_needed() -> None:
    assert codes("RECORDID()", MEASURE) == ["E405"]
    assert codes('LOOKUP(user.id, "x", name)', MEASURE) == ["E405"]
    assert codes('CONVERTCURRENCY(SUM(amount), "USD")', MEASURE) == ["E405"]
    assert codes('SUM(rows, CONVERTCURRENCY(amount, "USD"))', MEASURE) == []
