"""Which kept roll-ups a write of some object makes stale, and how they are counted again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from engine.plan.names import Names
from engine.release.release import Release, TableRef
from metamodel.formula.depends import reads
from metamodel.formula.typed import Aggregate, Node, walk
from metamodel.kinds.object import Field
from metamodel.model_schema import ModelSchema

ALWAYS_WRITTEN = frozenset({"version", "modified_at", "modified_by"})


@dataclass(frozen=True)
class Kept:
    """A roll-up that stands in a column: `tree` counts it, in the system's view."""

    field: str
    column: str
    type: str
    tree: Node


@dataclass(frozen=True)
class Upkeep:
    """Roll-ups of `object`, whose rows are found by lookups of the written rows of `children`: `via` maps the field to
    its column."""

    object: str
    zone: str
    table: TableRef
    children: TableRef
    via: Mapping[str, str]
    fields: tuple[Kept, ...]


def plan_upkeep(release: Release, obj: str, given: frozenset[str] | None) -> tuple[Upkeep, ...]:
    """What is counted again after rows of `obj` were written, by the names of objects, so that all lock in one order.

    `given`: the fields that an update sets; None where a row comes, goes, or may have changed in any field.
    """
    found = []
    for parent in sorted(release.model.objects):
        stale = [f for f in release.kept(parent) if _stale(release, parent, f, obj, given)]
        if stale:
            via = {a.via: release.column(obj, a.via) for f in stale for a in _sets(release, f, obj) if a.via}
            found.append(replace(kept_of(release, parent, stale), children=release.table(obj), via=via))
    return tuple(found)


def kept_of(release: Release, obj: str, fields: Iterable[Field]) -> Upkeep:
    """Kept roll-ups of one object, of whatever children."""
    system = Names(release, None)
    kept = (
        Kept(f.name, release.column(obj, f.name), release.column_type(obj, f.name), system.computed(obj, f.name))
        for f in fields
    )
    table = release.table(obj)
    return Upkeep(obj, release.model.settings.time_zone, table, table, {}, tuple(kept))


def _stale(release: Release, parent: str, f: Field, obj: str, given: frozenset[str] | None) -> bool:
    if not any(_sets(release, f, obj)):
        return False
    return given is None or bool((given | ALWAYS_WRITTEN) & set(_read(release, parent, f, obj)))


def _sets(release: Release, f: Field, obj: str) -> Iterator[Aggregate]:
    """The aggregates of a roll-up over rows of `obj`."""
    assert f.formula is not None
    for node in walk(release.model.typed[f.formula.key]):
        if isinstance(node, Aggregate) and node.object == obj:
            yield node


def _read(release: Release, parent: str, f: Field, obj: str) -> Iterator[str]:
    """The stored fields of `obj` that a roll-up is made of, lookups to the parent included."""
    schema, seen = ModelSchema(release.model), set[tuple[str, str]]()
    left = [(parent, f.name)]
    while left:
        at = left.pop()
        if at in seen:
            continue
        seen.add(at)
        formula = release.object(at[0]).fields[at[1]].formula
        if formula:
            left += reads(release.model.typed[formula.key], schema, at[0]).fields
        elif at[0] == obj:
            yield at[1]
