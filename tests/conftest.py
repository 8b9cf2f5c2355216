"""Real PostgreSQL for every test that asks: one server for all processes of all runs, a database for each of them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from engine.db import embedded

HOME = Path(__file__).resolve().parents[1] / ".fieldwright" / "tests"
PREFIX = "fwtest"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files of the tests that run anew")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the server: `FIELDWRIGHT_DATABASE_URL`, else an embedded one that all test processes share."""
    given = os.environ.get("FIELDWRIGHT_DATABASE_URL")
    if given:
        yield given
        return
    pg_bin = os.environ.get("FIELDWRIGHT_PG_BIN")
    # Data of another major version than the asked binaries would be refused, so each choice has its own folder.
    home = HOME if pg_bin is None else HOME.with_name("tests-" + pg_bin.strip("/").replace("/", "-"))
    url = embedded.start(home, Path(pg_bin) if pg_bin else None).url
    asyncio.run(_drop_leftovers(url))
    yield url
    embedded.detach(home)


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and returns its URL; all are dropped at the end."""
    made: list[str] = []

    def make() -> str:
        name = f"{PREFIX}_{os.getpid()}_{uuid4().hex[:8]}"
        asyncio.run(_run(server_url, f'CREATE DATABASE "{name}"'))
        made.append(name)
        parts = urlsplit(server_url)
        return urlunsplit(parts._replace(path=f"/{name}"))

    yield make
    for name in made:
        asyncio.run(_run(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def database_url(new_database: Callable[[], str]) -> str:
    """A database of this test process alone, empty at the start of the session."""
    return new_database()


@pytest.fixture(scope="session")
def fieldwright_database_url(database_url: str) -> str:
    """The database of function checks."""
    return database_url


async def _run(url: str, statement: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def _drop_leftovers(url: str) -> None:
    """Drops what runs left that were killed: databases named after a process that no longer lives."""
    conn = await asyncpg.connect(url)
    try:
        for row in await conn.fetch("SELECT datname FROM pg_database"):
            ours = re.fullmatch(rf"{PREFIX}_(\d+)_[0-9a-f]{{8}}", row["datname"])
            if ours and not _alive(int(ours[1])):
                await conn.execute(f'DROP DATABASE IF EXISTS "{ours[0]}" WITH (FORCE)')
    finally:
        await conn.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
