"""A formula as it should be written.

`source` lays out a text and keeps its brackets and comments. `text` writes a syntax tree: functions in upper case,
names in lower case, only the brackets that are needed; `parse(text(tree))` equals `tree` but for the case of names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from metamodel.formula import ast, limits
from metamodel.formula.layout import WIDTH, lay_out
from metamodel.formula.parse import parse

PRIMARY = 11
LEVELS = {
    "or": 1,
    "and": 2,
    "not": 3,
    "=": 4,
    "<>": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "&": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "^": 8,
    "%": 10,
}
SIGN = 9
IN = 4
UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def source(formula: str) -> str:
    """The text laid out within 100 columns: the same formula with the same comments. One that indentation would make
    too long to be a formula stays as it is. Raises `FormulaError`."""
    parse(formula)
    return _fitting(formula)


def text(tree: ast.Node) -> str:
    """The formula that the tree stands for; a long one is broken at its calls and connectives."""
    flat = _flat(tree)
    return flat if len(flat) <= WIDTH else _fitting(flat)


def _fitting(formula: str) -> str:
    made = lay_out(formula)
    return made if len(made) <= limits.SOURCE_CHARACTERS else formula


def _level(node: ast.Node) -> int:
    match node:
        case ast.Binary() | ast.Logic():
            return LEVELS[node.op]
        case ast.Unary(op="+" | "-"):
            return SIGN
        case ast.Unary():
            return LEVELS[node.op]
        case ast.In():
            return IN
    return PRIMARY


def _flat(node: ast.Node, least: int = 0) -> str:
    """The node on one line, in brackets where it binds looser than `least`."""
    shown = WRITERS[type(node)](node)
    return f"({shown})" if _level(node) < least else shown


def _sides(node: ast.Binary) -> tuple[int, int]:
    """The levels that the two operands need: comparison does not chain, the rest groups to the left."""
    level = LEVELS[node.op]
    return (level + 1 if level == IN else level), level + 1


def _name(node: ast.Call) -> str:
    return node.name if "." in node.name else node.name.upper()


def _binary(node: ast.Binary) -> str:
    left, right = _sides(node)
    return f"{_flat(node.left, left)} {node.op} {_flat(node.right, right)}"


def _unary(node: ast.Unary) -> str:
    if node.op == "%":
        return f"{_flat(node.operand, LEVELS['%'])}%"
    if node.op == "not":
        return f"NOT {_flat(node.operand, LEVELS['not'])}"
    return f"{node.op}{_flat(node.operand, SIGN)}"


def _call(node: ast.Call) -> str:
    shown = [_flat(arg) for arg in node.args] + [f"{name.lower()}: {_flat(arg)}" for name, arg in node.named]
    return f"{_name(node)}({', '.join(shown)})"


def _step(node: ast.Step) -> str:
    return node.name.lower() + (f"[{_flat(node.filter)}]" if node.filter is not None else "")


def _in(node: ast.In) -> str:
    word = "NOT IN" if node.negated else "IN"
    return f"{_flat(node.operand, IN + 1)} {word} ({', '.join(map(_flat, node.items))})"


def _quoted(value: str) -> str:
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\t", r"\t")):
        value = value.replace(plain, escaped)
    return f'"{value}"'


def _number(value: int | Decimal) -> str:
    plain = str(value) if isinstance(value, int) else format(value, "f")
    return plain if isinstance(value, int) or "." in plain else f"{plain}.0"


def _duration(value: Decimal) -> str:
    unit, size = next(((u, s) for u, s in UNITS if value and value % s == 0), UNITS[-1])
    count = value / size
    shown = format(count.normalize(), "f") if count % 1 else str(int(count))
    return f"{shown}{unit}{'' if count == 1 else 's'}"


def _period(value: int) -> str:
    unit, count = ("year", value // 12) if value % 12 == 0 and value else ("month", value)
    return f"{count}{unit}{'' if count == 1 else 's'}"


LITERALS: dict[str, Callable[[Any], str]] = {
    "number": _number,
    "text": _quoted,
    "boolean": lambda value: "TRUE" if value else "FALSE",
    "null": lambda value: "NULL",
    "date": lambda value: f"@{date.isoformat(value)}",
    "time": lambda value: f"@{time.isoformat(value)}",
    "datetime": lambda value: f"@{datetime.isoformat(value)}",
    "duration": _duration,
    "period": _period,
}

WRITERS: dict[type[ast.Node], Callable[[Any], str]] = {
    ast.Literal: lambda node: LITERALS[node.kind](node.value),
    ast.List: lambda node: f"[{', '.join(map(_flat, node.items))}]",
    ast.Path: lambda node: ".".join(map(_step, node.steps)),
    ast.Step: _step,
    ast.Call: _call,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Logic: lambda node: f" {node.op.upper()} ".join(_flat(item, LEVELS[node.op] + 1) for item in node.items),
    ast.In: _in,
}
