"""Actions write fields that exist and can be written; a created record is given what it must have."""

from __future__ import annotations

from collections.abc import Collection

from metamodel.issues import Collector
from metamodel.kinds.composites import COMPOSITES, parts
from metamodel.kinds.object import Field, Object
from metamodel.kinds.workflow import CreateRecord, SetFields
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field, find_object, listed, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for workflow in model.workflows.values():
        for index, action in enumerate(workflow.actions):
            path: tuple[str | int, ...] = ("workflow", workflow.name, "actions", index)
            if isinstance(action, SetFields) and workflow.object in model.objects:
                _values(
                    model.objects[workflow.object],
                    action.values,
                    (*path, "set"),
                    at,
                    issues,
                )
            elif isinstance(action, CreateRecord):
                owner = find_object(model, action.object, (*path, "create"), at, issues)
                if owner:
                    _values(owner, action.values, (*path, "values"), at, issues)
                    _complete(owner, action.values, (*path, "values"), at, issues)


def _values(owner: Object, values: Collection[str], path: Path, at: Places, issues: Collector) -> None:
    for name in values:
        f = find_field(owner, name, (*path, name), at, issues, key=True)
        if f and not writable(f):
            issues.add(
                "M212",
                f"{owner.name}.{name} can not be written",
                at.key(*path, name),
                "remove it",
            )
        elif f and f.type in COMPOSITES:
            issues.add("M212", f"{owner.name}.{name} has several parts", at.key(*path, name), f"set {_parts(owner, f)}")


def _parts(owner: Object, f: Field) -> str:
    return listed(part.name for part in parts(owner.fields, f.name))


def _complete(owner: Object, values: Collection[str], path: Path, at: Places, issues: Collector) -> None:
    given = {*values, *(name.partition(".")[0] for name in values)}
    for f in owner.fields.values():
        if f.required and not f.default and not f.system and f.name not in given:
            issues.add(
                "M221",
                f"{owner.name}.{f.name} is required and is given no value",
                at.key(*path),
                f'add "{f.name}: <formula>"',
            )
