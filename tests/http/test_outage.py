"""When the database goes away while the service runs, and when a client does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2
import pytest

from engine.base.settings import Settings
from tests.http.conftest import PASSWORD, House, furnish, serving

THINGS = "/acme/api/records/thing"


class Cable:
    """Carries bytes between TCP clients and the database's socket until it is cut."""

    def __init__(self, database: str) -> None:
        parts = urlsplit(database)
        query = parse_qs(parts.query)
        self.folder, self.host, self.port = query.get("host", [None])[0], parts.hostname, parts.port or 5432
        if self.folder:
            self.port = int(query.get("port", ["5432"])[0])
        self.listener = socket.create_server(("127.0.0.1", 0))
        here = f"127.0.0.1:{self.listener.getsockname()[1]}"
        secret = f":{parts.password}" if parts.password else ""
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}{secret}@{here}", query=""))
        self.open: list[socket.socket] = []
        self.cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.cut:
                near.close()
                continue
            if self.folder:
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{self.folder}/.s.PGSQL.{self.port}")
            else:
                far = socket.create_connection((self.host or "127.0.0.1", self.port))
            self.open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def pull(self) -> None:
        self.cut = True
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open.clear()


@pytest.fixture
def cabled(new_database: Callable[[], str]) -> Iterator[tuple[Cable, httpx2.Client]]:
    database = new_database()
    asyncio.run(furnish(database))
    cable = Cable(database)
    settings = Settings(database_url=cable.url, log_level="critical")
    with serving(settings) as address, httpx2.Client(base_url=address, timeout=20) as client:
        token = client.post("/acme/api/session", json={"login": "ada", "password": PASSWORD}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield cable, client
    cable.listener.close()


def test_an_unreachable_database_is_said_so_and_got_over(cabled: tuple[Cable, httpx2.Client]) -> None:
    cable, client = cabled
    assert client.post(THINGS, json={"name": "before"}).status_code == 201
    cable.pull()
    for answer in (
        client.get(THINGS),
        client.post(THINGS, json={"name": "x"}),
        client.get("/health/ready"),
        client.post("/acme/api/session", json={"login": "bob", "password": PASSWORD}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "database.unreachable")
        assert answer.headers["retry-after"] and "127.0.0.1" not in answer.text and "detail" not in answer.json()
    assert client.get("/health/live").status_code == 200
    cable.cut = False
    deadline = time.monotonic() + 5
    while client.get(THINGS).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get("/health/ready").status_code == 200


def test_clients_that_hang_up_do_no_harm(house: House, ada: httpx2.Client) -> None:
    host, port = house.url.removeprefix("http://").split(":")
    token = ada.headers["authorization"]
    for _ in range(20):
        with socket.create_connection((host, int(port))) as half:
            half.sendall(
                f"POST {THINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
                'Content-Length: 1000\r\n\r\n{"name": "half'.encode()
            )
    assert ada.get(THINGS, params={"where": 'name = "half"', "count": "exact"}).json()["total"] == 0
