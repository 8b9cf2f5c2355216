"""Syntax tree + scope -> typed tree, or every problem of the formula.

Names are resolved, operators and functions typed by the tables of formula.md 2.4 and 2.5, and what a function stands
for (`IFS`, `BETWEEN`, `ISCHANGED` ...) is written out. After a problem a part has the error type, which silences what
would only follow from it: one message for one cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from metamodel.formula import ast, calls, limits, paths, typed
from metamodel.formula.checked import Blanks, Checked, Named, Part, Reference
from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.functions import operators
from metamodel.formula.functions.registry import lookup
from metamodel.formula.paths import POISON, Frame
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
WIDENING: dict[Kind, frozenset[Kind]] = {
    "integer": frozenset({"decimal", "money", "percent"}),
    "decimal": frozenset({"money", "percent"}),
    "percent": frozenset({"decimal"}),
    "money": frozenset({"decimal"}),
}


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
    checker = _Checker(scope, blanks)
    frame = Frame((scope.row,) if scope.row else (), measure=scope.rows is not None)
    made = checker.node(tree, frame)
    if expect is not None:
        made = checker.expected(made, Type(expect, expect != "boolean") if isinstance(expect, str) else expect, tree)
    if all(d.warning for d in checker.problems) and weight(made) > limits.WEIGHT:
        checker.fail("E605", tree, "the formula is too much work for the database", "move parts into formula fields")
    problems = tuple(sorted(checker.problems, key=lambda d: (d.start, d.end)))
    right = all(d.warning for d in problems)
    lifted, values = _lift(made) if right and lift_literals else (made, ())
    return Checked(lifted if right else None, values, problems, tuple(checker.parts), tuple(checker.references))


class _Checker:
    """One run: it keeps the problems found, and where each typed part was written."""

    def __init__(self, scope: Scope, blanks: Blanks) -> None:
        self.scope = scope
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
        return calls.apply(self, found, args)

    def fit(self, node: typed.Node, wanted: Type) -> typed.Node:
        kind = node.type.kind
        if kind == "null" and wanted.kind not in ("null", "error"):
            # A condition is never blank: where one stands it is FALSE.
            settled = wanted == BOOLEAN
            blank = replace(node, type=replace(wanted, nullable=not settled, inexact=False))
            if settled and isinstance(blank, typed.Literal):
                blank = replace(blank, value=False)
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
            made = self.record()
            return replace(made, image="old", type=made.type.blank()) if isinstance(made, typed.Field) else made
        if not isinstance(node, typed.Field) or node.path or node.level or len(self.frame.objects) != 1:
            return self.fail("E204", node, "this must be a field of the record itself")
        of = node.type if node.type.kind == "boolean" else node.type.blank()
        return replace(node, image="old", type=of)

    def record(self) -> typed.Node:
        if self.frame.measure or not self.frame.objects:
            return self.fail("E405", self.current, "there is no single record here")
        at, name = len(self.frame.objects) - 1, self.frame.objects[-1]
        return typed.Field(Type("reference", nullable=False, of=name), (), name, "id", at)

    def user(self, name: typed.Node | None) -> typed.Node:
        shown = str(name.value) if isinstance(name, typed.Literal) else "id"
        return paths.user(self, self.places.get(id(name), self.current), shown)

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
                return calls.call(self, n, frame)
            case ast.Unary(op="+"):
                made = self.node(n.operand, frame)
                if not made.type.number and made.type.kind not in ("duration", "null", "error"):
                    return self.fail("E201", made, f"+ can not stand before {made.type}")
                return made
            case ast.Unary():
                made = self.node(n.operand, frame)
                if n.op == "not":
                    self.blank_order(n.operand, made)
                return self.call("neg" if n.op == "-" else n.op, made)
            case ast.Binary():
                if n.op == "^" and isinstance(n.left, ast.Unary) and n.left.op == "-" and _bare(n.left):
                    shown = "the sign binds tighter than ^: this is the power of a negative number"
                    self.warn("W101", n, shown, "write (-x)^y or -(x^y)")
                args = (self.node(n.left, frame), self.node(n.right, frame))
                return self.call("concat" if n.op == "&" else n.op, *args)
            case ast.Logic():
                return self.call(n.op, *(self.node(item, frame) for item in n.items))
            case ast.In():
                items = [self.node(item, frame) for item in n.items]
                made = self.call("in", self.node(n.operand, frame), *items)
                return self.call("not", made) if n.negated else made
        assert isinstance(n, ast.List)
        return self.call("list", *(self.node(item, frame) for item in n.items))

    def blank_order(self, n: ast.Node, made: typed.Node) -> None:
        """Warn of `NOT a < b`, which is TRUE where a or b is blank, unlike `a >= b`."""
        compared = isinstance(made, typed.Call) and made.function in ORDER
        if compared and any(arg.type.nullable for arg in typed.children(made)):
            shown = "the comparison is FALSE where an operand is blank, so its opposite is TRUE there"
            self.warn("W120", n, shown, "turn the comparison round (a >= b for NOT a < b), or ask ISBLANK too")

    def literal(self, n: ast.Literal) -> typed.Node:
        value = n.value
        if value is None or value == "":
            return typed.Literal(NULL if value is None else TEXT, None)
        if n.kind == "number":
            # A whole number that no bigint holds is a decimal, so that it can be bound as one.
            small = isinstance(value, int) and abs(value) < 2**63
            return typed.Literal((INTEGER if small else DECIMAL).blank(False), value if small else Decimal(str(value)))
        return typed.Literal(LITERAL_TYPES[n.kind].blank(False), value)

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


def _lift(tree: typed.Node) -> tuple[typed.Node, tuple[Value, ...]]:
    """The tree with its literals lifted out, numbered from left to right as they are met."""
    values: list[Value] = []

    def change(node: typed.Node, constant: bool = False) -> typed.Node:
        if isinstance(node, typed.Literal):
            local = isinstance(node.value, datetime) and node.value.tzinfo is None
            large = node.size[0] > limits.FIELD_DIGITS or node.size[1] > limits.SCALE
            if constant or local or large or node.value is None or node.type.kind in KEPT:
                return node
            values.append(node.value)
            return typed.Param(node.type.blank(False), len(values) - 1)
        if isinstance(node, typed.Call):
            found = lookup(node.function)
            assert found is not None
            fixed = [bool(found.params) and found.param(i).constant for i in range(len(node.args))]
            return replace(node, args=tuple(map(change, node.args, fixed)))
        if isinstance(node, typed.Aggregate):
            return replace(
                node,
                where=change(node.where) if node.where else None,
                value=change(node.value) if node.value else None,
                by=change(node.by) if node.by else None,
            )
        return node

    return change(tree), tuple(values)
