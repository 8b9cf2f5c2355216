"""A stored roll-up is made of aggregates over the record's own child sets, which read columns of the child alone.

Then a change of a child says which records have to be recounted, and nothing else ever changes the value.
"""

from __future__ import annotations

from metamodel.formula.functions.registry import aggregate, lookup
from metamodel.formula.typed import Aggregate, Call, Literal, Node, System, children
from metamodel.formula.typed import Field as Named
from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import STORABLE, written_part

APART = "keep the aggregate alone in the stored roll-up, and use it in a formula field"
FAILSAFE = "say with IFERROR what the value is then, or compute in a formula field over stored roll-ups"
LASTING = ("immutable", "zoned")

Wrong = tuple[str, str]
Known = dict[tuple[str, bool], Wrong | None]
"""What was found of the formula fields so far, by the key of their formula and whether strictly."""


def check(model: Model, at: Places, issues: Collector) -> None:
    known: Known = {}
    for owner in model.objects.values():
        for f in owner.fields.values():
            tree = model.typed.get(f.formula.key) if f.stored and f.formula else None
            wrong = _refused(model, known, tree, False, True) if tree else None
            if tree and not wrong and tree.type.kind not in STORABLE:
                wrong = f"it gives a {tree.type}", "leave `stored` out"
            if wrong:
                place = at.value("object", owner.name, "fields", f.name, "stored")
                issues.add("E521", f"{owner.name}.{f.name} can not be stored: {wrong[0]}", place, wrong[1])


def _refused(model: Model, known: Known, node: Node, inside: bool, strict: bool) -> Wrong | None:
    """What the first part that can not be kept up is and what to do. `inside`: over the child's row; `strict`: an
    error of this part is one of the roll-up."""
    wrong = _own(model, known, node, inside, strict)
    if wrong:
        return wrong
    below = inside or isinstance(node, Aggregate)
    for n, part in enumerate(children(node)):
        caught = isinstance(node, Call) and (node.function == "ISERROR" or (node.function == "IFERROR" and n == 0))
        if found := _refused(model, known, part, below, strict and not caught):
            return found
    return None


def _own(model: Model, known: Known, node: Node, inside: bool, strict: bool) -> Wrong | None:
    name = written_part(node)
    match node:
        case Aggregate() if inside or node.relation is None:
            return f"{name} reads records beyond the child set", "aggregate stored fields of the child"
        case Aggregate(function=function) if strict and (over := aggregate(function)) and over.errors:
            return f"{name} may be an error, which a stored value could not tell from a blank", FAILSAFE
        case Aggregate(path=path) if path:
            return f"{name} counts the children of another record", "declare the roll-up on that record"
        case System():
            return f"{name} changes with the clock or the user", "compare with it in a formula field or a filter"
        case Named(level=level) if level or not inside:
            return f"{name} is a field of the record around the children", APART
        case Named(path=path) if path:
            return f"{name} reads another record than the child", "copy the value to the child"
        case Named():
            return _behind(model, known, node, strict)
        case Call():
            return _call(node, name, strict)
    return None


def _behind(model: Model, known: Known, node: Named, strict: bool) -> Wrong | None:
    """The formula of a field of the child stands for its name; it is looked at once."""
    formula = model.objects[node.object].fields[node.name].formula
    tree = model.typed.get(formula.key) if formula else None
    if formula is None or tree is None:
        return None
    key = formula.key, strict
    if key not in known:
        known[key] = _refused(model, known, tree, True, strict)
    wrong = known[key]
    return (f"{node.name} is computed, and in it {wrong[0]}", wrong[1]) if wrong else None


def _call(node: Call, name: str, strict: bool) -> Wrong | None:
    function = lookup(node.function)
    if function is None or function.volatility not in LASTING:
        return f"{name} does not follow from the child alone", "compute with it in a formula field"
    divides = node.function == "/" and isinstance(node.args[1], Literal) and node.args[1].value
    if strict and not divides and (function.errors or function.name == "ERROR"):
        return f"{name} may be an error, which a stored value could not tell from a blank", FAILSAFE
    return None
