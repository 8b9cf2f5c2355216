"""`formula fmt` and `formula rename` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.metamodel.sample_packs import write_pack

OBJECT = """\
kind: object\r
name: item\r
title: name\r
fields:\r
  name: {type: text, required: true}\r
  size: {type: integer}   # how large\r
  double: {type: formula, formula: (size) * 2 /* size */}\r
"""


def test_fmt_prints_checks_and_refuses(cli: Cli) -> None:
    shown = cli("formula", "fmt", "if( size>1 , 'a' , // no\n 'b')")
    assert shown.code == 0 and shown.out == "IF(\n  size > 1,\n  'a', // no\n  'b'\n)\n"
    piped = cli("formula", "fmt", "-", stdin="round( size\n/ 3 )\n")
    assert piped.code == 0 and piped.out == "ROUND(size / 3)\n"
    assert cli("formula", "fmt", "--check", "ROUND(size / 3)").code == 0
    changed = cli("formula", "fmt", "--check", "ROUND(size/3)")
    assert changed.code == 1 and changed.out == ""
    wrong = cli("formula", "fmt", "IF(size; 1)")
    assert wrong.code == 1 and "formula:1:8: E106" in wrong.err and "^" in wrong.err


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = write_pack(tmp_path / "shop", {})
    (folder / "item.yaml").write_bytes(OBJECT.encode())
    return folder


def test_rename_shows_and_then_writes(cli: Cli, pack: Path) -> None:
    asked = ("formula", "rename", "item", "size", "length", "--in", pack)
    shown = cli(*asked)
    assert shown.code == 0 and "+   double: {type: formula, formula: (length) * 2 /* size */}" in shown.out
    assert shown.out.endswith("2 places in 1 file would change; add --write\n")
    assert (pack / "item.yaml").read_bytes() == OBJECT.encode()
    assert cli(*asked, "--write").out == "2 places in 1 file changed\n"
    after = OBJECT.replace("  size:", "  length:").replace("(size)", "(length)")
    assert (pack / "item.yaml").read_bytes() == after.encode(), "line ends too"
    assert cli("validate", pack).code == 0
    again = cli(*asked, "--write")
    assert again.code == 1 and 'error: item has no field "size"' in again.err


def test_rename_refuses_what_would_break_the_pack(cli: Cli, pack: Path) -> None:
    taken = cli("formula", "rename", "item", "size", "name", "--in", pack)
    assert taken.code == 1 and 'error: item has a field "name" already' in taken.err
    reserved = cli("formula", "rename", "item", "size", "old", "--in", pack)
    assert reserved.code == 1 and "M201" in reserved.err and '"old" does not fit here' in reserved.err
    (pack / "item.yaml").write_text(OBJECT.replace("(size)", "(siez)"), encoding="utf-8")
    broken = cli("formula", "rename", "item", "size", "length", "--in", pack)
    assert broken.code == 1 and "E301" in broken.err and "the packs have errors" in broken.err
