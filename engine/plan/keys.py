"""What ties records to each other, judged in every write: references, unique keys, and records still referred to."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.request import Operation
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Node
from metamodel.kinds.field_types import FIELD_TYPES


@dataclass(frozen=True, slots=True)
class Reference:
    """A lookup column must hold the id of a live row of `table` that the writer may see."""

    field: str
    column: str
    table: TableRef
    condition: Node | None
    joins: tuple[Join, ...]
    changed_only: bool


@dataclass(frozen=True, slots=True)
class Unique:
    """These columns together must not occur in another live row."""

    field: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class InUse:
    """Live rows of `table` may not point with `via` to a row that is deleted."""

    object: str
    table: TableRef
    via: str


def references(
    release: Release, obj: str, operation: Operation, given: frozenset[str], reader: Names
) -> list[Reference]:
    found = []
    for f in release.stored(obj):
        target = f.to
        if target is None or f.name in ("id", "created_by", "modified_by"):
            continue
        if operation == "update" and f.name not in given:
            continue
        if operation == "create" and f.name not in given and f.default is None:
            continue
        if operation == "delete":
            continue
        condition = reader.visible(target) if f.name in given and operation != "restore" else None
        found.append(Reference(
            f.name, release.column(obj, f.name), release.table(target), condition,
            reader.joins((condition,), target), operation == "update",
        ))
    return found


def uniques(release: Release, obj: str, operation: Operation, given: frozenset[str]) -> list[Unique]:
    declared = release.object(obj)
    keys = [(fields[0], fields) for fields in declared.unique.values()]
    keys += [(f.name, (f.name,)) for f in release.stored(obj) if f.unique and not f.system]
    found = []
    for name, fields in keys:
        if operation in ("create", "restore") or (operation == "update" and given & set(fields)):
            types = {f.name: FIELD_TYPES[f.type].column or "" for f in release.stored(obj)}
            found.append(Unique(name, tuple((release.column(obj, f), types[f]) for f in fields)))
    return found


def in_use(release: Release, obj: str) -> list[InUse]:
    return [
        InUse(other.name, release.table(other.name), release.column(other.name, f.name))
        for other in release.model.objects.values()
        for f in release.stored(other.name)
        if f.to == obj
        and not f.system and (f.on_delete or "restrict") == "restrict"
    ]
