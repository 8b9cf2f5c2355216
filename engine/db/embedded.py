"""The embedded PostgreSQL: made in a folder of its own, shared by every process that names the folder.

Three lock files in `home` carry the whole coordination; the kernel frees them when a process dies, however it dies:
`start.lock` is held while anybody starts or stops the server, `attached.lock` is held shared by each process that uses
it (the last to leave stops it), and `server.lock` is handed down to the server's own processes, so that "the lock is
free" means "no process of this server lives" and a left-over `postmaster.pid` is known to be stale.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.base.errors import Refused
from engine.db import binaries, probe
from engine.db.binaries import Binaries, ServerUser

USER = DATABASE = "fieldwright"
STATE = Path("/var/lib/fieldwright")
SOCKET_BYTES = 100
SOCKET_NAME = ".s.PGSQL.5432"
PATIENCE = 60.0
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 15.0))
LOG_BYTES = 16 * 1024 * 1024
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_locks_per_transaction": "512",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # The engine logs the errors of statements; here every refused write would pile up, with the values of its rows.
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "TimeZone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: `url` for asyncpg over its Unix socket, `version` like "18.6", `binaries` the `bin` folder."""

    home: Path
    url: str
    data: Path
    version: str
    binaries: Path
    log: Path

    def detach(self) -> None:
        """See the function of this name."""
        detach(self.home)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parts lie. `user` is the system user of the server, None for the user of this process."""

    home: Path
    data: Path
    socket: Path
    user: ServerUser | None

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}


@dataclass(slots=True)
class _Attachment:
    lock: int
    keep: bool
    uses: int


_attached: dict[Path, _Attachment] = {}
_guard = threading.RLock()


def start(home: Path, pg_bin: Path | None = None, *, keep: bool = False) -> Server:
    """Starts the server of `home`, or attaches to it where it runs; the folder and the data are made as needed.

    Each start wants one `detach`; what is missing at the end of the process is made up for. The last process to leave
    stops the server, unless it started with `keep`. Raises Refused "database.binaries" or "database.start".
    """
    return _attach(home, pg_bin, keep, 1)


def revive(home: Path, pg_bin: Path | None = None) -> Server:
    """Starts the server again if it died under this process, which goes on with the attachment that it has."""
    return _attach(home, pg_bin, False, 0)


def detach(home: Path) -> None:
    """One use less of the server of `home` in this process; the last use of the last process stops it."""
    home = home.expanduser().absolute()
    with _guard:
        attachment = _attached.get(home)
        if attachment is None:
            return
        attachment.uses -= 1
        if attachment.uses <= 0:
            _leave(home)


def stop(home: Path) -> None:
    """Stops the server of `home`, whoever uses it: fast shutdown (SIGINT), then immediate (SIGQUIT), never SIGKILL."""
    home = home.expanduser().absolute()
    with _guard:
        attachment = _attached.pop(home, None)
        if attachment:
            os.close(attachment.lock)
        if home.is_dir():
            with _locked(home / "start.lock"):
                _shut_down(_place(home))


def _attach(home: Path, pg_bin: Path | None, keep: bool, uses: int) -> Server:
    if sys.platform == "win32":
        raise Refused("database.binaries", "The embedded PostgreSQL needs Linux or macOS.", hint=binaries.HINT)
    home = home.expanduser().absolute()
    try:
        with _guard:
            _make_home(home)
            with _locked(home / "start.lock") as starting:
                known = _attached.get(home)
                held = known or _Attachment(_open_lock(home / "attached.lock", fcntl.LOCK_SH), keep, 0)
                try:
                    server = _ensure_running(_place(home), pg_bin, starting)
                except BaseException:
                    if known is None:
                        os.close(held.lock)
                    raise
            held.uses += uses
            held.keep |= keep
            _attached[home] = held
            return server
    except OSError as error:
        raise Refused("database.start", f"The embedded PostgreSQL in {home} did not start: {error}") from error


def _leave(home: Path) -> None:
    attachment = _attached.pop(home)
    if not home.is_dir():
        os.close(attachment.lock)
        return
    with _locked(home / "start.lock"):
        # Closed, never unlocked: a forked child may share this lock and still use the server.
        os.close(attachment.lock)
        alone = _try_lock(home / "attached.lock")
        if alone is not None:
            os.close(alone)
            if not attachment.keep:
                _shut_down(_place(home))


@atexit.register
def _leave_all() -> None:
    for home in list(_attached):
        with contextlib.suppress(Exception):
            _leave(home)


# -- where things lie ------------------------------------------------------------------------------------------------


def _make_home(home: Path) -> None:
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)  # another process may be at it, too
        # The server's user has to pass through a folder that root makes; the data in it stays closed to all others.
        home.chmod(0o755 if os.geteuid() == 0 else 0o700)


def _place(home: Path) -> _Place:
    """PostgreSQL refuses to run as root, so root gives it another user, and a data folder which that user can reach.

    Where `home` lies behind a closed folder (like /root), the data goes below /var/lib/fieldwright and `home/data` is
    a link to it: opening the closed folder is not ours to do.
    """
    link = home / "data"
    user = None
    if os.geteuid() == 0:
        user = _owner(link) if link.exists() else _unprivileged()
        if not link.is_symlink() and not link.exists() and not _reaches(user, home):
            base = STATE / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
            link.symlink_to(base / "data")
    data = link.resolve()
    if not data.parent.is_dir():
        detail = f"The data of {home} lay in {data.parent}, which is gone."
        raise Refused("database.start", detail, hint=f"bring it back, or remove {link} to begin with an empty database")
    folder = data.parent / "socket"
    if len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_BYTES:
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"fieldwright-{digest}"
    return _Place(home, data, folder, user)


def _owner(data: Path) -> ServerUser:
    found = data.stat()
    if found.st_uid == 0:
        raise Refused("database.start", f"{data} belongs to root, and PostgreSQL does not run as root.")
    return ServerUser(f"number {found.st_uid}", found.st_uid, found.st_gid)


def _unprivileged() -> ServerUser:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return ServerUser(name, found.pw_uid, found.pw_gid)
    raise Refused("database.start", "PostgreSQL does not run as root, and there is no system user postgres or nobody.")


def _reaches(user: ServerUser, folder: Path) -> bool:
    """Whether `user` may enter `folder`: tried, because access lists and mounts decide it too."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$0"', str(folder)], check=False, stderr=subprocess.DEVNULL, cwd="/",
        user=user.uid, group=user.gid, extra_groups=[],
    )  # fmt: skip
    return done.returncode == 0


def _private_folder(path: Path, user: ServerUser | None) -> None:
    """A folder that only the server's user may enter; one that somebody else made in a shared place is refused."""
    uid = user.uid if user else os.geteuid()
    try:
        path.mkdir(mode=0o700)
        if user:
            os.chown(path, user.uid, user.gid)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise Refused("database.start", f"{path} has another owner or is open to others; remove it.") from None


# -- locks -----------------------------------------------------------------------------------------------------------


def _open_lock(path: Path, how: int) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _try_lock(path: Path) -> int | None:
    with contextlib.suppress(BlockingIOError):
        return _open_lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    lock = _open_lock(path, fcntl.LOCK_EX)
    try:
        yield lock
    finally:
        os.close(lock)


# -- the server ------------------------------------------------------------------------------------------------------


def _ensure_running(place: _Place, pg_bin: Path | None, starting: int) -> Server:
    """Under `start.lock`: asks the server, launches it when nothing of it lives, waits while it recovers."""
    process: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + PATIENCE
    pause = 0.002
    while True:
        socket = _socket(place)
        answer = probe.ask(socket / SOCKET_NAME, USER, DATABASE)
        if answer and answer.sqlstate == probe.UNKNOWN_DATABASE:
            answer = probe.ask(socket / SOCKET_NAME, USER, "postgres", f"CREATE DATABASE {DATABASE}", PATIENCE)
            if answer and answer.sqlstate == probe.DUPLICATE_DATABASE:
                continue
        if answer and answer.sqlstate in (None, probe.TOO_MANY_CONNECTIONS):
            return _server(place, socket)
        if answer and answer.sqlstate == probe.STARTING:
            deadline = time.monotonic() + PATIENCE
        elif answer:
            raise Refused("database.start", f"The embedded PostgreSQL answers: {answer.message}")
        elif process is not None and process.poll() is not None:
            raise _not_started(place, f"ended with code {process.returncode}")
        elif process is None:
            process = _launch_if_dead(place, pg_bin, starting)
        if time.monotonic() > deadline:
            raise _not_started(place, f"did not answer within {PATIENCE:.0f} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _launch_if_dead(place: _Place, pg_bin: Path | None, starting: int) -> subprocess.Popen[bytes] | None:
    lock = _try_lock(place.home / "server.lock")
    if lock is None:
        return None
    try:
        marker = place.data / "PG_VERSION"
        major = int(marker.read_text().split(".")[0]) if marker.exists() else None
        found = binaries.find(pg_bin, major, place.user)
        if major is None:
            _create(place, found, starting)
        if _postmaster(place.data) is None:
            (place.data / "postmaster.pid").unlink(missing_ok=True)
        _private_folder(place.socket, place.user)
        for name in (SOCKET_NAME, SOCKET_NAME + ".lock"):
            (place.socket / name).unlink(missing_ok=True)
        return _launch(place, found, lock)
    finally:
        os.close(lock)


def _create(place: _Place, found: Binaries, starting: int) -> None:
    """Makes the data in a folder beside its place and renames it when whole, so that a crash leaves nothing half.

    `initdb` inherits the start lock: an orphan of it keeps others waiting instead of being overtaken.
    """
    base = place.data.parent
    if place.data.exists() and any(place.data.iterdir()):
        raise Refused("database.start", f"{place.data} is not empty and holds no PostgreSQL data.")
    for leftover in base.glob("data.new-*"):
        shutil.rmtree(leftover)
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=base))
    if place.user:
        os.chown(fresh, place.user.uid, place.user.gid)
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    command: list[str | Path] = [
        found.folder / "initdb", "-D", fresh, "-U", USER, "-E", "UTF8", f"--locale={locale}", "--data-checksums",
        "--auth=trust", "--no-instructions",
    ]  # fmt: skip
    if found.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", cwd="/", env=_environment(),
        pass_fds=(starting,), **place.as_user(),
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Refused("database.start", f"initdb failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    os.rename(fresh, place.data)
    folder = os.open(base, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _launch(place: _Place, found: Binaries, lock: int) -> subprocess.Popen[bytes]:
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
        place.log.replace(place.log.with_suffix(".log.1"))
    options = {**OPTIONS, "unix_socket_directories": str(place.socket)}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with open(os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
        process = subprocess.Popen(
            [found.folder / "postgres", "-D", place.data, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd="/", env=_environment(), umask=0o077, start_new_session=True, pass_fds=(lock,), **place.as_user(),
        )  # fmt: skip
    # A zombie would keep its number, and PostgreSQL takes a living number in postmaster.pid for a living server.
    threading.Thread(target=process.wait, name="embedded-postgres", daemon=True).start()
    return process


def _environment() -> dict[str, str]:
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _socket(place: _Place) -> Path:
    """The socket folder of the server that runs, which another process may have chosen (line 5 of postmaster.pid)."""
    lines = _lines(place.data / "postmaster.pid")
    return Path(lines[4]) if len(lines) > 4 and lines[4] else place.socket


def _postmaster(data: Path) -> int | None:
    """The process number in postmaster.pid, if it is a living process that was started on this very folder."""
    lines = _lines(data / "postmaster.pid")
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    if pid <= 1:
        return None
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return pid if os.fsencode(data) in command else None
    shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], check=False, capture_output=True, text=True)
    return pid if str(data) in shown.stdout else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _server(place: _Place, socket: Path) -> Server:
    command = shlex.split((place.data / "postmaster.opts").read_text())
    folder = Path(command[0]).parent
    version = binaries.version_of(folder) or (place.data / "PG_VERSION").read_text().strip()
    url = f"postgresql://{USER}@/{DATABASE}?host={quote(str(socket), safe='/')}"
    return Server(place.home, url, place.data, version, folder, place.log)


def _shut_down(place: _Place) -> None:
    for number, patience in STOP_STEPS:
        pid = _postmaster(place.data)
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if _postmaster(place.data) is None and (lock := _try_lock(place.home / "server.lock")) is not None:
                os.close(lock)
                return
            time.sleep(0.01)


def _not_started(place: _Place, what: str) -> Refused:
    tail = "\n".join(place.log.read_text(errors="replace").splitlines()[-15:]) if place.log.exists() else ""
    return Refused("database.start", f"The embedded PostgreSQL {what}. End of {place.log}:\n{tail}")
