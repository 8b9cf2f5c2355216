"""A connection for plain tests: empty search path, a session zone that is not the tenant's."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import asyncpg

from engine.db.migrations import migrations

LOCK = 0x666F726D


class Database:
    """One connection; `case_collation` is what the server has for Unicode case mapping."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        settings = {"search_path": "", "timezone": "America/New_York"}
        self.connection = self.loop.run_until_complete(asyncpg.connect(url, server_settings=settings))
        # asyncpg takes the first and the last date for -infinity and infinity.
        self.loop.run_until_complete(
            self.connection.set_type_codec(
                "date", schema="pg_catalog", encoder=date.isoformat, decoder=date.fromisoformat, format="text"
            )
        )
        self._install()
        wanted = ("und-x-icu", "pg_unicode_fast", "pg_c_utf8")
        present = {r[0] for r in self.rows("SELECT collname FROM pg_collation WHERE collname = ANY($1)", list(wanted))}
        self.case_collation = next((name for name in wanted if name in present), None)

    def _install(self) -> None:
        """The SQL functions that formulas call; the lock, because other test processes may do the same."""
        files = [each.text for each in migrations("control") if each.name.startswith("formula_")]
        schema = "CREATE SCHEMA IF NOT EXISTS fieldwright"
        self.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK}); {schema}; {' '.join(files)} COMMIT")

    def row(self, statement: str, *values: Any) -> Any:
        return self.loop.run_until_complete(self.connection.fetchrow(statement, *values))

    def rows(self, statement: str, *values: Any) -> Any:
        return self.loop.run_until_complete(self.connection.fetch(statement, *values))

    def execute(self, statement: str) -> None:
        self.loop.run_until_complete(self.connection.execute(statement))

    def close(self) -> None:
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()
