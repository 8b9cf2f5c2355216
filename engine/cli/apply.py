"""`fieldwright apply`: makes a tenant what its file and packs say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, confirmed, err, load, out
from engine.cli.plan import show
from engine.cli.work import with_runtime
from engine.lifecycle.apply import Applied, apply
from engine.lifecycle.plan import check_applicable, plan
from engine.runtime import Runtime


def apply_command(
    path: Annotated[Path, typer.Argument(help="The tenant's file, or the folder that holds it.")],
    packs: Packs = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant's name, where it is not the one in the file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    note: Annotated[str, typer.Option(help="A note kept with the release.")] = "",
) -> None:
    """Plan, ask, and apply."""
    loaded = load(path, packs)
    name = tenant or loaded.tenant.name

    async def work(rt: Runtime) -> Applied | None:
        found = await plan(rt, name, loaded)
        show(found)
        check_applicable(found)
        # An apply that was interrupted after the switch has seeds left over, so an empty plan is carried out, too.
        if not found.empty and not confirmed("Apply?", yes):
            return None
        return await apply(rt, name, loaded, note=note)

    done = with_runtime(work)
    if done is None:
        err.print("nothing was applied; --yes applies without asking", markup=False)
        raise typer.Exit(1)
    seeds = f", {done.seeded} seed records" if done.seeded else ""
    lock = f", longest lock {done.longest_lock * 1000:.0f} ms" if done.longest_lock else ""
    out.print(f"{name}: release {done.release.number}{seeds}{lock}", markup=False)
