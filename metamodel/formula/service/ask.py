"""Questions that the checker answers: what is wrong, what is a part, what does a name mean."""

from __future__ import annotations

from dataclasses import dataclass

from metamodel.formula.check import check
from metamodel.formula.checked import Blanks, Checked, Part, Reference
from metamodel.formula.depends import reads
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.functions.registry import Aggregation, Function, aggregate
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.service.fixes import Fix, fixes
from metamodel.formula.service.situation import Describer, Target, callee, follow, frame_of, situation, undescribed
from metamodel.formula.service.tokens import Token, tokens
from metamodel.formula.types import Type
from metamodel.formula.volatility import volatility
from metamodel.formula.weight import weight


@dataclass(frozen=True, slots=True)
class Found:
    """A problem and what would mend it."""

    problem: Diagnostic
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, slots=True)
class Hover:
    """What a part is. `title` names it (`opportunity.amount`), `type` is None where it is not known; `reads` lists
    the fields it depends on as `object.field`, `cost` the parts of its SQL (`limits.WEIGHT` is the most)."""

    start: int
    end: int
    title: str
    type: Type | None
    doc: str = ""
    reads: tuple[str, ...] = ()
    volatility: str = "immutable"
    cost: int = 0
    examples: tuple[str, ...] = ()


def read(source: str, scope: Scope, expect: Type | None = None, blanks: Blanks = "blank") -> Checked:
    """The checked formula; where it can not be parsed, the reason alone."""
    try:
        return check(parse(source), scope, expect=expect, blanks=blanks)
    except FormulaError as error:
        return Checked(None, (), error.diagnostics)


def diagnose(
    source: str, scope: Scope, expect: Type | None = None, blanks: Blanks = "blank"
) -> tuple[Type | None, tuple[Found, ...]]:
    """The type of a formula (None where it has errors) and every problem of it."""
    checked = read(source, scope, expect, blanks)
    of = checked.tree.type if checked.tree else None
    return of, tuple(Found(problem, fixes(source, problem)) for problem in checked.diagnostics)


def names(source: str, scope: Scope) -> tuple[Reference, ...]:
    """What each written name means, in order, each place once; of a formula with errors what is known."""
    found = dict.fromkeys(read(source, scope).references)
    return tuple(sorted(found, key=lambda ref: (ref.start, ref.end)))


def hover(
    source: str, offset: int, scope: Scope, describe: Describer = undescribed, blanks: Blanks = "blank"
) -> Hover | None:
    """What the name or the smallest part at an offset is."""
    token = next((t for t in tokens(source) if t.start <= offset < t.end), None) or next(
        (t for t in tokens(source) if offset == t.end and t.path), None
    )
    if token is None or token.kind == "comment":
        return None
    checked = read(source, scope, blanks=blanks)
    reference = next((r for r in checked.references if r.start <= token.start < r.end), None)
    if reference is not None:
        made = _function(token, reference.name, scope) if reference.kind == "function" else None
        return made or _named(reference, checked, scope, describe)
    if token.path and (made := _function(token, token.text, scope) if _called(source, token) else None):
        return made
    parts = [p for p in checked.parts if p.start <= token.start and token.end <= p.end and p.node.type.kind != "error"]
    if parts:
        return _part(min(parts, key=lambda p: p.end - p.start), source, scope)
    return _unfinished(source, token, scope, describe)


def _called(source: str, token: Token) -> bool:
    return source[token.end :].lstrip().startswith("(")


def _function(token: Token, name: str, scope: Scope) -> Hover | None:
    found: Function | Aggregation | None = callee(scope, name) or aggregate(name)
    if found is None:
        return None
    of = found.returns if isinstance(found.returns, Type) else None
    lasting = found.volatility if isinstance(found, Function) else "relational"
    doc = " ".join(found.doc.split())
    return Hover(token.start, token.end, found.signature, of, doc, volatility=lasting, examples=found.examples)


def _named(reference: Reference, checked: Checked, scope: Scope, describe: Describer) -> Hover:
    said = describe(reference.kind, reference.owner, reference.name)
    of = Type("select", False, of=reference.owner) if reference.kind == "option" else None
    shape = scope.schema.object(reference.owner)
    if reference.kind == "field" and shape and reference.name in shape.fields:
        of = shape.fields[reference.name].type
    elif reference.kind == "child" and shape and reference.name in shape.children:
        of = Type("set", False, of=shape.children[reference.name].object)
    # The part that ends with the name is the value that the whole path up to here gives.
    ends = [p for p in checked.parts if p.end == reference.end and p.start <= reference.start]
    node = min(ends, key=lambda p: p.end - p.start).node if ends and reference.kind == "field" else None
    if node is not None and node.type.kind not in ("error", "null"):
        of = node.type
    title = f"{reference.owner}.{reference.name}" if reference.owner else reference.name
    doc = "\n".join(filter(None, (said.label, said.help)))
    lasting = volatility(node)[0] if node else "immutable"
    return Hover(reference.start, reference.end, title, of, doc, volatility=lasting)


def _part(part: Part, source: str, scope: Scope) -> Hover:
    node = part.node
    row = scope.row if part.depth == 0 else None
    fields = sorted(".".join(name) for name in reads(node, scope.schema, row or scope.rows).fields)
    title = " ".join(source[part.start : part.end].split())
    return Hover(
        part.start, part.end, title, node.type, reads=tuple(fields), volatility=volatility(node)[0], cost=weight(node)
    )


def _unfinished(source: str, token: Token, scope: Scope, describe: Describer) -> Hover | None:
    """A name of a formula that can not be parsed."""
    if not token.path:
        return None
    at = situation(source, token.end, scope)
    steps = (*(at.path or ()), token.text)
    found: Target | None = follow(scope, at.level.frame or frame_of(scope), steps)
    if found is None or (found.field is None and found.child is None):
        return None
    name = found.child.name if found.child else found.field.name if found.field else token.text
    said = describe("child" if found.child else "field", found.owner or "", name)
    of = Type("set", False, of=found.object) if found.child else found.type
    return Hover(
        token.start, token.end, f"{found.owner}.{name}", of, "\n".join(filter(None, (said.label, said.help)))
    )
