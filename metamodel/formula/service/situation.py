"""Where in a formula a place is: in which rows, call and path, and what is expected there.

The text before the place is read token by token, with the brackets that are open; it need not be a formula yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from metamodel.formula.functions.registry import Aggregation, BrokenPlugin, Function, Param, aggregate, lookup
from metamodel.formula.paths import Frame
from metamodel.formula.scope import FACTS, ChildShape, FieldShape, ObjectShape, Scope
from metamodel.formula.service.tokens import Token, tokens
from metamodel.formula.types import Type

ARITHMETIC = frozenset("+-*/^")


@dataclass(frozen=True, slots=True)
class Described:
    """What people call a thing and say of it."""

    label: str = ""
    help: str = ""


Describer = Callable[[str, str, str], Described]
"""(kind of name, owner, name) -> its description; see `checked.Reference` for the three."""


def undescribed(kind: str, owner: str, name: str) -> Described:
    """Says nothing of anything."""
    return Described()


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to. `object`: the record or the rows it ends at; `field` its last field, of `owner`; "facts"
    are those of the organisation."""

    kind: Literal["record", "rows", "select", "value", "facts"]
    object: str | None = None
    owner: str | None = None
    field: FieldShape | None = None
    type: Type | None = None
    child: ChildShape | None = None


@dataclass(slots=True)
class Level:
    """An open bracket: the rows that names mean in it, the call it belongs to, and what was read in it so far.

    `before` is the path in front of a filter, `rows` the set that is the call's first argument; `first` is the type
    of the first argument, `operand` of the last path read, `compared` what the operand here is compared with, and
    `reckoned` what stands before the arithmetic sign here.
    """

    bracket: str
    frame: Frame
    call: str | None = None
    argument: int = 0
    named: str | None = None
    before: tuple[str, ...] = ()
    first: Type | None = None
    compared: Type | None = None
    operand: Type | None = None
    reckoned: Type | None = None
    scalar: Function | None = None
    over: Aggregation | None = None
    rows: str | None = None

    @property
    def function(self) -> Function | Aggregation | None:
        """The function that is called."""
        return self.over if self.over is not None and (self.scalar is None or self.rows) else self.scalar

    @property
    def param(self) -> Param | None:
        """The parameter that the place belongs to."""
        found = self.function
        params = found.params if found else ()
        if self.named is not None:
            return next((p for p in params if p.name == self.named.lower()), None)
        if not params or (self.argument >= len(params) and not params[-1].repeat):
            return None
        return params[min(self.argument, len(params) - 1)]


@dataclass(frozen=True, slots=True)
class Situation:
    """`word` is what is being written, at `start` to `end`; `path` the steps before it with a dot behind, or None.
    `levels` are the open brackets, outermost first; `quote` the start of an open text; `before` the token before."""

    word: str
    start: int
    end: int
    levels: tuple[Level, ...]
    path: tuple[str, ...] | None = None
    quote: int | None = None
    comment: bool = False
    before: Token | None = None

    @property
    def level(self) -> Level:
        return self.levels[-1]

    @property
    def call(self) -> Level | None:
        """The innermost call."""
        return next((level for level in reversed(self.levels) if level.call), None)


def callee(scope: Scope, name: str) -> Function | None:
    """The function of that name: of a pack, or of the language and its plug-ins."""
    declared = scope.schema.functions.get(name.lower())
    if declared is not None:
        params = tuple(Param(p.name, frozenset({p.type.kind}), p.default is not None) for p in declared.params)
        return Function(name=declared.name.upper(), group="pack", params=params, doc=declared.description)
    try:
        return lookup(name if "." in name else name.upper())
    except BrokenPlugin:
        return None


def frame_of(scope: Scope) -> Frame:
    """The rows that names mean in a formula, outside every set."""
    return Frame((scope.row,) if scope.row else (), measure=scope.rows is not None)


def situation(source: str, offset: int, scope: Scope) -> Situation:
    """The situation at an offset."""
    seen = [token for token in tokens(source) if token.start < offset]
    last = seen[-1] if seen else None
    reader = _Reader(scope)
    if last and last.kind == "comment" and (offset < last.end or last.text.startswith("//") or _unclosed(last)):
        return Situation("", offset, offset, (reader.level,), comment=True)
    if last and (last.kind == "open" or (last.kind == "text" and offset < last.end)):
        reader.read(seen[:-1], source)
        word = source[last.start + 1 : offset]
        end = last.end - 1 if last.kind == "text" else _word_end(source, offset)
        return Situation(word, last.start + 1, end, tuple(reader.levels), quote=last.start, before=reader.last)
    if last and last.kind in ("name", "system") and offset <= last.end:
        reader.read(seen[:-1], source)
        word, start, end = source[last.start : offset], last.start, last.end
    else:
        reader.read(seen, source)
        word, start, end = "", offset, offset
    dotted = reader.last is not None and reader.last.text == "."
    path = reader.steps if dotted else None
    return Situation(word, start, end, tuple(reader.levels), path, before=reader.last)


def _unclosed(comment: Token) -> bool:
    return len(comment.text) < 4 or not comment.text.endswith("*/")


def _word_end(source: str, offset: int) -> int:
    """Where the word of an open text ends that goes on behind the place."""
    while offset < len(source) and (source[offset].isalnum() or source[offset] == "_"):
        offset += 1
    return offset


class _Reader:
    """Reads tokens and keeps the open brackets and the path that was read last."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.levels = [Level("", frame_of(scope))]
        self.steps: tuple[str, ...] = ()
        self.last: Token | None = None
        self.name = ""

    @property
    def level(self) -> Level:
        return self.levels[-1]

    def read(self, seen: Sequence[Token], source: str) -> None:
        for token in seen:
            if token.kind != "comment":
                self.token(token, source)
                self.last = token

    def token(self, token: Token, source: str) -> None:
        dotted = self.last is not None and self.last.text == "." and bool(self.steps)
        if token.path:
            self.name = f"{self.name}.{token.text}" if dotted else token.text
            self.steps = (*self.steps, token.text) if dotted else (token.text,)
            found = self.follow()
            self.level.operand = found.type if found else None
            return
        called = self.last is not None and self.last.path and not source[self.last.end : token.start].strip()
        match token.text:
            case ".":
                return
            case "(" if called:
                scalar, over = callee(self.scope, self.name), aggregate(self.name)
                self.open(Level("(", self.level.frame, self.name, scalar=scalar, over=over))
            case "(":
                # A list to compare with, or a group: both go on with what is expected outside.
                self.open(Level("(", self.level.frame, compared=self.level.compared))
            case "[":
                target = self.follow() if called else None
                rows = target.object if target and target.kind == "rows" else None
                frame = self.level.frame.inside(rows) if rows else self.level.frame
                self.open(Level("[", frame, before=self.steps, compared=None if rows else self.level.compared))
            case ")" | "]":
                self.close(token)
            case ",":
                self.argument()
            case ":":
                self.level.named = self.last.text if self.last else None
                self.steps = ()
            case _:
                self.sign(token)
                self.steps = ()

    def open(self, level: Level) -> None:
        self.levels.append(level)
        self.steps = ()

    def close(self, token: Token) -> None:
        if len(self.levels) > 1:
            left = self.levels.pop()
            self.steps = left.before if token.text == "]" else ()
            if left.call:
                found = left.function
                self.level.operand = found.returns if found and isinstance(found.returns, Type) else None
        else:
            self.steps = ()

    def argument(self) -> None:
        level = self.level
        if level.call and level.argument == 0:
            found = self.follow()
            level.first = level.operand
            if found and found.kind == "rows" and found.object and aggregate(level.call):
                level.rows = found.object
                level.frame = level.frame.inside(found.object)
        level.argument += 1
        level.named, level.operand = None, None
        if level.bracket == "" or level.call:
            level.compared = None
        self.steps = ()

    def sign(self, token: Token) -> None:
        word = token.text.lower()
        if word in ("=", "==", "!=", "<>", "<", "<=", ">", ">=", "in"):
            self.level.compared = self.level.operand
        elif word in ("and", "or", "&&", "||", "&"):
            self.level.compared = None
        self.level.reckoned = self.level.operand if word in ARITHMETIC else None
        if word != "in" and word != "not":
            self.level.operand = None

    def follow(self) -> Target | None:
        found = follow(self.scope, self.level.frame, self.steps)
        over = aggregate(self.level.call) if self.level.call and self.level.argument == 0 else None
        if found is None and over is not None and over.whole and len(self.steps) == 1:
            shape = self.scope.schema.object(self.steps[0].lower())
            return Target("rows", shape.name) if shape and shape.fields else None
        return found


def follow(scope: Scope, frame: Frame, steps: Sequence[str]) -> Target | None:
    """What a path means in the given rows; None where it leads nowhere."""
    if not steps:
        return None
    name, rest = steps[0].lower(), steps[1:]
    start: Target | None
    if name in scope.params:
        return Target("value", type=scope.params[name]) if not rest else None
    if name.startswith("$"):
        user = Target("record", scope.user) if scope.user else None
        start = {"$user": user, "$org": Target("facts")}.get(name)
    elif name == "this" or (name in ("old", "prior") and scope.old):
        start = Target("record", frame.objects[-1]) if frame.objects else None
    elif name == "rows" and frame.measure and not frame.objects:
        start = Target("rows", scope.rows)
    else:
        here = frame.objects[0] if frame.objects else scope.rows if frame.measure else None
        start, rest = Target("record", here) if here else None, steps
    for step in rest:
        start = _step(scope, start, step.lower()) if start else None
    return start


def _step(scope: Scope, at: Target, name: str) -> Target | None:
    if at.kind == "select" and at.field:
        found = at.field.properties.get(name)
        return Target("value", type=found, owner=at.owner, field=at.field) if found else None
    if at.kind == "facts":
        return Target("value", type=FACTS[name]) if name in FACTS else None
    shape = scope.schema.object(at.object) if at.object else None
    if shape is None or at.kind in ("select", "value"):
        return None
    if name in shape.fields:
        return _field(shape, shape.fields[name])
    child = shape.children.get(name) if at.kind == "record" else None
    return Target("rows", child.object, owner=shape.name, child=child) if child else None


def _field(shape: ObjectShape, found: FieldShape) -> Target:
    kind: Literal["record", "select", "value"] = (
        "record" if found.target else "select" if found.properties else "value"
    )
    return Target(kind, found.target, shape.name, found, found.type)
