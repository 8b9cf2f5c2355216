"""Transactions of several statements, and the repetition of work that only lost a race."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from engine.base.errors import Refused
from engine.db.pool import Connection, Pool
from engine.db.sqlstate import CONFLICTS, Resolve, failed

ATTEMPTS = 5
FIRST_PAUSE = 0.005
SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"

T = TypeVar("T")


@asynccontextmanager
async def transaction(
    pool: Pool, role: str | None = None, *, mode: str = "", resolve: Resolve | None = None
) -> AsyncIterator[Connection]:
    """BEGIN, the block, COMMIT; ROLLBACK when the block raises. Database errors leave as Refused or Violations.

    A connection lost during COMMIT is Refused "database.unreachable", and whether it committed is not known.
    """
    conn = await pool.acquire(role)
    try:
        await conn.execute(pool.begin(role, mode))
        try:
            yield conn
        except BaseException:
            if not conn.is_closed():
                await conn.execute("ROLLBACK")
            raise
        await conn.execute("COMMIT")
    except Exception as error:
        wanted = failed(conn, error, resolve)
        if wanted is error:
            raise
        raise wanted from error
    finally:
        pool.release(conn)


@asynccontextmanager
async def atomic(conn: Connection) -> AsyncIterator[None]:
    """A transaction on `conn`, or a savepoint in an open one; undone when the block raises. Errors stay as they are."""
    inner = conn.is_in_transaction()
    await conn.execute("SAVEPOINT inner_block" if inner else "BEGIN")
    try:
        yield
    except BaseException:
        if not conn.is_closed():
            undo = "ROLLBACK TO SAVEPOINT inner_block; RELEASE SAVEPOINT inner_block"
            await conn.execute(undo if inner else "ROLLBACK")
        raise
    await conn.execute("RELEASE SAVEPOINT inner_block" if inner else "COMMIT")


async def in_transaction(
    pool: Pool, role: str | None, work: Callable[[Connection], Awaitable[T]], *, mode: str = "",
    resolve: Resolve | None = None,
) -> T:  # fmt: skip
    """`work` in a transaction, begun again from the start after a serialization failure or a deadlock."""

    async def once() -> T:
        async with transaction(pool, role, mode=mode, resolve=resolve) as conn:
            return await work(conn)

    return await retry(once)


async def retry(work: Callable[[], Awaitable[T]]) -> T:
    """Repeats `work`, which must undo itself when it raises, up to 5 times with a growing random pause."""
    for attempt in range(ATTEMPTS):
        try:
            return await work()
        except Refused as error:
            cause = error.__cause__
            lost = isinstance(cause, asyncpg.PostgresError) and cause.sqlstate in CONFLICTS
            if not lost or attempt == ATTEMPTS - 1:
                raise
        await asyncio.sleep(random.uniform(0, FIRST_PAUSE * 2**attempt))
    raise AssertionError("unreachable")
