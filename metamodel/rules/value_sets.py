"""The options of a field, and the reasons of a move, are a value set that exists."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places, find


def check(model: Model, at: Places, issues: Collector) -> None:
    known = [name for name in model.value_sets if "." not in name]
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.options and f.options not in model.value_sets and not at.gone("value_set", f.options):
                issues.add(
                    "M204",
                    f'there is no value set "{f.options}"',
                    at.value("object", owner.name, "fields", f.name, "options"),
                    did_you_mean(f.options, known) or "declare it, or write the options in place",
                )
    for process in model.processes.values():
        written = find(at.tree, ("process", process.name, "moves"))
        for index, entry in enumerate(written.plain() if written else ()):
            name = entry.get("reason", "required")
            if name != "required" and name not in model.value_sets and not at.gone("value_set", name):
                issues.add(
                    "M204",
                    f'there is no value set "{name}"',
                    at.value("process", process.name, "moves", index, "reason"),
                    did_you_mean(name, [*known, "required"]) or "declare it, or write `reason: required`",
                )
    for name in model.value_sets:
        if name in model.processes:
            issues.add(
                "M228",
                f'the process "{name}" and the value set "{name}" have the same name',
                at.key("value_set", name),
                "rename one of them",
            )
