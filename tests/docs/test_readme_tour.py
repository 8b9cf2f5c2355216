"""The README's own commands, run in order as a newcomer would, beside the demo that its first block starts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import Command, Shell, missing_words, sessions

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FIELDWRIGHT = str(Path(sys.executable).parent / "fieldwright")
RANDOM = re.compile(r"password \S+")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Shell]:
    """A folder as a fresh clone has it, with the demo of the first block running."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "tenant_configs").symlink_to(ROOT / "tenant_configs")
    environment = {"FIELDWRIGHT_HOME": str(folder / ".fieldwright")}
    shell = Shell(folder, environment)
    log = folder / "demo.log"
    with log.open("w") as out:
        demo = subprocess.Popen(
            [FIELDWRIGHT, "demo", "--port", str(port)], cwd=folder, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while shell.run(f"curl -sf http://127.0.0.1:{port}/health/ready")[0] != 0:
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield shell
    finally:
        shell.close()
        demo.terminate()
        demo.wait(timeout=30)


def test_the_first_block_is_the_two_commands() -> None:
    first = next(sessions(README))
    assert [command.text for command in first] == ["pip install uv", "uv run fieldwright demo"]


def test_every_command_of_the_tour_works_and_says_what_is_shown(tour: Shell, port: int) -> None:
    blocks = list(sessions(README))[1:]
    assert sum(len(block) for block in blocks) >= 15
    for block in blocks:
        for command in block:
            _try(tour, command, port)


def _try(shell: Shell, command: Command, port: int) -> None:
    text = command.text.replace("uv run fieldwright", FIELDWRIGHT).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    code, real = shell.run(text)
    assert code == 0, f"README.md:{command.line}: {command.text}\n{real}"
    missing = missing_words(RANDOM.sub("password", command.shown), real)
    assert not missing, f"README.md:{command.line}: {command.text}\nnot in the output: {missing}\n{real}"
