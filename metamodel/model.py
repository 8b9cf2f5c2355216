"""The Model: all declarations of one tenant, resolved and typed, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from metamodel.formula.typed import Node
from metamodel.kinds.assignment import Assignment
from metamodel.kinds.calendar import CalendarDeclaration
from metamodel.kinds.conversion import Conversion
from metamodel.kinds.duplicate_rule import DuplicateRule
from metamodel.kinds.function import FunctionDeclaration
from metamodel.kinds.object import Field, Object
from metamodel.kinds.pack import Pack
from metamodel.kinds.process import Process, Stage
from metamodel.kinds.report import Report
from metamodel.kinds.role import Role
from metamodel.kinds.seed import Seed
from metamodel.kinds.tenant import TenantSettings
from metamodel.kinds.value_set import Option, ValueSet
from metamodel.kinds.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Child:
    """A set of child records: the rows of `object` whose lookup field `via` points here."""

    name: str
    object: str
    via: str


@dataclass(frozen=True)
class Model:
    """Everything that a tenant declares. `typed` maps a formula's key to its typed tree; `broken` the keys of those
    that are in error whatever the record, because a function is not installed, to the reason."""

    settings: TenantSettings
    packs: Mapping[str, Pack]
    objects: Mapping[str, Object]
    value_sets: Mapping[str, ValueSet]
    functions: Mapping[str, FunctionDeclaration]
    processes: Mapping[str, Process]
    conversions: Mapping[str, Conversion]
    duplicate_rules: Mapping[str, DuplicateRule]
    reports: Mapping[str, Report]
    workflows: Mapping[str, Workflow]
    assignments: Mapping[str, Assignment]
    roles: Mapping[str, Role]
    seeds: Mapping[str, Seed]
    calendars: Mapping[str, CalendarDeclaration]
    typed: Mapping[str, Node] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def children(self) -> Mapping[str, Mapping[str, Child]]:
        """Child sets by object, then by name (the `reverse` of the lookup)."""
        found: dict[str, dict[str, Child]] = {name: {} for name in self.objects}
        for obj in self.objects.values():
            for f in obj.fields.values():
                if f.reverse and f.to in found:
                    found[f.to][f.reverse] = Child(f.reverse, obj.name, f.name)
        return found

    def processes_of(self, f: Field) -> tuple[Process, ...]:
        """The processes that govern a stage field, in the order in which a record's own is looked for."""
        return tuple(self.processes[name] for name in f.processes if name in self.processes)

    def choices(self, of: str) -> Mapping[str, Stage | Option]:
        """The options or stages by name of what `Field.choice` names; of a stage in several processes the first."""
        if of in self.value_sets:
            return self.value_sets[of].options
        found: dict[str, Stage | Option] = {}
        for process in (self.processes[name] for name in of.split("/") if name in self.processes):
            found = {**process.stages, **found}
        return found
