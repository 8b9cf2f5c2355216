"""Stable ids and physical names: made once, from the first name a thing had, and never changed.

The identity map is plain data, kept with every release: `{"objects": {name: {"id", "table", "fields":
{name: {"id", "column"}}}}, "options": {set: {option: code}}, "processes": {name: {"version", "print"}}}`. A rename
changes a key of the map only. The entry of a roll-up that is kept in a column also holds the column's `type`, and
`filled`, which names what every row holds there. A process gets its next version when what it demands changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from metamodel.model import Model

Identity = Mapping[str, Any]

SYSTEM_COLUMNS = {
    "id": "uuid",
    "version": "bigint",
    "owner": "uuid",
    "created_at": "timestamptz",
    "created_by": "uuid",
    "modified_at": "timestamptz",
    "modified_by": "uuid",
    "deleted_at": "timestamptz",
    "deleted_batch": "uuid",
}
"""The columns that every object's table has, with their types."""


VALUE_TYPES: Mapping[str, str] = {
    "text": "text",
    "select": "text",
    # A sum of whole numbers may outgrow bigint.
    **dict.fromkeys(("integer", "decimal", "money", "percent", "duration"), "numeric"),
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamptz",
    "time": "time",
    "reference": "uuid",
}
"""The column types of computed values that are stored, by their kind in formulas."""


def extend(identity: Identity | None, model: Model) -> Identity:
    """The identity map with everything of `model` that it does not have yet; nothing is ever taken out."""
    known = identity or {"objects": {}, "options": {}}
    objects = {name: {**entry, "fields": dict(entry["fields"])} for name, entry in known["objects"].items()}
    tables = {entry["table"] for entry in objects.values()}
    for obj in model.objects.values():
        entry = objects.setdefault(
            obj.name, {"id": _stable("object", obj.name), "table": _free(obj.name, tables), "fields": {}}
        )
        tables.add(entry["table"])
        columns = {f["column"] for f in entry["fields"].values()} | set(SYSTEM_COLUMNS)
        for field in obj.fields.values():
            if field.name not in entry["fields"]:
                column = field.name if field.system else _free(_column_name(field.name), columns)
                entry["fields"][field.name] = {"id": _stable(obj.name, field.name), "column": column}
                columns.add(column)
                if field.type == "stage":
                    columns |= {entered_at(column), followed(column), confirmed(column)}
            if field.stored and field.formula:
                type_ = VALUE_TYPES[model.typed[field.formula.key].type.kind]
                entry["fields"][field.name] = _typed_column(entry["fields"][field.name], field.name, type_, columns)
    options = {name: dict(codes) for name, codes in known["options"].items()}
    for value_set in model.value_sets.values():
        codes = options.setdefault(value_set.name, {})
        codes.update({name: name for name in value_set.options if name not in codes})
    for process in model.processes.values():
        codes = options.setdefault(process.name, {})
        codes.update({name: name for name in process.stages if name not in codes})
    versions = dict(known.get("processes", {}))
    for process in model.processes.values():
        held = versions.get(process.name, {"version": 0, "print": ""})
        if held["print"] != (made := process.print):
            versions[process.name] = {"version": held["version"] + 1, "print": made}
    return {"objects": objects, "options": options, "processes": versions}


def _typed_column(entry: Mapping[str, Any], name: str, type_: str, taken: set[str]) -> Mapping[str, Any]:
    """The entry with a column of that type: another one where the values were of another type before."""
    if entry.get("type", type_) == type_:
        return {**entry, "type": type_}
    column = _free(name, taken)
    taken.add(column)
    return {"id": entry["id"], "column": column, "type": type_}


def _column_name(field: str) -> str:
    """The name that the column of a field is wished to have; that of a part begins with its whole's."""
    full = field.replace(".", "__")
    return full if len(full) <= 56 else f"{full[:40]}_{uuid5(NAMESPACE_OID, full).hex[:8]}"


def entered_at(stage_column: str) -> str:
    """The column beside a stage column that holds when the stage was entered."""
    return f"{stage_column}__entered_at"


def followed(stage_column: str) -> str:
    """The column beside a stage column with several processes that holds which one the record follows."""
    return f"{stage_column}__process"


def confirmed(stage_column: str) -> str:
    """The column beside a stage column that holds the tasks of the present stage that a person said were done."""
    return f"{stage_column}__done"


def index_name(table: str, columns: Iterable[str], suffix: str) -> str:
    """A name for an index or constraint, at most 63 bytes, the same for the same parts."""
    full = f"{table}__{'__'.join(columns)}__{suffix}"
    return full if len(full) <= 63 else f"{full[:46]}_{uuid5(NAMESPACE_OID, full).hex[:16]}"


def expression_index_name(table: str, column: str, expression: str) -> str:
    """The name of an index over an expression: another expression has another one."""
    return f"{table[:20]}__{column[:17]}__{sha256(expression.encode()).hexdigest()[:16]}__fx"


def names_expression_index(name: str) -> bool:
    """Whether an index bears such a name."""
    return re.fullmatch(r".+__[0-9a-f]{16}__fx", name) is not None


def _stable(*parts: str) -> str:
    return str(uuid5(NAMESPACE_OID, "/".join(parts)))


def _free(name: str, taken: Iterable[str]) -> str:
    used, candidate, count = set(taken), name, 1
    while candidate in used:
        count += 1
        candidate = f"{name}_{count}"
    return candidate
