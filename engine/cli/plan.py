"""`fieldwright plan`: what applying would change, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, load, out
from engine.cli.work import with_runtime
from engine.lifecycle.plan import Plan, lines, plan
from engine.runtime import Runtime
from metamodel.load import Loaded


def plan_command(
    path: Annotated[Path, typer.Argument(help="The tenant's file, or the folder that holds it.")],
    packs: Packs = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant's name, where it is not the one in the file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    detailed_exitcode: Annotated[bool, typer.Option(help="0: no change, 2: changes, 1: refused.")] = False,
) -> None:
    """Show what `apply` would do. Nothing is changed."""
    loaded = load(path, packs)
    found = with_runtime(lambda rt: _plan(rt, tenant or loaded.tenant.name, loaded))
    show(found, as_json)
    if found.refused:
        raise typer.Exit(1)
    if detailed_exitcode and not found.empty:
        raise typer.Exit(2)


async def _plan(rt: Runtime, tenant: str, loaded: Loaded) -> Plan:
    return await plan(rt, tenant, loaded)


def show(found: Plan, as_json: bool = False) -> None:
    """Prints a plan."""
    if as_json:
        out.print(json.dumps({
            "tenant": found.tenant,
            "base": found.base.number if found.base else None,
            "target": found.target.hash,
            "changes": [{"kind": c.kind, "path": c.path} for c in found.changes],
            "operations": lines(replace(found, changes=(), refused={}, breaches=())),
            "in_flight": [
                {"process": b.process, "stage": b.stage, "field": b.field, "rule": b.rule, "records": b.records,
                 "sample": [str(id_) for id_ in b.sample]}
                for b in found.breaches
            ],
            "refused": found.refused,
        }, ensure_ascii=False, indent=2), markup=False)
        return
    if found.empty:
        out.print(f"{found.tenant}: nothing to do", markup=False)
        return
    for line in lines(found):
        out.print(line, markup=False)
    count = len([c for c in found.changes if "." in c.path])
    refused = f", {len(found.refused)} refused" if found.refused else ""
    steps = len(found.operations) + len(found.fills)
    out.print(f"{found.tenant}: {count} changes, {steps} operations{refused}", markup=False)
