"""Imports as jobs on the command line: begun and followed, listed, taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from engine.automation import imports
from engine.base.context import Context
from engine.base.errors import Refused
from engine.cli.console import err, out, table
from engine.cli.work import AsUser, acting, with_runtime
from engine.files.uploads import upload
from engine.release.release import Release
from engine.runtime import Runtime

CHUNK = 1 << 18
LOOK_SECONDS = 0.3
COUNTS = ("rows", "created", "updated", "rejected")


async def run_as_job(
    rt: Runtime, ctx: Context, release: Release, mapping: Mapping[str, Any], path: Path, dry_run: bool,
    progress: Callable[[int, int | None], None],
) -> dict[str, Any]:
    """Begins an import as a job and does it here, or waits for the worker that took it; the import as it ended."""
    uploaded = await upload(rt, ctx, release, path.name, _chunks(path))
    made = await imports.start_import(rt, ctx, release, mapping, UUID(str(uploaded["id"])), dry_run=dry_run)
    return await _followed(rt, ctx, release, UUID(msgspec.json.decode(made)["id"]), progress)


async def save_corrections(rt: Runtime, ctx: Context, release: Release, id_: str, target: Path) -> None:
    """Writes the rejected rows of an import into a file."""
    with await imports.corrections(rt, ctx, release, UUID(id_)) as file, target.open("wb") as kept:
        while chunk := file.read(CHUNK):
            kept.write(chunk)


def list_imports(tenant: Annotated[str, typer.Argument(help="The tenant.")], as_user: AsUser = None) -> None:
    """List the newest imports that were jobs."""

    async def work(rt: Runtime) -> list[dict[str, Any]]:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user)
        found: list[dict[str, Any]] = msgspec.json.decode(await imports.list_imports(rt, ctx, release))
        return found

    shown = ("id", "object", "state", *COUNTS, "undone", "kept", "created_at")
    rows = [["-" if one[name] is None else str(one[name]) for name in shown] for one in with_runtime(work)]
    table([name.replace("_", " ") for name in shown], rows)


def undo(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    id_: Annotated[str, typer.Argument(metavar="IMPORT", help="The id of the import.")],
    as_user: AsUser = None,
) -> None:
    """Take back what an import wrote. Records that were changed since are kept; then the exit code is 1."""
    try:
        given = UUID(id_)
    except ValueError as error:
        raise Refused("import.unknown", "there is no such import") from error

    async def work(rt: Runtime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user)
        await imports.undo_import(rt, ctx, release, given)
        done = await _followed(rt, ctx, release, given, lambda count, rows: None)
        kept = await imports.list_rows(rt, ctx, release, given, outcome="kept")
        return done, msgspec.json.decode(kept)

    done, kept = with_runtime(work)
    out.print(f"{done['state']}: {done['undone']} undone, {done['kept']} kept", markup=False)
    for row in kept:
        for fault in row["faults"]:
            err.print(f"line {row['line']}: {row['record']} {fault['code']} {fault['detail']}", markup=False)
    if done["kept"] or done["error"]:
        if done["error"]:
            err.print(f"error: {done['error']['code']} {done['error']['detail']}", markup=False)
        raise typer.Exit(1)


async def _followed(
    rt: Runtime, ctx: Context, release: Release, id_: UUID, progress: Callable[[int, int | None], None]
) -> dict[str, Any]:
    working = asyncio.create_task(imports.run_import(rt, release.tenant, id_))
    while True:
        done: dict[str, Any] = msgspec.json.decode(await imports.show_import(rt, ctx, release, id_))
        progress(done["created"] + done["updated"] + done["rejected"], done["rows"])
        if done["state"] not in imports.ACTIVE:
            await working
            return done
        if working.done():
            await working
        await asyncio.wait([working], timeout=LOOK_SECONDS) if not working.done() else await asyncio.sleep(LOOK_SECONDS)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
