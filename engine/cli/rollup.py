"""`fieldwright rollup`: stored roll-ups are counted again and compared with their columns."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.console import out
from engine.cli.work import with_runtime
from engine.records.rollups import Drift, drift, fill
from engine.runtime import Runtime
from engine.tenants.directory import tenants

app = typer.Typer(help="Stored roll-ups: find and repair drift.", no_args_is_help=True)

Checked = list[tuple[str, Drift, int]]
"""Tenant, what was found, how many records were repaired."""


@app.callback()
def _group() -> None:
    """A callback keeps `verify` a command of the group."""


@app.command()
def verify(
    tenant: Annotated[str | None, typer.Argument(help="The tenant; without it all are looked at.")] = None,
    fix: Annotated[bool, typer.Option(help="Repair what has drifted, a batch of records at a time.")] = False,
) -> None:
    """Count every stored roll-up of every record again; a difference is shown, and the command ends with 1."""

    async def work(rt: Runtime) -> Checked:
        async with rt.writes.connection() as conn:
            names = [tenant] if tenant else [entry.name for entry in await tenants(conn)]
        found: Checked = []
        for name in names:
            release = await rt.store.release(name)
            for entry in await drift(rt, release):
                repaired = await fill(rt, release, entry.object, [entry.field]) if fix and entry.records else 0
                found.append((name, entry, repaired))
        return found

    found = with_runtime(work)
    for name, entry, repaired in found:
        if entry.records:
            ids = ", ".join(map(str, entry.sample)) + (", ..." if entry.records > len(entry.sample) else "")
            state = f"; {repaired} repaired" if fix else ""
            out.print(f"{name}: {entry.object}.{entry.field}: {entry.records} drifted{state}: {ids}", markup=False)
    drifted = sum(entry.records > 0 for _, entry, _ in found)
    out.print(f"{len(found)} stored roll-ups counted, {drifted} drifted", markup=False)
    if drifted and not fix:
        raise typer.Exit(1)
