"""A small tenant behind a real server on a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
import uvicorn

from engine.base.context import OPERATOR, Context
from engine.base.settings import Settings
from engine.http.app import create_app
from engine.http.logs import configure
from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.runtime import running
from metamodel.load import load

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "tenant_configs" / "core"
PASSWORD = "correct horse battery"
USERS = {"ada": ["admin", "keeper"], "bob": ["maker"], "eve": ["guest"], "dan": ["maker"]}


@dataclass(slots=True)
class House:
    """The running server: its address, and the ids of users by login."""

    url: str
    database: str
    users: dict[str, UUID]
    home: Path = Path()
    clients: list[httpx2.Client] = field(default_factory=list)

    def client(self, token: str | None = None, **headers: str) -> httpx2.Client:
        """A client with a credential; closed at the end of the session."""
        given = {"authorization": f"Bearer {token}", **headers} if token else headers
        made = httpx2.Client(base_url=self.url, headers=given, timeout=20)
        self.clients.append(made)
        return made

    def sign_in(self, login: str, password: str = PASSWORD) -> httpx2.Client:
        answer = self.client().post("/acme/api/session", json={"login": login, "password": password})
        assert answer.status_code == 201, answer.text
        return self.client(answer.json()["token"])


async def furnish(url: str, tenant: str = "acme") -> dict[str, UUID]:
    """A tenant of the pack beside this file, with users; the ids by login."""
    async with running(Settings(database_url=url)) as rt:
        await apply(rt, tenant, load(HERE / f"{tenant}.yaml", HERE / "packs", CORE.parent))
        release = await rt.store.release(tenant)
        made: dict[str, UUID] = {}
        for login, roles in USERS.items():
            row = {"name": login.capitalize(), "email": f"{login}@{tenant}.example"}
            request = RecordWrite(object="user", operation="create", rows=(row,))
            written = await write(rt, Context(OPERATOR, tenant, rt.clock.now()), release, request)
            made[login] = written.changed[0][0]
            await create_login(rt, release, made[login], login, PASSWORD, roles)
        return made


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The application in a thread of its own; yields its address."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings), host="127.0.0.1", port=0, log_level="warning", access_log=False, server_header=False
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(15)


@pytest.fixture(scope="session")
def house(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    url = new_database()
    configure(Settings(log_level="error"))
    users = asyncio.run(furnish(url))
    asyncio.run(furnish(url, "other"))
    home = tmp_path_factory.mktemp("home")
    with serving(Settings(database_url=url, log_level="error", home=home)) as address:
        made = House(address, url, users, home)
        yield made
        for client in made.clients:
            client.close()


@pytest.fixture(scope="session")
def ada(house: House) -> httpx2.Client:
    """May do everything."""
    return house.sign_in("ada")


@pytest.fixture(scope="session")
def bob(house: House) -> httpx2.Client:
    """Makes and changes his own things, and never sees their cost."""
    return house.sign_in("bob")


@pytest.fixture(scope="session")
def eve(house: House) -> httpx2.Client:
    """May read names of shelves only."""
    return house.sign_in("eve")
