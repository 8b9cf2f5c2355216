"""A unique key or an index names fields that are stored and can be compared; a key's condition hangs on such fields
alone, and only texts are folded."""

from __future__ import annotations

from metamodel.formula.depends import reads
from metamodel.formula.volatility import volatility
from metamodel.issues import Collector
from metamodel.kinds.field_types import FIELD_TYPES, FILES
from metamodel.kinds.object import Key, Object
from metamodel.model import Model
from metamodel.model_schema import ModelSchema
from metamodel.overlay import Places, find
from metamodel.rules.common import Path, find_field

NOT_COMPARED = frozenset({"long_text", "multi_select", "tags", "json", *FILES})


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for name, key in owner.unique.items():
            path: Path = ("object", owner.name, "unique", name)
            written = find(at.tree, path)
            listed: Path = (*path, "fields") if written and isinstance(written.value, dict) else path
            _fields(owner, key.fields, listed, at, issues)
            _folded(owner, key, path, at, issues)
            _where(model, owner, key, path, at, issues)
            if not key.fields and not at.blind:
                issues.add("M215", f'the key "{name}" has no fields', at.key(*path), "add `fields: [...]`")
        for name, fields in owner.indexes.items():
            _fields(owner, fields, ("object", owner.name, "indexes", name), at, issues)


def _fields(owner: Object, names: tuple[str, ...], path: Path, at: Places, issues: Collector) -> None:
    for index, name in enumerate(names):
        f = find_field(owner, name, (*path, index), at, issues)
        kept = f and (FIELD_TYPES[f.type].column is not None or (f.stored and path[2] == "indexes"))
        if f and (not kept or f.type in NOT_COMPARED):
            what = f"{owner.name}.{name} is of type {f.type} and can not be part of a key or an index"
            issues.add("M215", what, at.value(*path, index), "use stored fields")


def _folded(owner: Object, key: Key, path: Path, at: Places, issues: Collector) -> None:
    for index, name in enumerate(key.fold):
        f = owner.fields.get(name)
        if name not in key.fields or (f and FIELD_TYPES[f.type].kind != "text"):
            issues.add(
                "M215", f"{owner.name}.{name} can not be folded in this key", at.value(*path, "fold", index),
                "name a text field of the key",
            )


def _where(model: Model, owner: Object, key: Key, path: Path, at: Places, issues: Collector) -> None:
    tree = model.typed.get(key.where.key) if key.where else None
    if tree is None:
        return
    read = reads(tree, ModelSchema(model), owner.name)
    computed = [name for of, name in read.fields if of == owner.name and owner.fields[name].formula]
    elsewhere = read.relations or any(of != owner.name for of, _ in read.fields)
    if elsewhere or computed or volatility(tree, lambda name: None)[0] != "immutable":
        issues.add(
            "M215", "the condition of a unique key can be true of one record and false of the same later",
            at.value(*path, "where"), "let it read stored fields of the record, and no clock or user",
        )
