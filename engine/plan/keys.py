"""What ties records to each other, judged in every write: references, unique keys, and records still referred to."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field

from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.request import Operation
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Field, Node, walk
from metamodel.kinds.common import Text
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Key


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
    """These columns (with types) together must not occur in another live row, among those where `where` holds; texts
    in `folded` columns are the same without case, width and spaces around."""

    field: str
    columns: tuple[tuple[str, str], ...]
    where: Node | None = None
    folded: frozenset[str] = frozenset()
    rule: str | None = None
    message: Text = dataclass_field(default_factory=dict, compare=False)


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
    keys = [*declared.unique.values()]
    keys += [Key(name="", fields=(f.name,)) for f in release.stored(obj) if f.unique and not f.system]
    system, types = Names(release, None), {f.name: FIELD_TYPES[f.type].column or "" for f in release.stored(obj)}
    found = []
    for key in keys:
        where = release.model.typed[key.where.key] if key.where else None
        read = {part.name for part in walk(where) if isinstance(part, Field)} if where else set()
        if operation in ("create", "restore") or (operation == "update" and given & {*key.fields, *read}):
            found.append(Unique(
                key.fields[0], tuple((release.column(obj, f), types[f]) for f in key.fields),
                system.tree(where, obj) if where else None, frozenset(release.column(obj, f) for f in key.fold),
                key.name or None, key.message,
            ))
    return found


def in_use(release: Release, obj: str) -> list[InUse]:
    return [
        InUse(other.name, release.table(other.name), release.column(other.name, f.name))
        for other in release.model.objects.values()
        for f in release.stored(other.name)
        if f.to == obj
        and not f.system and (f.on_delete or "restrict") == "restrict"
    ]
