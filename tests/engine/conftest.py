"""The tenant of this room, applied once; one runtime for all its tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from engine.base.context import OPERATOR, Context
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from tests.engine.attic import Attic, settled
from tests.engine.support import PACK, ROLES, TENANT, Yard
from tests.tenancy import load_folder, opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of the room share the loop of its runtime."""
    for item in items:
        ours = Path(__file__).parent in item.path.parents and isinstance(item, pytest.Function)
        if ours and asyncio.iscoroutinefunction(item.obj):  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def yard_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def yard(yard_url: str) -> AsyncIterator[Yard]:
    async with opened(yard_url, pool_size=10) as rt:
        release = (await apply(rt, TENANT, load_folder(PACK))).release
        users: dict[str, dict[str, Any]] = {}
        for name in (*ROLES, "other"):
            title = {"local": "south", "other": None}.get(name, "north")
            row = {"name": name, "email": f"{name}@example.com", "title": title}
            request = RecordWrite(object="user", operation="create", rows=(row,))
            written = await write(rt, Context(OPERATOR, TENANT, rt.clock.now()), release, request)
            users[name] = {"id": UUID(int=written.changed[0][0].int), "name": name, "title": title}
        yield Yard(rt, release, users)


@pytest_asyncio.fixture(loop_scope="session")
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[Attic]:
    async with settled(database_url, tmp_path / "attic", f"attic_{uuid4().hex[:8]}") as made:
        yield made
