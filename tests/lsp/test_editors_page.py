"""What docs/editors.md shows is true: settings can be read, commands exist and give what is shown."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from engine.cli.main import VERBS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_settings_start_the_server() -> None:
    (code,) = map(json.loads, blocks("json"))
    (helix,) = map(tomllib.loads, blocks("toml"))
    (neovim,) = blocks("lua")
    server = helix["language-server"]["fieldwright"]
    for command in (
        [code["glspc.server.command"], *code["glspc.server.commandArguments"]],
        [server["command"], *server["args"]],
        re.findall(r"'(\w+)'", re.search(r"cmd = \{(.*?)\}", neovim)[1]),  # type: ignore[index]
    ):
        assert command == ["fieldwright", "lsp"]
    assert "lsp" in VERBS and helix["language"][0]["language-servers"][0] == "fieldwright"


def test_the_example_gives_what_is_shown() -> None:
    (console,) = blocks("console")
    command, shown = console.splitlines()[:2]
    called = shlex.split(command.removeprefix("$ "))
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli.main", *called[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip("\n") == shown
