"""A duplicate rule compares stored fields that can be compared, one with another of its kind; only texts are alike, and
its name is that of no other rule of the object."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.duplicate_rule import Against, DuplicateRule
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import Path, find_field, find_object
from metamodel.rules.unique_keys import NOT_COMPARED


def check(model: Model, at: Places, issues: Collector) -> None:
    for rule in model.duplicate_rules.values():
        root: Path = ("duplicate_rule", rule.name)
        owner = find_object(model, rule.object, (*root, "object"), at, issues)
        if owner and rule.name in owner.rules:
            what = f"{owner.name} has a rule of this name, and both are acknowledged by it"
            issues.add("M242", what, at.value(*root, "name"), "name it otherwise")
        for against in rule.against.values():
            path: Path = (*root, "against", against.name)
            other = owner
            if against.object != rule.object:
                other = find_object(model, against.object, (*path, "object"), at, issues)
            if owner and other:
                _matches(rule, against, owner, other, path, at, issues)


def _matches(
    rule: DuplicateRule, against: Against, owner: Object, other: Object, path: Path, at: Places, issues: Collector
) -> None:
    if not against.match and not at.blind:
        issues.add("M242", f'"{against.name}" compares nothing', at.key(*path), "add `match: {field: {by: exact}}`")
    for name, match in against.match.items():
        here: Path = (*path, "match", name)
        mine = find_field(owner, name, here, at, issues, key=True)
        theirs = find_field(other, match.to, (*here, "to"), at, issues) if match.to != name or mine else None
        for f, of in ((mine, owner), (theirs, other)):
            if f and (FIELD_TYPES[f.type].column is None or f.type in NOT_COMPARED or f.type == "boolean"):
                what = f"{of.name}.{f.name} is of type {f.type} and can not be compared"
                issues.add("M242", what, at.key(*here), "compare stored fields")
                return
        if mine and theirs:
            _kinds(match.by, mine, theirs, here, at, issues)
        if match.by != "fuzzy" and find(at.tree, (*here, "at_least")):
            least = at.key(*here, "at_least")
            issues.add("M242", "`at_least` is for texts that are alike", least, "write `by: fuzzy`")


def _kinds(by: str, mine: Field, theirs: Field, path: Path, at: Places, issues: Collector) -> None:
    kinds = [FIELD_TYPES[f.type].kind for f in (mine, theirs)]
    if by != "exact" and set(kinds) != {"text"}:
        issues.add("M242", f"only texts are compared {by}", at.value(*path, "by"), "write `by: exact`")
    elif (kinds[0], mine.to, mine.options) != (kinds[1], theirs.to, theirs.options):
        what = f"{mine.name} is of type {mine.type} and {theirs.name} of type {theirs.type}"
        issues.add("M242", what, at.key(*path), "compare fields of one type")
