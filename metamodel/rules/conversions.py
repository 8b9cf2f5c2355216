"""A conversion gives parts what they must have, names fields that can be written, and refers to its own parts."""

from __future__ import annotations

from collections.abc import Mapping

from metamodel.issues import Collector
from metamodel.kinds.conversion import Conversion, Part
from metamodel.kinds.object import Object
from metamodel.kinds.workflow import Convert
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field, find_object, listed, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for conversion in model.conversions.values():
        root: Path = ("conversion", conversion.name)
        source = find_object(model, conversion.object, (*root, "object"), at, issues)
        if source:
            _written(source, conversion.sets, (*root, "sets"), at, issues)
            _refs(model, conversion, source, conversion.refs, (*root, "refs"), at, issues)
        for part in conversion.creates.values():
            path = (*root, "creates", part.name)
            made = find_object(model, part.object, (*path, "object"), at, issues)
            if made:
                _written(made, part.values, (*path, "values"), at, issues)
                _refs(model, conversion, made, part.refs, (*path, "refs"), at, issues)
                _complete(made, part, path, at, issues)
                for index, name in enumerate(part.match):
                    find_field(made, name, (*path, "match", index), at, issues)
            if source and part.each and part.each not in model.children[source.name]:
                issues.add(
                    "M203", f'{source.name} has no child set "{part.each}"', at.value(*path, "each"),
                    did_you_mean(part.each, model.children[source.name]) or "name the reverse of a lookup",
                )
    for workflow in model.workflows.values():
        for index, action in enumerate(workflow.actions):
            if isinstance(action, Convert):
                _named(model, action, workflow.object, ("workflow", workflow.name, "actions", index, "convert"), at,
                       issues)  # fmt: skip


def _named(model: Model, action: Convert, obj: str, path: Path, at: Places, issues: Collector) -> None:
    found = model.conversions.get(action.conversion)
    if found is None and not at.gone("conversion", action.conversion):
        known = [c.name for c in model.conversions.values() if c.object == obj]
        hint = did_you_mean(action.conversion, known) or "declare it"
        issues.add("M233", f'there is no conversion "{action.conversion}"', at.value(*path), hint)
    elif found and found.object != obj:
        issues.add("M233", f"{found.name} converts records of {found.object}, not of {obj}", at.value(*path), None)


def _written(owner: Object, values: Mapping[str, object], path: Path, at: Places, issues: Collector) -> None:
    for name in values:
        f = find_field(owner, name, (*path, name), at, issues, key=True)
        if f and not writable(f):
            issues.add("M212", f"{owner.name}.{name} can not be written", at.key(*path, name), "remove it")


def _refs(
    model: Model, conversion: Conversion, owner: Object, refs: Mapping[str, str], path: Path, at: Places,
    issues: Collector,
) -> None:
    _written(owner, refs, path, at, issues)
    for name, target in refs.items():
        part, f = conversion.creates.get(target), owner.fields.get(name)
        if part is None:
            hint = did_you_mean(target, conversion.creates) or f"it creates {listed(conversion.creates)}"
            issues.add("M233", f'{conversion.name} creates no "{target}"', at.value(*path, name), hint)
        elif part.each:
            issues.add("M233", f'"{target}" may be several records', at.value(*path, name), "name another part")
        elif f and f.to != part.object:
            issues.add(
                "M233", f"{owner.name}.{name} does not refer to {part.object}", at.value(*path, name),
                f"it refers to {f.to}" if f.to else f"it is of type {f.type}",
            )


def _complete(owner: Object, part: Part, path: Path, at: Places, issues: Collector) -> None:
    for f in owner.fields.values():
        if f.required and not f.default and not f.system and f.name not in {*part.values, *part.refs}:
            issues.add(
                "M221", f"{owner.name}.{f.name} is required and is given no value", at.key(*path, "values"),
                f'add "{f.name}: <formula>"',
            )
