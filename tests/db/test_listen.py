"""Wake-ups arrive, a broken connection is made again, and polling goes on without any."""

from __future__ import annotations

import asyncio

from engine.db.listen import Listener, notify
from engine.db.pool import connect


async def _until(heard: list[str | None], wanted: str | None, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while heard.count(wanted) < count:
            await asyncio.sleep(0.01)


def test_hears_and_reconnects(database_url: str) -> None:
    async def go() -> None:
        heard: list[str | None] = []
        failing = [0]

        def fail(_: str | None) -> None:
            failing[0] += 1
            raise RuntimeError

        listener = Listener(database_url, poll_seconds=60)
        listener.subscribe("news", fail)
        listener.subscribe("news", heard.append)
        await listener.start()
        await _until(heard, None)
        conn = await connect(database_url)
        await notify(conn, "news", "one")
        await _until(heard, "one")
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fieldwright listener' "
            "AND datname = current_database()"
        )
        await _until(heard, None, 2)
        await notify(conn, "news", "two")
        await _until(heard, "two")
        assert failing[0] == len(heard)
        await listener.close()
        await conn.close()

    asyncio.run(go())


def test_polls_where_it_can_not_listen(database_url: str) -> None:
    async def go() -> None:
        heard: list[str | None] = []
        listener = Listener(database_url, poll_seconds=0.02, listen=False)
        listener.subscribe("news", heard.append)
        await listener.start()
        await _until(heard, None, 3)
        await listener.close()

    asyncio.run(go())


def test_goes_on_looking_while_the_database_is_away() -> None:
    async def go() -> None:
        heard: list[str | None] = []
        listener = Listener("postgresql://u@/db?host=/nowhere/at/all", poll_seconds=60)
        listener.subscribe("news", heard.append)
        await listener.start()
        await _until(heard, None, 3)
        await listener.close()

    asyncio.run(go())
