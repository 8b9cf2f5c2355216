"""A workflow's trigger names fields and stages of its object, and only what its event uses."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Object
from metamodel.kinds.workflow import Trigger
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_field, find_object, find_stage


def check(model: Model, at: Places, issues: Collector) -> None:
    for workflow in model.workflows.values():
        root: tuple[str, ...] = ("workflow", workflow.name)
        owner = find_object(model, workflow.object, (*root, "object"), at, issues)
        if owner:
            _trigger(model, owner, workflow.trigger, (*root, "trigger"), at, issues)


def _trigger(
    model: Model,
    owner: Object,
    trigger: Trigger,
    path: tuple[str, ...],
    at: Places,
    issues: Collector,
) -> None:
    if trigger.fields and trigger.event != "changed":
        issues.add(
            "M225",
            f"the event {trigger.event} does not look at fields",
            at.key(*path, "fields"),
            "use on: changed, or remove the fields",
        )
    if trigger.stage and trigger.event != "stage_entered":
        issues.add(
            "M225",
            f"the event {trigger.event} does not look at a stage",
            at.key(*path, "stage"),
            "use on: stage_entered, or remove the stage",
        )
    for index, name in enumerate(trigger.fields):
        found = find_field(owner, name, (*path, "fields", index), at, issues)
        if found and found.system and name != "owner":
            issues.add(
                "M225",
                f"changes of {owner.name}.{name} cause no event of their own",
                at.value(*path, "fields", index),
                "name a field that is written",
            )
    if trigger.event == "stage_entered":
        processes = [process for f in owner.fields.values() for process in model.processes_of(f)]
        if not processes and not any(f.type == "stage" for f in owner.fields.values()):
            issues.add(
                "M225",
                f"{owner.name} has no stages",
                at.value(*path, "on"),
                "use on: changed",
            )
        elif processes and trigger.stage and not any(trigger.stage in process.stages for process in processes):
            find_stage(processes[0], trigger.stage, (*path, "stage"), at, issues)
