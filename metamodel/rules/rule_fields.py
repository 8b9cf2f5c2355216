"""What rules and locks name exists, and a rule is judged on some day."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Object, Rule
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import Path, find_field, find_role, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for rule in owner.rules.values():
            path = ("object", owner.name, "rules", rule.name)
            if rule.field:
                find_field(owner, rule.field, (*path, "field"), at, issues)
            for place, name in enumerate(rule.exempt):
                find_role(model, name, (*path, "except", place), at, issues)
            _days(rule, path, at, issues)
        _lock(model, owner, at, issues)


def _days(rule: Rule, path: Path, at: Places, issues: Collector) -> None:
    written = find(at.tree, path)
    for name, day in (("from", rule.start), ("until", rule.end)):
        if day is None and written and written.child(name):
            issues.add("M240", "there is no such day", at.value(*path, name), "write it as 2026-01-31")
    if rule.start and rule.end and rule.end <= rule.start:
        detail = f"the rule ends on {rule.end}, before it begins on {rule.start}"
        issues.add("M240", detail, at.value(*path, "until"), "`until` is the first day on which it is not judged")


def _lock(model: Model, owner: Object, at: Places, issues: Collector) -> None:
    if owner.lock is None:
        return
    path = ("object", owner.name, "lock")
    for place, name in enumerate(owner.lock.open):
        found = find_field(owner, name, (*path, "except", place), at, issues)
        if found and not writable(found):
            issues.add("M212", f'"{name}" can not be written', at.value(*path, "except", place), "leave it out")
    for place, name in enumerate(owner.lock.roles):
        find_role(model, name, (*path, "by", place), at, issues)
