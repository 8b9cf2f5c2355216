"""The example of a function author: installed, used in a pack, and missed clearly; the page that teaches it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from engine.sql import expression
from metamodel.formula.functions import registry
from tests.formula.database import Database
from tests.formula.shapes import Columns, codes, sql_of, tree
from tests.tenancy import ROOT

EXAMPLE = ROOT / "examples" / "formula_plugin"
PACK = EXAMPLE / "packs" / "retail"
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it: its module, and its entry points beside it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    shutil.copy(EXAMPLE / "retail_functions.py", folder)
    info = folder / f"retail_functions-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {value}" for name, value in project["entry-points"][registry.ENTRY_POINTS].items()]
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\n" + "\n".join(lines) + "\n")
    return folder


def run(*arguments: Any, path: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **env, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_installed_package_works_in_its_pack(site: Path, new_database: Callable[[], str]) -> None:
    done = run(
        "-m",
        "pytest",
        EXAMPLE / "tests",
        "-q",
        "-p",
        "no:cacheprovider",
        path=site,
        FIELDWRIGHT_DATABASE_URL=new_database(),
    )
    assert done.returncode == 0 and done.stdout.startswith(".."), done.stdout + done.stderr
    checked = run(
        "-m",
        "engine.cli.main",
        "formula",
        "explain",
        "retail.margin_pct(price, cost)",
        "--object",
        "article",
        "--in",
        PACK,
        path=site,
    )
    assert (
        checked.returncode == 0 and checked.stdout.startswith("type   percent") and "nullif" in checked.stdout.lower()
    )


def test_without_the_package_the_pack_says_which_function_is_missing_and_where(site: Path) -> None:
    missing = run("-m", "engine.cli.main", "validate", PACK)
    assert missing.returncode == 1 and "Traceback" not in missing.stderr
    assert missing.stderr.count("retail.MARGIN_PCT") >= 2 and "retail.SEASON" in missing.stderr
    assert re.search(r"article\.yaml:11:\d+: ", missing.stderr)


def test_a_package_that_can_not_be_imported_says_why(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    (broken / "retail_functions.py").write_text("import no_such_module\n")
    said = run("-m", "engine.cli.main", "validate", PACK, path=broken)
    assert said.returncode == 1 and "no_such_module" in said.stderr and "Traceback" not in said.stderr


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> Iterator[registry.Function]:
    """The function of the page, named as the page names it."""
    namespace: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, namespace)  # noqa: S102
    named = tomllib.loads("".join(blocks("toml")))["project"]["entry-points"][registry.ENTRY_POINTS]
    ((name, value),) = named.items()
    made = namespace[value.partition(":")[2]]
    monkeypatch.setattr(sys.modules[__name__], "TAUGHT", made, raising=False)
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(name, f"{__name__}:TAUGHT", group)])
    registry._declared.cache_clear()
    registry._plugin.cache_clear()
    yield made
    registry._declared.cache_clear()
    registry._plugin.cache_clear()


def test_the_code_of_the_page_runs(taught: registry.Function, database_url: str) -> None:
    database = Database(database_url)
    try:
        for example in taught.examples:
            text, arrow, wanted = example.partition(" -> ")
            node = tree(text)
            value, failed = (sql_of(f(node, Columns())) for f in (expression.value, expression.failed))
            found = database.row(f"SELECT {value}, {failed}")
            assert found[1] is (wanted == "error") and found[0] is (None if arrow else True), example
    finally:
        database.close()
    assert len(taught.examples) == 3 and taught.doc


def test_the_formula_of_the_page_is_typed(taught: registry.Function) -> None:
    for formula in blocks("formula"):
        assert codes(formula.replace("cost", "80").replace("price", "100")) == []
