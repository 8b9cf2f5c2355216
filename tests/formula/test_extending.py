"""The page for function authors: every block of it runs. And what plug-ins that are wrong or gone say."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from engine.testing.database import Database
from engine.testing.functions import Check, checks_of, function_checks
from metamodel.formula.check import check
from metamodel.formula.functions import registry
from metamodel.formula.functions.registry import Function, Param, aggregate, lookup
from metamodel.formula.parse import parse
from tests.formula.shapes import MEASURE, ROW, codes
from tests.plugins import declared, forget, installed, run
from tests.tenancy import ROOT, load_folder, write_pack

PAGE = (ROOT / "docs" / "extending-formulas.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


*DECLARATIONS, TESTS = blocks("python")
POINTS = tomllib.loads("".join(blocks("toml")))["project"]["entry-points"][registry.ENTRY_POINTS]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the page, installed as the page says."""
    module = ModuleType("shop_functions")
    monkeypatch.setitem(sys.modules, "shop_functions", module)
    exec("\n".join(DECLARATIONS), module.__dict__)  # noqa: S102
    declared(monkeypatch, **{name.replace(".", "__"): value for name, value in POINTS.items()})
    yield module
    monkeypatch.undo()
    forget()


def test_every_function_of_the_page_passes_its_checks(shop: ModuleType, fieldwright_database: Database) -> None:
    for name in POINTS:
        function = lookup(name) or aggregate(name)
        assert function is not None and function.doc and function.examples
        found = list(checks_of(function))
        assert len(found) >= 5
        assert {str(check): check.run(fieldwright_database) for check in found} == {str(check): "" for check in found}


def test_the_test_file_of_the_page_has_every_check(shop: ModuleType) -> None:
    namespace: dict[str, Callable[..., None]] = {}
    exec(TESTS, namespace)  # noqa: S102
    (mark,) = namespace["test_functions"].pytestmark  # type: ignore[attr-defined]
    titles = [str(check) for check in mark.args[1]]
    assert all(any(name in title for title in titles) for name in POINTS)
    for named in re.findall(r"^\| `([a-z ]+)` \|", PAGE.partition("| Check |")[2].partition("\n\n")[0], re.MULTILINE):
        assert f"shop.MARKUP {named}" in titles


def test_the_failure_that_the_page_shows(shop: ModuleType, fieldwright_database: Database) -> None:
    source = "\n".join(DECLARATIONS).replace("and_(sql.num(cost) == sql.whole(0), price.is_not(None))", "sql.num(cost) == sql.whole(0)")
    exec(source.replace("shop.", "faulty."), shop.__dict__)  # noqa: S102
    registry._declared()["faulty.markup"] = registry._declared()["shop.markup"]
    said = {str(check): check.run(fieldwright_database) for check in checks_of(shop.markup)}
    (shown,) = (line for line in blocks("text") for line in line.splitlines())
    assert shown.replace("shop.", "faulty.") in said["faulty.MARKUP strict"], said


def test_the_formula_of_the_page_is_typed(shop: ModuleType) -> None:
    (formula,) = blocks("formula")
    names = {"cost": "80", "lines.amount": "lines.price", "price / quantity": "10 / units", "(80, price)": "(80, 100)"}
    for name, value in names.items():
        formula = formula.replace(name, value)
    assert codes(formula) == []


def test_an_aggregate_of_a_package_is_one(shop: ModuleType) -> None:
    assert codes("shop.spread(rows.amount) + shop.Spread(amount)", MEASURE) == []
    assert codes("shop.SPREAD(amount)") == ["E312"]
    assert codes("shop.SPREAD(lines.label)") == ["E204"]


def test_the_commands_of_the_page(tmp_path: Path, new_database: Callable[[], str]) -> None:
    folder, site, url = tmp_path, tmp_path / "site", new_database()
    (commands,) = blocks("sh")
    said = ""
    for line in commands.splitlines():
        word, *rest = shlex.split(line)
        if word == "cd":
            folder = folder / rest[0]
        elif word == "pip":
            installed(folder, site)
        else:
            module = {"fieldwright": "engine.cli.main", "pytest": "pytest"}[word]
            done = run("-m", module, *rest, cwd=folder, path=site, FIELDWRIGHT_DATABASE_URL=url)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            said = done.stdout
    assert said == '{"type": "number", "value": "0.25"}\n'


def test_the_pack_of_the_page_loads(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    head = {"kind": "pack", "name": "shop", "version": "0.1.0", "language": 1, "label": "Shop", "depends": {"core": ">=0.1,<1"}, "locales": ["en"]}
    article = {
        "kind": "object", "name": "article", "label": "Article", "title": "name",
        "fields": {
            "name": {"type": "text", "label": "Name"},
            "price": {"type": "money", "label": "Price"},
            "margin": {"type": "formula", "formula": "NET_MARGIN(price, 10)", "label": "Margin"},
        },
    }  # fmt: skip
    model = load_folder(write_pack(tmp_path / "shop", [head, yaml.safe_load(text), article])).model
    assert model.objects["article"].fields["margin"].formula


# -- plug-ins that are wrong or gone -----------------------------------------------------------------------------------

NOT_A_FUNCTION = "text"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    here = __name__
    declared(monkeypatch, acme__GONE="no_such_module:gone", acme__WRONG=f"{here}:NOT_A_FUNCTION")
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("formula", "code"), [("acme.GONE(1)", "E305"), ("acme.WRONG(1)", "E305"), ("acme.NONE(1)", "E303")]
)
def test_a_broken_plugin_is_a_diagnostic(formula: str, code: str) -> None:
    assert codes(formula) == [code]


@pytest.mark.usefixtures("plugins")
def test_a_broken_plugin_is_a_failing_check() -> None:
    (mark,) = function_checks("acme.*").pytestmark  # type: ignore[attr-defined]
    checks: list[Check] = mark.args[1]
    assert [str(check) for check in checks] == ["acme.gone loads", "acme.wrong loads"]
    said = [check.run(None) for check in checks]  # type: ignore[arg-type]
    assert "can not be imported" in said[0] and "is not the declaration of a function" in said[1]
    with pytest.raises(LookupError, match="is its package installed"):
        function_checks("elsewhere.*")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"volatility": "immutible"}, "volatility of acme.BAD: there is no immutible, only change, immutable"),
        ({"errors": {"ZERO": None}}, "errors of acme.BAD: there is no ZERO, only CUSTOM, DATE, DIV0"),
        ({"contexts": frozenset({"felds"})}, "contexts of acme.BAD: there is no felds, only access, default"),
        ({"params": (Param("net"), Param("net"))}, "two parameters of acme.BAD have one name"),
        ({"params": (Param("net", frozenset({"txt"})),)}, "kinds of net of acme.BAD: there is no txt, only boolean"),  # type: ignore[arg-type]
        ({"examples": "acme.BAD(1) = 1"}, "the examples of acme.BAD are a tuple of texts"),
    ],
)
def test_a_declaration_that_can_not_be_right_is_refused(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Function(**{"name": "acme.BAD", "group": "acme", "params": (), "doc": "Bad."} | declared)


@pytest.mark.parametrize(("formula", "hint"), [("AVG(1, 2)", "AVERAGE"), ("countif(x, 1)", "COUNT(lines[")])
def test_names_of_other_languages_lead_to_ours(formula: str, hint: str) -> None:
    (found,) = check(parse(formula), ROW).diagnostics
    assert found.code == "E303" and hint in (found.hint or "")


def test_a_call_that_does_not_fit_is_a_diagnostic(shop: ModuleType) -> None:
    assert codes("shop.MARKUP('x', 1)") == ["E204"]
