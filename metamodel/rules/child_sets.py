"""The name of a child set is used once on its target, and not by one of the target's fields."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    taken: dict[tuple[str, str], str] = {}
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.reverse is None or f.to is None or f.to not in model.objects:
                continue
            place = at.value("object", owner.name, "fields", f.whole or f.name, "reverse")
            first = taken.setdefault((f.to, f.reverse), f"{owner.name}.{f.name}")
            if f.reverse in model.objects[f.to].fields:
                issues.add(
                    "M214",
                    f'{f.to} has a field "{f.reverse}" already',
                    place,
                    "choose another name",
                )
            elif first != f"{owner.name}.{f.name}":
                issues.add(
                    "M214",
                    f'{first} names its set on {f.to} "{f.reverse}" too',
                    place,
                    "choose another name",
                )
