"""The database's connection breaks at each message of a request, answers late, or has no room left.

After each fault the tenant holds all of the request's effect or none of it, the answer is the effect or 503, and the
same request sent again, where it bears a key, comes to its effect once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
import pytest

from engine.base.settings import Settings
from engine.db import embedded
from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from tests.http.conftest import PASSWORD, serving
from tests.http.test_doors import TENANT, WHOLE, pack
from tests.http.test_outage import Cable
from tests.tenancy import create, load_with_settings, opened, sql, write_pack

TABLES = ("dossier", "copy", "letter", "site", "_history", "_stage_history", "_event", "_merge")
Where = Literal["before", "after"]


class Frayed(Cable):
    """A cable that breaks at the n-th message from a client once it is armed: before it is passed on, or before its
    answer is; or that only passes it on late."""

    def __init__(self, database: str) -> None:
        self.left: int | None = None
        self.where: Where = "before"
        self.delay = 0.0
        self.broken = False
        self.lock = threading.Lock()
        super().__init__(database)

    def arm(self, message: int, where: Where = "before", delay: float = 0.0) -> None:
        with self.lock:
            self.left, self.where, self.delay, self.broken = message, where, delay, False

    def disarm(self) -> bool:
        """Whether it did break."""
        with self.lock:
            self.left = None
            return self.broken

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        from_client = source.family == socket.AF_INET and source.getsockname()[1] == self.listener.getsockname()[1]
        try:
            while data := source.recv(65536):
                breaks = from_client and self._counts()
                if breaks and self.delay:
                    time.sleep(self.delay)
                elif breaks and self.where == "before":
                    break
                target.sendall(data)
                if breaks and not self.delay:
                    # What was sent is done; its answer gets nowhere.
                    source.shutdown(socket.SHUT_RDWR)
                    time.sleep(0.05)
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _counts(self) -> bool:
        with self.lock:
            if self.left is None:
                return False
            self.left -= 1
            if self.left == 0:
                self.left, self.broken = None, True
            return self.broken and self.left is None


class Tenant:
    """The tenant behind a server whose way to the database may break."""

    def __init__(self, url: str, cable: Frayed | None, client: httpx2.Client) -> None:
        self.url, self.cable, self.client, self.numbers = url, cable, client, count()

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        return self.client.post(f"/{TENANT}/api/{path}", json=body, headers={"if-match": "*", **headers})

    def make(self, obj: str = "dossier", **row: Any) -> str:
        answer = self.post(f"records/{obj}", {"name": f"f{next(self.numbers)}", **row})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def dossier(self) -> str:
        made = self.make(**WHOLE)
        assert self.post(f"records/dossier/{made}/tasks/checked", {"done": True}).status_code == 200
        return made

    def held(self) -> dict[str, int]:
        """How many rows each table has, and how many changes the dossiers have had."""

        async def look() -> dict[str, int]:
            conn = await asyncpg.connect(self.url)
            try:
                found = {t: await conn.fetchval(f'SELECT count(*) FROM "t_{TENANT}".{t}') for t in TABLES}
                found["versions"] = await conn.fetchval(f'SELECT sum(version) FROM "t_{TENANT}".dossier') or 0
                found["bin"] = await conn.fetchval(f'SELECT count(deleted_at) FROM "t_{TENANT}".dossier')
                return found
            finally:
                await conn.close()

        return asyncio.run(look())


Request = tuple[str, str, Any]
"""Method, path and body."""


def name(tenant: Tenant) -> str:
    return f"n{next(tenant.numbers)}"


def restoring(tenant: Tenant) -> Request:
    made = tenant.dossier()
    path = f"/{TENANT}/api/records/dossier/{made}"
    assert tenant.client.delete(path, headers={"if-match": "*"}).status_code == 204
    return "POST", f"records/dossier/{made}/restore", {}


SCENARIOS: dict[str, Callable[[Tenant], Request]] = {
    "create": lambda t: ("POST", "records/dossier", {"name": name(t), **WHOLE}),
    "list": lambda t: ("POST", "records/dossier", [{"name": name(t)}, {"name": name(t)}]),
    "each": lambda t: ("POST", "records/dossier?each=true", [{"name": name(t)}, {"qty": -1}, {"name": name(t)}]),
    "patch": lambda t: ("PATCH", f"records/dossier/{t.dossier()}", {"qty": 7}),
    "move": lambda t: ("POST", f"records/dossier/{t.dossier()}/move", {"to": "ready"}),
    "task": lambda t: ("POST", f"records/dossier/{t.make(**WHOLE)}/tasks/checked", {"done": True}),
    "upsert": lambda t: ("POST", "upsert/dossier?key=name", {"name": name(t), "qty": 3}),
    "batch": lambda t: ("POST", "batch", {"steps": [
        {"object": "site", "create": {"name": name(t)}, "ref": "s"},
        {"object": "dossier", "create": {"name": name(t), "site": {"ref": "s"}}},
        {"object": "dossier", "update": {"qty": 2}, "id": t.dossier(), "if_match": "*"}]}),
    "conversion": lambda t: ("POST", f"records/letter/{t.make('letter')}/convert/n_free", {}),
    "merge": lambda t: ("POST", f"records/dossier/{t.dossier()}/merge", {"from": [t.make(), t.make()]}),
    "delete": lambda t: ("DELETE", f"records/dossier/{t.dossier()}", None),
    "restore": restoring,
    "ask": lambda t: ("POST", "duplicates/dossier", {"values": {"serial": "x"}}),
    "read": lambda t: ("GET", f"records/dossier/{t.dossier()}", None),
    "page": lambda t: ("GET", "records/dossier?limit=5&order=-qty", None),
    "moves": lambda t: ("GET", f"records/dossier/{t.dossier()}/moves", None),
    "history": lambda t: ("GET", f"records/dossier/{t.dossier()}/history", None),
    "sign in": lambda t: ("POST", "session", {"login": "ann", "password": PASSWORD}),
}  # fmt: skip
KEYED = ("create", "list", "each", "move", "task", "upsert", "batch", "conversion", "merge", "restore")


def furnish(url: str, folder: Path) -> None:
    free = {"kind": "conversion", "name": "n_free", "object": "letter", "refs": {"dossier": "made"},
            "creates": {"made": {"object": "dossier", "values": {"name": '"of " & name'}}}}  # fmt: skip

    async def go() -> None:
        async with opened(url) as rt:
            loaded = load_with_settings(write_pack(folder / TENANT, [*pack(), free]), TENANT, {"core": ">=0.1", TENANT: ">=0.1"})
            release = (await apply(rt, TENANT, loaded)).release
            (user,) = await create(rt, release, "user", {"name": "Ann", "email": "ann@doors.example"})
            await create_login(rt, release, user, "ann", PASSWORD, ["clerk", "admin"])

    asyncio.run(go())


def signed_in(client: httpx2.Client) -> None:
    answer = client.post(f"/{TENANT}/api/session", json={"login": "ann", "password": PASSWORD})
    client.headers["authorization"] = f"Bearer {answer.json()['token']}"


@pytest.fixture(scope="module")
def tenant(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    url, folder = new_database(), tmp_path_factory.mktemp("faults")
    furnish(url, folder)
    cable = Frayed(url)
    settings = Settings(database_url=cable.url, log_level="critical", home=folder)
    with serving(settings) as address, httpx2.Client(base_url=address, timeout=30) as client:
        signed_in(client)
        yield Tenant(url, cable, client)
    cable.listener.close()


def ask(tenant: Tenant, request: Request, key: str | None) -> httpx2.Response:
    method, path, body = request
    headers = {"if-match": "*"} | ({"idempotency-key": key} if key else {})
    content = None if body is None else json.dumps(body)
    return tenant.client.request(
        method, f"/{TENANT}/api/{path}", content=content, headers=headers | {"content-type": "application/json"}
    )


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in before if after[name] != before[name]}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_connection_that_breaks_anywhere(tenant: Tenant, scenario: str) -> None:
    make, cable = SCENARIOS[scenario], tenant.cable
    assert cable is not None
    request, before = make(tenant), tenant.held()
    assert ask(tenant, request, f"{scenario} whole".replace(" ", "-")).status_code < 300
    whole = grown(before := {**before}, tenant.held()) if scenario not in ("read",) else {}
    tried = 0
    for where in ("before", "after"):
        for message in range(1, 40):
            request = make(tenant)
            before, key = tenant.held(), f"{scenario}-{where}-{message}".replace(" ", "-")
            cable.arm(message, where)  # type: ignore[arg-type]
            answer = ask(tenant, request, key if scenario in KEYED else None)
            broke = cable.disarm()
            settled(tenant)
            found = grown(before, tenant.held())
            assert found in ({}, whole), (where, message, found, whole)
            assert answer.status_code < 300 or answer.status_code == 503, (where, message, answer.text)
            assert found == whole or answer.status_code == 503
            if answer.status_code == 503:
                assert answer.headers["retry-after"] and answer.json()["code"].startswith("database.")
            if scenario in KEYED:
                again = ask(tenant, request, key)
                assert again.status_code < 300, (where, message, again.text)
                assert grown(before, tenant.held()) == whole
            if not broke:
                break
            tried += 1
        else:
            raise AssertionError("a request of forty messages?")
    assert tried >= 1


def settled(tenant: Tenant) -> None:
    """Waits until the database has noticed what was cut off, and the service is there again."""
    deadline = time.monotonic() + 10
    while True:
        answer = tenant.client.get("/health/ready")
        if answer.status_code == 200 and asyncio.run(_idle(tenant.url)):
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def _idle(url: str) -> bool:
    conn = await asyncpg.connect(url)
    try:
        return not await conn.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle' AND backend_type = 'client backend'"
        )
    finally:
        await conn.close()


@pytest.mark.parametrize("scenario", ["create", "batch", "page"])
def test_a_database_that_answers_late(tenant: Tenant, scenario: str) -> None:
    """Two seconds at each message are waited for."""
    cable, make = tenant.cable, SCENARIOS[scenario]
    assert cable is not None
    for message in (1, 2):
        request = make(tenant)
        cable.arm(message, delay=2.0)
        began = time.monotonic()
        answer = ask(tenant, request, None)
        late = cable.disarm()
        assert answer.status_code < 300 and (not late or time.monotonic() - began >= 2)


@contextlib.contextmanager
def small_disk(megabytes: int, owner: Path | None = None) -> Iterator[Path]:
    """A folder with so much room, of the owner of another one."""
    folder = Path(tempfile.mkdtemp(prefix="fw-"))
    options = f"size={megabytes}m,mode=755"
    if owner:
        options += f",uid={owner.stat().st_uid},gid={owner.stat().st_gid}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        shutil.rmtree(folder)
        pytest.skip("needs to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def fill(stuffing: Path) -> None:
    """Takes all the room that is left."""
    with contextlib.suppress(OSError), stuffing.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4_096)


def refused_when_full(tenant: Tenant) -> set[str]:
    """The codes of three refusals of lists; each list was written as a whole or not at all."""
    codes: list[str] = []
    for n in range(200):
        before = tenant.held()
        rows = [{"name": f"d{n}.{k}", "note": "x" * 250} for k in range(200)]
        answer = ask(tenant, ("POST", "records/dossier", rows), None)
        found = grown(before, tenant.held())
        done = answer.status_code == 201
        assert found == {} if not done else found["dossier"] == found["_history"] == found["_event"] == 200
        if not done:
            assert answer.status_code == 503, answer.text
            codes.append(answer.json()["code"])
        if len(codes) == 3:
            return set(codes)
    raise AssertionError("it was never full")


def test_a_tablespace_that_is_full(server_url: str, tmp_path: Path) -> None:
    """Writes are refused, nothing is half done, reading goes on; with room again everything does."""
    data = Path(asyncio.run(sql(server_url, "SHOW data_directory"))[0][0])
    with small_disk(60, data) as disk:
        space = f"small_{os.getpid()}"
        asyncio.run(sql(server_url, f"CREATE TABLESPACE {space} LOCATION '{disk}'"))
        asyncio.run(sql(server_url, f"CREATE DATABASE {space} TABLESPACE {space}"))
        parts = urlsplit(server_url)
        url = urlunsplit(parts._replace(path=f"/{space}"))
        try:
            furnish(url, tmp_path)
            settings = Settings(database_url=url, log_level="critical", home=tmp_path)
            with serving(settings) as address, httpx2.Client(base_url=address, timeout=30) as client:
                signed_in(client)
                tenant = Tenant(url, None, client)
                kept = tenant.dossier()
                fill(disk / "stuffing")
                assert refused_when_full(tenant) == {"database.full"}
                assert client.get(f"/{TENANT}/api/records/dossier/{kept}").status_code == 200
                (disk / "stuffing").unlink()
                assert ask(tenant, ("POST", "records/dossier", {"name": "after"}), None).status_code == 201
        finally:
            asyncio.run(sql(server_url, f"DROP DATABASE {space} WITH (FORCE)"))
            asyncio.run(sql(server_url, f"DROP TABLESPACE {space}"))


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Where the log of the database has no room either, the database stops; it comes back with the room."""
    with small_disk(140) as disk:
        home = disk / "home"
        server = embedded.start(home)
        try:
            furnish(server.url, tmp_path)
            with (
                serving(Settings(home=home, log_level="critical")) as address,
                httpx2.Client(base_url=address, timeout=60) as client,
            ):
                signed_in(client)
                kept = Tenant(server.url, None, client).dossier()
                fill(disk / "stuffing")
                told: list[tuple[str, int]] = []
                for n in range(400):
                    row = {"name": f"d{n}", "note": "x" * 250}
                    told.append((str(row["name"]), client.post(f"/{TENANT}/api/records/dossier", json=row).status_code))
                    if [status for _, status in told].count(503) == 3:
                        break
                assert {status for _, status in told} == {201, 503}
                (disk / "stuffing").unlink()
                deadline = time.monotonic() + 30
                while client.get(f"/{TENANT}/api/records/dossier/{kept}").status_code != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                found = {
                    row["name"] for row in client.get(
                        f"/{TENANT}/api/records/dossier?limit=200&where=STARTSWITH(name, \"d\")"
                    ).json()["items"]
                }  # fmt: skip
                done = [name for name, status in told if status == 201]
                assert set(done[-100:]) <= found or len(done) > 190
                assert not {name for name, status in told if status == 503} & found
                assert client.post(f"/{TENANT}/api/records/dossier", json={"name": "after"}).status_code == 201
        finally:
            embedded.stop(home)
