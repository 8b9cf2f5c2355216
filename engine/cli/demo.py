"""`fieldwright demo`: the sales application with a year and a half of data, served at once."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from engine.base.settings import Settings
from engine.cli.common import IN_TREE, SHIPPED, out, pack_folders, progress_bar, with_runtime
from engine.http.serve import run
from engine.identity.logins import create_login, list_logins
from engine.lifecycle.apply import apply
from engine.lifecycle.story import forget_jobs, story_of, tell
from engine.runtime import Runtime
from engine.tenants.directory import find
from metamodel.load import load_tenant

TENANT = "demo"
STORY_PACK = "sales"
PASSWORD_FILE = "demo-logins.txt"


def demo(
    serve: Annotated[bool, typer.Option(help="Serve the API when the data is there.")] = True,
    host: Annotated[str | None, typer.Option(help="The address to listen on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port (default: 8000).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    scale: Annotated[float, typer.Option(min=0.01, max=20, help="How much data: 1 is 6,000 opportunities.")] = 1.0,
) -> None:
    """Start an embedded PostgreSQL, apply the sales pack, fill it, print three logins, and serve."""
    settings = Settings()
    began = time.perf_counter()
    logins = with_runtime(lambda rt: _prepare(rt, settings, seed, scale))
    address = f"http://{host or settings.host}:{settings.port if port is None else port}"
    out.print(f"ready after {time.perf_counter() - began:.1f} s\n", markup=False)
    for login, role, password in logins:
        out.print(f"  {login:32} {password:16} {role}", markup=False)
    out.print(f"\nTry: fieldwright report {TENANT} pipeline_by_stage", markup=False)
    if serve:
        out.print(f"API: {address}/{TENANT}/docs   (stop with Ctrl-C)", markup=False)
        run(settings, worker=True, host=host, port=port)


async def _prepare(rt: Runtime, settings: Settings, seed: int, scale: float) -> list[tuple[str, str, str]]:
    """The tenant with its data; a demo that is there already is kept as it is."""
    folder = IN_TREE if IN_TREE.is_dir() else SHIPPED
    loaded = load_tenant(folder / TENANT / "tenant.yaml", pack_folders(None))
    async with rt.reads.connection() as conn:
        there = await find(conn, TENANT)
    done = await apply(rt, TENANT, loaded, note="demo")
    story = story_of(folder / STORY_PACK)
    file = settings.home / PASSWORD_FILE
    if there is not None and file.exists() and await list_logins(rt, done.release):
        return [(login, role, password) for login, role, password in _read(file)]
    today = datetime.now(ZoneInfo(loaded.model.settings.time_zone)).date()
    with progress_bar() as bar:
        task = bar.add_task("telling 18 months of sales", total=None)
        told = await tell(
            rt, done.release, story.story(seed, today, scale=scale),
            lambda so_far, _at: bar.update(task, completed=so_far.rows),
        )
    await forget_jobs(rt, done.release, before=datetime.now(UTC) - timedelta(days=7))
    out.print(f"{told.rows:,} records written, {len(told.ids):,} created", markup=False)
    logins = []
    for login, role, key in story.logins():
        password = secrets.token_urlsafe(9)
        user: UUID = told.ids[key]
        await create_login(rt, done.release, user, login, password, [role])
        logins.append((login, role, password))
    _write(file, logins)
    return logins


def _write(file: Path, logins: list[tuple[str, str, str]]) -> None:
    """Keeps the logins beside the embedded database, for the next start; readable by the owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join("\t".join(entry) + "\n" for entry in logins), encoding="utf-8")


def _read(file: Path) -> list[tuple[str, str, str]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(parts[0], parts[1], parts[2]) for line in lines if len(parts := line.split("\t")) == 3]
