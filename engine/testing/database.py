"""One connection for plain tests: no search path, and a session zone that is not the tenant's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from engine.base.settings import Settings
from engine.db import embedded
from engine.db.migrations import migrate_control
from engine.db.pool import connect
from engine.runtime import CASE_COLLATIONS

PostgresError = asyncpg.PostgresError
SESSION = {"search_path": "", "timezone": "America/New_York"}


@contextmanager
def server() -> Iterator[str]:
    """The URL of the server that the environment names (`Settings`), the embedded one by default."""
    settings = Settings()
    if settings.database_url:
        yield settings.database_url
        return
    started = embedded.start(settings.home, settings.pg_bin)
    yield started.url
    started.detach()


class Database:
    """Statements run one after the other. The SQL functions that formulas call are installed.

    `case_collation` is what the server has for Unicode case mapping; `memory` keeps what checks have found.
    """

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection = self._run(connect(url, server_settings=SESSION))
        self.memory: dict[str, Any] = {}
        self._run(migrate_control(self.connection))
        query = "SELECT collname FROM pg_catalog.pg_collation WHERE collname = ANY($1)"
        present = {row[0] for row in self.rows(query, list(CASE_COLLATIONS))}
        self.case_collation = next((name for name in CASE_COLLATIONS if name in present), None)

    def row(self, statement: str, *values: Any) -> Any:
        """The first row of a query."""
        return self._run(self.connection.fetchrow(statement, *values))

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """All rows of a query."""
        return list(self._run(self.connection.fetch(statement, *values)))

    def execute(self, statement: str) -> None:
        """Statements without parameters."""
        self._run(self.connection.execute(statement))

    def close(self) -> None:
        """Close the connection."""
        self._run(self.connection.close())
        self.loop.close()

    def _run(self, made: Any) -> Any:
        return self.loop.run_until_complete(made)
