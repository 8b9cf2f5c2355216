"""`fieldwright tenant`: which tenants there are; a tenant is made by `apply`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.console import confirmed, out, table
from engine.cli.work import with_runtime
from engine.db.migrations import drop_tenant
from engine.runtime import Runtime
from engine.tenants.directory import find, tenants
from engine.tenants.store import load

app = typer.Typer(help="Tenants.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the tenants with their current release."""

    async def work(rt: Runtime) -> list[list[str]]:
        async with rt.reads.connection() as conn:
            rows = []
            for tenant in await tenants(conn):
                release = await load(conn, tenant)
                objects = len(release.model.objects) if release else 0
                rows.append([tenant.name, tenant.schema, str(release.number if release else "-"), str(objects)])
            return rows

    table(["tenant", "schema", "release", "objects"], with_runtime(work), (2, 3))


@app.command()
def drop(
    name: Annotated[str, typer.Argument(help="The tenant.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop a tenant with all its data, for good."""

    async def work(rt: Runtime) -> bool:
        async with rt.writes.connection() as conn:
            found = await find(conn, name)
            if found is not None:
                await drop_tenant(conn, found.schema)
            return found is not None

    if not confirmed(f"Drop {name} with all its data?", yes):
        out.print("nothing was dropped", markup=False)
        raise typer.Exit(1)
    if not with_runtime(work):
        out.print(f"there is no tenant {name}", markup=False)
        raise typer.Exit(1)
    out.print(f"dropped {name}", markup=False)
