"""What an editor is told of formulas, finished or not."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metamodel.formula import service
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.service.tokens import accepts, tokens
from metamodel.formula.types import Type
from tests.formula.shapes import SCHEMA

ROW = Scope(SCHEMA, "rule", row="project", old=True)
QUERY = Scope(SCHEMA, "query", row="project")
MEASURE = Scope(SCHEMA, "measure", rows="project")


def split(marked: str) -> tuple[str, int]:
    return marked.replace("¦", ""), marked.index("¦")


def offered(marked: str, scope: Scope = ROW, expect: Type | None = None) -> list[str]:
    return [found.label for found in service.complete(*split(marked), scope, expect)]


@pytest.mark.parametrize(
    ("marked", "first", "among", "never"),
    [
        ("am¦", ["amount"], set(), {"cost"}),
        ("client.¦", [], {"region", "owner"}, {"amount", "SUM"}),
        ("client.owner.¦ + 1", [], {"region"}, {"amount"}),
        ("client . owner\n.re¦", ["region"], set(), set()),
        ("stage.¦", ["category", "probability"], set(), {"amount"}),
        ('stage = "¦', ["open", "won", "lost"], set(), {"amount"}),
        ("stage = '¦' AND due > TODAY()", ["open", "won", "lost"], set(), set()),
        ("stage = ¦", ['"open"', '"won"', '"lost"', "stage"], {"NULL"}, {"AND"}),
        ('stage IN ("open", "w¦")', ["won"], set(), {"lost"}),
        ('CASE(stage, "¦', ["open", "won", "lost"], set(), set()),
        ('DATETRUNC(due, "m¦', ["month", "minute"], set(), set()),
        ("COUNT(¦", ["lines"], {"client"}, set()),
        ("COUNT(client.¦", ["projects"], set(), set()),
        ("SUM(lines.¦", [], {"price", "quantity"}, {"amount", "lines"}),
        ("SUM(lines[¦", [], {"price", "this", "old"}, {"lines"}),
        ("SUM(lines[price > this.am¦", ["amount"], set(), set()),
        ("SUM(lines[price > 1].pr¦", ["price"], set(), set()),
        ("SUM(lines, pr¦", ["price"], set(), set()),
        ("SUM(lines[price > 1], quantity) + am¦", ["amount"], set(), {"price"}),
        ("old.am¦", ["amount"], set(), set()),
        ("$us¦", ["$user"], set(), set()),
        ("$user.re¦", ["region"], set(), set()),
        ("$org.¦", ["currency", "fiscal_year_start", "time_zone"], set(), {"amount"}),
        ("amount > 1 ¦", ["AND", "OR"], set(), {"amount"}),
        ("stage ¦", [], {"AND", "IN", "NOT IN"}, {"amount"}),
        ("ROUND(amount, ¦", [], {"digits:"}, set()),
        ("due > ¦", ["begun", "due"], {"TODAY"}, {"AND"}),
        ("due > amount + ¦", ["amount"], set(), set()),
        ("// am¦", [], set(), {"amount"}),
        ("/* am¦ */ amount", [], set(), {"amount"}),
        ('"am¦"', [], set(), {"amount"}),
        ("rows¦", [], set(), {"rows"}),
    ],
)  # fmt: skip
def test_candidates(marked: str, first: list[str], among: set[str], never: set[str]) -> None:
    labels = offered(marked)
    assert labels[: len(first)] == first, labels[:15]
    assert among <= set(labels) and not never & set(labels), labels[:15]


def test_candidates_depend_on_the_place_and_the_wanted_type() -> None:
    assert offered("ISCH¦") == ["ISCHANGED"] and offered("ISCH¦", QUERY) == [] and "old" not in offered("¦", QUERY)
    assert "amount" not in offered("¦", MEASURE) and offered("COUNT(ro¦", MEASURE)[0] == "rows"
    assert offered("SUM(IF(active, amo¦", MEASURE) == ["amount"] and offered("SUM(rows.amo¦", MEASURE) == ["amount"]
    wanted = Type("select", of="stages")
    assert offered("¦", QUERY, wanted)[:3] == ['"open"', '"won"', '"lost"']
    assert offered('IF(active, "¦', QUERY, wanted) == ["open", "won", "lost"]
    assert offered("¦", QUERY, Type("boolean"))[:2] == ["active", "amount"], "a condition may begin with any field"


def test_a_candidate_says_what_to_write_where() -> None:
    (found,) = (c for c in service.complete("1 + rou + 2", 7, ROW) if c.label == "ROUND")
    assert (found.text, found.start, found.end, found.inside) == ("ROUND()", 4, 7, 1)
    assert found.detail == "ROUND(number, [digits])" and found.doc.startswith("Rounded half away")
    (text,) = service.complete('stage = "wo"', 11, ROW)
    assert (text.text, text.start, text.end) == ("won", 9, 11)


FINISHED = [
    'IF(stage = "won" AND amount - cost > 1000, ROUND((amount - cost) / amount * 100, 2), 0)',
    "SUM(lines[quantity > 0 AND price < this.amount].price) + COUNT(client.projects)",
    "client.owner.region = $user.region OR NOT ISBLANK(old.due)",
    "DATETRUNC(due, \"month\") - 1month > begun // why\n & 'x'",
]


@pytest.mark.parametrize("formula", FINISHED)
def test_every_prefix_is_helped_with_and_every_written_name_is_offered(formula: str) -> None:
    """What stands in a right formula is offered at its place, from its first letter."""
    checked = check(parse(formula), ROW)
    for ref in checked.references:
        if ref.kind != "option":
            labels = [found.label.lower() for found in service.complete(formula[: ref.start + 1], ref.start + 1, ROW)]
            assert formula[ref.start : ref.end].lower() in labels, (formula[: ref.start + 1], labels[:9])
    for offset in range(len(formula) + 1):
        for source in (formula[:offset], formula):
            service.complete(source, offset, ROW)
            service.signature(source, offset, ROW)
            service.hover(source, offset, ROW)
            service.diagnose(source, ROW)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="abl.\"'[](),$@:/*&|=<>!%^+-1 \n\\💥é", max_size=40), st.integers(0, 40))
def test_nothing_that_is_typed_is_too_much(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    service.complete(text, offset, ROW)
    service.signature(text, offset, ROW)
    service.hover(text, offset, ROW)
    _, found = service.diagnose(text, ROW)
    for one in found:
        for fix in one.fixes:
            assert 0 <= fix.start <= fix.end <= len(text)
    assert "".join(text[t.start : t.end] for t in tokens(text)) == "".join(t.text for t in tokens(text))


def test_long_formulas_are_answered_while_typing() -> None:
    formula = " + ".join(random.Random(1).choices(["amount", "ROUND(cost, 2)", "SUM(lines.price)"], k=80))
    began = time.perf_counter()
    for _ in range(10):
        service.complete(formula + " + am", len(formula) + 5, ROW)
    assert (time.perf_counter() - began) / 10 < 0.25


def test_the_grammar_says_what_may_follow() -> None:
    assert accepts("amount ") and "AND" in (accepts("amount ") or ()) and "NAME" not in (accepts("amount ") or ())
    assert accepts("a + ) ") is None and "NAME" in (accepts("client.") or ())


@pytest.mark.parametrize(
    ("marked", "title", "kind", "has"),
    [
        ("am¦ount + 1", "project.amount", "money", ""),
        ("client.ow¦ner.region", "client.owner", "reference", ""),
        ("client.owner.reg¦ion", "user.region", "text", ""),
        ("amount ¦+ 1", "amount + 1", "money", "project.amount"),
        ("RO¦UND(amount)", "ROUND(number, [digits])", None, "Rounded"),
        ('stage = "w¦on"', "stages.won", "select", ""),
        ("SUM(li¦nes.price)", "project.lines", "set", ""),
        ("SUM(lines.pr¦ice)", "line.price", "decimal", ""),
        ("am¦ount + (", "project.amount", "money", ""),
        ("SUM(lines[pr¦ice > ", "line.price", "decimal", ""),
        ("ROU¦ND(", "ROUND(number, [digits])", None, "Rounded"),
    ],
)
def test_hover(marked: str, title: str, kind: str | None, has: str) -> None:
    found = service.hover(*split(marked), ROW)
    assert found is not None and found.title == title and (found.type.kind if found.type else None) == kind
    assert has in f"{found.doc} {' '.join(found.reads)}"


def test_hover_tells_how_lasting_and_how_costly_a_part_is() -> None:
    text, offset = split("due ¦< TODAY() + SUM(lines.price)")
    found = service.hover(text, offset, ROW)
    assert found and found.volatility == "relational" and found.cost > 4 and "line.price" in found.reads
    assert service.hover("amount  ", 7, ROW) is None and service.hover("nothing", 3, ROW) is None


@pytest.mark.parametrize(
    ("marked", "label", "active"),
    [
        ("ROUND(¦", "ROUND(number, [digits])", "number"),
        ("ROUND(amount, ¦)", "ROUND(number, [digits])", "[digits]"),
        ("ROUND(amount, digits: ¦", "ROUND(number, [digits])", "[digits]"),
        ("IF(active, ROUND(amount), ¦", "IF(", "else"),
        ("CONCATENATE(name, name, name¦", "CONCATENATE(", "..."),
        ("SUM(lines, ¦", "SUM(set, value)", "value"),
        ("ROUND(amount, 2, ¦", "ROUND(number, [digits])", None),
        ("ROUND(amount) + ¦", None, None),
        ("nothing(¦", None, None),
        ('ROUND(amount, "¦', "ROUND(number, [digits])", "[digits]"),
    ],
)
def test_signature(marked: str, label: str | None, active: str | None) -> None:
    found = service.signature(*split(marked), ROW)
    if label is None or found is None:
        assert found is None and label is None
        return
    assert found.label.startswith(label)
    shown = None if found.active is None else found.label[slice(*found.parameters[found.active])]
    assert shown == active or (active in ("...", "else") and shown is not None)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ammount + 1", "amount + 1"),
        ("client.regoin & 'x'", "client.region & 'x'"),
        ("SUM(lines[prise > 1].price)", "SUM(lines[price > 1].price)"),
        ("stage = 'wonn'", "stage = 'won'"),
        ("stage.categry", "stage.category"),
        ("ROUNDD(amount)", "ROUND(amount)"),
        ("ROUND(amount; 2)", "ROUND(amount, 2)"),
        ("name = “x\"", 'name = "x"'),
        ("name = 'x", "name = 'x'"),
        ("ROUND(amount, 2", "ROUND(amount, 2)"),
        ("SUM(lines[price > 1", "SUM(lines[price > 1]"),
    ],
)
def test_fixes(wrong: str, right: str) -> None:
    _, found = service.diagnose(wrong, ROW)
    (fix,) = found[0].fixes
    assert wrong[: fix.start] + fix.text + wrong[fix.end :] == right


def test_a_name_that_stands_for_itself_is_given_where_it_stands() -> None:
    assert [(ref.start, ref.end, ref.name) for ref in service.names("USER(region)", ROW)] == [
        (0, 4, "USER"), (5, 11, "region"),
    ]  # fmt: skip


def test_names_are_given_where_they_stand() -> None:
    text = "SUM(lines[price > this.Amount].quantity) + ROUND(old.amount) // amount"
    found = [(text[ref.start : ref.end], ref.kind, ref.owner) for ref in service.names(text, ROW)]
    assert found == [
        ("SUM", "function", ""), ("lines", "child", "project"), ("price", "field", "line"),
        ("Amount", "field", "project"), ("quantity", "field", "line"), ("ROUND", "function", ""),
        ("amount", "field", "project"),
    ]  # fmt: skip
