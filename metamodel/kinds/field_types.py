"""The field types as one table: column type, formula type, the properties each takes, who may write it."""

from __future__ import annotations

from dataclasses import dataclass

from metamodel.formula.types import Kind

COMMON = frozenset({"type", "label", "help"})
KEPT = frozenset({"read_only_when", "set_once", "history"})
WRITABLE = COMMON | KEPT | {"required", "required_when", "default", "indexed"}


@dataclass(frozen=True, slots=True)
class FieldType:
    """`column` is the PostgreSQL type (None: nothing is stored), `kind` the type in formulas (None: inferred)."""

    column: str | None
    kind: Kind | None
    properties: frozenset[str]
    writable: bool = True


FIELD_TYPES: dict[str, FieldType] = {
    "text": FieldType("text", "text", WRITABLE | {"unique", "max_length"}),
    "long_text": FieldType("text", "text", WRITABLE - {"indexed"} | {"max_length"}),
    "email": FieldType("text", "text", WRITABLE | {"unique"}),
    "phone": FieldType("text", "text", WRITABLE | {"unique"}),
    "url": FieldType("text", "text", WRITABLE | {"unique"}),
    "barcode": FieldType("text", "text", WRITABLE | {"unique", "symbology"}),
    "integer": FieldType("bigint", "integer", WRITABLE | {"unique", "min", "max"}),
    "decimal": FieldType("numeric", "decimal", WRITABLE | {"unique", "min", "max", "scale"}),
    "percent": FieldType("numeric", "percent", WRITABLE | {"min", "max", "scale"}),
    "money": FieldType("numeric", "money", WRITABLE | {"min", "max"}),
    "person_name": FieldType(None, "text", COMMON | KEPT | {"required", "required_when"}),
    "address": FieldType(None, "text", COMMON | KEPT | {"required", "required_when"}),
    "geo": FieldType(None, "geo", COMMON | KEPT | {"required", "required_when"}),
    "rating": FieldType("bigint", "integer", WRITABLE | {"max"}),
    "date": FieldType("date", "date", WRITABLE),
    "datetime": FieldType("timestamptz", "datetime", WRITABLE),
    "time": FieldType("time", "time", WRITABLE),
    "duration": FieldType("numeric", "duration", WRITABLE | {"min", "max"}),
    "boolean": FieldType("boolean", "boolean", COMMON | KEPT | {"default", "indexed"}),
    "select": FieldType("text", "select", WRITABLE | {"options", "depends_on"}),
    "multi_select": FieldType("text[]", "list", WRITABLE - {"indexed"} | {"options", "depends_on"}),
    "tags": FieldType("text[]", "list", WRITABLE - {"indexed"} | {"max", "max_length"}),
    "file": FieldType("uuid[]", "list", WRITABLE - {"indexed", "default"} | {"many", "max", "max_size", "types"}),
    "image": FieldType("uuid[]", "list", WRITABLE - {"indexed", "default"} | {"many", "max", "max_size", "types"}),
    "audio": FieldType("uuid[]", "list", WRITABLE - {"indexed", "default"} | {"max_size", "types"}),
    "json": FieldType("jsonb", "json", WRITABLE - {"indexed", "default"} | {"schema"}),
    "lookup": FieldType("uuid", "reference", WRITABLE | {"to", "reverse", "on_delete", "tree"}),
    "user": FieldType("uuid", "reference", WRITABLE | {"reverse", "on_delete"}),
    "stage": FieldType("text", "select", COMMON | {"process", "indexed"}),
    "auto_number": FieldType("text", "text", COMMON | {"format", "gapless", "reset", "per"}, writable=False),
    "formula": FieldType(None, None, COMMON | {"formula", "scale", "blanks", "indexed"}, writable=False),
    "rollup": FieldType(None, None, COMMON | {"formula", "scale", "indexed", "stored"}, writable=False),
}

FILES: dict[str, tuple[str, ...]] = {
    "file": (),
    "image": ("image/*",),
    # What a browser records is in containers that films have too.
    "audio": ("audio/*", "video/webm", "video/mp4", "application/ogg"),
}
"""The types that hold files, and the media types that each takes where the field does not say (none: any)."""
