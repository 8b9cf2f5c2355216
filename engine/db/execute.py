"""Statement text in, JSON text out: the thin layer between a compiled statement and asyncpg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.base.errors import Refused
from engine.db.pool import Connection, Pool
from engine.db.sqlstate import Outdated, Resolve, failed
from engine.db.transaction import retry


class Answer(NamedTuple):
    """What a statement yields: the `body` as JSON text for the socket, and `meta` about it for the engine.

    Both are None where the statement yields no row.
    """

    body: str | None
    meta: str | None


NOTHING = Answer(None, None)


async def fetch_json(conn: Connection, text: str, args: Sequence[Any] = (), resolve: Resolve | None = None) -> Answer:
    """Runs one statement of one row (body text, meta text) or (body text).

    Raises Refused, `Violations` (the statement judged its rows and refused them) and `Outdated` (see `sqlstate`).
    """
    row = await fetch_row(conn, text, args, resolve)
    if row is None:
        return NOTHING
    return Answer(row[0], row[1] if len(row) > 1 else None)


async def fetch_row(conn: Connection, text: str, args: Sequence[Any] = (), resolve: Resolve | None = None) -> Any:
    """The first row as an asyncpg record, or None. Raises like `fetch_json`."""
    try:
        return await conn.fetchrow(text, *args)
    except Exception as error:
        raise failed(conn, error, resolve) from error


async def fetch_rows(
    conn: Connection, text: str, args: Sequence[Any] = (), resolve: Resolve | None = None
) -> list[Any]:  # fmt: skip
    """All rows as asyncpg records, for the engine's own tables. Raises like `fetch_json`."""
    try:
        rows: list[Any] = await conn.fetch(text, *args)
    except Exception as error:
        raise failed(conn, error, resolve) from error
    return rows


async def read(pool: Pool, role: str | None, text: str, args: Sequence[Any] = ()) -> Answer:
    """One reading statement as `role`; tried once again where the connection broke or DDL came between."""
    try:
        async with pool.connection(role) as conn:
            return await fetch_json(conn, text, args)
    except Outdated:
        pass
    except Refused as error:
        if error.code != "database.unreachable" or error.__cause__ is None:
            raise
    async with pool.connection(role) as conn:
        return await fetch_json(conn, text, args)


async def write(
    pool: Pool, role: str | None, text: str, args: Sequence[Any] = (), resolve: Resolve | None = None
) -> Any:  # fmt: skip
    """The row of one writing statement as `role`, its own transaction; repeated after a deadlock, not after a lost
    connection."""

    async def once() -> Any:
        async with pool.connection(role) as conn:
            return await fetch_row(conn, text, args, resolve)

    return await retry(once)
