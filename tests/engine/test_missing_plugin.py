"""A plug-in that is gone breaks the formulas that call it, with a clear error, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.lifecycle.apply import apply
from engine.release.release import Release
from engine.release.release import make as release_of
from engine.reports.run import run_report
from engine.runtime import Runtime
from metamodel.formula.functions import registry, sql
from metamodel.issues import PackError
from tests.tenancy import context, create, load_folder, opened, read, refusing, update, write_pack

HALF = registry.function(
    "shop.HALF", "shop", registry.Param("number", registry.numeric()), returns=lambda args: args[0].type
)(lambda site, a: sql.num(a) * sql.number("0.5"))
PACK: list[dict[str, Any]] = [
    {"kind": "pack", "name": "shop", "version": "0.1.0", "language": 1, "label": "Shop", "depends": {"core": ">=0.1,<1"}, "locales": ["en"]},
    {
        "kind": "object", "name": "good", "label": "Good", "title": "name",
        "fields": {
            "name": {"type": "text", "label": "Name"},
            "price": {"type": "decimal", "label": "Price"},
            "half": {"type": "formula", "formula": "shop.HALF(price)", "label": "Half"},
            "quarter": {"type": "formula", "formula": "half / 2", "label": "Quarter"},
            "whole": {"type": "formula", "formula": "price * 2", "label": "Whole"},
        },
        "rules": {"dear": {"valid_when": "shop.HALF(price) > 1", "on": ["update"], "message": "too cheap"}},
    },
    {"kind": "report", "name": "halves", "label": "Halves", "object": "good", "group_by": {"name": "name"}, "measures": {"half": "SUM(shop.HALF(price))", "n": "COUNT(rows)"}},
]  # fmt: skip


def installed(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: list(points))
    registry._declared.cache_clear()
    registry._plugin.cache_clear()


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(loop_scope="session")
async def broken(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Runtime, Release]]:
    """A release that was published with the plug-in, as a server without it reads it."""
    installed(monkeypatch, EntryPoint("shop.HALF", f"{__name__}:HALF", registry.ENTRY_POINTS))
    async with opened(url) as rt:
        made = (await apply(rt, "shop", load_folder(write_pack(tmp_path / "shop", PACK)))).release
        await create(rt, made, "good", {"name": "pen", "price": 4})
        assert await read(rt, made, "good", "half", "quarter") == [{"half": 2, "quarter": 1}]
        installed(monkeypatch)
        with pytest.raises(PackError, match=r"unknown function shop\.HALF"):
            load_folder(tmp_path / "shop")
        yield rt, release_of(made.tenant, made.schema, made.number, made.data, made.identity, role=made.role)
    monkeypatch.undo()
    registry._declared.cache_clear()
    registry._plugin.cache_clear()


def _fails(*given: Any) -> Any:
    raise KeyError("rates")


FAILS_LATE = registry.Function(name="shop.HALF", group="shop", params=HALF.params, doc="", returns=HALF.returns, sql=_fails)
FAILS_EARLY = registry.Function(name="shop.HALF", group="shop", params=HALF.params, doc="", returns=_fails, sql=HALF.sql)


@pytest.mark.parametrize("failing", ["FAILS_LATE", "FAILS_EARLY"])
async def test_a_plugin_that_fails_breaks_its_formulas_alone(
    broken: tuple[Runtime, Release], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    rt, old = broken
    installed(monkeypatch, EntryPoint("shop.HALF", f"{__name__}:{failing}", registry.ENTRY_POINTS))
    release = release_of(old.tenant, old.schema, old.number + 1, old.data, old.identity, role=old.role)
    told = await read(rt, release, "good", "name", "half", "quarter", "whole", errors=True)
    assert told == [{"name": "pen", "half": None, "quarter": None, "whole": 8, "_errors": {"half": "REF", "quarter": "REF"}}]
    assert await read(rt, release, "good", "name", where="half > 1") == []


async def test_the_rest_goes_on(broken: tuple[Runtime, Release]) -> None:
    rt, release = broken
    assert release.model.broken["good.fields.half.formula"] == "unknown function shop.HALF"
    fields = ("name", "half", "quarter", "whole")
    assert await read(rt, release, "good", *fields) == [{"name": "pen", "half": None, "quarter": None, "whole": 8}]
    told = await read(rt, release, "good", *fields, errors=True)
    assert told[0]["_errors"] == {"half": "REF", "quarter": "REF"}
    assert await read(rt, release, "good", "name", where="half > 1") == []
    assert await read(rt, release, "good", "name", where="whole > 1", order=("half",)) == [{"name": "pen"}]
    report = await run_report(rt, context(release), release, "halves")
    assert report.body == '[{"name":"pen","half":null,"n":1}]'


async def test_a_broken_rule_refuses(broken: tuple[Runtime, Release]) -> None:
    rt, release = broken
    (found,) = await read(rt, release, "good", "id")
    with refusing("record.rule_error", "dear could not be evaluated: a record or function that is not there"):
        await update(rt, release, "good", found["id"], price=9)
