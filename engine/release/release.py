"""A tenant's published version: what requests are planned against. Immutable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from engine.release import identity
from metamodel.automatic_moves import automatic_moves
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Process, Stage
from metamodel.kinds.workflow import AGED, Workflow
from metamodel.load import from_data
from metamodel.model import Model

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table by schema and name."""

    schema: str
    name: str


@dataclass(frozen=True)
class Staged:
    """A stage field by its name and column, with the processes of which a record follows one."""

    field: str
    column: str
    processes: tuple[Process, ...]

    @property
    def default(self) -> Process:
        """The process of the records that no other takes, and of those that say nothing of theirs."""
        return self.processes[-1]

    @property
    def entered(self) -> str:
        """The column that holds when the stage was entered."""
        return identity.entered_at(self.column)

    @property
    def followed(self) -> str | None:
        """The column that holds which process the record follows, where there are several."""
        return identity.followed(self.column) if len(self.processes) > 1 else None

    @cached_property
    def tasks(self) -> frozenset[str]:
        """The tasks that are done by a person's word."""
        stages = (stage for process in self.processes for stage in process.stages.values())
        return frozenset(task.name for stage in stages for task in stage.tasks.values() if task.confirmed)

    @property
    def confirmed(self) -> str | None:
        """The column that holds which of these tasks of the present stage are done, where there are any."""
        return identity.confirmed(self.column) if self.tasks else None

    @property
    def beside(self) -> Mapping[str, str]:
        """The columns beside the stage's own, with their types."""
        found = {self.entered: "timestamptz", self.followed: "text", self.confirmed: "text[]"}
        return {column: type_ for column, type_ in found.items() if column}

    @cached_property
    def stages(self) -> Mapping[str, Stage]:
        """The stages of all processes; of one that is in several that of the first."""
        found: dict[str, Stage] = {}
        for process in self.processes:
            found = {**process.stages, **found}
        return found


@dataclass(frozen=True, eq=False)
class Release:
    """`number` counts publications of the tenant (0: nothing published); `hash` names the merged data."""

    tenant: str
    schema: str
    number: int
    hash: str
    data: Mapping[str, Any] = field(repr=False)
    identity: identity.Identity = field(repr=False)
    model: Model = field(repr=False)
    role: str | None = None
    _derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def table(self, name: str) -> TableRef:
        """The table of an object."""
        return TableRef(self.schema, self.identity["objects"][name]["table"])

    def system(self, name: str) -> TableRef:
        """One of the tenant's own system tables, such as `_history`."""
        return TableRef(self.schema, name)

    def column(self, obj: str, field_name: str) -> str:
        """The column of a stored field."""
        return str(self.identity["objects"][obj]["fields"][field_name]["column"])

    def sequence(self, obj: str, field_name: str) -> TableRef:
        """The sequence behind an auto number."""
        return TableRef(self.schema, identity.index_name(self.table(obj).name, [self.column(obj, field_name)], "seq"))

    def object(self, name: str) -> Object:
        return self.model.objects[name]

    def staged(self, obj: str) -> Staged | None:
        """The object's stage field with its processes, if it has one."""
        return self._staged.get(obj)

    @cached_property
    def _staged(self) -> dict[str, Staged]:
        return {
            o.name: Staged(f.name, self.column(o.name, f.name), processes)
            for o in self.model.objects.values()
            for f in o.fields.values()
            if f.type == "stage" and (processes := self.model.processes_of(f))
        }

    def version(self, process: str) -> int:
        """How many times what the process demands was changed, and once for its beginning."""
        return int(self.identity["processes"][process]["version"])

    def codes(self, choice: str) -> Mapping[str, str]:
        """The codes in columns of the options or stages that `Field.choice` names, by their names."""
        known = self.identity["options"]
        if choice in known:
            return dict(known[choice])
        return {name: code for process in choice.split("/") for name, code in known.get(process, {}).items()}

    @cached_property
    def workflows(self) -> Mapping[str, Workflow]:
        """All that happens by itself: the workflows that are declared, and those of automatic moves."""
        moves = (w for process in self.model.processes.values() for w in automatic_moves(process))
        return {**self.model.workflows, **{w.name: w for w in moves}}

    @cached_property
    def watched(self) -> frozenset[str]:
        """The objects whose events some workflow waits for."""
        return frozenset(w.object for w in self.workflows.values() if not w.trigger.timed)

    def moments(self, obj: str) -> tuple[str, ...]:
        """The columns of an object that timers of workflows count from."""
        found: dict[str, None] = {}
        for trigger in (w.trigger for w in self.workflows.values() if w.object == obj):
            f = self.object(obj).fields.get(trigger.field or "modified_at")
            if trigger.event in ("limit", AGED) and (staged := self.staged(obj)):
                found[staged.entered] = None
            elif trigger.event in ("date", "untouched") and f and (f.formula is None or f.stored):
                found[self.column(obj, f.name)] = None
        return tuple(found)

    def stored(self, obj: str) -> tuple[Field, ...]:
        """The fields of an object that have a column, in order."""
        return tuple(f for f in self.object(obj).fields.values() if FIELD_TYPES[f.type].column and not f.formula)

    @property
    def keeps(self) -> bool:
        """Whether there is a roll-up that the write path keeps in a column."""
        return bool(self._kept)

    def kept(self, obj: str) -> tuple[Field, ...]:
        """The roll-ups of an object that the write path keeps in a column."""
        return self._kept.get(obj, ())

    @cached_property
    def _kept(self) -> dict[str, tuple[Field, ...]]:
        found = {o.name: tuple(f for f in o.fields.values() if f.stored) for o in self.model.objects.values()}
        return {name: fields for name, fields in found.items() if fields}

    def derived(self, name: str, make: Callable[[], T]) -> T:
        """What is worked out once from the release."""
        if name not in self._derived:
            self._derived[name] = make()
        made: T = self._derived[name]
        return made

    def filled(self, obj: str, field_name: str) -> bool:
        """Whether the column of a kept roll-up holds the value of every record; until then readers compute it."""
        entry = self.identity["objects"][obj]["fields"][field_name]
        return "filled" in entry and self.object(obj).fields[field_name].stored

    def column_type(self, obj: str, field_name: str) -> str:
        """The type of a column in PostgreSQL."""
        declared = self.object(obj).fields[field_name]
        if declared.formula:
            return identity.VALUE_TYPES[self.model.typed[declared.formula.key].type.kind]
        return FIELD_TYPES[declared.type].column or ""


def make(
    tenant: str, schema: str, number: int, data: Mapping[str, Any], known: identity.Identity | None,
    *, model: Model | None = None, role: str | None = None,
) -> Release:
    """A release of merged plain data; the model is rebuilt from it where it is not given."""
    built = model or from_data(data)
    return Release(tenant, schema, number, data_hash(data), data, identity.extend(known, built), built, role)


def data_hash(data: Mapping[str, Any]) -> str:
    """A hash of plain data; the order of keys counts, because the order of fields and stages means something."""
    canonical = json.dumps(data, ensure_ascii=False, default=str, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
