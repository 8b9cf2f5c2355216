"""`fieldwright handbook`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli

HARDWARE = Path(__file__).parents[2] / "examples" / "hardware_sales"


def test_pages_are_written_for_each_process_and_language(cli: Cli, tmp_path: Path) -> None:
    done = cli("handbook", str(HARDWARE), "--to", str(tmp_path / "pages"))
    assert done.code == 0, done
    files = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "pages").iterdir()}
    assert all(name in done.out.replace("\n", "") for name in files) and len(files) >= 2
    assert all(page.startswith("# ") for page in files.values())


def test_one_page_is_printed(cli: Cli) -> None:
    pages = cli("handbook", str(HARDWARE), "--locale", "zh-CN")
    assert "阶段" in pages.out
    wrong = cli("handbook", str(HARDWARE), "--process", "nothing")
    assert wrong.code == 2 and "there is no process" in wrong.err
