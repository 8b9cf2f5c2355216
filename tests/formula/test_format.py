"""Laying out: the same formula, every comment kept in its order, and nothing left to change the second time."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.format import source
from metamodel.formula.layout import COMMENT, WIDTH
from metamodel.formula.parse import parse

ATOMS = ["amount", "Account.Owner.region", "$user.id", "this.a", "12", ".5", "1e3", '"x // y"', "'it''s'", "@2024-01-31",
         "30Days", "true", "FALSE()", "null", "[1, 2]", "COUNT(lines)", "a_rather_long_name_of_a_field_to_fill_the_line"]  # fmt: skip
GAPS = [" ", "  ", "\n", "\n  ", " /* c */ ", " /* two\n   lines  */ ", " // end \n", "\n// alone\n", "\n/* alone */\n",
        "\n/* a */ /* b */\n", "\n/* a */ // b\n", " /**/"]  # fmt: skip
SPACES = GAPS[:4]


@st.composite
def formulas(draw: st.DrawFn, depth: int = 3) -> str:
    """A formula of tokens with any spaces and comments between them."""

    def gap() -> str:
        return draw(st.sampled_from(GAPS if draw(st.integers(0, 2)) == 0 else SPACES))

    def part() -> str:
        return draw(formulas(depth=depth - 1))

    if depth == 0:
        return draw(st.sampled_from(ATOMS))
    form = draw(st.integers(0, 9))
    if form == 0:
        return draw(st.sampled_from(ATOMS))
    if form <= 3:
        sign = draw(st.sampled_from(["+", "-", "*", "/", "^", "&", "and", "OR", "&&", "||"]))
        return f"({part()}){gap()}{sign}{gap()}{part()}" if sign in "+-*/^&" else f"{part()}{gap()}{sign}{gap()}{part()}"
    if form == 4:
        return f"(({gap()}{part()}{gap()}){gap()}{draw(st.sampled_from(['=', '!=', '<=']))}{gap()}({part()}))"
    if form == 5:
        return f"({gap()}{part()}{gap()})"
    if form == 6:
        return f"({draw(st.sampled_from(['-', '!', 'NOT ']))}{gap()}{part()})"
    if form == 7:
        word = draw(st.sampled_from(["in", "not in"]))
        return f"(({part()}){gap()}{word}{gap()}({gap()}{part()}{gap()},{gap()}{part()}{gap()}))"
    if form == 8:
        return f"sum(lines{gap()}[{gap()}{part()}{gap()}]{gap()}.{gap()}price)"
    args = [part() for _ in range(draw(st.integers(1, 4)))]
    return f"if ({gap()}{f'{gap()},{gap()}'.join(args)},{gap()}Other{gap()}:{gap()}{part()}{gap()})"


def plain(node: Any) -> Any:
    """A syntax tree in which the case of names, which means nothing, is gone."""
    if is_dataclass(node):
        kept = {f.name: getattr(node, f.name) for f in fields(node) if f.compare}
        return type(node).__name__, [v.lower() if k == "name" else plain(v) for k, v in kept.items()]
    if isinstance(node, tuple):
        return [item.lower() if isinstance(item, str) else plain(item) for item in node]
    return node


def comments(text: str) -> list[list[str]]:
    return [m[1].split() for m in COMMENT.finditer(text) if m[1]]


@settings(max_examples=1500, deadline=None)
@given(st.one_of(formulas(), formulas().map(lambda x: f"// head\n{x} /* tail */")))
@example("a +\n/* x */ // y\n b")
@example("(a) + if(a_rather_long_name_of_a_field_to_fill_the_line OR a_rather_long_name_of_a_field_to_fill_the_line\n/* a */ // b\n, b)")
@example("-\n/* c */ a")
@example("(amount) + sum(lines\n/* a */ /* b */\n[ (amount) + /**/a_rather_long_name_of_a_field_to_fill_the_line ] . /**/price)")
@example("/* a */ /* b */\nx\n/* c */ /* d */")
def test_the_formula_stays_and_a_second_time_changes_nothing(formula: str) -> None:
    before = parse(formula)
    made = source(formula)
    assert plain(parse(made)) == plain(before)
    assert comments(made) == comments(formula)
    assert source(made) == made
    assert not any(line != line.rstrip() for line in made.split("\n"))


PAIRS = [
    ('if( stage="won"&&amount>3 , round(a/b,2) , 0 )  // why\n', 'IF(stage = "won" AND amount > 3, ROUND(a / b, 2), 0) // why'),
    ("a  // the first\n+b", "a // the first\n  + b"),
    ("((a))  or  !b==c", "((a)) OR !b = c"),
    ("// what it is\n\nsum( lines [qty>0] . price )", "// what it is\nSUM(lines[qty > 0].price)"),
    ("IF(a,\n  b\n  // last\n)", "IF(\n  a,\n  b\n  // last\n)"),
    ("a in Tags and b not  in list_of(x)", "a IN tags AND b NOT IN LIST_OF(x)"),
    ("retail.Margin_Pct(Price,'x')", "retail.Margin_Pct(price, 'x')"),
    (
        "IF(AND(stage = 'won', amount - cost > 1000), ROUND((amount-cost)/amount*100, digits:2), // the rate\n // else\n 0)",
        "IF(\n  AND(stage = 'won', amount - cost > 1000),\n  ROUND((amount - cost) / amount * 100, digits: 2), // the rate\n  // else\n  0\n)",
    ),
    (
        "stage.category = 'open' AND planned_close < TODAY() AND amount > 1000 AND NOT ISBLANK(owner.manager.region)",
        "stage.category = 'open'\nAND planned_close < TODAY()\nAND amount > 1000\nAND NOT ISBLANK(owner.manager.region)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "wanted"), PAIRS)
def test_how_it_looks(written: str, wanted: str) -> None:
    assert source(written) == wanted


def test_lines_are_short_where_they_can_be() -> None:
    long = "CONCATENATE(" + ", ".join(f"IF(field_{n} > {n}, 'a', ROUND(field_{n} / {n + 1}, 2))" for n in range(20)) + ")"
    made = source(long)
    assert made.count("\n") == 21 and max(map(len, made.split("\n"))) <= WIDTH


def test_a_wrong_formula_is_refused() -> None:
    with pytest.raises(FormulaError):
        source("IF(a; b)")
