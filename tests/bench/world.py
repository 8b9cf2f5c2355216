"""The two services on one PostgreSQL: Fieldwright as its command line sets it up, the floor beside it, equal rows."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from engine.db import embedded
from tests.bench import floor
from tests.bench.measure import ROOT

HERE = Path(__file__).parent
TENANT, SCHEMA, LOGIN = "bench", "t_bench", "bench@bench.example"
STAGES = ("lead", "qualify", "needs", "demo", "proposal", "quote", "negotiation", "won", "lost")
API = f"/{TENANT}/api"
CLI = (sys.executable, "-m", "engine.cli.main")
START_SECONDS = 60.0
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Service:
    """A running process and what a caller needs to talk to it."""

    pid: int
    port: int
    headers: dict[str, str]
    ready_seconds: float

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of one request. Raises RuntimeError for anything but a success."""
        status, text = ask(self.port, method, path, self.headers, body)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {text[:500]!r}")
        return json.loads(text)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a workload may use. `ids` and `accounts` are those of the rows that were there at the start."""

    home: Path
    url: str
    postmaster: int
    version: str
    product: Service
    floor: Service
    ids: list[str]
    accounts: list[tuple[str, str]]
    token: str


def ask(port: int, method: str, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, bytes]:
    """One request on a connection of its own. Raises OSError where nobody listens."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        given = None if body is None else json.dumps(body).encode()
        conn.request(method, path, given, headers | ({"content-type": "application/json"} if given else {}))
        answer = conn.getresponse()
        return answer.status, answer.read()
    finally:
        conn.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def environment(home: Path) -> dict[str, str]:
    """The environment of the services: compiled modules are kept beside `home`, whatever the caller's Python does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ours = {"FIELDWRIGHT_HOME": str(home), "FIELDWRIGHT_LOG_FORMAT": "json"}
    return kept | ours | {"PYTHONPYCACHEPREFIX": str(home.parent / "modules")}


def command(home: Path, *args: str, code: int = 0) -> str:
    """What a command of Fieldwright prints. Raises RuntimeError where it fails."""
    done = subprocess.run([*CLI, *args], cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(f"fieldwright {' '.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def process(arguments: list[str], port: int, ready: str, home: Path, headers: dict[str, str]) -> Iterator[Service]:
    """A service from its start to its end; yields as soon as `ready` answers 200. Output goes to a file in `home`."""
    log = home / f"service-{port}.log"
    with log.open("wb") as out:
        began = time.perf_counter()
        child = subprocess.Popen(arguments, cwd=ROOT, env=environment(home), stdout=out, stderr=out)
        try:
            while True:
                try:
                    if ask(port, "GET", ready, {})[0] == 200:
                        break
                except OSError:
                    pass
                if child.poll() is not None or time.perf_counter() - began > START_SECONDS:
                    raise RuntimeError(f"{' '.join(arguments)} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.005)
            yield Service(child.pid, port, headers, time.perf_counter() - began)
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


@contextmanager
def serve(home: Path, token: str) -> Iterator[Service]:
    """One worker of Fieldwright with its access log as JSON, without workflow runs."""
    port = free_port()
    headers = {"authorization": f"Bearer {token}"}
    arguments = [*CLI, "serve", "--port", str(port), "--no-worker"]
    with process(arguments, port, "/health/ready", home, headers) as service:
        yield service


@contextmanager
def serve_floor(home: Path, url: str) -> Iterator[Service]:
    port = free_port()
    with process([sys.executable, "-m", "tests.bench.floor", url, str(port)], port, "/ready", home, {}) as service:
        yield service


def settle(home: Path) -> str:
    """The tenant with its user; the user's token."""
    command(home, "apply", str(HERE / "tenant.yaml"), "--packs", str(HERE), "--yes")
    command(home, "user", "add", TENANT, LOGIN, "--name", "Bench", "--role", TENANT)
    return command(home, "token", "create", TENANT, LOGIN).strip()


def opportunity(at: int, account: str, chance: random.Random) -> dict[str, Any]:
    """One plausible record."""
    return {
        "name": f"Opportunity {at:06d}",
        "account": account,
        "stage": chance.choice(STAGES),
        "amount": chance.randrange(1_000, 5_000_000),
        "probability": chance.randrange(0, 101) / 100,
        "close_date": (date(2026, 1, 1) + timedelta(days=chance.randrange(365))).isoformat(),
        "next_step": f"Call back {chance.randrange(1_000)}",
    }


def fill(service: Service, rows: int) -> tuple[list[str], list[tuple[str, str]], float]:
    """`rows` opportunities and a twentieth of it accounts, through the API; ids, (id, name) of accounts, seconds."""
    chance = random.Random(7)
    began = time.perf_counter()
    accounts: list[tuple[str, str]] = []
    for first in range(0, max(rows // 20, 1), BATCH):
        batch = [
            {"name": f"Account {n:05d}", "region": chance.choice(("east", "west"))}
            for n in range(first, min(first + BATCH, max(rows // 20, 1)))
        ]
        made = service.call("POST", f"{API}/records/account", batch)["items"]
        accounts += [(item["id"], row["name"]) for item, row in zip(made, batch, strict=True)]
    ids: list[str] = []
    for first in range(0, rows, BATCH):
        batch = [opportunity(n, chance.choice(accounts)[0], chance) for n in range(first, min(first + BATCH, rows))]
        ids += [item["id"] for item in service.call("POST", f"{API}/records/opportunity", batch)["items"]]
    return ids, accounts, time.perf_counter() - began


async def connect(url: str) -> Any:
    return await asyncpg.connect(url)


@contextmanager
def world(home: Path, rows: int, say: Any) -> Iterator[World]:
    """Starts PostgreSQL and both services in `home`, fills them, and stops all of it at the end."""
    server = embedded.start(home)
    try:
        token = settle(home)
        postmaster = int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])
        with serve(home, token) as product:
            ids, accounts, seconds = fill(product, rows)
            say(f"filled through the API: {rows:,} records in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")

        async def lay() -> None:
            conn = await connect(server.url)
            await floor.lay(conn, SCHEMA)
            await conn.close()

        asyncio.run(lay())
        with serve(home, token) as product, serve_floor(home, server.url) as below:
            yield World(home, server.url, postmaster, server.version, product, below, ids, accounts, token)
    finally:
        server.detach()
