"""`fieldwright serve` and `fieldwright worker`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated

import typer

from engine.automation.worker import work
from engine.base.settings import Settings
from engine.cli.console import out
from engine.http.logs import configure
from engine.http.serve import run
from engine.runtime import follow, running


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port (default: 8000).")] = None,
    worker: Annotated[bool, typer.Option(help="Carry out workflow runs in this process, too.")] = True,
) -> None:
    """Serve the API of all tenants, until SIGINT or SIGTERM."""
    run(Settings(), worker=worker, host=host, port=port)


def worker(
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Runs at the same time.")] = 4,
) -> None:
    """Carry out workflow runs, until SIGINT or SIGTERM."""
    settings = Settings()
    configure(settings)

    async def go() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        async with running(settings) as rt:
            following = asyncio.create_task(follow(rt))
            out.print("working", markup=False)
            try:
                await work(rt, stop=stop, concurrency=concurrency)
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following

    asyncio.run(go())
