"""`fieldwright rollup verify`: what drifted is shown with ids and repaired on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cli
from tests.tenancy import sql, write_pack

DOCUMENTS = (
    {"kind": "pack", "name": "farm", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    {
        "kind": "object", "name": "field", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True},
            "trees": {"type": "rollup", "formula": "COUNT(plants)", "stored": True},
            "heavy": {"type": "rollup", "formula": "MAX(plants.weight)", "stored": True},
        },
    },
    {
        "kind": "object", "name": "plant", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True}, "weight": {"type": "decimal"},
            "field": {"type": "lookup", "to": "field", "reverse": "plants"},
        },
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def cli_database(new_database: Callable[[], str]) -> str:
    """A database of its own: other tests of the room count the tenants."""
    return new_database()


def test_drift_is_shown_and_repaired(cli: Cli, cli_database: str, tmp_path: Path) -> None:
    write_pack(tmp_path / "packs" / "farm", DOCUMENTS)
    tenant = {"kind": "tenant", "name": "farm", "packs": {"farm": ">=0.1"}}
    (tmp_path / "tenant.yaml").write_text(yaml.safe_dump(tenant), "utf-8")
    applied = cli("apply", tmp_path, "--yes")
    assert applied.code == 0, applied
    (tmp_path / "fields.csv").write_text("name\nnorth\nsouth\n", "utf-8")
    mapping = {"kind": "import", "name": "fields", "object": "field", "file": "fields.csv", "columns": {"name": "name"}}
    (tmp_path / "fields.yaml").write_text(yaml.safe_dump(mapping), "utf-8")
    imported = cli("data", "import", "farm", tmp_path / "fields.yaml", tmp_path / "fields.csv")
    assert imported.code == 0, imported
    good = cli("rollup", "verify", "farm")
    assert (good.code, good.out) == (0, "2 stored roll-ups counted, 0 drifted\n")

    asyncio.run(sql(cli_database, "UPDATE t_farm.field SET trees = 7"))
    ids = sorted(str(row["id"]) for row in asyncio.run(sql(cli_database, "SELECT id FROM t_farm.field")))
    bad = cli("rollup", "verify", "farm")
    assert bad.code == 1
    assert bad.out == f"farm: field.trees: 2 drifted: {', '.join(ids)}\n2 stored roll-ups counted, 1 drifted\n"
    fixed = cli("rollup", "verify", "--fix")
    assert fixed.code == 0 and "farm: field.trees: 2 drifted; 2 repaired: " in fixed.out
    assert cli("rollup", "verify").code == 0
    assert cli("rollup", "verify", "nowhere").code == 1
