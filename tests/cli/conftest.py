"""The command line, called as the console script calls it, on a database of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.cli.main import main


@dataclass(frozen=True, slots=True)
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package")
def cli_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path, cli_database: str
) -> Iterator[Cli]:
    """Calls `fieldwright` with arguments; nothing may end in a traceback."""
    monkeypatch.setenv("FIELDWRIGHT_HOME", str(home))
    monkeypatch.setenv("FIELDWRIGHT_DATABASE_URL", cli_database)
    logging = structlog.get_config()

    def run(*arguments: Any, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["fieldwright", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode()), encoding="utf-8"))
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    yield run
    structlog.configure(**logging)

