"""A lookup points to an object that exists, that of a tree to its own; the fields of the system need `user`."""

from __future__ import annotations

from metamodel.build.objects import USER
from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_object


def check(model: Model, at: Places, issues: Collector) -> None:
    if model.objects and USER not in model.objects and not at.gone("object", USER):
        first = next(iter(model.objects))
        issues.add(
            "M202",
            f'there is no object "{USER}", to which owner, created_by and modified_by point',
            at.key("object", first),
            "depend on a pack that declares it, such as core",
        )
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.tree and f.to != owner.name:
                what = f"{owner.name}.{f.name} does not point to {owner.name} alone, so that there is no tree"
                issues.add("M243", what, at.value("object", owner.name, "fields", f.name, "tree"), "remove it")
            if f.type == "lookup" and f.to and not f.system:
                find_object(
                    model,
                    f.to,
                    ("object", owner.name, "fields", f.whole or f.name, "to"),
                    at,
                    issues,
                )
