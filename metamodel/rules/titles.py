"""The title of an object names one of its fields that holds a text."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Field
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_field

TITLE_TYPES = frozenset({"text", "email", "phone", "url", "barcode", "auto_number", "person_name"})


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        f = find_field(owner, owner.title, ("object", owner.name, "title"), at, issues)
        if f and f.type not in TITLE_TYPES and not _text(model, f):
            issues.add(
                "M208",
                f"{owner.name}.{f.name} is of type {f.type}, which can not be a record's name",
                at.value("object", owner.name, "title"),
                "name a text field, or a formula that gives a text",
            )


def _text(model: Model, f: Field) -> bool:
    if f.formula is None:
        return False
    tree = model.typed.get(f.formula.key)
    return tree is None or tree.type.kind == "text"
