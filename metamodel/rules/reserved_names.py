"""A name must not be one that the system, the API or the formula language uses itself."""

from __future__ import annotations

from metamodel.issues import Collector, Place
from metamodel.model import Model
from metamodel.names import API_ROOTS, FORMULA_WORDS, QUERY_WORDS, SYSTEM_FIELDS
from metamodel.overlay import Places

FIELD_NAMES = frozenset(SYSTEM_FIELDS) | QUERY_WORDS | FORMULA_WORDS
OBJECT_NAMES = API_ROOTS | QUERY_WORDS | FORMULA_WORDS


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        if owner.name in OBJECT_NAMES:
            _refuse(owner.name, at.key("object", owner.name), issues)
        for f in owner.fields.values():
            if f.name in FIELD_NAMES and not f.system:
                _refuse(f.name, at.key("object", owner.name, "fields", f.name), issues)
            if f.reverse in FIELD_NAMES:
                _refuse(
                    f.reverse,
                    at.value("object", owner.name, "fields", f.name, "reverse"),
                    issues,
                )
    if "initiator" in model.roles:
        _refuse("initiator", at.key("role", "initiator"), issues)


def _refuse(name: str, place: Place | None, issues: Collector) -> None:
    why = "every object has it already" if name in SYSTEM_FIELDS else "the language uses it itself"
    issues.add(
        "M201",
        f'the name "{name}" is reserved: {why}',
        place,
        f'choose another one, such as "{name}_value"',
    )
