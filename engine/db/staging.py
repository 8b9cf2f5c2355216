"""A temporary table of text rows with line numbers, filled by COPY and read back in batches on the same connection."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import Any

from engine.db.pool import Connection

TABLE = "fieldwright_staging"


async def stage(conn: Connection, width: int, rows: AsyncIterable[tuple[Any, ...]]) -> None:
    """Copies rows of (line, text or None, ... `width` times) into the table, which lives as long as the connection.

    The copy takes as long as the file is large.
    """
    await conn.execute("SET statement_timeout = 0")
    names = [f"c{n}" for n in range(width)]
    columns = ", ".join(f"{name} text" for name in names)
    await conn.execute(f"DROP TABLE IF EXISTS pg_temp.{TABLE}")
    await conn.execute(f"CREATE TEMP TABLE {TABLE} (line bigint PRIMARY KEY, {columns})")
    await conn.copy_records_to_table(TABLE, schema_name="pg_temp", records=rows, columns=["line", *names])
    await conn.execute(f"ANALYZE pg_temp.{TABLE}; RESET statement_timeout")


async def repeated(conn: Connection, columns: Sequence[int]) -> dict[int, int]:
    """The lines whose values in all these columns stood in an earlier line already: line -> that earlier line."""
    names = [f"c{column}" for column in columns]
    given = " AND ".join(f"{name} IS NOT NULL" for name in names)
    rows = await conn.fetch(
        f"SELECT line, first FROM (SELECT line, min(line) OVER (PARTITION BY {', '.join(names)}) AS first "
        f"FROM pg_temp.{TABLE} WHERE {given}) AS r WHERE line > first"
    )
    return {row["line"]: row["first"] for row in rows}


async def batch(conn: Connection, width: int, after: int, size: int) -> Sequence[Any]:
    """The next rows behind line `after`, in order. Columns are named, so that no kept statement outlives a table."""
    columns = ", ".join(f"c{n}" for n in range(width))
    found: Sequence[Any] = await conn.fetch(
        f"SELECT line, {columns} FROM pg_temp.{TABLE} WHERE line > $1 ORDER BY line LIMIT $2", after, size
    )
    return found


async def drop(conn: Connection) -> None:
    """Takes the table away before the connection is given back."""
    if not conn.is_closed():
        await conn.execute(f"DROP TABLE IF EXISTS pg_temp.{TABLE}; RESET statement_timeout")
