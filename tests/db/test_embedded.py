"""The launcher against everything that dies, is left over or can not be reached."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from engine.base.errors import Refused
from engine.db import binaries, embedded, execute, probe
from engine.db.pool import open_pool

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("attach_child.py")
SITE = Path(asyncpg.__file__).resolve().parents[1]
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="needs to start as root")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fw-"))
    folder.chmod(0o755)
    yield folder / "home"
    embedded.stop(folder / "home")
    shutil.rmtree(folder)


@pytest.fixture
def start_child() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    made: list[subprocess.Popen[str]] = []

    def start(home: Path) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, CHILD, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        made.append(child)
        return child

    yield start
    for child in made:
        child.kill()
        child.communicate()


def postmaster(server: embedded.Server) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def answers(server: embedded.Server) -> bool:
    socket = Path(server.url.partition("host=")[2]) / embedded.SOCKET_NAME
    answer = probe.ask(socket, embedded.USER, embedded.DATABASE)
    return answer is not None and answer.sqlstate is None


async def fetch(server: embedded.Server, *statements: str) -> object:
    conn = await asyncpg.connect(server.url)
    try:
        for statement in statements:
            value = await conn.fetchval(statement)
        return value
    finally:
        await conn.close()


def test_starts_attaches_stops_and_keeps_the_data(home: Path) -> None:
    began = time.monotonic()
    server = embedded.start(home)
    assert time.monotonic() - began < 6
    asyncio.run(fetch(server, "CREATE TABLE kept AS SELECT 42 AS x"))
    first = postmaster(server)
    assert embedded.start(home) == server
    assert postmaster(server) == first
    embedded.detach(home)
    assert answers(server), "each start wants one detach"
    server.detach()
    assert not answers(server)
    began = time.monotonic()
    server = embedded.start(home)
    assert time.monotonic() - began < 3
    assert asyncio.run(fetch(server, "SELECT x FROM kept")) == 42


def test_is_safe_by_default(home: Path) -> None:
    server = embedded.start(home)
    shown = {
        name: asyncio.run(fetch(server, f"SHOW {name}"))
        for name in ("fsync", "data_checksums", "listen_addresses", "max_locks_per_transaction", "server_encoding")
    }
    assert shown == {
        "fsync": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "max_locks_per_transaction": "512",
        "server_encoding": "UTF8",
    }
    order = "SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b', 'A', 'a', 'B', 'é']) x"
    assert asyncio.run(fetch(server, order)) == "ABabé"
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.data.parent / "socket").stat().st_mode) == 0o700


def test_ten_processes_race_to_start_one_server(home: Path, start_child: Callable[..., subprocess.Popen[str]]) -> None:
    children = [start_child(home) for _ in range(10)]
    numbers = {child.stdout.readline().strip() for child in children if child.stdout}
    assert len(numbers) == 1 and numbers != {""}
    for child in children[1:]:
        child.communicate("")
    server = embedded.start(home)
    assert {str(postmaster(server))} == numbers
    embedded.detach(home)
    assert answers(server), "one process still uses it"
    children[0].communicate("")
    assert not answers(server), "the last one has left"


def test_kill_of_a_client_leaves_the_server_to_the_next(
    home: Path, start_child: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start_child(home)
    assert child.stdout
    number = int(child.stdout.readline())
    child.kill()
    child.wait()
    server = embedded.start(home)
    assert postmaster(server) == number
    embedded.detach(home)
    assert not answers(server)


def test_keep_leaves_it_running(home: Path) -> None:
    server = embedded.start(home, keep=True)
    embedded.detach(home)
    assert answers(server)
    embedded.stop(home)
    assert not answers(server)


async def _write_until_killed(server: embedded.Server) -> list[int]:
    """Four writers commit single rows; after 0.5 s the postmaster is killed. The ids whose commit was acknowledged."""
    acknowledged: list[int] = []

    async def write(start: int) -> None:
        conn = await asyncpg.connect(server.url)
        try:
            for number in range(start, start + 1_000_000):
                await conn.execute("INSERT INTO kept VALUES ($1)", number)
                acknowledged.append(number)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            conn.terminate()

    writers = [asyncio.create_task(write(k * 1_000_000)) for k in range(4)]
    await asyncio.sleep(0.5)
    os.kill(postmaster(server), signal.SIGKILL)
    await asyncio.gather(*writers)
    return acknowledged


def test_kill_of_the_server_keeps_every_committed_row(home: Path) -> None:
    server = embedded.start(home)
    asyncio.run(fetch(server, "CREATE TABLE kept (x bigint)"))
    for _ in range(3):
        acknowledged = asyncio.run(_write_until_killed(server))
        assert len(acknowledged) > 100
        server = embedded.start(home)
        assert set(acknowledged) <= asyncio.run(_column(server, "SELECT x FROM kept"))
        asyncio.run(fetch(server, "TRUNCATE kept"))


async def _column(server: embedded.Server, query: str) -> set[int]:
    conn = await asyncpg.connect(server.url)
    try:
        return {row[0] for row in await conn.fetch(query)}
    finally:
        await conn.close()


def test_pool_revives_a_killed_server(home: Path) -> None:
    server = embedded.start(home)

    async def go() -> None:
        pool = await open_pool(server.url, 2, revive=lambda: embedded.revive(home))
        assert (await execute.read(pool, None, "SELECT 'before'")).body == "before"
        os.kill(postmaster(server), signal.SIGKILL)
        assert (await execute.read(pool, None, "SELECT 'after'")).body == "after"
        await pool.close()

    asyncio.run(go())
    embedded.detach(home)
    assert not answers(server)


def test_left_over_files_of_a_dead_server(home: Path) -> None:
    """After a restart of the machine the number in postmaster.pid may belong to anybody, even to the same user."""
    server = embedded.start(home)
    socket = server.data.parent / "socket"
    pid_file = (server.data / "postmaster.pid").read_text().splitlines()
    embedded.detach(home)
    owner = server.data.stat()
    ids = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if IS_ROOT else {}
    other = subprocess.Popen(["sleep", "60"], cwd="/", **ids)  # type: ignore[call-overload]
    try:
        text = "\n".join([str(other.pid), *pid_file[1:]]) + "\n"
        for path in (server.data / "postmaster.pid", socket / f"{embedded.SOCKET_NAME}.lock"):
            path.write_text(text)
            if IS_ROOT:
                os.chown(path, owner.st_uid, owner.st_gid)
        (socket / embedded.SOCKET_NAME).write_text("")
        assert answers(embedded.start(home))
    finally:
        other.kill()
        other.wait()


def test_kill_during_initdb_leaves_nothing_half(home: Path, start_child: Callable[..., subprocess.Popen[str]]) -> None:
    child = start_child(home)
    deadline = time.monotonic() + 20
    while not list(home.glob("data.new-*/base")) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert not (home / "data").exists()
    assert answers(embedded.start(home))
    assert not list(home.glob("data.new-*"))


def test_long_path_gets_a_short_socket(home: Path) -> None:
    deep = home.parent / ("d" * 60) / ("e" * 60)
    try:
        server = embedded.start(deep)
        assert answers(server)
        folder = Path(server.url.partition("host=")[2])
        assert len(str(folder / embedded.SOCKET_NAME)) < 100
    finally:
        embedded.stop(deep)
    shutil.rmtree(folder)


def test_socket_folder_of_somebody_else_is_refused(home: Path) -> None:
    home.mkdir(mode=0o755)
    (home / "socket").mkdir(mode=0o777)
    (home / "socket").chmod(0o777)
    with pytest.raises(Refused, match="open to others") as refused:
        embedded.start(home)
    assert refused.value.code == "database.start"
    assert stat.S_IMODE((home / "socket").stat().st_mode) == 0o777


@only_root
def test_root_behind_a_closed_folder(home: Path) -> None:
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    try:
        server = embedded.start(closed / "home")
        assert answers(server)
        assert (closed / "home" / "data").is_symlink()
        assert server.data.is_relative_to(embedded.STATE)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        embedded.detach(closed / "home")
        assert embedded.start(closed / "home").data == server.data
    finally:
        embedded.stop(closed / "home")
        shutil.rmtree(server.data.parent)


@only_root
def test_binaries_behind_a_closed_folder_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = next(binaries._wheel()).parents[1]
    closed = home.parent / "site"
    closed.mkdir(mode=0o700)
    for part in (package / "pginstall", package.with_name(package.name + ".libs")):
        shutil.copytree(part, closed / part.relative_to(package.parent))
    monkeypatch.setattr(binaries, "CACHE", home.parent / "cache")
    monkeypatch.setattr(binaries, "SOURCES", (lambda: iter([closed / package.name / "pginstall" / "bin"]),))
    server = embedded.start(home)
    assert server.binaries.is_relative_to(home.parent / "cache")
    assert asyncio.run(fetch(server, "SELECT 1")) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_root
def test_as_an_ordinary_user(home: Path) -> None:
    """The whole of it as `nobody`: an interpreter that this user can run, with the packages of this one."""
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    nobody = pwd.getpwnam("nobody")
    if python is None:
        pytest.skip("no interpreter of this version for an ordinary user")
    folder = home.parent / "ordinary"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    code = (
        "import sys, stat, pathlib\n"
        "from engine.db import embedded\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "server = embedded.start(home)\n"
        "embedded.detach(home)\n"
        "server = embedded.start(home)\n"
        "print(oct(stat.S_IMODE(home.stat().st_mode)), server.data.stat().st_uid, server.data == home / 'data')\n"
    )
    done = subprocess.run(
        [python, "-c", code, folder / "home"], check=False, capture_output=True, text=True, cwd="/",
        env={"PYTHONPATH": f"{ROOT}:{SITE}", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
    )  # fmt: skip
    if "Permission denied" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("the packages can not be read by an ordinary user")
    assert (done.returncode, done.stdout.split()) == (0, ["0o700", str(nobody.pw_uid), "True"]), done.stderr


def test_failure_shows_the_log(home: Path) -> None:
    server = embedded.start(home)
    embedded.detach(home)
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write("no_such_thing_at_all = 1\n")
    with pytest.raises(Refused, match="no_such_thing_at_all") as refused:
        embedded.start(home)
    assert refused.value.code == "database.start"


def test_no_binaries(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="no postgres and initdb") as refused:
        embedded.start(home, home / "nowhere")
    assert refused.value.code == "database.binaries"
    monkeypatch.setattr(binaries, "SOURCES", ())
    with pytest.raises(Refused) as refused:
        embedded.start(home)
    assert refused.value.code == "database.binaries"
    assert "pip install" in (refused.value.hint or "")


def test_data_chooses_the_major_version(home: Path) -> None:
    installed = [folder for folder in binaries._installed() if (binaries.version_of(folder) or "").startswith("15.")]
    if not installed:
        pytest.skip("no PostgreSQL 15 here")
    server = embedded.start(home, installed[0])
    assert server.version.startswith("15.")
    embedded.detach(home)
    assert embedded.start(home) == server


def test_foreign_data_folder_is_left_alone(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    home.chmod(0o755)
    (home / "data" / "photo.jpg").write_text("mine")
    if IS_ROOT:
        os.chown(home / "data", 65534, 65534)
    with pytest.raises(Refused, match="holds no PostgreSQL data"):
        embedded.start(home)
    assert (home / "data" / "photo.jpg").read_text() == "mine"


def test_data_that_is_gone_is_not_replaced_in_silence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "data").symlink_to(tmp_path / "elsewhere" / "data")
    with pytest.raises(Refused) as refused:
        embedded.start(home)
    assert refused.value.code == "database.start"
    assert "is gone" in refused.value.detail
    assert refused.value.hint is not None
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_is_made_by_several_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for n in range(40):
            together = threading.Barrier(8)

            def make(home: Path = tmp_path / "home" / str(n), together: threading.Barrier = together) -> None:
                together.wait()
                embedded._make_home(home)

            for made in [threads.submit(make) for _ in range(8)]:
                made.result()
    assert len(list((tmp_path / "home").iterdir())) == 40
