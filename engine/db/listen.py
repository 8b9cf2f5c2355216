"""NOTIFY as a wake-up and polling as the truth: a message may be lost, a look around may not."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from engine.base.errors import Refused
from engine.db.pool import Connection, connect

Callback = Callable[[str | None], None]
"""Gets the payload of a message, or None for "look yourself": at the start, after a reconnect, and every poll."""

RETRY_SECONDS = (0.05, 0.2, 1.0, 5.0)

log = structlog.get_logger("fieldwright.db")


class Listener:
    """One connection that listens to all channels, made again whenever it breaks.

    `listen=False` (behind a transaction pooler, where LISTEN has no session to live in) leaves only the polling.
    """

    def __init__(self, url: str, *, poll_seconds: float = 1.0, listen: bool = True) -> None:
        self._url = url
        self._poll = poll_seconds
        self._listen = listen
        self._callbacks: defaultdict[str, list[Callback]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, channel: str, callback: Callback) -> None:
        """`callback` runs on the event loop and must not block. To be called before `start`."""
        self._callbacks[channel].append(callback)

    async def start(self) -> None:
        self._task = self._task or asyncio.create_task(self._run(), name="database-listener")

    async def close(self) -> None:
        task, self._task = self._task, None
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                if self._listen:
                    await self._stay_connected()
                else:
                    self._look()
                    await asyncio.sleep(self._poll)
                failures = 0
            except (Refused, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listener lost its connection", error=str(error))
                self._look()
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1

    async def _stay_connected(self) -> None:
        """Returns when an established connection ends; raises when none can be made."""
        conn = await connect(self._url, server_settings={"application_name": "fieldwright listener"})
        ended = asyncio.Event()
        conn.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._callbacks:
                await conn.add_listener(channel, self._heard)
            self._look()
            while not ended.is_set():
                try:
                    async with asyncio.timeout(self._poll):
                        await ended.wait()
                except TimeoutError:
                    await conn.execute("SELECT 1", timeout=5)
                    self._look()
        finally:
            conn.terminate()

    def _heard(self, _conn: Any, _pid: int, channel: str, payload: str) -> None:
        for callback in self._callbacks[channel]:
            self._call(callback, payload)

    def _look(self) -> None:
        for callbacks in self._callbacks.values():
            for callback in callbacks:
                self._call(callback, None)

    def _call(self, callback: Callback, payload: str | None) -> None:
        try:
            callback(payload)
        except Exception:
            log.exception("listener callback failed")


async def notify(conn: Connection, channel: str, payload: str = "") -> None:
    """Sends at commit; `payload` is at most 7,999 bytes."""
    await conn.execute("SELECT pg_catalog.pg_notify($1, $2)", channel, payload)
