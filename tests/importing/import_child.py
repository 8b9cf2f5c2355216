"""A process to be killed while it imports: `python -m tests.importing.import_child URL HOME [IMPORT]`; without an import
it is a worker of the queue."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from engine.automation.imports import run_import
from engine.automation.worker import work
from engine.base.settings import Settings
from engine.runtime import running
from tests.importing.conftest import TENANT


async def main(url: str, home: str, id_: str = "") -> None:
    async with running(Settings(database_url=url, home=Path(home), pool_size=6), migrate=False) as rt:
        await rt.store.release(TENANT)
        print("ready", flush=True)
        await (run_import(rt, TENANT, UUID(id_)) if id_ else work(rt))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
