"""The package that `fieldwright new function` makes passes its own tests, and they catch it when it is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins import installed, run
from tests.tenancy import ROOT

VALUE = "return sql.quotient(part, whole)"
BROKEN = {
    "a wrong example": ("(25, 100) = 25%", "(25, 100) = 26%", "acme.SHARE(25, 100) = 26% is FALSE, not TRUE"),
    "a lowering that raises": (VALUE, "return sql.num(part) / sql.num(whole)", "raises 22012: division by zero where decimal_1"),
    "a value that does not last": (
        VALUE, f'{VALUE} + sql.part("year", func.now())', "can not be indexed, though it is declared to last: functions in index",
    ),
    "a package that can not be imported": ("from __future__", "import nothing_of_the_kind\nfrom __future__", "can not be imported"),
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "package"
    made = run("-m", "engine.cli.main", "new", "function", "acme.SHARE", "--folder", folder, cwd=ROOT)
    assert made.returncode == 0, made.stderr
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "pyproject.toml", "README.md", "acme_functions.py", "tests/test_functions.py",
    }  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    return new_database()


def outcome(project: Path, site: Path, url: str) -> tuple[int, str]:
    options = ("-q", "-p", "no:cacheprovider")
    done = run("-m", "pytest", *options, cwd=project, path=site, FIELDWRIGHT_DATABASE_URL=url)
    return done.returncode, done.stdout + done.stderr


def test_it_passes_its_tests_as_it_is_made(project: Path, tmp_path: Path, url: str) -> None:
    code, said = outcome(project, installed(project, tmp_path / "site"), url)
    assert code == 0 and "11 passed" in said, said
    shown = run("-m", "engine.cli.main", "formula", "functions", "ACME.share", cwd=project, path=tmp_path / "site")
    assert shown.returncode == 0 and shown.stdout.startswith("acme.SHARE(part, whole)\n\nHow much of"), shown


@pytest.mark.parametrize("fault", BROKEN)
def test_its_tests_catch(project: Path, tmp_path: Path, url: str, fault: str) -> None:
    right, wrong, expected = BROKEN[fault]
    package = Path(shutil.copytree(project, tmp_path / "package"))
    module = package / "acme_functions.py"
    text = module.read_text("utf-8")
    assert right in text
    text = text.replace("from metamodel.formula import", "from sqlalchemy import func\nfrom metamodel.formula import")
    module.write_text(text.replace(right, wrong), "utf-8")
    code, said = outcome(package, installed(package, tmp_path / "site"), url)
    assert code == 1 and expected in said, said


@pytest.mark.parametrize("name", ["SHARE", "acme.", "Acme.SHARE", "acme.share", "acme.SHA-RE", "a.B.C"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    made = run("-m", "engine.cli.main", "new", "function", name, "--folder", tmp_path / "x", cwd=ROOT)
    assert made.returncode == 1 and "is not a name such as acme.SHARE" in made.stderr
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_something_is_left_alone(project: Path) -> None:
    made = run("-m", "engine.cli.main", "new", "function", "acme.OTHER", "--folder", project, cwd=ROOT)
    assert made.returncode == 1 and "is not empty" in made.stderr
    assert "OTHER" not in (project / "pyproject.toml").read_text("utf-8")
