"""The pages for pack authors: their files load, their commands run, their mappings are valid."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from engine.records.mapping import load_mapping
from tests.docs.console import Shell, missing_words, sessions

ROOT = Path(__file__).resolve().parents[2]
FIELDWRIGHT = str(Path(sys.executable).parent / "fieldwright")
FILE = re.compile(r"^```yaml file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_first_pack_is_made_checked_and_applied(tmp_path: Path, new_database: object) -> None:
    page = ROOT / "docs" / "first-pack.md"
    files = FILE.findall(page.read_text(encoding="utf-8"))
    assert len(files) >= 7
    for name, text in files:
        path = tmp_path / "lending" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shell = Shell(tmp_path, {"FIELDWRIGHT_DATABASE_URL": new_database()})  # type: ignore[operator]
    try:
        for block in sessions(page):
            for command in block:
                code, real = shell.run(command.text.replace("uv run fieldwright", FIELDWRIGHT))
                assert code == 0, real
                assert not missing_words(command.shown, real), real
    finally:
        shell.close()


@pytest.mark.parametrize("text", YAML.findall((ROOT / "docs" / "import.md").read_text(encoding="utf-8")))
def test_the_mappings_of_the_import_page_are_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_mapping(path).sources
