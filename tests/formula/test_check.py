"""Typing: the tables of the language page, names and paths, contexts, and the diagnostics with their places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.depends import reads
from metamodel.formula.diagnostics import CODES
from metamodel.formula.parse import parse
from metamodel.formula.types import Type
from tests.formula.shapes import MEASURE, QUERY, ROW, SCHEMA, codes, tree

TYPES = [
    ("1 + 2", "integer"),
    ("1 + 2.0", "decimal"),
    ("amount + cost", "money"),
    ("amount * rate", "money"),
    ("amount / cost", "decimal"),
    ("amount / 2", "money"),
    ("units / units", "decimal"),
    ("rate + rate", "percent"),
    ("due + 1", "date"),
    ("due - begun", "integer"),
    ("due + 1month", "date"),
    ("due + 30days", "date"),
    ("seen - ended", "duration"),
    ("seen + 2hours", "datetime"),
    ("seen + 0.5", "datetime"),
    ("1day * 2", "duration"),
    ("1day / 2hours", "decimal"),
    ("name + note", "text"),
    ("name & amount", "text"),
    ("due = begun", "boolean"),
    ("IF(active, amount, 0)", "money"),
    ("IF(active, 1, 2.5)", "decimal"),
    ("IF(active, NULL, due)", "date"),
    ("IF(active, urgent)", "boolean"),
    ("BLANKVALUE(units, 0)", "integer"),
    ("ROUND(amount)", "integer"),
    ("ROUND(amount, 2)", "money"),
    ("COUNT(lines)", "integer"),
    ("AVERAGE(lines.quantity)", "decimal"),
    ("stage.probability", "percent"),
    ("client.owner", "reference<user>"),
    ("$user", "reference<user>"),
    ("$user.region", "text"),
    ("MAX(lines.day)", "date"),
    ("old.amount", "money"),
    ("NULL", "null"),
    ("10%", "percent"),
    ("9223372036854775808", "decimal"),
    ("CASE(stage, 'won', 1, 'lost', 2, 0)", "integer"),
    ("FIRST(lines.label, number)", "text"),
]

PROBLEMS = [
    ("amout > 1", "E301", 0, 5, "amount"),
    ("region = 'x'", "E301", 0, 6, "client.region"),
    ("client.regio = 'x'", "E301", 7, 12, "region"),
    ("LEN > 1", "E301", 0, 3, "LEN()"),
    ('stage = "wonn"', "E221", 8, 14, "won"),
    ('stage IN ("won", "lst")', "E221", 17, 22, "lost"),
    ('INCLUDES(tags, "grean")', "E221", 15, 22, "green"),
    ("amount > name", "E201", 0, 13, "VALUE"),
    ("due > seen", "E201", 0, 10, "DATEVALUE"),
    ('due > "2024-01-01"', "E201", 0, 18, "@2024-01-31"),
    ("stage > 'won'", "E201", 0, 13, "= and <>"),
    ("amount + name", "E201", 0, 13, "&"),
    ("amount * cost", "E202", 0, 13, None),
    ("(seen - ended) * 24 > 48", "E202", 0, 24, "48hours"),
    ("due + 2hours", "E202", 6, 12, None),
    ("LEFT()", "E205", 0, 6, "LEFT(text, [count])"),
    ("ROUND(1, digitz: 2)", "E206", 17, 18, "digits"),
    ('DATETRUNC(due, "mnth")', "E204", 15, 21, "month"),
    ("DATETRUNC(due, name)", "E207", 15, 19, None),
    ("IF(active, 1, 'x')", "E208", 14, 17, "VALUE"),
    (r'REGEX(name, "(a)\\1")', "E209", 12, 20, None),
    ("FOO(1)", "E303", 0, 3, None),
    ("RUOND(1)", "E303", 0, 5, "ROUND"),
    ("$usr.region", "E304", 0, 4, "$user"),
    ("stage.colour", "E306", 6, 12, None),
    ("name.length", "E311", 5, 11, None),
    ("client.parent.parent.parent.parent.parent.region", "E310", 35, 41, None),
    ("lines > 1", "E312", 0, 5, "COUNT(lines)"),
    ("COUNTDISTINCT(name)", "E312", 0, 19, "COUNTDISTINCT(lines"),
    ("SUM(client.projects.lines.price)", "E313", 20, 25, "SUM(projects, SUM(lines.field))"),
    ("client[active].region", "E314", 7, 13, None),
    ("this[active].amount", "E314", 5, 11, None),
    ("old[active].amount", "E314", 4, 10, None),
    ("$user.region[active]", "E314", 13, 19, None),
    ("stage.probability[active]", "E314", 18, 24, None),
    ("SUM(lines.price[TRUE])", "E314", 16, 20, None),
    ("COUNT(this[active].lines)", "E314", 11, 17, None),
    ("SUM(lines[price])", "E201", 10, 15, "compare"),
    ("SUM(lines.label)", "E204", 10, 15, None),
    ("SUM(lines[amount > 1].price)", "E301", 10, 16, "this.amount"),
    ("active and amount", "E201", 11, 17, "compare"),
    ("client = 'x'", "E222", 9, 12, None),
]


@pytest.mark.parametrize(("formula", "expected"), TYPES)
def test_type(formula: str, expected: str) -> None:
    assert str(tree(formula).type) == expected


@pytest.mark.parametrize(("formula", "code", "start", "end", "hint"), PROBLEMS)
def test_problem_is_named_and_placed(formula: str, code: str, start: int, end: int, hint: str | None) -> None:
    found = check(parse(formula), ROW)
    assert found.tree is None
    (problem,) = found.diagnostics
    assert (problem.code, problem.start, problem.end) == (code, start, end), problem
    assert problem.code in CODES
    if hint:
        assert hint in (problem.hint or ""), problem


def test_all_problems_are_reported_once_each() -> None:
    assert codes("amout > 1 and stage = 'wonn' or FOO(1) + amout > name") == ["E301", "E221", "E303", "E301"]


@pytest.mark.parametrize(
    ("formula", "scope", "expected"),
    [
        ("old.amount > 1", QUERY, ["E402"]),
        ("ISCHANGED(amount)", QUERY, ["E402"]),
        ("ISNEW()", QUERY, ["E402"]),
        ("$user.region = 'x'", replace(QUERY, user=None), ["E404"]),
        ("amount", MEASURE, ["E403"]),
        ("SUM(amount) + amount", MEASURE, ["E403"]),
        ("this.amount", MEASURE, ["E405"]),
        ("SUM(this.amount)", MEASURE, ["E405"]),
        ("rows", MEASURE, ["E312"]),
    ],
)
def test_context(formula: str, scope: object, expected: list[str]) -> None:
    assert codes(formula, scope) == expected  # type: ignore[arg-type]


def test_measure_forms_are_one() -> None:
    assert tree("SUM(amount)", MEASURE) == tree("SUM(rows.amount)", MEASURE) == tree("SUM(rows, amount)", MEASURE)
    counted = tree('COUNT(rows[stage = "won"]) / COUNT(rows)', MEASURE)
    assert counted.type == Type("decimal", nullable=False, inexact=True)
    assert isinstance(tree("MAX(SUM(amount), 0)", MEASURE), typed.Call)


def test_child_aggregate_forms_are_one() -> None:
    assert tree("SUM(lines.price)") == tree("SUM(lines, price)")
    made = tree("SUM(client.projects[amount > this.amount].amount)")
    assert isinstance(made, typed.Aggregate)
    assert (made.path, made.relation, made.object, made.via) == (("client",), "projects", "project", "client")
    assert isinstance(made.where, typed.Call)
    assert [arg.level for arg in made.where.args if isinstance(arg, typed.Field)] == [0, 1]


def test_old_forms_are_one() -> None:
    assert tree("old.stage") == tree("PRIORVALUE(stage)") == tree("prior.stage")
    assert tree("ISCHANGED(stage)") == tree("stage <> old.stage")


def test_inside_a_set_it_is_the_record_around_that_is_new() -> None:
    made = tree("COUNT(lines[ISNEW()])")
    assert isinstance(made, typed.Aggregate)
    assert [(n.name, n.level, n.image) for n in typed.walk(made) if isinstance(n, typed.Field)] == [("id", 1, "old")]


def test_names_do_not_mind_case() -> None:
    assert tree("AMOUNT > 1 And Client.Region = 'x'") == tree("amount > 1 and client.region = 'x'")


def test_lifted_literals_leave_the_shape() -> None:
    one = check(parse('amount > 10 and stage = "won" and due > DATETRUNC(begun, "month")'), QUERY, lift_literals=True)
    other = check(
        parse('amount > 99 and stage = "lost" and due > DATETRUNC(begun, "month")'), QUERY, lift_literals=True
    )
    assert one.tree == other.tree
    assert one.values == (10, "won")
    assert other.values == (99, "lost")
    params = [node for node in typed.walk(one.tree) if isinstance(node, typed.Param)]  # type: ignore[arg-type]
    assert [(p.index, p.type.kind, p.type.nullable) for p in params] == [(0, "integer", False), (1, "select", False)]


@pytest.mark.parametrize(
    ("formula", "expect", "expected"),
    [
        ("amount", "boolean", ["E203"]),
        ("active", "boolean", []),
        ("1", "money", []),
        ("NULL", "date", []),
        ("name", "decimal", ["E203"]),
        ('"won"', Type("select", of="stages"), []),
        ('"nope"', Type("select", of="stages"), ["E221"]),
        ("1.5", "integer", ["E203"]),
    ],
)
def test_expected_type(formula: str, expect: object, expected: list[str]) -> None:
    assert codes(formula, expect=expect) == expected


def test_flags() -> None:
    assert tree("amount / 2").type.inexact
    assert not tree("ROUND(amount / 2, 2)").type.inexact
    assert tree("units + 1").type.nullable
    assert not tree("BLANKVALUE(units, 0) + 1").type.nullable
    assert tree("client.vip").type == Type("boolean", nullable=False)


def test_reads_follow_paths_and_sets() -> None:
    found = reads(tree("SUM(client.projects[due > this.due].amount) + LEN(client.owner.region)"), SCHEMA, "project")
    assert found.fields == {
        ("project", "client"),
        ("project", "due"),
        ("project", "amount"),
        ("client", "owner"),
        ("user", "region"),
    }
    assert found.relations == {("client", "projects")}
    assert reads(tree("$user.region = 'x'"), SCHEMA, "project").system == {"user.region"}


def test_sql_that_would_explode_is_refused() -> None:
    assert codes("EDATE(" * 8 + "due" + ", units)" * 8) == ["E605"]
    assert codes("units ^ (" * 6 + "units" + ")" * 6) == ["E605"]
    nested = "IF(amount / cost > 1, 1, " * 40 + "2" + ")" * 40
    assert tree(nested).type.kind == "integer"


def test_long_conditions_do_not_recurse() -> None:
    assert tree(" or ".join(["units = 1"] * 400)).type.kind == "boolean"
