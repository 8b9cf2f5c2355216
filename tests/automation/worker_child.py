"""A worker process to be killed: `python -m tests.automation.worker_child URL`."""

from __future__ import annotations

import asyncio
import sys

from engine.automation.worker import work
from tests.automation.support import opened


async def main(url: str) -> None:
    async with opened(url) as probe:
        print("ready", flush=True)
        await work(probe.rt)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
