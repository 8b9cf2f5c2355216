"""An indexed formula follows from its record alone, gives one exact value, and fits into an index."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from metamodel.formula.typed import Call, Literal, Node, Property, System
from metamodel.formula.typed import Field as Named
from metamodel.formula.volatility import volatility
from metamodel.issues import Collector
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import STORABLE, written_part

INDEX_BYTES = 2_600
"""A B-tree of PostgreSQL refuses entries over 2,704 bytes, and with them the record."""
TEXT_LENGTH = 255
CHARACTER_BYTES = 4
RELATIONAL = "keep a roll-up in a column with `stored: true`, and index that one"
WHY = {
    "stable": ("changes with the clock or the user", "index a formula without it, and compare that with TODAY()"),
    "relational": ("reads other records", RELATIONAL),
    "change": ("needs the record as it was", "leave the index out"),
    "window": ("needs a report", "leave the index out"),
    "volatile": ("is another value each time", "leave the index out"),
}
LONGER: Mapping[str, Decimal] = {"UPPER": Decimal("1.5"), "LOWER": Decimal("1.5"), "PROPER": Decimal("1.5")}
"""How much longer in bytes a change of case can make a text."""
NOT_LONGER = frozenset({"TRIM", "TRIMALL", "LEFT", "RIGHT", "MID", "REVERSE", "CLEAN"})


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            tree = model.typed.get(f.formula.key) if f.indexed and f.formula else None
            wrong = _refused(model, owner, f, tree) if tree else None
            if wrong:
                place = at.value("object", owner.name, "fields", f.name, "indexed")
                issues.add("E520", f"{owner.name}.{f.name} can not be indexed: {wrong[0]}", place, wrong[1])


def _refused(model: Model, owner: Object, f: Field, tree: Node) -> tuple[str, str] | None:
    """Why the field can not be indexed, and what to do."""
    if not f.stored:
        found, part = volatility(tree, lambda name: _behind(model, name))
        if found in WHY:
            why, hint = WHY[found]
            return f"{written_part(part)} {why}", hint
    if tree.type.kind not in STORABLE:
        return f"it gives a {tree.type}", "leave the index out"
    if tree.type.inexact:
        return "its value is rounded to 18 places, and comparisons round it further", "say with `scale:` what is kept"
    longest = _bytes(model, tree) if tree.type.kind == "text" else 0
    if longest is None or longest > INDEX_BYTES:
        size = "is not bounded" if longest is None else f"may take {longest} bytes"
        return f"its text {size}, and an index holds {INDEX_BYTES}", "index the beginning: LEFT(text, 200)"
    return None


def _behind(model: Model, name: Named) -> Node | None:
    formula = model.objects[name.object].fields[name.name].formula
    return model.typed.get(formula.key) if formula else None


def _bytes(model: Model, node: Node) -> int | None:
    """The most bytes that a text can take, None where that is not known."""
    match node:
        case Literal(value=str() as text):
            return len(text.encode())
        case Literal():
            return 0
        case Named():
            behind = _behind(model, node)
            return _bytes(model, behind) if behind else _stored_bytes(model.objects[node.object].fields[node.name])
        case Property() | System():
            return CHARACTER_BYTES * TEXT_LENGTH
        case Call():
            return _call_bytes(model, node)
    return None


def _stored_bytes(f: Field) -> int | None:
    if FIELD_TYPES[f.type].kind != "text":
        return CHARACTER_BYTES * TEXT_LENGTH
    return CHARACTER_BYTES * (f.max_length or TEXT_LENGTH)


def _call_bytes(model: Model, node: Call) -> int | None:
    of_text = [_bytes(model, arg) for arg in node.args if arg.type.kind in ("text", "select", "null")]
    known = [size for size in of_text if size is not None]
    if node.function in ("LEFT", "RIGHT", "MID") and isinstance(count := node.args[-1], Literal):
        cut = max(int(Decimal(str(count.value or 0))), 0) * CHARACTER_BYTES
        return min((cut, *known))
    if node.function == "TEXT" and not of_text:
        return CHARACTER_BYTES * 64
    if len(known) < len(of_text):
        return None
    if node.function == "concat":
        return sum(known)
    if node.function in LONGER:
        return int(known[0] * LONGER[node.function])
    if node.function in ("if", "IFERROR", "BLANKVALUE") or node.function in NOT_LONGER:
        return max(known, default=0)
    return None
