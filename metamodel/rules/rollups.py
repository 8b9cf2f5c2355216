"""A roll-up aggregates child records."""

from __future__ import annotations

from metamodel.formula.typed import Aggregate, walk
from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            tree = model.typed.get(f.formula.key) if f.formula and f.type == "rollup" else None
            if tree and not any(isinstance(node, Aggregate) for node in walk(tree)):
                issues.add(
                    "M226",
                    f"{owner.name}.{f.name} aggregates nothing",
                    at.value("object", owner.name, "fields", f.name, "formula"),
                    "aggregate a child set, as in SUM(lines.amount), or use type: formula",
                )
