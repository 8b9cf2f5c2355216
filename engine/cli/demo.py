"""`fieldwright demo`: the sales application with a year and a half of data, served at once."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from engine.base.settings import Settings
from engine.cli.console import IN_TREE, SHIPPED, out, pack_folders, progress_bar
from engine.cli.work import with_runtime
from engine.db.migrations import drop_tenant
from engine.http.serve import run
from engine.identity.logins import change_login, create_login, list_logins
from engine.lifecycle.apply import apply
from engine.lifecycle.story import forget_jobs, story_of, tell
from engine.release.release import Release
from engine.runtime import Runtime
from engine.tenants.directory import find
from engine.tenants.store import load
from metamodel.load import load_tenant

TENANT = "demo"
STORY_PACK = "sales"
PASSWORD_FILE = "demo-logins.txt"

Login: TypeAlias = "tuple[str, str, str]"
"""Login, role, password."""


def demo(
    serve: Annotated[bool, typer.Option(help="Serve the API when the data is there.")] = True,
    host: Annotated[str | None, typer.Option(help="The address to listen on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port (default: 8000).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    scale: Annotated[float, typer.Option(min=0.01, max=20, help="How much data: 1 is 4,000 opportunities.")] = 1.0,
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


async def _prepare(rt: Runtime, settings: Settings, seed: int, scale: float) -> list[Login]:
    """The tenant with its data; one that is there already is kept, one that was left half filled is made again."""
    folder = IN_TREE if IN_TREE.is_dir() else SHIPPED
    loaded = load_tenant(folder / TENANT / "tenant.yaml", pack_folders(None))
    story = story_of(folder / STORY_PACK)
    file = settings.home / PASSWORD_FILE
    known = await _known_logins(rt)
    release = (await apply(rt, TENANT, loaded, note="demo")).release
    if known:
        return _read(file) or await _new_passwords(rt, release, story.logins(), known, file)
    today = rt.clock.now().astimezone(ZoneInfo(loaded.model.settings.time_zone)).date()
    with progress_bar() as bar:
        task = bar.add_task("telling 18 months of sales", total=None)
        told = await tell(
            rt, release, story.story(seed, today, scale=scale),
            lambda so_far, _at: bar.update(task, completed=so_far.rows),
        )
    await forget_jobs(rt, release, before=rt.clock.now() - timedelta(days=7))
    out.print(f"{told.rows:,} records written, {len(told.ids):,} created", markup=False)
    logins = [(login, role, secrets.token_urlsafe(9)) for login, role, _ in story.logins()]
    for (login, role, password), (_, _, key) in zip(logins, story.logins(), strict=True):
        await create_login(rt, release, told.ids[key], login, password, [role])
    _write(file, logins)
    return logins


async def _known_logins(rt: Runtime) -> dict[str, UUID]:
    """The logins of a demo that is there; a tenant without any was interrupted while it was filled, and is dropped."""
    async with rt.writes.connection() as conn:
        there = await find(conn, TENANT)
        if there is None:
            return {}
        release = await load(conn, there)
        found = await list_logins(rt, release) if release else []
        if not found:
            await drop_tenant(conn, there.schema)
            rt.store.forget(TENANT)
        return {entry.login: entry.user for entry in found}


async def _new_passwords(
    rt: Runtime, release: Release, wanted: list[tuple[str, str, str]], known: dict[str, UUID], file: Path
) -> list[Login]:
    """New passwords for a demo whose list of logins is lost."""
    logins = [(login, role, secrets.token_urlsafe(9)) for login, role, _ in wanted if login in known]
    for login, _, password in logins:
        await change_login(rt, release, known[login], password=password)
    _write(file, logins)
    return logins


def _write(file: Path, logins: list[Login]) -> None:
    """Keeps the logins beside the embedded database, for the next start; readable by the owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join("\t".join(entry) + "\n" for entry in logins), encoding="utf-8")


def _read(file: Path) -> list[Login]:
    """The logins that are kept; none where there is no file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [(parts[0], parts[1], parts[2]) for line in lines if len(parts := line.split("\t")) == 3]
