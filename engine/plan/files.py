"""The fields of files that a write gives: what they may hold."""

from __future__ import annotations

from dataclasses import dataclass

from engine.base.limits import FILE_BYTES
from engine.release.release import Release
from metamodel.kinds.field_types import FIELD_TYPES, FILES


@dataclass(frozen=True, slots=True)
class Attached:
    """A column of ids of files. `types` are media types, or groups of them such as `image/*` (none: any)."""

    field: str
    column: str
    types: tuple[str, ...]
    max_size: int


def attached(release: Release, obj: str, given: frozenset[str]) -> tuple[Attached, ...]:
    """The given fields of files of an object."""
    return tuple(
        Attached(f.name, release.column(obj, f.name), f.types or FILES[f.type], f.max_size or FILE_BYTES)
        for f in release.stored(obj)
        if f.type in FILES and f.name in given
    )


def file_columns(release: Release) -> list[tuple[str, str]]:
    """(table, column) of every field of files."""
    return [
        (release.table(obj).name, release.column(obj, f.name))
        for obj in release.model.objects
        for f in release.stored(obj)
        if FIELD_TYPES[f.type].column == "uuid[]"
    ]
