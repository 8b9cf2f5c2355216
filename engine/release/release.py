"""A tenant's published version: what requests are planned against. Immutable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.release import identity
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Process
from metamodel.load import from_data
from metamodel.model import Model


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table by schema and name."""

    schema: str
    name: str


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

    def stage_field(self, obj: str) -> tuple[Field, Process] | None:
        """The object's stage field with its process, if it has one."""
        return self._stage_fields.get(obj)

    @cached_property
    def _stage_fields(self) -> dict[str, tuple[Field, Process]]:
        return {
            o.name: (f, process)
            for o in self.model.objects.values()
            for f in o.fields.values()
            if f.type == "stage" and (process := self.model.stage_process(f))
        }

    @cached_property
    def watched(self) -> frozenset[str]:
        """The objects whose events some workflow waits for."""
        return frozenset(w.object for w in self.model.workflows.values())

    def stored(self, obj: str) -> tuple[Field, ...]:
        """The fields of an object that have a column, in order."""
        return tuple(f for f in self.object(obj).fields.values() if FIELD_TYPES[f.type].column)

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
