"""The least value is not above the greatest, and a constant default lies within the field's bounds."""

from __future__ import annotations

from decimal import Decimal

from metamodel.formula.typed import Literal, Node
from metamodel.issues import Collector
from metamodel.kinds.object import Field
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            path = ("object", owner.name, "fields", f.name)
            if f.min is not None and f.max is not None and f.min > f.max:
                issues.add(
                    "M216",
                    f"min {f.min} is greater than max {f.max}",
                    at.value(*path, "min"),
                    "swap them",
                )
            elif (tree := model.typed.get(f.default.key) if f.default else None) and (why := _outside(f, tree)):
                issues.add(
                    "M217",
                    f"the default is {why}",
                    at.value(*path, "default"),
                    "change the default",
                )


def _outside(f: Field, tree: Node) -> str | None:
    value = tree.value if isinstance(tree, Literal) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, Decimal)):
        if f.min is not None and value < f.min:
            return f"less than min {f.min}"
        return f"greater than max {f.max}" if f.max is not None and value > f.max else None
    too_long = isinstance(value, str) and f.max_length is not None and len(value) > f.max_length
    return f"longer than {f.max_length} characters" if too_long else None
