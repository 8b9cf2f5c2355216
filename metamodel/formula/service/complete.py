"""What may stand at a place of an unfinished formula, the likeliest first.

The grammar says which symbols may follow, the scope which names there are, and what is expected at the place (the
other side of a comparison, the parameter of the call, the type that the whole formula must have) orders them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from metamodel.formula.functions.registry import FUNCTIONS, Aggregation, Function, aggregate
from metamodel.formula.functions.registry import names as function_names
from metamodel.formula.scope import FACTS, ObjectShape, Scope
from metamodel.formula.service.situation import (
    ARITHMETIC,
    Describer,
    Situation,
    Target,
    callee,
    follow,
    situation,
    undescribed,
)
from metamodel.formula.service.tokens import accepts
from metamodel.formula.types import NUMBERS, Kind, Type
from metamodel.names import SYSTEM_FIELDS

Sort = Literal["field", "child", "property", "option", "function", "aggregate", "argument", "keyword", "system"]
OPERANDS = frozenset({"NAME", "FNAME", "NUMBER"})
CONNECTING = {"AND": "AND", "OR": "OR", "IN": "IN", "NOT": "NOT IN"}
ORDER: dict[Sort, int] = {
    "option": 0,
    "argument": 1,
    "property": 2,
    "field": 3,
    "child": 4,
    "system": 5,
    "function": 6,
    "aggregate": 7,
    "keyword": 8,
}
BRANCHES = frozenset({"IF", "IFERROR", "BLANKVALUE"})
"""Functions whose later arguments are what they give."""
WORTH = {"fits": 0, "leads": 1, "open": 2, "other": 3}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Write `text` from `start` to `end`; `label` is shown, with `detail` (its type) and `doc`. `inside` is how far
    before the end of `text` the place is afterwards (within the brackets of a call). A lower `rank` is likelier."""

    label: str
    text: str
    start: int
    end: int
    sort: Sort
    detail: str = ""
    doc: str = ""
    inside: int = 0
    rank: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is expected: one of `kinds` (empty: anything), of the object or value set `of`."""

    kinds: frozenset[Kind] = frozenset()
    of: str | None = None

    def worth(self, of: Type | None) -> str:
        """How well a value of a type (None: unknown) serves."""
        if not self.kinds or of is None:
            return "open"
        same = of.kind in self.kinds or (of.number and bool(self.kinds & NUMBERS))
        return "fits" if same and (self.of is None or of.of == self.of) else "other"


def complete(
    source: str, offset: int, scope: Scope, expect: Type | None = None, describe: Describer = undescribed
) -> tuple[Candidate, ...]:
    """Everything that may stand at the offset and begins with (or else contains) what is written of it there."""
    at = situation(source, offset, scope)
    if at.comment:
        return ()
    maker = _Maker(at, scope, _wanted(at, scope, expect), describe)
    if at.quote is not None:
        return _ranked(maker.options(at.quote, quoted=True), at.word)
    if at.path is not None:
        target = follow(scope, at.level.frame, at.path)
        return _ranked(maker.behind(target) if target else (), at.word)
    prefix = source[: at.start]
    allowed = accepts(prefix)
    if allowed is None:
        behind = at.before is not None and at.before.operand
        allowed = frozenset(CONNECTING) if behind else OPERANDS | {"TRUE", "FALSE", "NULL", "NOT"}
    if not allowed & OPERANDS:
        words = [text for symbol, text in CONNECTING.items() if symbol in allowed]
        return _ranked((maker.make(text, text, "keyword") for text in words), at.word)
    return _ranked(maker.operands(allowed), at.word)


def _ranked(found: Iterable[Candidate], word: str) -> tuple[Candidate, ...]:
    word = word.lower().lstrip("\"'")
    kept = []
    for candidate in found:
        label = candidate.label.lower().strip("\"'")
        where = label.find(word)
        if where >= 0:
            _, worth, sort = candidate.rank
            kept.append(replace(candidate, rank=(int(where > 0), worth, sort)))
    return tuple(sorted(kept, key=_order))


def _order(candidate: Candidate) -> tuple[object, ...]:
    """Likeliest first; then what the pack declares before what every object has; options as they are declared."""
    label = candidate.label.lower()
    return candidate.rank, label in SYSTEM_FIELDS, "" if candidate.sort == "option" else label


def _wanted(at: Situation, scope: Scope, expect: Type | None) -> Wanted:
    level = at.level
    if at.before is not None and at.before.text in ARITHMETIC:
        moment = level.reckoned is not None and level.reckoned.kind in ("date", "datetime", "time")
        return Wanted(NUMBERS | {level.reckoned.kind} if moment and level.reckoned else NUMBERS)
    if level.compared is not None:
        return _of(level.compared)
    call = level if level.call else None
    if call is not None:
        param = call.param
        if param is not None and (param.kinds or param.constant):
            return Wanted(param.kinds)
        if str(call.call).upper() in BRANCHES and call.argument:
            outer = at.levels[-2]
            passed = outer.compared or (expect if outer.bracket == "" else None)
            return _of(passed) if passed else Wanted()
        return _of(call.first) if call.argument and call.first else Wanted()
    if level.bracket == "[" and level.before and follow(scope, at.levels[-2].frame, level.before):
        return Wanted(frozenset({"boolean"})) if at.before is None or at.before.text in "[" else Wanted()
    if at.before is None or at.before.text.lower() in ("and", "or", "not", "&&", "||", "!"):
        connected = at.before is not None
        return Wanted(frozenset({"boolean"})) if connected else _of(expect) if expect else Wanted()
    return Wanted()


def _of(type_: Type) -> Wanted:
    return Wanted(frozenset({type_.kind}), type_.of)


class _Maker:
    """Makes the candidates of one place."""

    def __init__(self, at: Situation, scope: Scope, wanted: Wanted, describe: Describer) -> None:
        self.at, self.scope, self.wanted, self.describe = at, scope, wanted, describe

    def make(
        self, label: str, text: str, sort: Sort, of: Type | None = None, detail: str = "", doc: str = "",
        worth: str | None = None, inside: int = 0,
    ) -> Candidate:  # fmt: skip
        rank = (0, WORTH[worth or self.wanted.worth(of)], ORDER[sort])
        shown = detail or (str(of) if of else "")
        return Candidate(label, text, self.at.start, self.at.end, sort, shown, doc, inside, rank)

    # -- names --

    def fields(self, shape: ObjectShape) -> Iterator[Candidate]:
        for name in shape.fields:
            found = shape.fields[name]
            said = self.describe("field", shape.name, name)
            worth = self.wanted.worth(found.type)
            if "boolean" in self.wanted.kinds:
                worth = "fits"  # a comparison may begin with any field
            elif worth == "other" and (found.target or found.properties):
                worth = "leads"
            doc = "\n".join(filter(None, (said.label, said.help)))
            yield self.make(name, name, "field", found.type, doc=doc, worth=worth)

    def children(self, shape: ObjectShape, worth: str) -> Iterator[Candidate]:
        for name, child in shape.children.items():
            said = self.describe("child", shape.name, name)
            yield self.make(name, name, "child", detail=f"set<{child.object}>", doc=said.label, worth=worth)

    def behind(self, target: Target) -> Iterator[Candidate]:
        """What may follow a path and its dot."""
        if target.kind == "select" and target.field:
            for name, of in target.field.properties.items():
                yield self.make(name, name, "property", of)
        if target.kind == "facts":
            for name, of in FACTS.items():
                yield self.make(name, name, "property", of)
        shape = self.scope.schema.object(target.object) if target.object and target.kind in ("record", "rows") else None
        if shape is not None:
            yield from self.fields(shape)
            in_set = self._set_wanted()
            if target.kind == "record" and in_set and self.at.path and self.at.path[0] not in ("$user", "old"):
                yield from self.children(shape, "fits")

    def _set_wanted(self) -> bool:
        """Whether the place is the first argument of an aggregate."""
        level = self.at.level
        return level.call is not None and level.argument == 0 and aggregate(level.call) is not None

    def operands(self, allowed: frozenset[str]) -> Iterator[Candidate]:
        frame = self.at.level.frame
        set_wanted = self._set_wanted()
        here = frame.objects[0] if frame.objects else None
        aggregated = any(level.call and aggregate(level.call) for level in self.at.levels)
        measured = self.scope.rows if frame.measure and not frame.objects and aggregated else None
        shape = self.scope.schema.object(here or measured or "")
        yield from self.options(None, quoted=False)
        for name, of in self.scope.params.items():
            yield self.make(name, name, "field", of)
        if shape is not None:
            yield from self.fields(shape)
            if here is not None and set_wanted:
                yield from self.children(shape, "fits")
        if measured and set_wanted:
            yield self.make("rows", "rows", "child", detail=f"set<{measured}>", worth="fits")
        yield from self.systems(len(frame.objects))
        yield from self.functions()
        yield from self.arguments()
        yield from self.words(allowed)

    def systems(self, depth: int) -> Iterator[Candidate]:
        leads = "leads" if self.wanted.kinds else "open"
        if depth > 1:
            outer = self.at.level.frame.objects[-1]
            yield self.make("this", "this", "system", detail=outer, doc="The record that the formula belongs to.",
                            worth=leads)  # fmt: skip
        if self.scope.old:
            yield self.make("old", "old", "system", detail=self.scope.row or "", doc="The record before the change.",
                            worth=leads)  # fmt: skip
        if self.scope.user:
            of = Type("reference", False, of=self.scope.user)
            worth = "fits" if self.wanted.worth(of) == "fits" else leads
            yield self.make("$user", "$user", "system", of, doc="Who asks.", worth=worth)
        yield self.make("$org", "$org", "system", doc="Facts of the organisation.", worth=leads)

    def words(self, allowed: frozenset[str]) -> Iterator[Candidate]:
        for word in ("TRUE", "FALSE"):
            if word in allowed:
                yield self.make(word, word, "keyword", Type("boolean", False))
        if "NULL" in allowed:
            yield self.make("NULL", "NULL", "keyword", worth="other")
        if "NOT" in allowed:
            yield self.make("NOT", "NOT", "keyword", Type("boolean", False))

    # -- calls --

    def functions(self) -> Iterator[Candidate]:
        aliases = {alias for function in FUNCTIONS.values() for alias in function.aliases}
        packed = [name.upper() for name in self.scope.schema.functions]
        for name in (*packed, *function_names()):
            found = callee(self.scope, name) or aggregate(name)
            if found is None:
                continue
            if isinstance(found, Aggregation):
                yield self.call(found, name, "aggregate", None)
            elif self._available(found) and (name not in aliases or self.at.word):
                yield self.call(found, name, "function", found.returns if isinstance(found.returns, Type) else None)

    def _available(self, found: Function) -> bool:
        return self.scope.where in found.contexts and (self.scope.old or found.volatility != "change")

    def call(self, found: Function | Aggregation, name: str, sort: Sort, of: Type | None) -> Candidate:
        doc = found.doc.split("\n\n")[0].replace("\n", " ")
        inside = 1 if found.params else 0
        return self.make(name, f"{name}()", sort, of, found.signature.replace(found.name, name, 1), doc, None, inside)

    def arguments(self) -> Iterator[Candidate]:
        """The names of arguments that the call may still be given."""
        level = self.at.level
        found = level.function if level.call else None
        if isinstance(found, Function) and level.argument and not level.named:
            for param in found.params[level.argument :]:
                yield self.make(f"{param.name}:", f"{param.name}: ", "argument", detail=found.signature, worth="leads")

    # -- texts --

    def options(self, quote: int | None, *, quoted: bool) -> Iterator[Candidate]:
        """The options, stages or constants that are expected, with quotes where there are none yet."""
        level = self.at.level
        param = level.param if level.call else None
        if param is not None and param.choices:
            known = [(choice, "") for choice in param.choices]
        elif self.wanted.of and self.wanted.kinds & {"select", "list"}:
            of = self.wanted.of
            known = [(n, self.describe("option", of, n).label) for n in self.scope.schema.options(of)]
        else:
            return
        for name, label in known:
            text = name if quoted else f'"{name}"'
            yield self.make(text, text, "option", detail=self.wanted.of or "", doc=label, worth="fits")
