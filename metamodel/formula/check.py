"""Syntax tree + scope -> typed tree, or every problem of the formula.

Names are resolved, operators and functions typed by the tables of formula.md 2.4 and 2.5, and what a function stands
for (`IFS`, `BETWEEN`, `ISCHANGED` ...) is written out. After a problem a part has the error type, which silences what
would only follow from it: one message for one cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal as OneOf
from typing import TypeAlias
from uuid import UUID

from metamodel.formula import ast, limits, paths, typed
from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.functions import operators
from metamodel.formula.functions.registry import (
    Aggregation,
    BrokenPlugin,
    Function,
    Param,
    aggregate,
    lookup,
    names,
)
from metamodel.formula.paths import Frame, Named, Rows
from metamodel.formula.scope import FunctionShape, Scope
from metamodel.formula.typed import Value
from metamodel.formula.types import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    ERROR,
    INTEGER,
    MONEY,
    NULL,
    PERIOD,
    TEXT,
    TIME,
    Kind,
    Type,
)
from metamodel.formula.weight import weight
from metamodel.names import did_you_mean

POISON = typed.Literal(ERROR, None)
LITERAL_TYPES: dict[str, Type] = {
    "text": TEXT,
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    "time": TIME,
    "duration": DURATION,
    "period": PERIOD,
}
KEPT = frozenset({"boolean", "null", "duration", "period"})
"""Literals that stay in the tree also where literals are lifted: their value decides the shape of the SQL."""
ORDER = frozenset({"<", "<=", ">", ">="})
Blanks: TypeAlias = OneOf["blank", "zero"]
WIDENING: dict[Kind, frozenset[Kind]] = {
    "integer": frozenset({"decimal", "money", "percent"}),
    "decimal": frozenset({"money", "percent"}),
    "percent": frozenset({"decimal"}),
    "money": frozenset({"decimal"}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the formula with its type as it was written, before literals are lifted; inner parts come first.
    `depth` counts the sets of records around it."""

    start: int
    end: int
    node: typed.Node
    depth: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that was resolved: `name` is a field or child set of `owner` (an object), an option or stage of `owner`
    (a value set or process), or a function (`owner` is empty). The span is that of the name alone."""

    start: int
    end: int
    kind: Named
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The typed tree (None where there are errors), the lifted literals by index, all problems in order, and what is
    known of each part and name, also of a formula with errors."""

    tree: typed.Node | None
    values: tuple[Value, ...]
    diagnostics: tuple[Diagnostic, ...]
    parts: tuple[Part, ...] = ()
    references: tuple[Reference, ...] = ()


def check(
    tree: ast.Node,
    scope: Scope,
    *,
    expect: Type | Kind | None = None,
    lift_literals: bool = False,
    blanks: Blanks = "blank",
) -> Checked:
    """Type a formula. `expect` is the type its place needs; with `lift_literals` each literal becomes a `Param` whose
    value stands in `values`, so that formulas of one shape give equal trees; `blanks="zero"` reads every number of
    the record that may be blank as 0, unless it is asked for blanks itself or stands inside an aggregate."""
    checker = _Checker(scope, lift_literals, blanks)
    frame = Frame((scope.row,) if scope.row else (), measure=scope.rows is not None)
    made = checker.node(tree, frame)
    if expect is not None:
        made = checker.expected(made, Type(expect) if isinstance(expect, str) else expect, tree)
    if all(d.warning for d in checker.problems) and weight(made) > limits.WEIGHT:
        checker.fail("E605", tree, "the formula is too much work for the database", "move parts into formula fields")
    problems = tuple(sorted(checker.problems, key=lambda d: (d.start, d.end)))
    known = tuple(checker.parts), tuple(checker.references)
    if not all(d.warning for d in problems):
        return Checked(None, (), problems, *known)
    if lift_literals:
        made, values = _lift(made, checker)
        return Checked(made, values, problems, *known)
    return Checked(made, (), problems, *known)


class _Checker:
    """One run: it keeps the problems found, and where each typed part was written."""

    def __init__(self, scope: Scope, lift: bool, blanks: Blanks) -> None:
        self.scope = scope
        self.lift = lift
        self.zero = blanks == "zero"
        self.bound: Mapping[str, typed.Node] = {n: typed.Field(of, (), "", n) for n, of in scope.params.items()}
        self.calling: tuple[FunctionShape, ...] = ()
        self.visits = 0
        self.extents: dict[int, tuple[int, int]] = {}
        self.problems: list[Diagnostic] = []
        self.parts: list[Part] = []
        self.references: list[Reference] = []
        self.places: dict[int, ast.Node] = {}
        self.kept: list[typed.Node] = []
        self.current: ast.Node = ast.Node()
        self.frame = Frame((), False)

    # -- what functions and paths may ask for (`registry.Builder`) --

    def fail(self, code: str, at: typed.Node | ast.Node | None, message: str, hint: str | None = None) -> typed.Node:
        place = at if isinstance(at, ast.Node) else self.places.get(id(at), self.current)
        self.problems.append(Diagnostic(code, place.start, place.end, message, hint))
        return POISON

    def warn(self, code: str, at: ast.Node, message: str, hint: str | None = None) -> None:
        """Note something that is right but probably not meant."""
        self.problems.append(Diagnostic(code, at.start, at.end, message, hint))

    def refer(self, at: ast.Node, kind: Named, owner: str, name: str) -> None:
        """Note what a written name means; the name stands at the start of `at`."""
        width = min(len(name), at.end - at.start) if kind in ("field", "child", "object") else at.end - at.start
        self.references.append(Reference(at.start, at.start + width, kind, owner, name))

    def call(self, name: str, *args: typed.Node) -> typed.Node:
        found = lookup(name)
        assert found is not None, name
        return self.apply(found, args)

    def fit(self, node: typed.Node, wanted: Type) -> typed.Node:
        kind = node.type.kind
        if kind == "null" and wanted.kind not in ("null", "error"):
            blank = replace(node, type=replace(wanted, nullable=True, inexact=False))
            if isinstance(blank, typed.Call):
                parts = tuple(self.fit(arg, wanted) if arg.type.kind == "null" else arg for arg in blank.args)
                blank = replace(blank, args=parts)
            return self.at(blank, node)
        if not isinstance(node, typed.Literal) or kind != "text" or not isinstance(node.value, str):
            return node
        if wanted.kind == "select" and wanted.of:
            options = list(self.scope.schema.options(wanted.of))
            if node.value not in options:
                return self.fail(
                    "E221", node, f'there is no "{node.value}" in {wanted.of}', did_you_mean(node.value, options)
                )
            self.refer(self.places.get(id(node), self.current), "option", wanted.of, node.value)
            return self.at(replace(node, type=Type("select", nullable=False, of=wanted.of)), node)
        if wanted.kind == "reference":
            try:
                value = str(UUID(node.value))
            except ValueError:
                return self.fail(
                    "E222",
                    node,
                    f'"{node.value}" is not the identifier of a record',
                    "compare one of its fields, such as its name",
                )
            return self.at(typed.Literal(Type("reference", nullable=False, of=wanted.of), value), node)
        return node

    def join(self, nodes: Sequence[typed.Node]) -> tuple[tuple[typed.Node, ...], Type]:
        if any(node.type.kind == "error" for node in nodes):
            return tuple(nodes), ERROR
        of = next(
            (n.type for n in nodes if n.type.kind not in ("null", "text" if isinstance(n, typed.Literal) else "null")),
            NULL,
        )
        fitted = tuple(self.fit(node, of) for node in nodes)
        result: Type | None = NULL
        for node in fitted:
            if node.type.kind == "error":
                return fitted, ERROR
            wider = _wider(result, node.type) if result else None
            if wider is None:
                self.fail(
                    "E208",
                    node,
                    f"the values have different types: {result} and {node.type}",
                    operators.remedy(result, node.type) if result else None,
                )
                return fitted, ERROR
            result = wider
        assert result is not None
        nullable = any(node.type.nullable for node in fitted)
        return fitted, result.blank(nullable and result.kind != "boolean").rough(any(n.type.inexact for n in fitted))

    def old(self, node: typed.Node | None) -> typed.Node:
        if not self.scope.old or self.scope.row is None:
            return self.fail("E402", self.current, "there is no old record here", "only rules of a change know it")
        if node is None:
            return typed.Field(Type("reference", of=self.scope.row), (), self.scope.row, "id", image="old")
        if not isinstance(node, typed.Field) or node.path or node.level or len(self.frame.objects) != 1:
            return self.fail("E204", node, "this must be a field of the record itself")
        of = node.type if node.type.kind == "boolean" else node.type.blank()
        return replace(node, image="old", type=of)

    def record(self) -> typed.Node:
        if self.frame.measure or not self.frame.objects:
            return self.fail("E405", self.current, "there is no single record here")
        at, name = len(self.frame.objects) - 1, self.frame.objects[-1]
        return typed.Field(Type("reference", nullable=False, of=name), (), name, "id", at)

    def user(self, name: str) -> typed.Node:
        return paths.user(self, self.current, name)

    def outward(self, node: typed.Node) -> typed.Node:
        if self.frame.measure and not self.frame.objects:
            return self.fail("E405", self.current, "there is no single record here", "use it inside an aggregate")
        if any(isinstance(part, typed.Aggregate) for part in typed.walk(node)):
            shown = "a set can not be aggregated for each row of another set"
            return self.fail("E313", node, shown, "put the aggregate into a formula field")
        if node.type.kind == "error":
            return node

        def further(part: typed.Node) -> typed.Node:
            return replace(part, level=part.level + 1) if isinstance(part, typed.Field) else part

        return self.at(typed.rewrite(node, further), node)

    def at(self, node: typed.Node, place: typed.Node | ast.Node) -> typed.Node:
        """Remember where a part was written."""
        found = place if isinstance(place, ast.Node) else self.places.get(id(place), self.current)
        self.places[id(node)] = found
        self.kept.append(node)
        return node

    # -- syntax -> typed --

    def node(self, n: ast.Node, frame: Frame, *, raw: bool = False) -> typed.Node:
        self.visits += len(self.calling) > 0
        if self.visits > limits.WEIGHT:
            return POISON
        before, self.current, outer, self.frame = self.current, n, self.frame, frame
        try:
            made = self.build(n, frame)
        finally:
            self.current, self.frame = before, outer
        if made is POISON:
            return made
        if self.zero and not raw and isinstance(n, ast.Path) and len(frame.objects) == 1:
            made = _zeroed(made)
        self.parts.append(Part(n.start, n.end, made, len(frame.objects) - (not frame.measure)))
        return self.at(made, n)

    def build(self, n: ast.Node, frame: Frame) -> typed.Node:
        match n:
            case ast.Literal():
                return self.literal(n)
            case ast.Path():
                return paths.value(self, n, frame)
            case ast.Call():
                return self.function(n, frame)
            case ast.Unary(op="+"):
                made = self.node(n.operand, frame)
                if not made.type.number and made.type.kind not in ("duration", "error"):
                    return self.fail("E201", made, f"+ can not stand before {made.type}")
                return made
            case ast.Unary():
                made = self.node(n.operand, frame)
                if n.op == "not":
                    self.blank_order(n.operand, made)
                return self.operator("neg" if n.op == "-" else n.op, n, made)
            case ast.Binary():
                if n.op == "^" and isinstance(n.left, ast.Unary) and n.left.op == "-" and _bare(n.left):
                    shown = "the sign binds tighter than ^: this is the power of a negative number"
                    self.warn("W101", n, shown, "write (-x)^y or -(x^y)")
                args = (self.node(n.left, frame), self.node(n.right, frame))
                return self.operator("concat" if n.op == "&" else n.op, n, *args)
            case ast.Logic():
                return self.operator(n.op, n, *(self.node(item, frame) for item in n.items))
            case ast.In():
                items = [self.node(item, frame) for item in n.items]
                made = self.operator("in", n, self.node(n.operand, frame), *items)
                return self.operator("not", n, made) if n.negated else made
        assert isinstance(n, ast.List)
        return self.operator("list", n, *(self.node(item, frame) for item in n.items))

    def blank_order(self, n: ast.Node, made: typed.Node) -> None:
        """Warn of `NOT a < b`, which is TRUE where a or b is blank, unlike `a >= b`."""
        compared = isinstance(made, typed.Call) and made.function in ORDER
        if compared and any(arg.type.nullable for arg in typed.children(made)):
            shown = "the comparison is FALSE where an operand is blank, so its opposite is TRUE there"
            self.warn("W120", n, shown, "turn the comparison round (a >= b for NOT a < b), or ask ISBLANK too")

    def operator(self, name: str, n: ast.Node, *args: typed.Node) -> typed.Node:
        return POISON if any(arg.type.kind == "error" for arg in args) else self.call(name, *args)

    def literal(self, n: ast.Literal) -> typed.Node:
        value = n.value
        if value is None or value == "":
            return typed.Literal(NULL if value is None else TEXT, None)
        if n.kind == "number":
            # A whole number that no bigint holds is a decimal, so that it can be bound as one.
            small = isinstance(value, int) and abs(value) < 2**63
            return typed.Literal((INTEGER if small else DECIMAL).blank(False), value if small else Decimal(str(value)))
        return typed.Literal(LITERAL_TYPES[n.kind].blank(False), value)

    def function(self, n: ast.Call, frame: Frame) -> typed.Node:
        over = aggregate(n.name)
        if over is not None:
            aggregated = self.over_set(over, n, frame)
            if aggregated is not None:
                return aggregated
        declared = self.scope.schema.functions.get(n.name.lower())
        if declared is not None:
            return self.declared(declared, n, frame)
        try:
            found = lookup(n.name if "." in n.name else n.name.upper())
        except BrokenPlugin as error:
            return self.fail("E305", n, f"the function {n.name} can not be used: {error}")
        if found is None or (found.operator and not found.aliases):
            return self.unknown_function(n, over)
        if self.scope.where not in found.contexts:
            return self.fail("E401", n, f"{found.name} is not available in a {self.scope.where}")
        self.refer(replace(n, end=n.start + len(n.name)), "function", "", found.name)
        args = self.arguments(found, n, frame)
        if args is None or any(arg.type.kind == "error" for arg in args):
            return POISON
        return self.apply(found, args)

    def declared(self, shape: FunctionShape, n: ast.Call, frame: Frame) -> typed.Node:
        """A call of a pack's function: its formula with the arguments for its parameters."""
        name = shape.name.upper()
        self.refer(replace(n, end=n.start + len(n.name)), "function", "", name)
        chain = (*(f.name for f in self.calling), shape.name)
        if shape in self.calling:
            return self.fail("E315", n, f"{name} calls itself: {' -> '.join(chain).upper()}")
        given = self.bind(shape, n, frame) if shape.body else None
        if given is None or shape.body is None or any(arg.type.kind == "error" for arg in given.values()):
            return POISON
        if sum(f.body.depth for f in (*self.calling, shape) if f.body) > limits.DEPTH:
            return self.fail("E602", n, f"{name} calls too many functions that call others")
        outer = self.bound, self.calling, self.current
        problems, parts, references = len(self.problems), len(self.parts), len(self.references)
        self.bound, self.calling = given, (*self.calling, shape)
        made = self.node(shape.body, Frame((), measure=False))
        self.bound, self.calling, self.current = outer
        # What is known of the body belongs to the body's text, not to this one.
        del self.parts[parts:], self.references[references:]
        wrong = [d for d in self.problems[problems:] if not d.warning]
        del self.problems[problems:]
        size, depth = typed.extent(made, self.extents)
        if self.visits > limits.WEIGHT or size > limits.WEIGHT or depth > limits.DEPTH:
            if self.calling:
                self.visits = limits.WEIGHT + 1
                return POISON
            return self.fail("E605", n, f"{name} is too much work here", "call it in a formula field of its own")
        if wrong:
            if self.calling or wrong[0].code in ("E315", "E605"):
                return self.fail(wrong[0].code, n, wrong[0].message, wrong[0].hint)
            return self.fail("E316", n, f"in {name}: {wrong[0].message}", wrong[0].hint)
        return self.at(made, n)

    def bind(self, shape: FunctionShape, n: ast.Call, frame: Frame) -> dict[str, typed.Node] | None:
        """The arguments of a pack's function by parameter; None where their number or names are wrong (noted)."""
        known = [p.name for p in shape.params]
        given: dict[str, ast.Node] = dict(zip(known, n.args, strict=False))
        for name, value in n.named:
            if name.lower() not in known or name.lower() in given:
                shown = f'{shape.name.upper()} has no free argument "{name}"'
                self.fail("E206", value, shown, did_you_mean(name, known))
                return None
            given[name.lower()] = value
        if len(n.args) > len(known) or any(p.name not in given and p.default is None for p in shape.params):
            shown = ", ".join(f"[{p.name}]" if p.default else p.name for p in shape.params)
            count = _count(sum(p.default is None for p in shape.params), len(known))
            self.fail("E205", n, f"{shape.name.upper()} takes {count}", f"{shape.name.upper()}({shown})")
            return None
        made = {}
        for p in shape.params:
            part = given.get(p.name) or p.default
            assert part is not None
            typed_ = self.node(part, frame if p.name in given else Frame((), measure=False))
            if typed_.type.kind != "error":
                typed_ = self.expected(typed_, p.type.blank(), part)
            # The formula was checked with the declared kind of number, so that is what it gets.
            kind = p.type.kind if typed_.type.number else typed_.type.kind
            made[p.name] = self.at(replace(typed_, type=replace(typed_.type, kind=kind)), typed_)
        return made

    def unknown_function(self, n: ast.Call, over: Aggregation | None) -> typed.Node:
        if over is not None:
            return self.fail("E312", n, f"{over.name} needs a set of records", f"such as {over.examples[0]}")
        hint = did_you_mean(n.name, [*names(), *map(str.upper, self.scope.schema.functions)])
        if hint is None and "." in n.name:
            hint = "is the package that declares it installed?"
        return self.fail("E303", replace(n, end=n.start + len(n.name)), f"unknown function {n.name}", hint)

    def arguments(self, found: Function, n: ast.Call, frame: Frame) -> tuple[typed.Node, ...] | None:
        """The typed arguments in declared order; None where their number or names are wrong (noted)."""
        given: list[ast.Node | None] = list(n.args)
        declared = [p.name for p in found.params]
        for name, value in n.named:
            index = declared.index(name.lower()) if name.lower() in declared else -1
            if index < 0 or found.params[index].repeat or (index < len(given) and given[index] is not None):
                shown = f'{found.name} has no argument "{name}"' if index < 0 else f'"{name}" is given already'
                self.fail("E206", value, shown, None if index >= 0 else did_you_mean(name, declared))
                return None
            given += [None] * (index + 1 - len(given))
            given[index] = value
        least, most = found.least, found.most
        if len(given) < least or (most is not None and len(given) > most) or None in given:
            self.fail(
                "E205",
                n,
                f"{found.name} takes {_count(least, most)}, here are {len(n.args) + len(n.named)}",
                found.signature,
            )
            for part in given:
                if part is not None:
                    self.node(part, frame)
            return None
        return tuple(
            self.written(part) if _param(found, i).written else self.node(part, frame, raw=found.raw)
            for i, part in enumerate(given)
            if part is not None
        )

    def written(self, part: ast.Node) -> typed.Node:
        """A name that stands for itself, as a text."""
        if isinstance(part, ast.Path) and len(part.steps) == 1 and part.steps[0].filter is None:
            return self.at(typed.Literal(TEXT.blank(False), part.steps[0].name.lower()), part)
        return self.node(part, self.frame)

    def apply(self, found: Function, args: tuple[typed.Node, ...]) -> typed.Node:
        """A call whose arguments are typed."""
        if any(arg.type.kind == "error" for arg in args):
            return POISON
        fitted = tuple(self.argument(found, _param(found, i), arg) for i, arg in enumerate(args))
        if any(arg.type.kind == "error" for arg in fitted):
            return POISON
        if found.resolve is not None:
            return found.resolve(self, fitted)
        if callable(found.returns):
            return typed.Call(found.returns(fitted), found.name, fitted)
        assert found.returns is not None
        nullable = found.returns.kind != "boolean" and any(arg.type.nullable for arg in fitted)
        return typed.Call(found.returns.blank(nullable), found.name, fitted)

    def argument(self, found: Function | Aggregation, param: Param, arg: typed.Node) -> typed.Node:
        if param.constant:
            value = arg.value if isinstance(arg, typed.Literal) else None
            if not isinstance(value, str):
                return self.fail("E207", arg, f"{param.name} of {found.name} must be a constant text")
            if param.choices and value.lower() not in param.choices:
                return self.fail(
                    "E204",
                    arg,
                    f'{found.name} knows no {param.name} "{value}"',
                    did_you_mean(value, param.choices) or f"one of {', '.join(param.choices)}",
                )
            return arg
        if not param.kinds or arg.type.kind in param.kinds:
            return arg
        if arg.type.kind == "null":
            return self.fit(arg, _null_as(param))
        if arg.type.number and "integer" in param.kinds:
            return typed.Call(INTEGER.blank(arg.type.nullable), "TRUNC", (arg,))
        wanted = Type(sorted(param.kinds)[0])
        return self.fail(
            "E204",
            arg,
            f"{param.name} of {found.name} is {_kinds(param)}, not {arg.type}",
            "compare it with something" if wanted.kind == "boolean" else operators.remedy(arg.type, wanted),
        )

    # -- aggregates --

    def over_set(self, over: Aggregation, n: ast.Call, frame: Frame) -> typed.Node | None:
        """The aggregate over the set that the call names; None where it names none."""
        at = next(i for i, param in enumerate(over.params) if param.of == "set")
        given = n.args[at] if at < len(n.args) else None
        rows = paths.rows(self, given, frame) if isinstance(given, ast.Path) else None
        if rows is None and over.whole and isinstance(given, ast.Path):
            rows = paths.every(self, given, frame)
        if isinstance(rows, typed.Node):
            return rows
        if rows is not None:
            return self.aggregate(over, n, rows, (*n.args[:at], *n.args[at + 1 :]), frame)
        implied = n.args and not over.whole and (len(n.args) == 1 or lookup(over.name) is None)
        if implied and frame.measure and not frame.objects:
            return self.aggregate(over, n, Rows((), None, str(self.scope.rows), None, None, None), n.args, frame)
        return None

    def aggregate(
        self, over: Aggregation, n: ast.Call, rows: Rows, given: Sequence[ast.Node], frame: Frame
    ) -> typed.Node:
        """`given` are the written arguments without the set; what stands behind the set is the first over its rows."""
        self.refer(replace(n, end=n.start + len(n.name)), "function", "", over.name)
        inner, behind, rest = frame.inside(rows.object), rows.value, list(given)
        found: dict[str, list[typed.Node]] = {"row": [], "value": []}
        short = False
        for param in over.params:
            if param.of == "set":
                continue
            if param.of == "row" and behind is not None:
                made, behind = behind, None
            elif rest:
                made = self.node(rest.pop(0), inner if param.of == "row" else frame)
            else:
                short |= not param.optional
                continue
            if over.shown and param.of == "row" and not found["row"] and made.type.kind not in ("text", "error"):
                made = self.call("TEXT", made)
            found[param.of].append(self.argument(over, param, made) if made.type.kind != "error" else made)
        made_of = (*found["row"], *found["value"], *(() if rows.where is None else (rows.where,)))
        if any(part.type.kind == "error" for part in made_of):
            return POISON
        if n.named or rest or short or behind is not None:
            return self.fail("E205", n, f"{over.name} has the wrong arguments", f"such as {' or '.join(over.examples)}")
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
            return over.resolve(self, node, tuple(found["value"]))
        return node

    def expected(self, made: typed.Node, wanted: Type, tree: ast.Node) -> typed.Node:
        made = self.fit(made, wanted)
        kind = made.type.kind
        if kind in ("error", wanted.kind) and (kind == "error" or not wanted.of or made.type.of == wanted.of):
            return made
        if wanted.kind in WIDENING.get(kind, ()):
            return made
        return self.fail(
            "E203",
            tree,
            f"{_needed(wanted)} is needed here, this is {made.type}",
            "compare it with something" if wanted.kind == "boolean" else operators.remedy(made.type, wanted),
        )


def _bare(n: ast.Unary) -> bool:
    """Whether a signed part stands without brackets of its own; those widen its span."""
    return n.end == n.operand.end


def _zeroed(made: typed.Node) -> typed.Node:
    """A number of the record, blank as 0."""
    if not made.type.number or not made.type.nullable:
        return made
    whole = made.type.blank(False)
    return typed.Call(whole, "BLANKVALUE", (made, typed.Literal(whole.rough(False), 0)))


def _needed(wanted: Type) -> str:
    shown = "condition" if wanted.kind == "boolean" else str(wanted)
    return f"{'an' if shown[0] in 'aeiou' else 'a'} {shown}"


def _param(found: Function, index: int) -> Param:
    return found.params[min(index, len(found.params) - 1)]


def _null_as(param: Param) -> Type:
    for kind in ("decimal", "text", "date"):
        if kind in param.kinds:
            return Type(kind)
    return Type(sorted(param.kinds)[0])


def _kinds(param: Param) -> str:
    if param.kinds >= {"decimal", "money"}:
        rest = sorted(param.kinds - {"integer", "decimal", "money", "percent"})
        return " or ".join(["a number", *rest])
    return " or ".join(sorted(param.kinds))


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} argument{'s' * (least != 1)}"
    return f"{least} argument{'s' * (least != 1)}" if least == most else f"{least} to {most} arguments"


def _wider(a: Type, b: Type) -> Type | None:
    """The type that holds both, or None."""
    if "null" in (a.kind, b.kind):
        return b if a.kind == "null" else a
    if a.number and b.number:
        kinds = {a.kind, b.kind}
        return a if len(kinds) == 1 else MONEY if "money" in kinds else DECIMAL
    if a.kind == "list" and a.element.kind != b.element.kind:
        return None
    return a if a.kind == b.kind and a.of == b.of and a.kind != "set" else None


def _lift(tree: typed.Node, checker: _Checker) -> tuple[typed.Node, tuple[Value, ...]]:
    """The tree with its literals lifted out, numbered from left to right as they are met."""
    values: list[Value] = []

    def change(node: typed.Node, constant: bool = False) -> typed.Node:
        if isinstance(node, typed.Literal):
            local = isinstance(node.value, datetime) and node.value.tzinfo is None
            if constant or local or node.value is None or node.type.kind in KEPT:
                return node
            values.append(node.value)
            return typed.Param(node.type.blank(False), len(values) - 1)
        if isinstance(node, typed.Call):
            found = lookup(node.function)
            assert found is not None
            args = tuple(
                change(arg, _param(found, i).constant if found.params else False) for i, arg in enumerate(node.args)
            )
            return replace(node, args=args)
        if isinstance(node, typed.Aggregate):
            return replace(
                node,
                where=change(node.where) if node.where else None,
                value=change(node.value) if node.value else None,
                by=change(node.by) if node.by else None,
            )
        return node

    return change(tree), tuple(values)
