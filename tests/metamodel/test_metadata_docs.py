"""The pages for authors of packs are complete, and what they show works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sample_packs import write_pack
from test_schemas import subschemas

from metamodel.codes import CODES
from metamodel.formula.diagnostics import CODES as FORMULA_CODES
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.load import load_tenant
from metamodel.schema_check import KINDS, schema

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "metadata.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
SECTIONS = {part.split("\n", 1)[0].lower().replace(" ", "_"): part for part in PAGE.split("\n## ")[1:]}


def test_the_page_of_codes_lists_every_code_with_its_title_and_no_other() -> None:
    listed = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", (DOCS / "codes.md").read_text(encoding="utf-8"), re.M))
    assert listed == CODES | FORMULA_CODES


def test_every_code_that_the_front_uses_is_declared() -> None:
    root = Path(__file__).parents[2] / "metamodel"
    used = {
        code for path in root.rglob("*.py") for code in re.findall(r'"([YSM]\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)


def test_all_examples_load_together_without_a_warning(tmp_path: Path) -> None:
    by_kind = {block.split("\n", 1)[0].removeprefix("kind: "): block for block in BLOCKS}
    assert list(by_kind) == list(KINDS)
    manifest, tenant = by_kind.pop("pack"), by_kind.pop("tenant")
    write_pack(tmp_path / "core", {})
    write_pack(tmp_path / "library", {f"{kind}.yaml": text for kind, text in by_kind.items()}, manifest)
    (tmp_path / "library" / "user.yaml").unlink()
    (tmp_path / "town.yaml").write_text(tenant, encoding="utf-8")
    loaded = load_tenant(tmp_path / "town.yaml", [tmp_path])
    assert not loaded.warnings and "shelf" in loaded.model.objects["book"].fields


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_of_a_kind_is_explained_and_shown(kind: str) -> None:
    section = SECTIONS[kind]
    block = re.search(r"```yaml\n(.*?)```", section, re.S)
    assert block
    for part in subschemas(schema(kind)):
        for name in part.get("properties", {}) if "additionalProperties" in part or "then" in part else ():
            assert f"| `{name}` |" in section, name


def test_every_field_type_is_explained() -> None:
    for name in FIELD_TYPES:
        assert f"| `{name}` |" in SECTIONS["object"], name
