"""A process governs a stage field of its object, and the field names that process. Of several the last one takes the
records that the others leave, so it alone has no `when`; which one a record follows hangs on what is written to it."""

from __future__ import annotations

from metamodel.formula.depends import reads
from metamodel.issues import Collector
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Process
from metamodel.model import Model
from metamodel.model_schema import ModelSchema
from metamodel.names import did_you_mean
from metamodel.overlay import Places, find
from metamodel.rules.common import find_field, find_object


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            for index, name in enumerate(f.processes):
                _field(model, owner, f, index, name, at, issues)
    for process in model.processes.values():
        governed = find_object(model, process.object, ("process", process.name, "object"), at, issues)
        found = governed and find_field(governed, process.field, ("process", process.name, "field"), at, issues)
        if found and process.name not in found.processes:
            named = " and ".join(found.processes)
            what = f"names the process {named}" if named else f"is of type {found.type}, not stage"
            issues.add(
                "M209",
                f"{process.object}.{found.name} {what}",
                at.value("process", process.name, "field"),
                f"give the field `type: stage` and `process: {process.name}`",
            )
        elif found:
            _condition(model, process, last=found.processes[-1] == process.name, at=at, issues=issues)


def _field(model: Model, owner: Object, f: Field, index: int, name: str, at: Places, issues: Collector) -> None:
    path = ("object", owner.name, "fields", f.name, "process")
    written = find(at.tree, path)
    place = at.value(*path, index) if written and isinstance(written.value, list) else at.value(*path)
    process = model.processes.get(name)
    if process is None:
        if not at.gone("process", name):
            issues.add(
                "M205",
                f'there is no process "{name}"',
                place,
                did_you_mean(name, model.processes) or "declare it",
            )
    elif (process.object, process.field) != (owner.name, f.name):
        issues.add(
            "M209",
            f"the process {process.name} governs {process.object}.{process.field}",
            place,
            "a process governs one stage field",
        )


def _condition(model: Model, process: Process, *, last: bool, at: Places, issues: Collector) -> None:
    path = ("process", process.name, "when")
    if last == (process.when is not None):
        issues.add(
            "M231",
            "the last process of a field takes all records that are left" if last
            else f"no record is left for the processes behind {process.name}",
            at.key(*path) if last else at.key("process", process.name, "field"),
            "remove `when`, or list a process without it behind this one" if last
            else "say with `when` which records follow it, or list it last",
        )
    tree = model.typed.get(process.when.key) if process.when else None
    if tree is None:
        return
    read = reads(tree, ModelSchema(model), process.object)
    wrong = f"the stage field {process.field}" if (process.object, process.field) in read.fields else ""
    if read.relations:
        wrong = "child records, which change without a write of the record"
    if wrong:
        issues.add(
            "M231", f"which process a record follows can not hang on {wrong}", at.value(*path), "name other fields"
        )
