"""Dependent options name options of their own field by values of a select or boolean field, in no circle."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field, listed


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.depends_on:
                _field(model, owner, f, at, issues)


def _field(model: Model, owner: Object, f: Field, at: Places, issues: Collector) -> None:
    assert f.depends_on is not None
    path: Path = ("object", owner.name, "fields", f.name, "depends_on")
    control = find_field(owner, f.depends_on.field, (*path, "field"), at, issues)
    if control is None:
        return
    if control.type not in ("select", "boolean") or _leads_back(owner, f):
        why = "depends on this field itself" if control.type == "select" else f"is of type {control.type}"
        issues.add("M234", f"{owner.name}.{control.name} {why}", at.value(*path, "field"),
                   "name another select or boolean field")  # fmt: skip
        return
    values = ("true", "false") if control.type == "boolean" else tuple(model.choices(control.choice or ""))
    for key in f.depends_on.options:
        if key not in values:
            hint = did_you_mean(key, values) or f"it has {listed(values)}"
            issues.add("M234", f'{control.name} has no value "{key}"', at.key(*path, "options", key), hint)
    own = model.choices(f.choice or "")
    lists = [(("options", key), names) for key, names in f.depends_on.options.items()]
    for place, names in (*lists, (("otherwise",), f.depends_on.otherwise), (("blank",), f.depends_on.blank)):
        for index, name in enumerate(names):
            if own and name not in own:
                hint = did_you_mean(name, own) or f"it has {listed(own)}"
                issues.add("M234", f'{f.name} has no option "{name}"', at.value(*path, *place, index), hint)


def _leads_back(owner: Object, f: Field) -> bool:
    """Whether the fields that control a field are controlled by it."""
    seen, at = {f.name}, f
    while at.depends_on and (behind := owner.fields.get(at.depends_on.field)):
        if behind.name in seen:
            return True
        seen.add(behind.name)
        at = behind
    return False
