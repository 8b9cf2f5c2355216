"""A required lookup can not be cleared when its target is deleted."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if owner.fields[f.whole or f.name].required and f.on_delete == "clear":
                issues.add(
                    "M213",
                    f"{owner.name}.{f.whole or f.name} is required, so deleting its target can not clear it",
                    at.value("object", owner.name, "fields", f.whole or f.name, "on_delete"),
                    "use restrict or cascade",
                )
