"""A process governs a stage field of its object, and the field names that process."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places
from metamodel.rules.common import find_field, find_object


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.type == "stage" and f.process:
                _field(model, owner, f, at, issues)
    for process in model.processes.values():
        governed = find_object(model, process.object, ("process", process.name, "object"), at, issues)
        found = governed and find_field(governed, process.field, ("process", process.name, "field"), at, issues)
        if found and found.process != process.name:
            what = f"names the process {found.process}" if found.process else f"is of type {found.type}, not stage"
            issues.add(
                "M209",
                f"{process.object}.{found.name} {what}",
                at.value("process", process.name, "field"),
                f"give the field `type: stage` and `process: {process.name}`",
            )


def _field(model: Model, owner: Object, f: Field, at: Places, issues: Collector) -> None:
    place = at.value("object", owner.name, "fields", f.name, "process")
    process = model.stage_process(f)
    if process is None:
        if not at.gone("process", str(f.process)):
            issues.add(
                "M205",
                f'there is no process "{f.process}"',
                place,
                did_you_mean(str(f.process), model.processes) or "declare it",
            )
    elif (process.object, process.field) != (owner.name, f.name):
        issues.add(
            "M209",
            f"the process {process.name} governs {process.object}.{process.field}",
            place,
            "each stage field has a process of its own",
        )
