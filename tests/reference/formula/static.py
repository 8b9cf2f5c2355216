"""What is known of a formula before it runs, as far as values depend on it: kinds, and which numbers are inexact.

The language page makes three things static: a number made by a division, a mean or a root is rounded to 12 places
before it is compared; a condition is never blank; `blanks: zero` is about fields that are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from metamodel.formula import ast

Objects: TypeAlias = "tuple[str, ...]"
Shapes: TypeAlias = Mapping[str, Mapping[str, str]]
"""By object, what each name is: a kind, `-> object` for a reference, `[] object` for a set of child records."""


@dataclass(frozen=True)
class Static:
    """A kind, for numbers whether they are inexact, for lists the kind of an element."""

    kind: str
    rough: bool = False
    item: str = ""


NUMBER, ROUGH, TEXT, BOOLEAN = Static("number"), Static("number", True), Static("text"), Static("boolean")
DATE, DATETIME, TIME, DURATION = Static("date"), Static("datetime"), Static("time"), Static("duration")
PLACE = Static("place")
Returns: TypeAlias = "Static | Callable[[list[Static]], Static]"


def joined(parts: list[Static]) -> Static:
    """The type of branches: the first known kind, inexact where one of them is."""
    known = [part for part in parts if part.kind != "null"]
    return Static(known[0].kind, any(p.rough for p in parts), known[0].item) if known else Static("null")


def numeric(parts: list[Static]) -> Static:
    """A number that is as exact as what it is made of."""
    return Static("number", any(part.rough for part in parts))


def first(parts: list[Static]) -> Static:
    return parts[0]


class Typing:
    """Reads kinds off a formula, for rows of known objects (innermost first)."""

    def __init__(self, shapes: Shapes, calls: Mapping[str, Any], aggregates: Mapping[str, Any]) -> None:
        self.shapes, self.calls, self.aggregates = shapes, calls, aggregates

    def of(self, n: ast.Node, objects: Objects) -> Static:
        match n:
            case ast.Literal(kind="number"):
                return NUMBER
            case ast.Literal():
                return Static("null" if n.value is None or n.value == "" else n.kind)
            case ast.Path():
                return Static(self.kind(n, objects))
            case ast.Logic() | ast.In() | ast.Unary(op="not"):
                return BOOLEAN
            case ast.Unary():
                return self.of(n.operand, objects)
            case ast.List():
                inside = joined([self.of(item, objects) for item in n.items])
                return Static("list", inside.rough, inside.kind)
            case ast.Binary():
                return self.binary(n.op, self.of(n.left, objects), self.of(n.right, objects))
            case ast.Call():
                return self.call(n, objects)
        raise AssertionError(n)

    def call(self, n: ast.Call, objects: Objects) -> Static:
        name = n.name.upper()
        over = self.aggregates.get(name)
        path = n.args[over.before] if over and len(n.args) > over.before else None
        target = self.child(path, objects) if path is not None else None
        if over and isinstance(path, ast.Path) and target:
            inner = (target, *objects)
            rest = self.rest(path, objects)
            values = [Static(self.kind(ast.Path(steps=rest), inner))] if rest else []
            values += [self.of(arg, inner) for arg in n.args[over.before + 1 : len(n.args) - over.outer]]
            returns = over.returns
        else:
            values = [self.of(arg, objects) for arg in (*n.args, *(value for _, value in n.named))]
            returns = self.calls[name].returns
        return returns(values) if callable(returns) else returns  # type: ignore[no-any-return]

    def binary(self, op: str, a: Static, b: Static) -> Static:
        kinds = {a.kind, b.kind}
        if op in ("=", "<>", "<", "<=", ">", ">="):
            return BOOLEAN
        if op == "&" or (op == "+" and "text" in kinds):
            return TEXT
        for kind in ("datetime", "date"):
            if kind in kinds:
                both = a.kind == b.kind
                return Static(kind) if not both else NUMBER if kind == "date" else DURATION
        if "period" in kinds:
            return Static("period")
        if "duration" in kinds:
            return ROUGH if op == "/" and b.kind == "duration" else DURATION
        return Static("number", op in ("/", "^") or a.rough or b.rough)

    # -- paths --

    def start(self, path: ast.Path, objects: Objects) -> tuple[str, tuple[ast.Step, ...]]:
        """The object that a path begins at, and its steps from there."""
        name = path.steps[0].name.lower()
        if name == "$user":
            return "user", path.steps[1:]
        if name in ("this", "old") and name not in self.shapes[objects[0]]:
            return objects[-1], path.steps[1:]
        return objects[0], path.steps

    def kind(self, path: ast.Path, objects: Objects) -> str:
        here, steps = self.start(path, objects)
        for at, step in enumerate(steps):
            shape = self.shapes[here]
            rest = ".".join(s.name.lower() for s in steps[at:])
            if rest in shape:
                return "reference" if shape[rest].startswith("->") else shape[rest]
            here = shape[step.name.lower()].removeprefix("-> ")
        raise AssertionError(path)

    def child(self, n: ast.Node, objects: Objects) -> str | None:
        """The object of the set of records that a path reaches."""
        if not isinstance(n, ast.Path):
            return None
        here, steps = self.start(n, objects)
        for step in steps:
            kind = self.shapes[here].get(step.name.lower(), "")
            if kind.startswith("[] "):
                return kind.removeprefix("[] ")
            if not kind.startswith("-> "):
                return None
            here = kind.removeprefix("-> ")
        return None

    def rest(self, path: ast.Path, objects: Objects) -> tuple[ast.Step, ...]:
        """The steps behind the set of records."""
        here, steps = self.start(path, objects)
        for at, step in enumerate(steps):
            kind = self.shapes[here][step.name.lower()]
            if kind.startswith("[] "):
                return steps[at + 1 :]
            here = kind.removeprefix("-> ")
        raise AssertionError(path)
