"""Server, worker, database sessions and the database itself are killed (SIGKILL) while clients write over HTTP.

What was acknowledged is there, what was not is there at most once, and every effect of it came once.
`FIELDWRIGHT_TEST_KILLS` says how often something is killed (60 times where it is missing).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from engine.base.limits import RUN_LEASE_SECONDS
from engine.base.settings import Settings
from engine.db import embedded
from engine.runtime import running
from tests.proofs.vault import LOGIN, PASSWORD, TENANT, furnish
from tests.tenancy import create

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("FIELDWRIGHT_TEST_KILLS", "60"))
CLIENTS = 4
RECOVERY_SECONDS = 20
SERVE = "from engine.base.settings import Settings; from engine.http.serve import run; run(Settings(), worker=False)"
WORK = "from engine.cli.serve import worker; worker(4)"
PASSING = (409, 429, 503)
"""The answers after which a client tries again: under way, too many, not there at the moment."""


class House:
    """A server and a worker in processes of their own, on a database of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        environment = {**os.environ, "FIELDWRIGHT_HOME": str(self.home), "FIELDWRIGHT_PORT": str(self.port),
                       "FIELDWRIGHT_LOG_LEVEL": "critical"}  # fmt: skip
        environment.pop("FIELDWRIGHT_DATABASE_URL", None)
        program = {"server": SERVE, "worker": WORK}[name]
        with (self.home.parent / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        child = self.children[name]
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.start(name)

    def kill_session(self, chance: random.Random) -> None:
        """One of the database's processes that serve a connection; the database then starts all of them anew."""

        async def sessions() -> list[int]:
            conn = await asyncpg.connect(embedded.start(self.home).url)
            try:
                found = await conn.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
                return [row["pid"] for row in found]
            finally:
                await conn.close()

        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if pids := asyncio.run(sessions()):
                os.kill(chance.choice(pids), signal.SIGKILL)

    def kill_database(self) -> None:
        pid = int((embedded.start(self.home).data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        for child in self.children.values():
            child.kill()
            child.wait()


@pytest.fixture
def house() -> Iterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="fw-"))
    folder.chmod(0o755)
    made = House(folder / "home")
    yield made
    made.stop()
    embedded.stop(made.home)
    shutil.rmtree(folder)


class Client(threading.Thread):
    """Writes until told to stop; `paid` and `said` are what it was told was done."""

    def __init__(self, number: int, house: House, token: str, world: dict[str, list[str]], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number, self.world, self.stop = number, world, stop
        self.chance = random.Random(number)
        self.http = httpx2.Client(base_url=house.url, headers={"authorization": f"Bearer {token}"}, timeout=10)
        self.paid: dict[str, str] = {}
        self.said: list[str] = []
        self.told: Counter[int] = Counter()
        self.failed: str | None = None

    @property
    def done(self) -> int:
        return len(self.paid) + len(self.said)

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.chance.choice((self.pay, self.say))()
                time.sleep(0.005)
        except Exception as error:
            self.failed = repr(error)

    def until_told(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Asks again with the same words until there is an answer that is no excuse."""
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = self.http.request(method, f"/{TENANT}/api/{path}", **given)
                self.told[answer.status_code] += 1
                if answer.status_code not in PASSING:
                    return answer
            time.sleep(0.05)

    def pay(self) -> None:
        slip = f"{self.number}-{len(self.paid)}"
        row = {"vault": self.chance.choice(self.world["vault"]), "amount": self.chance.randint(0, 9), "slip": slip}
        answer = self.until_told("POST", "records/entry", json=row, headers={"idempotency-key": slip})
        assert answer.status_code == 201, answer.text
        self.paid[slip] = answer.json()["id"]

    def say(self) -> None:
        """Whether a word was written that nobody answered is seen when the page is read again."""
        path, word = f"records/page/{self.chance.choice(self.world['page'])}", f"{self.number}.{len(self.said)}"
        while True:
            page = self.until_told("GET", path)
            words = page.json()["words"] or ""
            if word in words.split():
                break
            given = {"json": {"words": f"{words} {word}"}, "headers": {"if-match": page.headers["etag"]}}
            answer = self.until_told("PATCH", path, **given)
            assert answer.status_code in (200, 412), answer.text
        self.said.append(word)


async def prepare(house: House) -> dict[str, list[str]]:
    async with running(Settings(home=house.home, database_url=None)) as rt:
        release = await furnish(rt, house.home.parent)
        return {
            name: [str(i) for i in await create(rt, release, name, *({"name": f"{n}"} for n in range(3)))]
            for name in ("vault", "page")
        }


def test_what_was_acknowledged_is_there_once(house: House) -> None:
    chance = random.Random(5)
    world = asyncio.run(prepare(house))
    house.start("server")
    house.start("worker")
    token = signed_in(house)
    stop = threading.Event()
    clients = [Client(n, house, token, world, stop) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    killed: Counter[str] = Counter()
    longest = 0.0
    for _ in range(KILLS):
        longest = max(longest, wait_for(clients, 10))
        time.sleep(chance.uniform(0.0, 0.5))
        what = chance.choices(("server", "worker", "session", "database"), (3, 3, 3, 1))[0]
        killed[what] += 1
        if what == "session":
            house.kill_session(chance)
        elif what == "database":
            house.kill_database()
        else:
            house.kill(what)
        assert not [client.failed for client in clients if client.failed]
    wait_for(clients, 10)
    stop.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive()
        assert client.failed is None
    told = sum((client.told for client in clients), Counter())
    paid = sum(len(client.paid) for client in clients)
    print(f"{dict(killed)}; {paid} entries, {sum(len(c.said) for c in clients)} words; answers {dict(told)}; "
          f"the longest wait for the next ten writes was {longest:.1f} s")  # fmt: skip
    assert paid > KILLS and not [status for status in told if status >= 500 and status != 503]
    asyncio.run(judge(house, clients))


def wait_for(clients: list[Client], more: int) -> float:
    """Waits until the clients were told of so many more writes; how long it took."""
    began, done = time.monotonic(), sum(client.done for client in clients)
    while sum(client.done for client in clients) < done + more:
        assert not [client.failed for client in clients if client.failed]
        assert time.monotonic() - began < RECOVERY_SECONDS, "nothing is written any more"
        time.sleep(0.02)
    return time.monotonic() - began


def signed_in(house: House) -> str:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx2.TransportError):
            given = {"login": LOGIN, "password": PASSWORD}
            answer = httpx2.post(f"{house.url}/{TENANT}/api/session", json=given, timeout=20)
            if answer.status_code == 201:
                return str(answer.json()["token"])
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def judge(house: House, clients: list[Client]) -> None:
    conn = await asyncpg.connect(embedded.start(house.home).url)
    try:

        async def rows(text: str) -> list[Any]:
            return list(await conn.fetch(text.replace("{s}", f'"t_{TENANT}"')))

        deadline = time.monotonic() + 3 * RUN_LEASE_SECONDS + 60
        while (left := (await rows("SELECT count(*) AS n FROM fieldwright.pgqueuer"))[0]["n"]) > 0:
            assert time.monotonic() < deadline, f"{left} jobs are left"
            await asyncio.sleep(0.2)
        entries = {row["slip"]: str(row["id"]) for row in await rows("SELECT slip, id FROM {s}.entry")}
        paid = {slip: record for client in clients for slip, record in client.paid.items()}
        # One entry of each client may be there that nobody told it of: the last one, when it was told to stop.
        assert paid.items() <= entries.items() and len(entries) - len(paid) <= len(clients)
        marks = await rows("SELECT entry, count(*) AS n FROM {s}.mark GROUP BY entry")
        assert {str(row["entry"]): row["n"] for row in marks} == dict.fromkeys(entries.values(), 1)
        drift = await rows(
            "SELECT v.name FROM {s}.vault v LEFT JOIN {s}.entry e ON e.vault = v.id GROUP BY v.id "
            "HAVING coalesce(v.balance, 0) <> coalesce(sum(e.amount), 0)"
        )
        assert drift == []
        numbers = sorted(int(row["no"]) for row in await rows("SELECT no FROM {s}.entry"))
        assert numbers == list(range(1, len(entries) + 1))
        said = [word for row in await rows("SELECT words FROM {s}.page") for word in (row["words"] or "").split()]
        assert Counter(said) - Counter(word for client in clients for word in client.said) == Counter()
        assert len(said) == len(set(said)) == sum(len(client.said) for client in clients)
        events = await rows("SELECT object, record, version, count(*) FROM {s}._event GROUP BY 1, 2, 3 HAVING count(*) > 1")
        assert events == []
    finally:
        await conn.close()
