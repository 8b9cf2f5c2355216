"""`kind: function`: formulas over parameters, written out where they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sample_packs import issues_of, load_text

from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.service import names
from metamodel.model_schema import ModelSchema

ITEM = """\
kind: object
name: item
title: name
fields:
  name: {type: text, required: true}
  amount: {type: money}
  units: {type: integer}
"""
PORTION = """\
---
kind: function
name: portion
label: Portion
description: A part of an amount.
params: {whole: {type: money}, part: {type: percent, default: 50%}}
formula: whole * part + 1
"""


def field(formula: str, functions: str = PORTION) -> str:
    return f"{ITEM}  made: {{type: formula, formula: '{formula}'}}\n{functions}"


@pytest.mark.parametrize(
    ("call", "written"),
    [
        ("PORTION(amount)", "amount * 50% + 1"),
        ("portion(amount, 10%)", "amount * 10% + 1"),
        ("PORTION(part: 10%, whole: amount)", "amount * 10% + 1"),
        ("PORTION(PORTION(amount))", "(amount * 50% + 1) * 50% + 1"),
        ("IF(ISBLANK(amount), 0, PORTION(amount))", "IF(ISBLANK(amount), 0, amount * 50% + 1)"),
    ],
)
def test_a_call_is_the_formula_with_the_arguments(tmp_path: Path, call: str, written: str) -> None:
    called = load_text(tmp_path / "a", field(call)).model.typed["item.fields.made.formula"]
    assert called == load_text(tmp_path / "b", field(written)).model.typed["item.fields.made.formula"]


def test_an_argument_is_of_the_declared_kind(tmp_path: Path) -> None:
    square = "---\nkind: function\nname: square\nparams: {x: {type: decimal}}\nformula: x * x\n"
    assert load_text(tmp_path / "a", field("SQUARE(amount)", square)).model.typed["item.fields.made.formula"].type.kind == "decimal"
    assert load_text(tmp_path / "b", field("PORTION(units / 3)")).model.typed["item.fields.made.formula"].type.kind == "money"


def test_functions_call_functions(tmp_path: Path) -> None:
    half = "---\nkind: function\nname: half\nparams: {x: {type: money}}\nformula: PORTION(x) - 1\n"
    called = load_text(tmp_path / "a", field("HALF(amount)", half + PORTION)).model.typed["item.fields.made.formula"]
    assert called == load_text(tmp_path / "b", field("amount * 50% + 1 - 1")).model.typed["item.fields.made.formula"]


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("PORTION()", "E205", "PORTION takes 1 to 2 arguments"),
        ("PORTION(amount, 1%, 2)", "E205", "PORTION takes"),
        ("PORTION(amount, parts: 1%)", "E206", 'no free argument "parts"'),
        ("PORTION(name)", "E203", "a money is needed here, this is text"),
        ("PORTON(amount)", "E303", "unknown function PORTON"),
    ],
)
def test_what_does_not_fit_is_told_at_the_call(tmp_path: Path, call: str, code: str, message: str) -> None:
    (found,) = issues_of(tmp_path, field(call))
    assert found.code == code and message in found.message and found.where and found.where.line == 8


@pytest.mark.parametrize(
    ("functions", "code", "message"),
    [
        (PORTION.replace("whole * part", "whole * prt"), "E301", 'unknown name "prt"'),
        (PORTION.replace("whole * part", "whole * amount"), "E301", 'unknown name "amount"'),
        (PORTION.replace("whole * part", "whole * (part"), "E107", "bracket"),
        (PORTION.replace("name: portion", "name: round"), "M229", "reserves the function ROUND"),
        (PORTION.replace("name: portion", "name: ytd"), "M229", "reserves the function YTD"),
        (PORTION.replace("{type: money}", "{type: money, default: 1}").replace(", default: 50%", ""), "M230", "part has no default"),
        (PORTION.replace("type: money", "type: mony"), "S105", ""),
        (PORTION.replace("+ 1", "+ PORTION(whole)"), "E315", "PORTION -> PORTION"),
        (PORTION.replace("50%", "'name'"), "E301", 'unknown name "name"'),
        (PORTION.replace("+ 1", "+ old.amount"), "E402", "no old record"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_function_is_told_where_it_is_declared(
    tmp_path: Path, functions: str, code: str, message: str
) -> None:
    found = issues_of(tmp_path, field("1", functions))
    assert [issue.code for issue in found] == [code] and message in found[0].message
    assert found[0].where and found[0].where.line > 8


@pytest.mark.parametrize("wrong", [("whole * part", "whole * prt"), ("50%", "prt")])
def test_a_wrong_function_is_told_once(tmp_path: Path, wrong: tuple[str, str]) -> None:
    found = issues_of(tmp_path, field("PORTION(amount)", PORTION.replace(*wrong)))
    assert [issue.code for issue in found] == ["E301"]


def test_what_a_function_names_is_not_named_by_its_call(tmp_path: Path) -> None:
    of_user = PORTION.replace("50%", "LEN($user.name)").replace("percent", "integer")
    schema = ModelSchema(load_text(tmp_path, field("PORTION(amount)", of_user)).model)
    found = names("PORTION(amount)", Scope(schema, "field", row="item"))
    assert [(ref.start, ref.name) for ref in found] == [(0, "PORTION"), (8, "amount")]


def test_a_function_without_a_record_is_checked_where_its_pack_is_wrong(tmp_path: Path) -> None:
    """An editor asks of packs that are not right yet."""
    model = load_text(tmp_path, field("1")).model
    wrong = replace(model.functions["portion"].formula, text="old.amount + whole")
    model = replace(model, functions={"portion": replace(model.functions["portion"], formula=wrong)})
    scope = Scope(ModelSchema(model), "rule", row="item", old=True)
    assert [d.code for d in check(parse("PORTION(amount)"), scope).diagnostics] == ["E316"]


def test_circles_and_towers_are_refused_soon(tmp_path: Path) -> None:
    ring = "".join(
        f"---\nkind: function\nname: {a}\nparams: {{x: {{type: decimal}}}}\nformula: {b}(x) + 1\n"
        for a, b in (("ping", "PONG"), ("pong", "PING"))
    )
    assert {issue.code for issue in issues_of(tmp_path / "ring", field("1", ring))} == {"E315"}
    tower = "".join(
        f"---\nkind: function\nname: f{n}\nparams: {{x: {{type: decimal}}}}\nformula: F{n + 1}(x) + F{n + 1}(x)\n"
        for n in range(30)
    )
    tower += "---\nkind: function\nname: f30\nparams: {x: {type: decimal}}\nformula: x + x\n"
    assert {issue.code for issue in issues_of(tmp_path / "tower", field("F0(units)", tower))} <= {"E605", "E602"}
    deep = "PORTION(" * 40 + "amount" + ")" * 40
    assert [issue.code for issue in issues_of(tmp_path / "deep", field(deep))] in ([], ["E605"])


def test_functions_of_packs_are_listed(tmp_path: Path) -> None:
    model = load_text(tmp_path, field("1")).model
    shape = ModelSchema(model).functions["portion"]
    assert shape.description == "A part of an amount." and [p.name for p in shape.params] == ["whole", "part"]
    assert model.functions["portion"].label == {"en": "Portion"}
