"""`kind: report`: grouped measures over the records of one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A group or a measure. `format` is number, money, percent, integer or None (by its type)."""

    name: str
    label: Text
    value: Formula
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`sort` holds names of groups or measures with a flag for descending; `limit` counts result rows."""

    name: str
    label: Text
    description: Text
    object: str
    where: Formula | None
    groups: Mapping[str, Column]
    measures: Mapping[str, Column]
    sort: tuple[tuple[str, bool], ...]
    limit: int | None
    totals: bool
