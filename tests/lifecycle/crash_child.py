"""An apply that kills itself: `python -m tests.lifecycle.crash_child URL TENANT FOLDER WHERE`.

WHERE is the number of the statement before which it dies, or `publish` (before the commit), or `seeds`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from engine.lifecycle import apply as module
from engine.lifecycle import seeds
from engine.tenants.store import publish
from tests.tenancy import load_folder, opened


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(where: str) -> None:
    statements = module._patiently
    done = 0

    async def counted(conn: Any, text: str, run: Any = statements) -> Any:
        nonlocal done
        if str(done) == where:
            die()
        done += 1
        return await run(conn, text)

    async def published(*args: Any) -> None:
        await publish(*args)
        die()

    async def planting(*args: Any) -> int:
        die()
        return 0

    unhurried = module._unhurried
    module._patiently = counted
    module._unhurried = lambda conn, text: counted(conn, text, unhurried)
    if where == "publish":
        vars(module)["publish"] = published
    if where == "seeds":
        vars(seeds)["plant"] = planting


async def main(url: str, tenant: str, folder: str, where: str) -> None:
    arm(where)
    async with opened(url) as rt:
        await module.apply(rt, tenant, load_folder(Path(folder)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
