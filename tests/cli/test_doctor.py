"""`fieldwright doctor` names the plug-ins, what is wrong with them, and the formulas that are broken for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from metamodel.formula.functions import registry
from tests.cli.conftest import Cli
from tests.engine.test_missing_plugin import PACK, installed
from tests.tenancy import write_pack

HALF = EntryPoint("shop.HALF", "tests.engine.test_missing_plugin:HALF", registry.ENTRY_POINTS)
GONE = EntryPoint("acme.GONE", "tests.cli.nowhere:GONE", registry.ENTRY_POINTS)


@pytest.fixture(scope="module")
def cli_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    registry._declared.cache_clear()
    registry._plugin.cache_clear()


def test_doctor_names_plugins_and_broken_formulas(cli: Cli, tmp_path: Path, entry_points: pytest.MonkeyPatch) -> None:
    tenant = "kind: tenant\nname: stall\nlabel: Stall\npacks: {core: '>=0.1', shop: '>=0.1'}\n"
    (tmp_path / "tenant.yaml").write_text(
        tenant + "settings: {time_zone: UTC, currency: USD, locales: [en]}\n", encoding="utf-8"
    )
    write_pack(tmp_path / "shop", PACK)
    installed(entry_points, HALF)
    assert cli("apply", tmp_path, "--yes").code == 0
    healthy = cli("doctor")
    assert healthy.code == 0 and "shop.HALF" in healthy.out and "broken" not in healthy.out, healthy
    installed(entry_points, GONE)
    ill = cli("doctor")
    assert ill.code == 1 and "acme.gone (tests.cli.nowhere:GONE can not be imported" in ill.out, ill
    assert "stall: good.fields.half.formula: unknown function shop.HALF" in ill.out
