"""A unique key or an index names fields that are stored and can be compared."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Object
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field

NOT_COMPARED = frozenset({"long_text", "multi_select"})


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for part, keys in (("unique", owner.unique), ("indexes", owner.indexes)):
            for key, names in keys.items():
                _key(owner, names, ("object", owner.name, part, key), at, issues)


def _key(owner: Object, names: tuple[str, ...], path: Path, at: Places, issues: Collector) -> None:
    for index, name in enumerate(names):
        f = find_field(owner, name, (*path, index), at, issues)
        kept = f and (FIELD_TYPES[f.type].column is not None or (f.stored and path[2] == "indexes"))
        if f and (not kept or f.type in NOT_COMPARED):
            what = f"{owner.name}.{name} is of type {f.type} and can not be part of a key or an index"
            issues.add("M215", what, at.value(*path, index), "use stored fields")
