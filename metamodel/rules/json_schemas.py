"""The schema of a JSON field is a JSON Schema that stands for itself: it refers to nothing outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.schema is None:
                continue
            place = at.value("object", owner.name, "fields", f.name, "schema")
            try:
                Draft202012Validator.check_schema(_plain(f.schema))
            except SchemaError as error:
                where = ".".join(str(step) for step in error.absolute_path)
                what = f"{where}: {error.message[:200]}" if where else error.message[:200]
                issues.add("M241", f"{owner.name}.{f.name}: {what}", place, "write a JSON Schema of the draft 2020-12")
                continue
            outside = next((ref for ref in _references(f.schema) if not _inside(f.schema, ref)), None)
            if outside is not None:
                issues.add(
                    "M241",
                    f'{owner.name}.{f.name} refers to "{outside}", which is not in the schema',
                    place,
                    "refer to a part of the schema itself, such as #/$defs/line",
                )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(value[key]) for key in ("$ref", "$dynamicRef") if key in value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(inner)


def _inside(schema: Any, reference: str) -> bool:
    if not reference.startswith("#"):
        return False
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict) or key not in schema:
            return False
        schema = schema[key]
    return reference == "#" or reference.startswith("#/")


def _plain(value: Any) -> Any:
    """The value with the numbers that JSON Schema expects."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value
