"""Checks of registered functions, as a test of pytest: `test_functions = function_checks("retail.*")`.

Of each function: its examples give what they say; a blank argument makes the call blank unless the function looks at
blanks (`strict`); no typed input makes PostgreSQL raise (`total`); value and error agree (`guard`); the value is of the
declared type and size (`result`); no argument is written more often than declared (`copies`); and the call can be
indexed where the declaration says that it lasts (`volatility`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest
from sqlalchemy import select

from engine.sql import expression
from engine.sql.expression import Environment
from engine.sql.source_row import SourceRow
from engine.sql.statement import bare_text, compile_statement
from engine.testing import copies
from engine.testing.calls import Call, scope_of, typed_calls
from engine.testing.database import Database, PostgresError
from engine.testing.survey import SHOWN, strict, survey, unwritten
from engine.testing.world import CONTEXT, RECORD, ZONE, row_of, world
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import ERRORS
from metamodel.formula.functions.registry import (
    AGGREGATES,
    FUNCTIONS,
    Aggregation,
    BrokenPlugin,
    Function,
    aggregate,
    lookup,
    plugins,
)
from metamodel.formula.parse import parse
from metamodel.formula.types import INTEGER
from metamodel.formula.volatility import CLASSES, volatility

FIRST = typed.Field(INTEGER, (), RECORD, "number")
LASTING = frozenset({"immutable", "zoned"})
KEYS = 30
ELSEWHERE = "Pacific/Apia"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold of a function; `run` returns what is wrong, "" where nothing is."""

    title: str
    run: Callable[[Database], str]

    def __str__(self) -> str:
        return self.title


def function_checks(*patterns: str) -> Callable[[Check, Database], None]:
    """A parametrised test over every function whose name fits one of the patterns (any case; `*` and `?` as in file
    names). Raises LookupError where none does: its package is not installed."""
    found = [check for pattern in patterns for check in _checks(pattern)]
    if not found:
        called = " or ".join(patterns)
        raise LookupError(f"no function is called {called}: is its package installed (pip install -e .)?")

    @pytest.mark.parametrize("check", found, ids=str)
    def test_functions(check: Check, fieldwright_database: Database) -> None:
        wrong = check.run(fieldwright_database)
        if wrong:
            pytest.fail(wrong, pytrace=False)

    return test_functions


def _checks(pattern: str) -> Iterator[Check]:
    core: list[Function | Aggregation] = [*FUNCTIONS.values(), *AGGREGATES.values()]
    for function in sorted(core, key=lambda each: each.name):
        if fnmatchcase(function.name.lower(), pattern.lower()):
            yield from checks_of(function)
    for name in sorted(plugins()):
        if fnmatchcase(name, pattern.lower()):
            yield from _of_plugin(name)


def _of_plugin(name: str) -> Iterator[Check]:
    try:
        function = lookup(name) or aggregate(name)
    except BrokenPlugin as error:
        reason = str(error)
        yield Check(f"{name} loads", lambda database: reason)
    else:
        assert function is not None
        yield from checks_of(function)
        yield Check(f"{function.name} is documented", lambda database: _documented(function))


def checks_of(function: Function | Aggregation) -> Iterator[Check]:
    """The checks of one function."""
    name = function.name if isinstance(function, Function) else f"{function.name} of a set"
    for example in function.examples:
        yield Check(example, lambda database, example=example: run_example(database, function, example))  # type: ignore[misc]
    yield Check(f"{name} total", lambda database: _lines(survey(database, function).total))
    yield Check(f"{name} guard", lambda database: _lines(survey(database, function).guard))
    yield Check(f"{name} result", lambda database: _lines(survey(database, function).result))
    if strict(function) and function.params:
        yield Check(f"{name} strict", lambda database: _lines(survey(database, function).strict))
    yield Check(f"{name} copies", lambda database: _copies(database, function))
    if isinstance(function, Function):
        yield Check(f"{name} volatility", lambda database: _volatility(database, function))


def _lines(faults: list[str]) -> str:
    return "\n".join(faults[:SHOWN])


def _documented(function: Function | Aggregation) -> str:
    missing = [what for what, given in (("docstring", function.doc), ("example", function.examples)) if not given]
    return f"{function.name} has no {' and no '.join(missing)}" if missing else ""


# -- examples -------------------------------------------------------------------------------------------------------


def run_example(database: Database, function: Function | Aggregation, example: str) -> str:
    """What is wrong with an example: `call = value`, `call -> NULL`, `call -> #CODE` or `call -> error`.

    Those of an aggregate are not about given rows; they have to run.
    """
    text, arrow, wanted = (part.strip() for part in example.partition("->"))
    try:
        checked = check(parse(text), scope_of(function))
    except FormulaError as error:
        return f"{text}: {error}"
    if checked.tree is None:
        return f"{text}: {next(d.message for d in checked.diagnostics if not d.warning)}"
    here = world(database)
    query = select(*expression.outcome(checked.tree, here.row))
    if isinstance(function, Aggregation):
        query = query.select_from(here.table).where(here.row.field(FIRST) == sql.whole(1))
    statement = compile_statement(query)
    try:
        value, code = database.row(statement.text, *statement.arguments(CONTEXT))
    except PostgresError as error:
        return f"{text} raises {error.sqlstate}: {error}"
    given = f"#{code}" if code else "NULL" if value is None else str(value).upper()
    if isinstance(function, Aggregation):
        return ""
    if arrow and wanted not in ("NULL", "error") and wanted.lstrip("#") not in ERRORS:
        return f'"{example}" does not say what is expected: write = value, -> NULL, -> error or -> #CODE'
    fits = code is not None if wanted == "error" else given == (wanted or "TRUE")
    return "" if fits else f"{text} is {given}, not {wanted or 'TRUE'}"


# -- copies ---------------------------------------------------------------------------------------------------------


def _copies(database: Database, function: Function | Aggregation) -> str:
    here = world(database)
    made = typed_calls(function, here.rows)
    found: dict[str, None] = {}
    for call in (*made.over_columns, *made.with_literals):
        try:
            found.update(dict.fromkeys(copies.faults(call.node, here.row)))
        except Exception as error:  # a lowering is anybody's code
            return unwritten(call, error)
    return _lines(list(found))


# -- volatility -----------------------------------------------------------------------------------------------------


def _volatility(database: Database, function: Function) -> str:
    """Whether the calls last as long as the declaration says: an index over them can be built, and only the zone that
    they declare decides them."""
    here = world(database)
    faults: list[str] = []
    lasting: list[tuple[Call, str]] = []
    for call in typed_calls(function, here.rows).over_columns:
        found, _ = volatility(call.node)
        if CLASSES.index(found) > CLASSES.index(function.volatility):
            faults.append(f"{call.text} is {found}, but {function.name} is declared {function.volatility}")
        if found not in LASTING:
            continue
        rows = [row_of(Environment(zone, database.case_collation)) for zone in ZONES]
        try:
            here_and_there = [_keys(call, row) for row in rows]
        except Exception as error:  # a lowering is anybody's code
            faults.append(unwritten(call, error))
            continue
        if found == "immutable" and here_and_there[0] != here_and_there[1]:
            faults.append(f"{call.text} depends on the tenant's time zone: declare {function.name} zoned")
        lasting += [(call, key) for key in here_and_there[0]]
    for start in range(0, len(lasting), KEYS):
        faults += _unindexable(database, lasting[start : start + KEYS])
    return _lines(faults)


ZONES = (ZONE, ELSEWHERE)


def _keys(call: Call, row: SourceRow) -> list[str]:
    """What an index over the call would hold: its value and its error."""
    return [bare_text(column) for column in expression.outcome(call.node, row)]


def _unindexable(database: Database, keys: list[tuple[Call, str]]) -> list[str]:
    shown = ", ".join(f"({key})" for _, key in keys)
    try:
        database.execute(f"BEGIN; CREATE INDEX ON {world(database).empty} ({shown}); ROLLBACK")
    except PostgresError as error:
        database.execute("ROLLBACK")
        if len(keys) > 1:
            return [fault for key in keys for fault in _unindexable(database, [key])]
        ((call, _),) = keys
        return [f"{call.text} can not be indexed, though it is declared to last: {error}"]
    return []
