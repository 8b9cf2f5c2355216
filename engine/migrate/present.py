"""What a tenant's schema holds now, read from the catalogue of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Present:
    """Names by table: column -> type, constraints (validated or not), valid and invalid indexes; sequences."""

    columns: Mapping[str, Mapping[str, str]]
    checks: Mapping[str, Mapping[str, bool]]
    indexes: Mapping[str, Mapping[str, bool]]
    sequences: frozenset[str]


_COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind = 'r' AND left(c.relname, 1) <> '_'
"""
_CHECKS = """
SELECT c.relname AS table, k.conname AS name, k.convalidated AS good
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND k.contype = 'c'
"""
_INDEXES = """
SELECT c.relname AS table, i.relname AS name, x.indisvalid AS good
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1
"""
_SEQUENCES = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'S'
"""
_TYPES = {"timestamp with time zone": "timestamptz", "time without time zone": "time"}


async def present(conn: Any, schema: str) -> Present:
    """The catalogue of a schema; a schema that does not exist is empty."""
    columns: dict[str, dict[str, str]] = {}
    for row in await conn.fetch(_COLUMNS, schema):
        columns.setdefault(row["table"], {})[row["name"]] = _TYPES.get(row["type"], row["type"])
    return Present(
        columns,
        _named(await conn.fetch(_CHECKS, schema)),
        _named(await conn.fetch(_INDEXES, schema)),
        frozenset(row["name"] for row in await conn.fetch(_SEQUENCES, schema)),
    )


def _named(rows: Any) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = {}
    for row in rows:
        found.setdefault(row["table"], {})[row["name"]] = row["good"]
    return found
