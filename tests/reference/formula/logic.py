"""Logic, blanks and errors: functions that do not evaluate everything."""

from __future__ import annotations

from typing import Any

from metamodel.formula import ast
from tests.reference.formula.core import Evaluator, Rows, Site, known
from tests.reference.formula.operators import equal, ordered
from tests.reference.formula.static import BOOLEAN, Static, joined
from tests.reference.formula.values import Fault


def _branches(parts: list[Static]) -> Static:
    values = parts[1::2] + ([parts[-1]] if len(parts) % 2 else [])
    return joined(values)


def _cases(parts: list[Static]) -> Static:
    return joined(parts[2::2] + ([parts[-1]] if len(parts) % 2 == 0 else []))


def _settled(e: Evaluator, n: ast.Call, rows: Rows, value: Any) -> Any:
    """A condition that no branch gave is FALSE."""
    return False if value is None and e.static(n, rows) == BOOLEAN else value


@known("IF", "IFS", returns=_branches, mode="lazy")
def if_(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    """Condition, value, condition, value, ... and perhaps a default."""
    conditions = range(0, len(n.args) - 1, 2)
    default = n.args[-1] if len(n.args) % 2 else None
    taken = next((n.args[i + 1] for i in conditions if e.truth(n.args[i], rows)), default)
    return _settled(e, n, rows, e.eval(taken, rows) if taken else None)


@known("CASE", "SWITCH", returns=_cases, mode="lazy")
def case(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    wanted, args = n.args[0], n.args
    for i in range(1, len(args) - 1, 2):
        static = [e.static(wanted, rows), e.static(args[i], rows)]
        if equal(e.eval(wanted, rows), e.eval(args[i], rows), static):
            return _settled(e, n, rows, e.eval(args[i + 1], rows))
    return _settled(e, n, rows, e.eval(args[-1], rows) if len(args) % 2 == 0 else None)


@known("CHOOSE", returns=lambda parts: joined(parts[1:]), mode="lazy")
def choose(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    """Excel CHOOSE: the index is cut off; one outside 1 to the number of values is #VALUE!."""
    index = e.eval(n.args[0], rows)
    if index is None:
        return _settled(e, n, rows, None)
    at = Site(e, [e.static(n.args[0], rows)]).whole(0, index)
    if not 1 <= at < len(n.args):
        raise Fault("VALUE", "NUM")
    return _settled(e, n, rows, e.eval(n.args[at], rows))


@known("AND", returns=BOOLEAN, mode="lazy")
def and_(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    return all(e.truth(arg, rows) for arg in n.args)


@known("OR", returns=BOOLEAN, mode="lazy")
def or_(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    return any(e.truth(arg, rows) for arg in n.args)


@known("XOR", returns=BOOLEAN, mode="sees")
def xor(c: Site, *conditions: Any) -> Any:
    """Excel XOR: an odd number of them holds."""
    return sum(value is True for value in conditions) % 2 == 1


@known("BETWEEN", returns=BOOLEAN, mode="lazy")
def between(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    """`value >= low AND value <= high`."""
    value, low, high = n.args
    static = [e.static(arg, rows) for arg in n.args]
    at = e.eval(value, rows)
    if not ordered(">=", at, e.eval(low, rows), [static[0], static[1]]):
        return False
    return ordered("<=", at, e.eval(high, rows), [static[0], static[2]])


@known("ISBLANK", "ISNULL", returns=BOOLEAN, mode="sees", raw=True)
def isblank(c: Site, value: Any) -> Any:
    return value is None


@known("BLANKVALUE", "COALESCE", "NULLVALUE", returns=joined, mode="lazy")
def blankvalue(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    for arg in n.args:
        if (value := e.eval(arg, rows, raw=True)) is not None:
            return value
    return None


@known("ISERROR", returns=BOOLEAN, mode="lazy")
def iserror(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    try:
        e.eval(n.args[0], rows)
    except Fault:
        return True
    return False


@known("IFERROR", returns=joined, mode="lazy")
def iferror(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    try:
        return e.eval(n.args[0], rows)
    except Fault:
        return e.eval(n.args[1], rows)


@known("ERROR", returns=Static("null"), mode="sees")
def error(c: Site, message: Any) -> Any:
    raise Fault("CUSTOM")


@known("ISNEW", returns=BOOLEAN, mode="lazy")
def isnew(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    return rows.records[-1].get("old", {}).get("id") is None


@known("ISCHANGED", returns=BOOLEAN, mode="lazy")
def ischanged(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    return e.eval(n.args[0], rows, raw=True) != priorvalue(e, n, rows)


@known("PRIORVALUE", returns=lambda parts: parts[0], mode="lazy")
def priorvalue(e: Evaluator, n: ast.Call, rows: Rows) -> Any:
    path = n.args[0]
    assert isinstance(path, ast.Path)
    return e.eval(ast.Path(steps=(ast.Step(name="old"), *path.steps)), rows, raw=True)
