"""The checks of functions find what they are there to find: each fault is one function that is wrong in one way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Numeric, Text, case, cast, func

from engine.testing.database import Database
from engine.testing.functions import checks_of
from metamodel.formula.functions import registry, sql
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.registry import (
    Aggregation,
    Function,
    Lowered,
    Param,
    aggregation,
    function,
    lazy_function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import System
from metamodel.formula.types import BOOLEAN, DATE, DATETIME, DECIMAL, INTEGER, PERCENT, TEXT
from tests.plugins import forget, run
from tests.tenancy import ROOT

N, T = Param("a", numeric()), Param("a", frozenset({"text"}))
DAY, INSTANT = Param("a", frozenset({"date"})), Param("a", frozenset({"datetime"}))
HEAVY = {"sqlalchemy", "asyncpg", "metamodel", "pydantic", "lark"}
NOWHERE: Any = ()


def strict(value: Any, *params: Param, returns: Any = DECIMAL, **how: Any) -> Function:
    """A function of one test."""
    how = {"examples": (), **how}
    return function("fault.F", "fault", *(params or (N,)), returns=returns, **how)(value)


def lazy(value: Any, *params: Param, **how: Any) -> Function:
    return lazy_function("fault.F", "fault", *(params or (N,)), returns=DECIMAL, **how)(value)


def _aggregate(value: Any, **how: Any) -> Aggregation:
    params = (Param("set", of="set"), Param("a", numeric(), of="row"))
    return aggregation("fault.F", *params, returns=lambda args: DECIMAL, **how)(value)


def _zero(site: Any, a: Any, *more: Any) -> Any:
    return sql.num(a) == sql.whole(0)


FAULTS: dict[str, tuple[Function | Aggregation, str, str]] = {
    "divides by zero": (strict(lambda site, a: sql.whole(1) / sql.num(a)), "total", "raises 22012"),
    "overflows": (strict(lambda site, a: cast(a, sql.SQL_TYPES["integer"])), "total", "raises 22003"),
    "grows without end": (strict(lambda site, a: func.exp(sql.num(a), type_=Numeric())), "total", "raises 22003"),
    "reads a text": (strict(lambda site, a: cast(a, Numeric), T), "total", "raises 22P02"),
    "leaves the calendar": (strict(lambda site, a: a + sql.whole(1), DAY, returns=DATE), "result", "which is outside the years 1 to 9999"),
    "makes a long text": (
        strict(lambda site, a: func.repeat(a, sql.whole(20_000), type_=Text()), T, returns=TEXT), "total", "raises 54000",
    ),
    "fails in Python": (strict(lambda site, a: 1 + NOWHERE), "total", "does not become SQL: TypeError"),
    "binds a constant": (strict(lambda site, a: sql.num(a) * Decimal(2)), "total", "constants must be rendered"),
    "takes what nobody has": (
        rewritten("fault.F", "fault", N)(lambda c, args: c.fail("E204", args[0], "not this one")), "total", "not this one",
    ),
    "counts blank as 0": (strict(lambda site, a: func.coalesce(a, sql.whole(0))), "strict", "is '0' though an argument is blank"),
    "has an else": (
        strict(lambda site, a: case((a > sql.whole(0), sql.text("up")), else_=sql.text("down")), returns=TEXT),
        "strict", "is 'down' though an argument is blank",
    ),
    "is TRUE of a blank": (
        strict(lambda site, a: func.coalesce(a, sql.whole(1)) == sql.whole(1), returns=BOOLEAN), "strict", "is 'true' though",
    ),
    "is an error of a blank": (
        strict(lambda site, a, b: sql.quotient(b, a), N, Param("b", numeric()), errors={"DIV0": _zero}, nulls=True, size=lambda site: (60, 18)),
        "strict", "is the error #DIV0 though an argument is blank",
    ),
    "is not blank where it says": (
        strict(lambda site, a: sql.num(a), errors={"DIV0": _zero}, nulls=True), "guard", "though `nulls` says that it is blank",
    ),
    "hides the error of an argument": (
        strict(lambda site, a: func.coalesce(a, sql.whole(0))), "guard", "is '0' where it is #CUSTOM",
    ),
    "has the wrong type": (strict(lambda site, a: sql.num(a), returns=TEXT), "result", "is numeric in PostgreSQL, but its type is text"),
    "is no whole number": (strict(lambda site, a: sql.num(a), returns=INTEGER), "result", "but its type is integer"),
    "is an empty text": (strict(lambda site, a: func.left(a, sql.whole(0), type_=Text()), T, returns=TEXT), "result", "is an empty text"),
    "is larger than it says": (
        strict(lambda site, a: sql.num(a) * sql.number("1E+9"), size=lambda site: (39, 18)), "result", "digits at most",
    ),
    "is longer than it says": (
        strict(lambda site, a: a.concat(sql.text("xyz")), T, returns=TEXT), "result", "characters, but its `size` says",
    ),
    "repeats its argument": (
        strict(lambda site, a: sql.num(a) * sql.num(a), size=lambda site: (80, 36)), "copies", "writes an argument 2 times in its value and 0",
    ),
    "repeats its argument in an error": (
        strict(lambda site, a: sql.num(a), errors={"NUM": lambda site, a: (a > a + sql.whole(1)) & (a > sql.whole(0))}),
        "copies", "1 times in its value and 3 times in its errors",
    ),
    "is random": (strict(lambda site, a: sql.num(a) + cast(func.random(), Numeric)), "volatility", "functions in index expression"),
    "reads the session's zone": (strict(lambda site, a: cast(a, sql.SQL_TYPES["date"]), INSTANT, returns=DATE), "volatility", "functions in index expression"),
    "depends on the tenant's zone": (
        strict(lambda site, a: sql.num(a) + sql.whole(len(site.environment.zone))), "volatility", "declare fault.F zoned",
    ),
    "reads the clock": (
        rewritten("fault.F", "fault", N)(lambda c, args: System(DATETIME.blank(False), "now")), "volatility", "is stable, but fault.F is declared immutable",
    ),
    "repeats its argument as an aggregate": (
        _aggregate(lambda site, over: over.rows(func.max(over.values[0])) - over.rows(func.min(over.values[0]))),
        "of a set copies", "writes an argument 2 times",
    ),
    "overflows as an aggregate": (
        _aggregate(lambda site, over: over.rows(func.max(cast(over.values[0], sql.SQL_TYPES["integer"])))), "of a set total", "raises 22003",
    ),
}  # fmt: skip
EXAMPLES = {
    "fault.F(2) = 4": "fault.F(2) = 4 is FALSE, not TRUE",
    "fault.F(2) -> NULL": "is 2, not NULL",
    "fault.F(2) -> #DIV0": "is 2, not #DIV0",
    "fault.F(0) -> #NUM": "is #DIV0, not #NUM",
    "fault.F(2) -> 2": "does not say what is expected",
    'fault.F("x") = 2': "a of fault.F is a number, not text",
    "fault.F(2": "",
    "fault.F(0) -> error": None,
    "fault.F(0) -> #DIV0": None,
    "fault.F(NULL) -> NULL": None,
    "fault.F(2) = 2": None,
}  # fmt: skip


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, fieldwright_database: Database) -> Iterator[Any]:
    """Makes a declaration the installed one of its name."""

    def plug(made: Function | Aggregation) -> Database:
        monkeypatch.setattr(registry, "_plugin", lambda name: made if name == "fault.f" else None)
        for kind in ("Function", "Aggregation"):
            fieldwright_database.memory.pop(f"{kind} fault.F", None)
        return fieldwright_database

    yield plug
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(plugged: Any, fault: str) -> None:
    made, check, expected = FAULTS[fault]
    database = plugged(made)
    found = {str(each): each.run(database) for each in checks_of(made)}
    assert expected in found[f"fault.F {check}"], found


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example(plugged: Any, example: str) -> None:
    made = strict(
        lambda site, a: sql.num(a), errors={"DIV0": _zero}, examples=(example,), returns=PERCENT
    )
    (run, *_) = checks_of(made)
    said, expected = run.run(plugged(made)), EXAMPLES[example]
    assert said == "" if expected is None else said and expected in said


def test_the_plugin_costs_nothing_where_it_is_not_used() -> None:
    said = run("-c", "import engine.testing.plugin, sys; print(len({n.partition('.')[0] for n in sys.modules} & HEAVY))".replace("HEAVY", str(HEAVY)), cwd=ROOT)
    assert said.stdout == "0\n", said.stderr


def test_a_function_that_looks_at_blanks_has_no_check_of_strictness(plugged: Any) -> None:
    def value(site: Any, a: Lowered) -> Lowered:
        return Lowered(func.coalesce(a.value, sql.whole(7)), first(a.guard, raises("NUM", a.value == sql.whole(1))))

    made = lazy(value, examples=("fault.F(NULL) = 7", "fault.F(1) -> #NUM"))
    database = plugged(made)
    found = {str(each): each.run(database) for each in checks_of(made)}
    assert "fault.F strict" not in found and set(found.values()) == {""}, found
