"""The system's own tables: numbered `.sql` files, applied once each, in order, under an advisory lock.

`system/control` makes schema `fieldwright`, `system/tenant` the `_` tables of a tenant's schema. A file may name
`:"schema"` and `:"role"`, which are put in as quoted identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from engine.db.pool import quote_name
from engine.db.transaction import atomic

CONTROL = "fieldwright"
LOCK = 0x6669656C64  # "field"
RESERVED_SCHEMAS = frozenset({CONTROL, "public", "information_schema"})

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_PLACE = re.compile(r':"(schema|role)"')
_LEDGER = """
CREATE SCHEMA IF NOT EXISTS fieldwright;
CREATE TABLE IF NOT EXISTS fieldwright.migration (
    schema text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema, number)
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    text: str


@cache
def migrations(kind: str) -> tuple[Migration, ...]:
    """The numbered files of `kind` ("control" or "tenant") in order."""
    found = []
    for file in files("engine.db").joinpath("system", kind).iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise AssertionError(f"the migrations of {kind} are not numbered 1, 2, 3 ...")
    return tuple(found)


async def migrate_control(conn: Any) -> list[str]:
    """Brings schema `fieldwright` up to date in one transaction; the names of the files that were applied."""
    async with atomic(conn):
        await _lock(conn)
        await conn.execute(_LEDGER)
        return await _apply(conn, "control", CONTROL, {})


async def migrate_tenant(conn: Any, schema: str) -> list[str]:
    """Brings a tenant's schema up to date in one transaction and makes schema and role where they are missing.

    The role is `fw_<schema>`, noted in `fieldwright.tenant` where that has a row for the schema; it stays NULL on a
    server whose user may not make roles, and the tenant then works without a role of its own.
    """
    if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
        raise ValueError(f"not a schema for a tenant: {schema}")
    async with atomic(conn):
        await _lock(conn)
        await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
        values = {"schema": quote_name(schema)}
        applied = await _apply(conn, "tenant", schema, values)
        role = await _ensure_role(conn, f"fw_{schema}")
        noted = await conn.fetchval("SELECT role FROM fieldwright.tenant WHERE schema = $1", schema)
        if role and (applied or noted != role):
            grants = files("engine.db").joinpath("system", "tenant", "grants.sql").read_text(encoding="utf-8")
            await conn.execute(_fill(grants, {**values, "role": quote_name(role)}))
        await conn.execute("UPDATE fieldwright.tenant SET role = $2 WHERE schema = $1", schema, role)
        return applied


async def drop_tenant(conn: Any, schema: str) -> None:
    """Drops the schema with all its data, and what the control schema knows of it. The role stays: other databases
    of the server may use it."""
    if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
        raise ValueError(f"not a schema for a tenant: {schema}")
    async with atomic(conn):
        await _lock(conn)
        await conn.execute(f"DROP SCHEMA IF EXISTS {quote_name(schema)} CASCADE")
        await conn.execute("DELETE FROM fieldwright.migration WHERE schema = $1", schema)
        await conn.execute("DELETE FROM fieldwright.tenant WHERE schema = $1", schema)


async def behind(conn: Any) -> list[str]:
    """What is missing, as "schema: 0001_name"; also "schema: newer" where a newer version of the engine was here."""
    if await conn.fetchval("SELECT to_regclass('fieldwright.migration')") is None:
        return [f"{CONTROL}: {_label(migration)}" for migration in migrations("control")]
    rows = await conn.fetch("SELECT schema, max(number) AS last FROM fieldwright.migration GROUP BY schema")
    last = {row["schema"]: row["last"] for row in rows}
    missing = _missing(CONTROL, "control", last.get(CONTROL, 0))
    if last.get(CONTROL, 0) > 0:
        for row in await conn.fetch("SELECT schema FROM fieldwright.tenant ORDER BY schema"):
            missing += _missing(row["schema"], "tenant", last.get(row["schema"], 0))
    return missing


def _missing(schema: str, kind: str, last: int) -> list[str]:
    known = migrations(kind)
    if last > known[-1].number:
        return [f"{schema}: newer"]
    return [f"{schema}: {_label(migration)}" for migration in known if migration.number > last]


def _label(migration: Migration) -> str:
    return f"{migration.number:04}_{migration.name}"


async def _lock(conn: Any) -> None:
    await conn.execute("SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
    await conn.execute("SELECT pg_advisory_xact_lock($1)", LOCK)


async def _apply(conn: Any, kind: str, schema: str, values: Mapping[str, str]) -> list[str]:
    query = "SELECT coalesce(max(number), 0) FROM fieldwright.migration WHERE schema = $1"
    last = await conn.fetchval(query, schema)
    applied = []
    for migration in migrations(kind):
        if migration.number > last:
            await conn.execute(_fill(migration.text, values))
            await conn.execute(
                "INSERT INTO fieldwright.migration (schema, number, name) VALUES ($1, $2, $3)",
                schema, migration.number, migration.name,
            )  # fmt: skip
            applied.append(_label(migration))
    return applied


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: values[match[1]], text)


async def _ensure_role(conn: Any, role: str) -> str | None:
    """Makes the NOLOGIN role and lets the present user take it; None where that user may not."""
    name = quote_name(role)
    if not await conn.fetchval("SELECT true FROM pg_catalog.pg_roles WHERE rolname = $1", role):
        try:
            async with atomic(conn):
                await conn.execute(f"CREATE ROLE {name} NOLOGIN")
        except asyncpg.InsufficientPrivilegeError:
            return None
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass  # another database of this server made it at the same moment
    if await conn.fetchval("SELECT pg_catalog.pg_has_role(current_user, $1, 'MEMBER')", role):
        return role
    try:
        async with atomic(conn):
            await conn.execute(f"GRANT {name} TO CURRENT_USER")
    except asyncpg.InsufficientPrivilegeError:
        return None
    return role
