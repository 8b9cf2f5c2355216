"""Console sessions in Markdown: commands after `$`, the output that a reader is shown below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"[A-Za-z_]{3,}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the output shown for it; `line` is where it stands."""

    text: str
    shown: str
    line: int


def sessions(page: Path) -> Iterator[list[Command]]:
    """The console blocks of a page, each as its commands in order."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        commands: list[Command] = []
        for n, line in enumerate(block[1].splitlines()):
            if line.startswith("$ "):
                commands.append(Command(line[2:], "", first + n))
            elif commands:
                last = commands[-1]
                commands[-1] = Command(last.text, last.shown + line + "\n", last.line)
        yield commands


class Shell:
    """One bash that keeps its variables and folder, as a reader's terminal does."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=folder, env={**os.environ, "PATH": path, "COLUMNS": "200", **environment},
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\ncode=$?; echo; echo \"=== $code\"\n")
        self._process.stdin.flush()
        out: list[str] = []
        for line in self._process.stdout:
            if line.startswith("=== "):
                return int(line[4:]), "".join(out)
            out.append(line)
        raise AssertionError(f"the shell ended at: {command}\n{''.join(out)}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def missing_words(shown: str, real: str) -> list[str]:
    """The words of the shown output that the real one does not have; numbers and names of records may differ."""
    known = set(WORD.findall(real))
    return [word for word in WORD.findall(shown) if word not in known]
