"""What several rules ask: does a name lead somewhere, and may a field be written."""

from __future__ import annotations

from collections.abc import Iterable

from metamodel.formula.typed import Aggregate, Call, Node, Property, System
from metamodel.formula.typed import Field as Named
from metamodel.issues import Collector
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Process
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places

Path = tuple[str | int, ...]

STORABLE = frozenset({
    "text", "select", "integer", "decimal", "money", "percent", "duration", "boolean", "date", "datetime", "time",
    "reference",
})
"""The kinds of computed values that a column or an index can hold."""


def writable(f: Field) -> bool:
    """Whether a person or a workflow may give the field a value: not computed, and of the system's only the owner."""
    return FIELD_TYPES[f.type].writable and (not f.system or f.name == "owner")


def find_object(model: Model, name: str, path: Path, at: Places, issues: Collector) -> Object | None:
    """The object, or None and an issue at `path`."""
    if name not in model.objects and not at.gone("object", name):
        issues.add(
            "M202",
            f'there is no object "{name}"',
            at.value(*path),
            did_you_mean(name, model.objects) or "declare it, or depend on the pack that has it",
        )
    return model.objects.get(name)


def find_field(
    owner: Object,
    name: str,
    path: Path,
    at: Places,
    issues: Collector,
    key: bool = False,
) -> Field | None:
    """The field of `owner`, or None and an issue at `path`."""
    if name not in owner.fields and not at.gone("object", owner.name, "fields", name):
        issues.add(
            "M203",
            f'{owner.name} has no field "{name}"',
            (at.key if key else at.value)(*path),
            did_you_mean(name, owner.fields) or f"it has {listed(owner.fields)}",
        )
    return owner.fields.get(name)


def find_stage(process: Process, name: str, path: Path, at: Places, issues: Collector) -> None:
    """An issue at `path` where the process has no such stage."""
    if name not in process.stages and not at.gone("process", process.name, "stages", name):
        issues.add(
            "M206",
            f'{process.name} has no stage "{name}"',
            at.value(*path),
            did_you_mean(name, process.stages) or f"it has {listed(process.stages)}",
        )


def find_calendar(model: Model, name: str, path: Path, at: Places, issues: Collector) -> None:
    """An issue at `path` where there is no such calendar."""
    if name not in model.calendars and not at.gone("calendar", name):
        hint = did_you_mean(name, model.calendars) or "declare it"
        issues.add("M251", f'there is no calendar "{name}"', at.value(*path), hint)


def find_role(model: Model, name: str, path: Path, at: Places, issues: Collector) -> None:
    """An issue at `path` where there is no such role."""
    if name not in model.roles and not at.gone("role", name):
        issues.add(
            "M207", f'there is no role "{name}"', at.value(*path), did_you_mean(name, model.roles) or "declare it"
        )


def written_part(node: Node) -> str:
    """A part of a formula as its author knows it, for messages."""
    match node:
        case System(name=name):
            return f"{name.upper()}()" if name in ("today", "now") else f"${name}"
        case Call(function=function):
            return f"{function.upper()}()" if function.isidentifier() else f'"{function}"'
        case Aggregate(function=function, path=path, relation=relation):
            return f"{function}({'.'.join((*path, relation or 'rows'))})"
        case Property(field=field, name=name):
            return f"{written_part(field)}.{name}"
        case Named(path=path, name=name, level=level):
            return ".".join((*(("this",) if level else ()), *path, name))
    return "the formula"


def listed(names: Iterable[str], most: int = 8) -> str:
    """A few names for a hint."""
    all_names = list(names)
    return ", ".join(all_names[:most]) + (", ..." if len(all_names) > most else "")
