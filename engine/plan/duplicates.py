"""Duplicate rules: a record is judged by whether others agree with it, which is a search through all rows of an object.

The search is a set of the formula language, so that it is judged, locked for and explained as any condition is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.plan.access import NOTHING, Rights, made_of, own_names
from engine.plan.conditions import all_of, any_of, negated
from engine.plan.names import Names
from engine.plan.planned import Join, PlannedAggregate
from engine.release.release import Release
from metamodel.formula.functions.registry import lookup
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node
from metamodel.formula.types import BOOLEAN, DECIMAL, TEXT, Type
from metamodel.kinds.duplicate_rule import Against, DuplicateRule, Match
from metamodel.model_schema import ModelSchema

UNKNOWN = Type("boolean")
"""Of a comparison in which a blank agrees with nothing."""


@dataclass(frozen=True)
class Search:
    """The records of `object` that are duplicates of one by an entry (`against`) of a rule, which judges where `when`
    holds. `told`: the searcher may know what they agree in; then those that are `visible` are told by their `title`."""

    rule: DuplicateRule
    against: str
    object: str
    found: PlannedAggregate
    when: Node | None
    told: bool
    visible: Node | None
    title: Node
    joins: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """What an index holds so that a search finds its candidates: a column, or what is compared of a text in it."""

    field: str
    compared: Node | None
    grams: bool


def rules_of(release: Release, obj: str) -> list[DuplicateRule]:
    """The duplicate rules of an object."""
    return [rule for rule in release.model.duplicate_rules.values() if rule.object == obj]


def unduplicated(release: Release, rule: DuplicateRule, system: Names) -> Node:
    """Holds where no record is a duplicate."""
    found = [system.tree(_search(release, rule, against), rule.object) for against in rule.against.values()]
    return negated(any_of(*found))


def asked_by(release: Release, rule: DuplicateRule) -> frozenset[str]:
    """The fields of a record that decide whether it is judged, and what others have to agree in."""
    names = {name for against in rule.against.values() for name in against.match}
    if rule.when:
        names |= set(made_of(release, rule.object, own_names(release.model.typed[rule.when.key])))
    return frozenset(names)


def searches(rights: Rights, obj: str, reader: Names, system: Names) -> Iterator[Search]:
    """Every search for duplicates of records of the object."""
    release = rights.release
    for rule in rules_of(release, obj):
        when = system.tree(release.model.typed[rule.when.key], obj) if rule.when else None
        for against in rule.against.values():
            found = system.tree(_search(release, rule, against), obj)
            assert isinstance(found, PlannedAggregate)
            fields = {(obj, name) for name in against.match}
            fields |= {(against.object, match.to) for match in against.match.values()}
            told = all(_read(rights, *one) for one in fields)
            visible = reader.visible(against.object) if told else NOTHING
            title = reader.field(against.object, release.object(against.object).title)
            joins = reader.joins((visible, title), against.object)
            yield Search(rule, against.name, against.object, found, when, told, visible, title, joins)


def keys(release: Release, obj: str) -> Iterator[Key]:
    """What is indexed of an object, for the searches through its records: of each the first field that is compared as
    it is or normalised, else the first text that is to be alike."""
    for rule in release.model.duplicate_rules.values():
        for against in rule.against.values():
            if against.object == obj:
                match = min(against.match.values(), key=lambda one: one.by == "fuzzy")
                compared = _compared(release, rule, against, match, obj, match.to, 0)
                tree = Names(release, None).tree(compared, obj) if match.by != "exact" else None
                yield Key(match.to, tree, match.by == "fuzzy")


def _read(rights: Rights, obj: str, name: str) -> bool:
    """Whether the field can be read in every record that can be read."""
    return name in rights.readable(obj) and rights.where_readable(obj, name) is None


def _search(release: Release, rule: DuplicateRule, against: Against) -> Aggregate:
    parts = [_agree(release, rule, against, match) for match in against.match.values()]
    if against.object == rule.object:
        identity = Type("reference", of=rule.object)
        parts.append(Call(UNKNOWN, "<>", tuple(Field(identity, (), rule.object, "id", level) for level in (0, 1))))
    if against.where:
        parts.append(release.model.typed[against.where.key])
    return Aggregate(BOOLEAN, "EXISTS", (), None, against.object, None, all_of(*parts), None, whole=True)


def _agree(release: Release, rule: DuplicateRule, against: Against, match: Match) -> Node:
    theirs = _compared(release, rule, against, match, against.object, match.to, 0)
    mine = _compared(release, rule, against, match, rule.object, match.field, 1)
    if match.at_least is not None:
        return Call(UNKNOWN, "alike", (theirs, mine, Literal(DECIMAL, match.at_least)))
    return Call(UNKNOWN, "=", (theirs, mine))


def _compared(
    release: Release, rule: DuplicateRule, against: Against, match: Match, obj: str, name: str, level: int
) -> Node:
    """What is compared of the field of a candidate (level 0) or of the judged record (level 1)."""
    shape = ModelSchema(release.model).object(obj)
    assert shape is not None
    value = Field(shape.fields[name].type, (), obj, name, level)
    if match.by == "exact":
        return value
    types = {release.object(rule.object).fields[match.field].type, release.object(against.object).fields[match.to].type}
    function = lookup("matchphone" if "phone" in types and match.by == "normalised" else "matchtext")
    assert function is not None
    return Call(TEXT, function.name, (value,))
