"""The directory of tenants: name -> schema and role, in the control schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.base.errors import Refused
from metamodel.names import API_ROOTS, valid


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant: its schema, and the NOLOGIN role that its statements run as (None where the server has none)."""

    name: str
    schema: str
    role: str | None


async def tenants(conn: Any) -> list[Tenant]:
    """All tenants by name."""
    rows = await conn.fetch("SELECT name, schema, role FROM fieldwright.tenant ORDER BY name")
    return [Tenant(row["name"], row["schema"], row["role"]) for row in rows]


async def find(conn: Any, name: str) -> Tenant | None:
    """The tenant of that name."""
    row = await conn.fetchrow("SELECT name, schema, role FROM fieldwright.tenant WHERE name = $1", name)
    return Tenant(row["name"], row["schema"], row["role"]) if row else None


async def register(conn: Any, name: str) -> Tenant:
    """Enters a tenant. Raises Refused "tenant.name" for a name that can not be one."""
    if not valid(name) or name in API_ROOTS:
        raise Refused("tenant.name", f'"{name}" can not name a tenant')
    await conn.execute(
        "INSERT INTO fieldwright.tenant (name, schema) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, f"t_{name}"
    )
    found = await find(conn, name)
    assert found is not None
    return found
