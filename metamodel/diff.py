"""Model, Model -> semantic changes: what was added, changed or removed, property by property, found by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from metamodel.kinds.common import Formula
from metamodel.kinds.object import Field
from metamodel.kinds.process import Move
from metamodel.kinds.seed import Seed
from metamodel.model import Model

PARTS = {
    "settings": "settings",
    "pack": "packs",
    "object": "objects",
    "value_set": "value_sets",
    "function": "functions",
    "process": "processes",
    "conversion": "conversions",
    "duplicate_rule": "duplicate_rules",
    "report": "reports",
    "workflow": "workflows",
    "assignment": "assignments",
    "role": "roles",
    "seed": "seeds",
    "calendar": "calendars",
}
SIGNS = {"add": "+", "change": "~", "remove": "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` begins with the kind (`object.account.fields.name.max_length`).

    `before` and `after` are plain values: mappings, tuples, frozensets, texts, numbers, booleans; formulas are their
    texts. An added thing has no `before`, a removed one no `after`. A path that ends in `(order)` tells that the same
    names stand in another order.
    """

    kind: Literal["add", "change", "remove"]
    path: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        line = f"{SIGNS[self.kind]} {self.path}"
        return f"{line}: {_shown(self.before)} -> {_shown(self.after)}" if self.kind == "change" else line


def _shown(value: Any) -> str:
    """A value as text, the same for equal ones."""
    return f"{{{', '.join(sorted(map(str, value)))}}}" if isinstance(value, frozenset) else str(value)


def diff(before: Model, after: Model) -> list[Change]:
    """All changes that lead from one model to the other; empty where their declarations are equal."""
    return list(_changes((), declared(before), declared(after)))


def declared(model: Model) -> dict[str, Any]:
    """The declarations of a model as plain data by kind and name; fields that the system gives are left out."""
    return {kind: _plain(getattr(model, part)) for kind, part in PARTS.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Formula):
        return value.text if value.blanks == "blank" else f"{value.text} (blanks: {value.blanks})"
    if isinstance(value, Seed):
        records = {str(record.get(value.key, index)): dict(record) for index, record in enumerate(value.records)}
        return {"object": value.object, "key": value.key, "records": records}
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "name"}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if not (isinstance(item, Field) and _given(item))}
    if isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        return {_identity(item, index): _plain(item) for index, item in enumerate(value)}
    return value


def _given(f: Field) -> bool:
    """Whether no file declares the field itself."""
    return f.system or f.whole is not None


def _identity(item: Any, index: int) -> str:
    """Moves are known by their ends, actions of a workflow by their position."""
    return f"{item.source}->{item.target}" if isinstance(item, Move) else str(index)


def _changes(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _mapping(path, before, after)
    elif before != after or type(before) is not type(after):
        yield Change("change", ".".join(path), before, after)


def _mapping(path: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in before:
        if name not in after:
            yield Change("remove", ".".join((*path, name)), before=before[name])
    for name, value in after.items():
        if name not in before:
            yield Change("add", ".".join((*path, name)), after=value)
        else:
            yield from _changes((*path, name), before[name], value)
    old, new = [name for name in before if name in after], [name for name in after if name in before]
    if old != new:
        yield Change("change", ".".join((*path, "(order)")), tuple(old), tuple(new))
