"""Calls of a function for checks: every family of values its parameters take, few and many arguments, columns and
literals."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import lcm
from typing import Any

from engine.testing.world import BESIDE, EACH, FAMILIES, LINES, RECORD, Schema, literal
from metamodel.formula import ast, typed
from metamodel.formula.check import check
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.functions.registry import EVERYWHERE, Aggregation, Function, Param
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.types import BOOLEAN

SHAPES_OF_CALLS = 40
LITERALS = 16
FAILING = 8
SOUND = f"boolean_{EACH}"
SCHEMA = Schema()
WRITTEN = {
    "neg": "-{0}", "%": "({0})%", "not": "NOT {0}", "and": "{0} AND {1}", "or": "{0} OR {1}", "concat": "{0} & {1}",
    "in": "{0} IN ({0}, {1})", "list": "[{0}]",
}  # fmt: skip
"""Operators that do not stand between two operands under their own name."""


@dataclass(frozen=True, slots=True)
class Call:
    """A typed call. `columns` are the fields that are arguments themselves, `strict` those that have to make it blank,
    `own` whether it is still a call of the function: one that is rewritten stands for another expression."""

    text: str
    node: typed.Node
    columns: tuple[str, ...]
    strict: tuple[str, ...]
    own: bool
    failing: bool = False


@dataclass(slots=True)
class Calls:
    """Calls over columns, calls with literals, calls of which an argument is an error where `SOUND` is FALSE, and why
    others were refused."""

    over_columns: list[Call] = field(default_factory=list)
    with_literals: list[Call] = field(default_factory=list)
    failing: list[Call] = field(default_factory=list)
    refused: list[Diagnostic] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Argument:
    """A column of a family, or a constant as it is written (`family` is empty); `blanks` as in `Param`."""

    text: str
    family: str = ""
    blanks: bool = False


def scope_of(found: Function | Aggregation) -> Scope:
    """Where the function may be used; in a rule if it may, because that is where most is known."""
    contexts = EVERYWHERE if isinstance(found, Aggregation) else found.contexts
    return Scope(SCHEMA, "rule" if "rule" in contexts else min(contexts), row=RECORD, old=True)


def typed_calls(found: Function | Aggregation, rows: Sequence[Mapping[str, Any]]) -> Calls:
    """The calls of a function; `rows` give the values of literals."""
    scope, made, chance = scope_of(found), Calls(), random.Random(found.name)
    shapes = [shape for shape in _shapes(found) if _typed(found, shape, scope, made.refused, made.over_columns)]
    plain = [shape for shape in shapes if any(argument.family for argument in shape)]
    if not plain or isinstance(found, Aggregation):
        return made
    for n in range(LITERALS):
        # All blank first, then the first value of every family, such as 0; then anything.
        row = rows[(0, -BESIDE)[n]] if n < 2 else rows[chance.randrange(len(rows))]
        shape = plain[n % len(plain)]
        given = tuple(_constant(argument, row, n < 2 or n % 2 == 0, chance) for argument in shape)
        _typed(found, given, scope, [], made.with_literals)
    for n in range(FAILING):
        _typed(found, _failing(plain[n % len(plain)], n), scope, [], made.failing)
    made.failing = [replace(call, strict=(), failing=True) for call in made.failing]
    return made


def _failing(shape: Sequence[Argument], turn: int) -> tuple[Argument, ...]:
    """The arguments, one of them an error in some rows."""
    places = [n for n, argument in enumerate(shape) if argument.family]
    at = places[turn % len(places)]
    wrong = Argument(f'IF({SOUND}, {shape[at].text}, ERROR("none"))')
    return (*shape[:at], wrong, *shape[at + 1 :])


def written(found: Function | Aggregation, arguments: Sequence[Argument]) -> str | None:
    """The call as text; None where the language has no way to write it."""
    texts = [argument.text for argument in arguments]
    if not getattr(found, "operator", False):
        return f"{found.name}({', '.join(texts)})"
    if not texts:
        return None
    form = WRITTEN.get(found.name) or (None if found.name[0].isalpha() else f"{{0}} {found.name} {{1}}")
    return form.format(*texts, *texts[:1]) if form else None


def _typed(
    found: Function | Aggregation, shape: Sequence[Argument], scope: Scope, refused: list[Diagnostic], made: list[Call]
) -> Call | None:
    text = written(found, shape)
    if text is None or any(known.text == text for known in made):
        return None
    try:
        checked = check(parse(text), scope)
    except FormulaError as error:
        refused.extend(error.diagnostics)
        return None
    if checked.tree is None:
        refused.extend(checked.diagnostics)
        return None
    node = checked.tree
    own = isinstance(node, typed.Call) and node.function == found.name
    made.append(Call(text, node, *_columns(shape), own))
    return made[-1]


def _columns(shape: Sequence[Argument]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    every = [argument for argument in shape if argument.family]
    return tuple(a.text for a in every), tuple(a.text for a in every if not a.blanks)


def _shapes(found: Function | Aggregation) -> Iterator[tuple[Argument, ...]]:
    """Lists of arguments: the least and some more, every family of every parameter in turn."""
    last = len(found.params)
    least = sum(not param.optional for param in found.params)
    repeats = bool(found.params) and found.params[-1].repeat
    for count in range(least, last + 1 + repeats):
        places = [found.params[min(n, last - 1)] for n in range(count)]
        options = [_options(found, n, param) for n, param in enumerate(places)]
        if all(options):
            for turn in range(min(SHAPES_OF_CALLS, lcm(*map(len, options)) if options else 1)):
                yield tuple(option[turn % len(option)] for option in options)


def _options(found: Function | Aggregation, place: int, param: Param) -> list[Argument]:
    if param.of == "set":
        return [Argument(LINES)]
    if param.choices:
        return [Argument(choice if param.written else f'"{choice}"') for choice in param.choices]
    if param.constant or param.written:
        return [Argument(text) for text in dict.fromkeys(_constants(found, place))]
    wanted = [family for family, (of, _) in FAMILIES.items() if not param.kinds or of.kind in param.kinds]
    if "decimal" in wanted and param.kinds:
        wanted = [family for family in wanted if family not in ("money", "percent")]
    if param.kinds & {"integer"} and "decimal" not in wanted:
        wanted.append("decimal")
    options = [Argument(f"{family}_{place % EACH + 1}", family, param.blanks) for family in wanted]
    return [*options, *([Argument("GEOLOCATION(decimal_5, decimal_6)")] if "geo" in param.kinds else [])]


def _constants(found: Function | Aggregation, place: int) -> Iterator[str]:
    """What examples give where a constant is needed."""
    known = {name.upper() for name in (found.name, *found.aliases)}
    for example in (*found.examples, *getattr(found, "uses", ())):
        text = example.partition(" -> ")[0]
        for node in _nodes(parse(text)):
            if isinstance(node, ast.Call) and node.name.upper() in known and place < len(node.args):
                yield text[node.args[place].start : node.args[place].end]


def _nodes(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, ast.Node):
                yield from _nodes(part)


def _constant(argument: Argument, row: Mapping[str, Any], every: bool, chance: random.Random) -> Argument:
    """The argument as the literal of its value in the row, where it can be written."""
    if not argument.family or not (every or chance.random() < 0.5):
        return argument
    text = literal(argument.family, row[argument.text])
    return argument if text is None else Argument(text)


def asked(node: typed.Node) -> typed.Node:
    """`ISERROR` of the call."""
    return typed.Call(BOOLEAN, "ISERROR", (node,))
