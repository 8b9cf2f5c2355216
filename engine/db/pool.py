"""A free list of asyncpg connections: nothing is sent on acquire or release but a change of tenant role.

asyncpg's own pool sends a RESET on each release, which halves the rate of short reads. Here a connection has no state
to reset: settings are given at connect, and the role (the tenant's) is changed only when the next user needs another.
Behind a transaction pooler there is no session: settings and role then travel with BEGIN, in one message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import date
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import asyncpg

from engine.base import limits
from engine.base.errors import Refused
from engine.db.sqlstate import translate

CONNECT_SECONDS = 10.0
_REASONS = {
    "28": "it refuses the user or the password",
    "3D": "it has no such database",
    "53": "it has no free connection",
    "57": "it is starting or stopping",
}


class Connection(asyncpg.Connection):  # type: ignore[misc,type-arg,unused-ignore]
    """An asyncpg connection that knows the role it has taken."""

    __slots__ = ("role",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.role: str | None = None


class Pool:
    """At most `size` connections. Users wait in the order they came, for at most `patience` seconds."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], size: int, *, session: bool, settings: dict[str, str],
        patience: float,
    ) -> None:  # fmt: skip
        self._connect = connect
        self._size = size
        self._session = session
        self._patience = patience
        self._local = "".join(f"SET LOCAL {name} = {quote_literal(value)};" for name, value in settings.items())
        self._free: list[Connection] = []
        self._used: set[Connection] = set()
        self._open = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closing: asyncio.Event | None = None

    async def acquire(self, role: str | None = None) -> Connection:
        """A live connection that acts as `role` (None: the user of the URL), to be given back by `release`.

        Raises Refused "database.unreachable", or "database.timeout" when none becomes free in time.
        """
        free = self._free
        while free:
            conn = free.pop() if free[-1].role == role else free.pop(self._best(role))
            if not conn.is_closed():
                break
            self._open -= 1
        else:
            conn = await self._wait_or_open()
        self._used.add(conn)
        if conn.role != role and self._session:
            await self._assume(conn, role)
        return conn

    def release(self, conn: Connection) -> None:
        """Gives `conn` back. One that was left inside a transaction is closed: nobody else may commit it."""
        self._used.discard(conn)
        if not conn.is_closed() and (conn.is_in_transaction() or self._closing):
            conn.terminate()
        if conn.is_closed():
            self._pass_on(None)
        else:
            self._pass_on(conn)
        if self._closing and not self._used:
            self._closing.set()

    def connection(self, role: str | None = None) -> _Lease:
        """`async with pool.connection("fw_acme") as conn`: for statements that are each their own transaction.

        Behind a transaction pooler the block is one transaction.
        """
        return _Lease(self, role)

    def begin(self, role: str | None = None, mode: str = "") -> str:
        """The text that opens a transaction for `role`; `mode` is like "ISOLATION LEVEL REPEATABLE READ READ ONLY"."""
        if self._session:
            return f"BEGIN {mode}"
        taken = f"SET LOCAL ROLE {quote_name(role)};" if role else ""
        return f"BEGIN {mode};{self._local}{taken}"

    async def close(self, patience: float = 10.0) -> None:
        """Waits up to `patience` seconds for the connections in use, then closes all. Nobody can acquire any more."""
        self._closing = self._closing or asyncio.Event()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Refused("database.unreachable", "The service is stopping."))
        free, self._free = self._free, []
        await asyncio.gather(*(conn.close(timeout=patience) for conn in free), return_exceptions=True)
        if self._used:
            try:
                async with asyncio.timeout(patience):
                    await self._closing.wait()
            except TimeoutError:
                for conn in self._used:
                    conn.terminate()

    def _best(self, role: str | None) -> int:
        """The place in the free list of a connection that has `role` already, else the last."""
        return next((i for i, conn in enumerate(self._free) if conn.role == role), len(self._free) - 1)

    async def _wait_or_open(self) -> Connection:
        if self._closing:
            raise Refused("database.unreachable", "The service is stopping.")
        if self._open < self._size:
            self._open += 1
            return await self._open_one()
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                given = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise Refused("database.timeout", "No database connection became free in time.") from None
            raise
        return given if given is not None and not given.is_closed() else await self._open_one()

    async def _open_one(self) -> Connection:
        """Opens a connection in a place that is already counted, and hands the place on when that fails."""
        try:
            return await self._connect()
        except BaseException:
            self._pass_on(None)
            raise

    def _pass_on(self, conn: Connection | None) -> None:
        """Gives a connection, or the place for a new one (None), to who has waited longest; else keeps or frees it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(conn)
                return
        if conn is None:
            self._open -= 1
        else:
            self._free.append(conn)

    async def _assume(self, conn: Connection, role: str | None) -> None:
        try:
            await conn.execute(f"SET ROLE {quote_name(role)}" if role else "RESET ROLE")
        except BaseException as error:
            conn.terminate()
            self.release(conn)
            if isinstance(error, Exception):
                raise translate(error) from error
            raise
        conn.role = role


class _Lease:
    __slots__ = ("_conn", "_pool", "_role")

    def __init__(self, pool: Pool, role: str | None) -> None:
        self._pool = pool
        self._role = role

    async def __aenter__(self) -> Connection:
        self._conn = conn = await self._pool.acquire(self._role)
        if not self._pool._session:
            try:
                await conn.execute(self._pool.begin(self._role))
            except BaseException:
                self._pool.release(conn)
                raise
        return conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._pool._session and not self._conn.is_closed():
                await self._conn.execute("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._pool.release(self._conn)


async def open_pool(
    url: str, size: int, *, read_only: bool = False, pooler: Literal["none", "transaction"] = "none",
    statement_seconds: float = limits.STATEMENT_SECONDS, patience: float = limits.STATEMENT_SECONDS,
    revive: Callable[[], object] | None = None,
) -> Pool:  # fmt: skip
    """A pool with one connection open, so that a wrong `url` is known at once. Raises Refused "database.unreachable".

    `revive` is called in a thread, and the connection tried again, when the server is gone (the embedded one).
    """
    milliseconds = str(int(statement_seconds * 1000))
    settings = {
        "search_path": "",
        "TimeZone": "UTC",
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "jit": "off",
        "random_page_cost": "1.1",
    }
    session = pooler == "none"
    given = {"default_transaction_read_only": "on", "application_name": "fieldwright", **settings}
    if not read_only:
        del given["default_transaction_read_only"]
    options: dict[str, Any] = {
        "server_settings": given if session else None,
        "statement_cache_size": limits.PREPARED_STATEMENTS if session else 0,
    }

    async def connect_or_revive() -> Connection:
        try:
            return await connect(url, **options)
        except Refused:
            if revive is None:
                raise
            await asyncio.to_thread(revive)
            return await connect(url, **options)

    local = settings | ({"transaction_read_only": "on"} if read_only else {})
    pool = Pool(connect_or_revive, size, session=session, settings=local, patience=patience)
    pool.release(await pool.acquire())
    return pool


async def connect(url: str, **options: Any) -> Connection:
    """One connection outside any pool. Raises Refused "database.unreachable" that names the place, never the secret."""
    given: dict[str, Any] = {
        "timeout": CONNECT_SECONDS,
        "max_cacheable_statement_size": 0,
        "max_cached_statement_lifetime": 0,
        **options,
    }
    try:
        conn: Connection = await asyncpg.connect(url, connection_class=Connection, **given)
    except asyncpg.PostgresError as error:
        reason = _REASONS.get((error.sqlstate or "")[:2], "it does not take the connection")
    except TimeoutError:
        reason = f"no answer within {CONNECT_SECONDS:.0f} s"
    except OSError as error:
        reason = error.strerror or "no connection"
    except (ValueError, asyncpg.InterfaceError):
        reason = "the address is not valid"
    else:
        # asyncpg itself would send the first and the last date there is as -infinity and infinity.
        codec = {"encoder": date.isoformat, "decoder": date.fromisoformat, "format": "text"}
        await conn.set_type_codec("date", schema="pg_catalog", **codec)
        return conn
    raise Refused("database.unreachable", f"The database at {place_of(url)} can not be reached: {reason}.") from None


def place_of(url: str) -> str:
    """Host and database, or socket folder, of a database URL: what may be shown of it."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        host = query.get("host", [parts.netloc.rpartition("@")[2]])[0] or "the default host"
    except ValueError:
        return "the given address"
    return f"{host}{parts.path}"


def quote_name(name: str) -> str:
    """An SQL identifier in double quotes. Raises ValueError for one that PostgreSQL would refuse or cut off."""
    if not name or "\0" in name or len(name.encode()) > 63:
        raise ValueError(f"not an identifier: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """An SQL string literal for text without backslash or NUL, under standard_conforming_strings."""
    if "\0" in text or "\\" in text:
        raise ValueError(f"not a plain literal: {text!r}")
    return "'" + text.replace("'", "''") + "'"
