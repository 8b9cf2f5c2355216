"""The example of a function author: installed, used in a pack, and missed clearly."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins import installed, run
from tests.tenancy import ROOT

EXAMPLE = ROOT / "examples" / "formula_plugin"
PACK = EXAMPLE / "packs" / "retail"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(EXAMPLE, tmp_path_factory.mktemp("site"))


def test_the_installed_package_works_in_its_pack(site: Path, new_database: Callable[[], str]) -> None:
    done = run(
        "-m",
        "pytest",
        EXAMPLE / "tests",
        "-q",
        "-p",
        "no:cacheprovider",
        cwd=ROOT,
        path=site,
        FIELDWRIGHT_DATABASE_URL=new_database(),
        PYTEST_ADDOPTS="",
    )
    assert done.returncode == 0 and done.stdout.startswith("." * 17), done.stdout + done.stderr
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
        cwd=ROOT,
        path=site,
    )
    assert (
        checked.returncode == 0 and checked.stdout.startswith("type   percent") and "nullif" in checked.stdout.lower()
    )


def test_without_the_package_the_pack_says_which_function_is_missing_and_where(site: Path) -> None:
    missing = run("-m", "engine.cli.main", "validate", PACK, cwd=ROOT)
    assert missing.returncode == 1 and "Traceback" not in missing.stderr
    assert missing.stderr.count("retail.MARGIN_PCT") >= 2 and "retail.SEASON" in missing.stderr
    assert re.search(r"article\.yaml:11:\d+: ", missing.stderr)


def test_a_package_that_can_not_be_imported_says_why(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    (broken / "retail_functions.py").write_text("import no_such_module\n")
    said = run("-m", "engine.cli.main", "validate", PACK, cwd=ROOT, path=broken)
    assert said.returncode == 1 and "no_such_module" in said.stderr and "Traceback" not in said.stderr
