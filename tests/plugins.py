"""Packages of formula functions as an installer leaves them, and declarations that take the place of installed ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from metamodel.formula.functions import registry


def installed(project: Path, site: Path) -> Path:
    """`site` with the modules of a project and its entry points beside them."""
    said = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    site.mkdir(parents=True, exist_ok=True)
    for module in project.glob("*.py"):
        shutil.copy(module, site)
    info = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    lines = [f"{name} = {value}" for name, value in said["entry-points"][registry.ENTRY_POINTS].items()]
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\n" + "\n".join(lines) + "\n")
    return site


def run(*arguments: Any, cwd: Path, path: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Python with the arguments; `path` stands before the installed packages."""
    given = {**os.environ, **env, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120, check=False)


def declared(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Let these be all the entry points: the name (`acme__SHARE` is acme.SHARE) and `module:attribute`."""
    made = [EntryPoint(name.replace("__", "."), value, registry.ENTRY_POINTS) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: made)
    forget()


def forget() -> None:
    """Entry points are looked for anew."""
    registry._declared.cache_clear()
    registry._plugin.cache_clear()
