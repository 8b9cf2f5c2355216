"""Written calls -> typed calls: functions of the language, of packs and plug-ins, and aggregates over sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from metamodel.formula import ast, limits, paths, typed
from metamodel.formula.checked import Part, Reference
from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.functions import operators
from metamodel.formula.functions.registry import (
    Aggregation,
    BrokenPlugin,
    Builder,
    Function,
    Param,
    aggregate,
    lookup,
    names,
)
from metamodel.formula.paths import POISON, Frame, Rows
from metamodel.formula.scope import FunctionShape
from metamodel.formula.types import INTEGER, TEXT, Type
from metamodel.names import did_you_mean


class Checker(paths.Checker, Builder, Protocol):
    """What typing a call needs of the checker."""

    bound: Mapping[str, typed.Node]
    calling: tuple[FunctionShape, ...]
    visits: int
    extents: dict[int, tuple[int, int]]
    problems: list[Diagnostic]
    parts: list[Part]
    references: list[Reference]
    current: ast.Node
    frame: Frame

    def expected(self, made: typed.Node, wanted: Type, tree: ast.Node) -> typed.Node: ...


def call(c: Checker, n: ast.Call, frame: Frame) -> typed.Node:
    """A written call: of an aggregate, a pack's function or a function of the language."""
    try:
        return _call(c, n, frame)
    except BrokenPlugin as error:
        return c.fail("E305", n, f"the function {n.name} can not be used: {error}")


def _call(c: Checker, n: ast.Call, frame: Frame) -> typed.Node:
    over = aggregate(n.name)
    if over is not None:
        aggregated = _over_set(c, over, n, frame)
        if aggregated is not None:
            return aggregated
    declared = c.scope.schema.functions.get(n.name.lower())
    if declared is not None:
        return _declared(c, declared, n, frame)
    found = lookup(n.name if "." in n.name else n.name.upper())
    if found is None or (found.operator and not found.aliases):
        return _unknown(c, n, over, frame)
    if c.scope.where not in found.contexts:
        return c.fail("E401", n, f"{found.name} is not available in a {c.scope.where}")
    c.refer(replace(n, end=n.start + len(n.name)), "function", "", found.name)
    args = _arguments(c, found, n, frame)
    return POISON if args is None else apply(c, found, args)


def _declared(c: Checker, shape: FunctionShape, n: ast.Call, frame: Frame) -> typed.Node:
    """A call of a pack's function: its formula with the arguments for its parameters."""
    name = shape.name.upper()
    c.refer(replace(n, end=n.start + len(n.name)), "function", "", name)
    chain = (*(f.name for f in c.calling), shape.name)
    if shape in c.calling:
        return c.fail("E315", n, f"{name} calls itself: {' -> '.join(chain).upper()}")
    given = _bind(c, shape, n, frame) if shape.body else None
    if given is None or shape.body is None or any(arg.type.kind == "error" for arg in given.values()):
        return POISON
    if sum(f.body.depth for f in (*c.calling, shape) if f.body) > limits.DEPTH:
        return c.fail("E602", n, f"{name} calls too many functions that call others")
    outer = c.bound, c.calling
    c.bound, c.calling = given, (*c.calling, shape)
    made, wrong = _elsewhere(c, shape.body)
    c.bound, c.calling = outer
    size, depth = typed.extent(made, c.extents)
    if c.visits > limits.WEIGHT or size > limits.WEIGHT or depth > limits.DEPTH:
        if c.calling:
            c.visits = limits.WEIGHT + 1
            return POISON
        return c.fail("E605", n, f"{name} is too much work here", "call it in a formula field of its own")
    if wrong:
        if c.calling or wrong[0].code in ("E315", "E605"):
            return c.fail(wrong[0].code, n, wrong[0].message, wrong[0].hint)
        return c.fail("E316", n, f"in {name}: {wrong[0].message}", wrong[0].hint)
    return c.at(made, n)


def _elsewhere(c: Checker, part: ast.Node) -> tuple[typed.Node, list[Diagnostic]]:
    """A part of a function's declaration, and its errors. What is known of it belongs to its own text, not to this."""
    problems, parts, references = len(c.problems), len(c.parts), len(c.references)
    made = c.node(part, Frame((), measure=False))
    wrong = [d for d in c.problems[problems:] if not d.warning]
    del c.problems[problems:], c.parts[parts:], c.references[references:]
    return made, wrong


def _bind(c: Checker, shape: FunctionShape, n: ast.Call, frame: Frame) -> dict[str, typed.Node] | None:
    """The arguments of a pack's function by parameter; None where their number or names are wrong (noted)."""
    known = [p.name for p in shape.params]
    given: dict[str, ast.Node] = dict(zip(known, n.args, strict=False))
    for name, value in n.named:
        if name.lower() not in known or name.lower() in given:
            shown = f'{shape.name.upper()} has no free argument "{name}"'
            c.fail("E206", value, shown, did_you_mean(name, known))
            return None
        given[name.lower()] = value
    if len(n.args) > len(known) or any(p.name not in given and p.default is None for p in shape.params):
        shown = ", ".join(f"[{p.name}]" if p.default else p.name for p in shape.params)
        count = _count(sum(p.default is None for p in shape.params), len(known))
        c.fail("E205", n, f"{shape.name.upper()} takes {count}", f"{shape.name.upper()}({shown})")
        return None
    made = {}
    for p in shape.params:
        part = given.get(p.name)
        typed_ = c.node(part, frame) if part else _elsewhere(c, p.default)[0] if p.default else POISON
        if typed_.type.kind != "error":
            typed_ = c.expected(typed_, p.type, part or n)
        # The formula was checked with the declared kind of number, so that is what it gets.
        kind = p.type.kind if typed_.type.number else typed_.type.kind
        made[p.name] = c.at(replace(typed_, type=replace(typed_.type, kind=kind)), typed_)
    return made


ELSEWHERE = {
    **dict.fromkeys(("AVG", "MEAN"), "the mean is AVERAGE"),
    **dict.fromkeys(("LENGTH", "STRLEN"), "the length of a text is LEN"),
    **dict.fromkeys(("SUBSTR", "SUBSTRING"), "a part of a text is MID(text, start, count)"),
    **dict.fromkeys(("IFNULL", "IFBLANK", "NVL"), "a value in place of a blank is BLANKVALUE(value, other)"),
    **dict.fromkeys(("SUMIF", "SUMIFS"), "a condition stands in brackets: SUM(lines[amount > 0].amount)"),
    **dict.fromkeys(("COUNTIF", "COUNTIFS", "COUNTA"), "a condition stands in brackets: COUNT(lines[amount > 0])"),
    **dict.fromkeys(("AVERAGEIF", "AVERAGEIFS"), "a condition stands in brackets: AVERAGE(lines[amount > 0].amount)"),
}
"""What people write who come from another language, and what it is called here."""


def _unknown(c: Checker, n: ast.Call, over: Aggregation | None, frame: Frame) -> typed.Node:
    if over is not None:
        if not n.args:
            return c.fail("E205", n, f"{over.name} has the wrong arguments", f"such as {' or '.join(over.examples)}")
        if not over.whole and isinstance(n.args[0], ast.Path) and c.node(n.args[0], frame).type.kind == "error":
            return POISON
        return c.fail("E312", n, f"{over.name} needs a set of records", f"such as {over.examples[0]}")
    hint = ELSEWHERE.get(n.name.upper()) or did_you_mean(n.name, [*names(), *map(str.upper, c.scope.schema.functions)])
    if hint is None and "." in n.name:
        hint = "is the package that declares it installed?"
    return c.fail("E303", replace(n, end=n.start + len(n.name)), f"unknown function {n.name}", hint)


def _arguments(c: Checker, found: Function, n: ast.Call, frame: Frame) -> tuple[typed.Node, ...] | None:
    """The typed arguments in declared order; None where their number or names are wrong (noted)."""
    given: list[ast.Node | None] = list(n.args)
    declared = [p.name for p in found.params]
    for name, value in n.named:
        index = declared.index(name.lower()) if name.lower() in declared else -1
        if index < 0 or found.params[index].repeat or (index < len(given) and given[index] is not None):
            shown = f'{found.name} has no argument "{name}"' if index < 0 else f'"{name}" is given already'
            c.fail("E206", value, shown, None if index >= 0 else did_you_mean(name, declared))
            return None
        given += [None] * (index + 1 - len(given))
        given[index] = value
    least, most = found.least, found.most
    if len(given) < least or (most is not None and len(given) > most) or None in given:
        c.fail(
            "E205",
            n,
            f"{found.signature.partition('(')[0]} takes {_count(least, most)}, here are {len(n.args) + len(n.named)}",
            found.signature,
        )
        for part in given:
            if part is not None:
                c.node(part, frame)
        return None
    return tuple(
        _written(c, part) if found.param(i).written else c.node(part, frame, raw=found.raw)
        for i, part in enumerate(given)
        if part is not None
    )


def _written(c: Checker, part: ast.Node) -> typed.Node:
    """A name that stands for itself, as a text."""
    if isinstance(part, ast.Path) and len(part.steps) == 1 and part.steps[0].filter is None:
        return c.at(typed.Literal(TEXT.blank(False), part.steps[0].name.lower()), part)
    return c.node(part, c.frame)


def apply(c: Checker, found: Function, args: tuple[typed.Node, ...]) -> typed.Node:
    """A call whose arguments are typed."""
    if any(arg.type.kind == "error" for arg in args):
        return POISON
    fitted = tuple(_argument(c, found, found.param(i), arg) for i, arg in enumerate(args))
    if any(arg.type.kind == "error" for arg in fitted):
        return POISON
    if found.resolve is not None:
        return found.resolve(c, fitted)
    if callable(found.returns):
        return typed.Call(found.returns(fitted), found.name, fitted)
    assert found.returns is not None
    nullable = found.returns.kind != "boolean" and any(arg.type.nullable for arg in fitted)
    return typed.Call(found.returns.blank(nullable), found.name, fitted)


def _argument(c: Checker, found: Function | Aggregation, param: Param, arg: typed.Node) -> typed.Node:
    if param.constant:
        value = arg.value if isinstance(arg, typed.Literal) else None
        if not isinstance(value, str):
            return c.fail("E207", arg, f"{param.name} of {found.name} must be a constant text")
        if param.choices and value.lower() not in param.choices:
            return c.fail(
                "E204",
                arg,
                f'{found.name} knows no {param.name} "{value}"',
                did_you_mean(value, param.choices) or f"one of {', '.join(param.choices)}",
            )
        return arg
    if arg.type.kind == "json" and "json" not in param.kinds and not _takes_json(found):
        return c.fail("E204", arg, f"{found.name} takes no JSON", "ask with ISBLANK or ISCHANGED whether it is there")
    if not param.kinds or arg.type.kind in param.kinds:
        return arg
    if arg.type.kind == "null":
        return c.fit(arg, _null_as(param))
    if arg.type.number and "integer" in param.kinds:
        return typed.Call(INTEGER.blank(arg.type.nullable), "TRUNC", (arg,))
    wanted = Type(sorted(param.kinds)[0])
    return c.fail(
        "E204",
        arg,
        f"{param.name} of {found.name} is {_kinds(param)}, not {arg.type}",
        "compare it with something" if wanted.kind == "boolean" else operators.remedy(arg.type, wanted),
    )


def _takes_json(found: Function | Aggregation) -> bool:
    """Of JSON nothing is known but whether it is there and whether it is the same."""
    return isinstance(found, Function) and (found.raw or found.name in ("=", "<>"))


def _over_set(c: Checker, over: Aggregation, n: ast.Call, frame: Frame) -> typed.Node | None:
    """The aggregate over the set that the call names; None where it names none."""
    at = next(i for i, param in enumerate(over.params) if param.of == "set")
    given = n.args[at] if at < len(n.args) else None
    rows = paths.rows(c, given, frame) if isinstance(given, ast.Path) else None
    if rows is None and over.whole and isinstance(given, ast.Path):
        rows = paths.every(c, given, frame)
    if isinstance(rows, typed.Node):
        return rows
    if rows is not None:
        return _aggregate(c, over, n, rows, (*n.args[:at], *n.args[at + 1 :]), frame)
    implied = n.args and not over.whole and (len(n.args) == 1 or lookup(over.name) is None)
    if implied and frame.measure and not frame.objects:
        return _aggregate(c, over, n, Rows((), None, str(c.scope.rows), None, None, None), n.args, frame)
    return None


def _aggregate(
    c: Checker, over: Aggregation, n: ast.Call, rows: Rows, given: Sequence[ast.Node], frame: Frame
) -> typed.Node:
    """`given` are the written arguments without the set; what stands behind the set is the first over its rows."""
    c.refer(replace(n, end=n.start + len(n.name)), "function", "", over.name)
    inner, behind, rest = frame.inside(rows.object), rows.value, list(given)
    found: dict[str, list[typed.Node]] = {"row": [], "value": []}
    short = False
    for param in over.params:
        if param.of == "set":
            continue
        if param.of == "row" and behind is not None:
            made, behind = behind, None
        elif rest:
            made = c.node(rest.pop(0), inner if param.of == "row" else frame)
        else:
            short |= not param.optional
            continue
        if over.shown and param.of == "row" and not found["row"] and made.type.kind not in ("text", "error"):
            made = c.call("TEXT", made)
        found[param.of].append(_argument(c, over, param, made) if made.type.kind != "error" else made)
    made_of = (*found["row"], *found["value"], *(() if rows.where is None else (rows.where,)))
    if any(part.type.kind == "error" for part in made_of):
        return POISON
    if n.named or rest or short or behind is not None:
        return c.fail("E205", n, f"{over.name} has the wrong arguments", f"such as {' or '.join(over.examples)}")
    value, by = (*found["row"], None, None)[:2]
    node = typed.Aggregate(
        over.returns(tuple(found["row"])),
        over.name,
        rows.path,
        rows.relation,
        rows.object,
        rows.via,
        rows.where,
        value,
        by,
        rows.whole,
    )
    if over.resolve is not None:
        return over.resolve(c, node, tuple(found["value"]))
    return node


def _null_as(param: Param) -> Type:
    kind = next((k for k in ("decimal", "text", "date") if k in param.kinds), sorted(param.kinds)[0])
    return Type(kind, nullable=kind != "boolean")


def _kinds(param: Param) -> str:
    if param.kinds >= {"decimal", "money"}:
        rest = sorted(param.kinds - {"integer", "decimal", "money", "percent"})
        return " or ".join(["a number", *rest])
    return " or ".join(sorted(param.kinds))


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} argument{'s' * (least != 1)}"
    return f"{least} argument{'s' * (least != 1)}" if least == most else f"{least} to {most} arguments"
