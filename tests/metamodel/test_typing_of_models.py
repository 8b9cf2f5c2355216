"""Formulas of a model to typed trees: order, circles, places, expected types, and the schema that queries use."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sample_packs import RICH, issues_of, load_text

from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.typed import Call, Literal, Node, Property
from metamodel.formula.types import BOOLEAN, Type
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.model_schema import ModelSchema, stored_type

ITEM = "kind: object\nname: item\ntitle: name\nfields:\n  name: {type: text, required: true}\n  amount: {type: money}\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_text(tmp_path_factory.mktemp("typing"), RICH).model


def test_every_formula_of_the_model_has_a_typed_tree(model: Model) -> None:
    wanted = {f.formula.key for o in model.objects.values() for f in o.fields.values() if f.formula}
    wanted |= {f.default.key for o in model.objects.values() for f in o.fields.values() if f.default}
    wanted |= {r.valid_when.key for o in model.objects.values() for r in o.rules.values()}
    wanted |= {m.when.key for p in model.processes.values() for m in p.moves if m.when}
    wanted |= {c.value.key for r in model.reports.values() for c in (*r.groups.values(), *r.measures.values())}
    assert wanted <= set(model.typed) and all(node.type.kind != "error" for node in model.typed.values())


def test_properties_of_a_stage_are_typed(model: Model) -> None:
    tree = model.typed["item.fields.chance.formula"]
    assert isinstance(tree, Property) and tree.name == "probability" and tree.type.kind == "percent"


def test_scale_rounds_the_result(model: Model) -> None:
    tree = model.typed["item.fields.weighted.formula"]
    assert isinstance(tree, Call) and tree.function.upper() == "ROUND"
    assert isinstance(tree.args[1], Literal) and tree.args[1].value == 2


def test_blanks_are_read_as_zero_where_a_formula_says_so(tmp_path: Path) -> None:
    text = ITEM + "  twice: {type: formula, formula: amount * 2, blanks: zero}\n  plain: {type: formula, formula: amount * 2}\n"
    text += "rules:\n  small: {valid_when: amount < 5, blanks: zero, message: {en: too much}}\n"
    typed = load_text(tmp_path, text).model.typed
    zero, plain = typed["item.fields.twice.formula"], typed["item.fields.plain.formula"]
    assert not zero.type.nullable and plain.type.nullable
    rule = typed["item.rules.small.valid_when"]
    assert isinstance(rule, Call) and isinstance(rule.args[0], Call) and rule.args[0].function == "BLANKVALUE"


def test_plain_values_of_defaults_are_typed(model: Model) -> None:
    def value(node: Node) -> object:
        return node.value if isinstance(node, Literal) else node

    assert value(model.typed["item.fields.amount.default"]) == 0
    share = model.typed["item.fields.share.default"]
    assert share.type.number and (value(share) == Decimal("0.10") or isinstance(share, Call))


def test_types_follow_the_chain_of_formulas_however_long(tmp_path: Path) -> None:
    chain = "".join(f"  f{n}: {{type: formula, formula: f{n + 1} + 1}}\n" for n in range(400))
    model = load_text(tmp_path, ITEM + chain + "  f400: {type: integer}\n").model
    assert model.typed["item.fields.f0.formula"].type.kind == "integer"


def test_a_long_circle_names_every_hop_once(tmp_path: Path) -> None:
    text = ITEM + "".join(f"  f{n}: {{type: formula, formula: f{(n + 1) % 3} + 1}}\n" for n in range(3))
    issues = issues_of(tmp_path, text + "  user_of: {type: formula, formula: f1 + 1}\n")
    assert [i.code for i in issues] == ["M301"]
    assert "item.f0 (formula) -> item.f1 (formula) -> item.f2 (formula) -> item.f0" in issues[0].message
    assert all(f"item.f{n} at " in (issues[0].hint or "") for n in range(3)) and "case.yaml:9:32" in (
        issues[0].hint or ""
    )


def test_a_circle_through_a_child_set_is_found(tmp_path: Path) -> None:
    text = ITEM + "  up: {type: lookup, to: item, reverse: parts}\n  a: {type: rollup, formula: SUM(parts.b)}\n"
    issues = issues_of(tmp_path, text + "  b: {type: formula, formula: amount + up.a}\n")
    assert [i.code for i in issues] == ["M301"]
    assert "item.a (roll-up via parts) -> item.b (formula via up) -> item.a" in issues[0].message
    lines = (text + "  b: {type: formula, formula: amount + up.a}\n").splitlines()
    for name, mention in (("a", "parts.b"), ("b", "up.a")):
        row = next(n for n, line in enumerate(lines, 1) if line.startswith(f"  {name}: ") and mention in line)
        column = lines[row - 1].index(mention) + mention.index(".") + 2
        assert f"item.{name} at {tmp_path / 'sample' / 'case.yaml'}:{row}:{column}" in (issues[0].hint or "")


def test_a_circle_inside_a_set_and_around_it_is_told(tmp_path: Path) -> None:
    text = ITEM + "  up: {type: lookup, to: item, reverse: parts}\n  a: {type: rollup, formula: 'SUM(parts, amount * b)'}\n"
    issues = issues_of(tmp_path, text + "  b: {type: formula, formula: 'COUNT(parts[amount > this.a])'}\n")
    assert [i.code for i in issues] == ["M301"]
    assert "item.a (roll-up via parts) -> item.b (formula) -> item.a" in issues[0].message


def test_a_set_of_a_file_that_can_not_be_read_is_no_circle(tmp_path: Path) -> None:
    text = ITEM + "  a: {type: rollup, formula: COUNT(parts)}\n  b: {type: text, titel: B}\n"
    assert sorted({i.code for i in issues_of(tmp_path, text)}) == ["E301", "S102"]


def test_what_stands_behind_a_hop_is_a_field_of_the_record(tmp_path: Path) -> None:
    text = ITEM + "  up: {type: lookup, to: user}\n  a: {type: formula, formula: 'IF(up.name = \"x\", b, 1)'}\n"
    issues = issues_of(tmp_path, text + "  b: {type: formula, formula: 'MIN(amount, a)'}\n")
    assert [i.code for i in issues] == ["M301"]
    row = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("  a: "))
    column = text.splitlines()[row - 1].index(", b,") + 3
    assert f"case.yaml:{row}:{column};" in (issues[0].hint or "")


def test_formulas_that_double_each_other_are_looked_at_once(tmp_path: Path) -> None:
    text = ITEM + "  up: {type: lookup, to: item, reverse: parts}\n  f0: {type: formula, formula: amount}\n"
    text += "".join(f"  f{n}: {{type: formula, formula: f{n - 1} + f{n - 1}}}\n" for n in range(1, 40))
    assert not issues_of(tmp_path, text + "  x: {type: rollup, formula: SUM(parts.f39), stored: true}\n")


def test_formulas_that_multiply_each_other_are_too_much_work(tmp_path: Path) -> None:
    """Each hop doubles the rows: there is no layer that could be shared."""
    text = ITEM + "  up: {type: lookup, to: item}\n  next: {type: lookup, to: item}\n  f0: {type: formula, formula: amount}\n"
    hops = "".join(f"  f{n}: {{type: formula, formula: up.f{n - 1} / next.f{n - 1}}}\n" for n in range(1, 20))
    issues = issues_of(tmp_path, text + hops)
    assert issues[0].code == "E605" and "formula fields" in issues[0].message
    fine = "".join(f"  f{n}: {{type: formula, formula: f{n - 1} / f{n - 1}}}\n" for n in range(1, 20))
    assert load_text(tmp_path, text + fine).model.typed["item.fields.f19.formula"].type.number


def test_an_unknown_name_is_not_taken_for_a_circle(tmp_path: Path) -> None:
    """Looking for a name nearby looks at all fields, also at the one that is being typed."""
    issues = issues_of(tmp_path, ITEM + "  x: {type: formula, formula: zzzz + 1}\n  y: {type: formula, formula: x}\n")
    assert [i.code for i in issues] == ["E301"]


def test_names_into_refused_parts_are_not_reported_again(tmp_path: Path) -> None:
    text = (
        ITEM + "  bad: {type: txt}\n  x: {type: formula, formula: bad + 1}\n---\nkind: report\nname: r\nobject: item\n"
    )
    issues = issues_of(tmp_path, text + "where: bad = 3\nmeasures: {n: COUNT(rows)}\nsort: [bad]\n")
    assert [i.code for i in issues] == ["S105", "M222"]


def test_old_is_known_to_rules_and_not_to_fields(tmp_path: Path) -> None:
    rule = "rules:\n  r: {valid_when: old.amount = amount, message: No}\n"
    assert issues_of(tmp_path / "a", ITEM + rule) == []
    assert [i.code for i in issues_of(tmp_path / "b", ITEM + "  x: {type: formula, formula: old.amount}\n")] == ["E402"]


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (Field(name="a", type="text", label={}, help={}, required=True), Type("text", nullable=False)),
        (Field(name="a", type="boolean", label={}, help={}), BOOLEAN),
        (Field(name="a", type="select", label={}, help={}, options="set"), Type("select", of="set")),
        (Field(name="a", type="multi_select", label={}, help={}, options="set"), Type("list", of="set")),
        (Field(name="a", type="lookup", label={}, help={}, to="item"), Type("reference", of="item")),
        (Field(name="a", type="stage", label={}, help={}, processes=("life",)), Type("select", nullable=False, of="life")),
    ],
)
def test_fields_have_their_types(field: Field, wanted: Type) -> None:
    assert stored_type(field) == wanted


def test_a_query_knows_only_readable_fields_and_sets(model: Model) -> None:
    def readable(owner: Object, f: Field) -> bool:
        return f.name not in ("amount", "parent", "weighted")

    def codes(schema: ModelSchema, text: str) -> list[str]:
        return [d.code for d in check(parse(text), Scope(schema, "query", row="item")).diagnostics]

    everything, some = ModelSchema(model), ModelSchema(model, readable)
    for text in ("amount > 3", "weighted > 3", "COUNT(parts) > 0", "parent.name = 'x'"):
        assert codes(everything, text) == [] and codes(some, text) == [
            "E301" if "parts" not in text else codes(some, text)[0]
        ]
    assert codes(some, "name = 'x' AND chance > 0.5 AND stage = 'new' AND INCLUDES(tags, 'hot')") == []
    shape = some.object("item")
    assert shape is not None and "amount" not in shape.fields and "parts" not in shape.children
    assert some.object("nothing") is None


def test_an_index_holds_a_formula_in_one_piece(tmp_path: Path) -> None:
    chain = "".join(f"  f{n}: {{type: formula, formula: f{n - 1} + f{n - 1}}}\n" for n in range(1, 18))
    text = ITEM + "  f0: {type: formula, formula: amount}\n" + chain
    assert load_text(tmp_path, text).model.typed["item.fields.f17.formula"].type.number
    last = chain.splitlines()[-1]
    issues = issues_of(tmp_path, text.replace(last, last.replace("type: formula,", "type: formula, indexed: true,")))
    assert "E605" in [i.code for i in issues]
