"""`fieldwright doctor`: what this installation has, and what is missing."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Annotated

import typer

from engine.base.settings import Settings
from engine.cli.console import out
from engine.cli.work import with_runtime
from engine.db import embedded
from engine.db.migrations import behind
from engine.db.pool import place_of
from engine.runtime import Runtime
from engine.tenants.directory import tenants
from metamodel.formula.functions.registry import BrokenPlugin, aggregate, lookup, plugins


def doctor(
    stop: Annotated[bool, typer.Option(help="Stop the embedded PostgreSQL of this folder, and nothing else.")] = False,
) -> None:
    """Check the installation: versions, the database, its system tables, plug-ins, tenants, broken formulas."""
    settings = Settings()
    if stop:
        embedded.stop(settings.home)
        out.print("the embedded PostgreSQL is stopped", markup=False)
        return

    async def work(rt: Runtime) -> None:
        async with rt.writes.connection() as conn:
            server = await conn.fetchval("SELECT current_setting('server_version')")
            fsync = await conn.fetchval("SELECT current_setting('fsync')")
            missing = await behind(conn)
            found = await tenants(conn)
        broken = {tenant.name: (await rt.store.release(tenant.name)).model.broken for tenant in found}
        kind = "embedded" if settings.database_url is None else "given by FIELDWRIGHT_DATABASE_URL"
        rows = {
            "fieldwright": version("fieldwright"),
            "python": platform.python_version(),
            "database": f"PostgreSQL {server}, {kind}, {place_of(rt.url)}",
            "fsync": fsync,
            "case mapping": rt.collation or "of the database",
            "system tables": "current" if not missing else f"missing: {', '.join(missing)}",
            "plug-ins": ", ".join(_plugin(name) for name in sorted(plugins())) or "none",
            "tenants": ", ".join(tenant.name for tenant in found) or "none",
        }
        for name, value in rows.items():
            out.print(f"{name:14} {value}", markup=False)
        for tenant, formulas in broken.items():
            for key, reason in formulas.items():
                out.print(f"{'broken':14} {tenant}: {key}: {reason}", markup=False)
        if fsync != "on" or missing or any(broken.values()):
            raise typer.Exit(1)

    with_runtime(work)


def _plugin(name: str) -> str:
    """A function that an installed package declares, with what is wrong with it."""
    try:
        found = lookup(name) or aggregate(name)
    except BrokenPlugin as error:
        return f"{name} ({error})"
    return found.name if found else name
