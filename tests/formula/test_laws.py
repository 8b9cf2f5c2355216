"""Laws that hold of every formula, over generated ones and random rows: algebra, layout, renaming, inlining."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import format as layout
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from metamodel.formula.scope import FieldShape, Scope
from tests.formula import shapes
from tests.reference.formula import Fault, strategies, world
from tests.reference.formula.compare import Bench, same

ROWS = 24
CALM = settings(
    max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
PLENTY = settings(CALM, max_examples=300)
Answer = Any


@pytest.fixture(scope="module")
def bench(database_url: str) -> Iterator[Bench]:
    database = Database(database_url)
    yield Bench(database, world.world(ROWS, 2))
    database.close()


def formula(kind: str, depth: int = 2) -> st.SearchStrategy[str]:
    return strategies.formula(kind, depth)


def equal(a: Answer, b: Answer) -> bool:
    """The same value, or both in error: which error comes first may depend on the order of the parts."""
    return isinstance(a, Fault) == isinstance(b, Fault) and (isinstance(a, Fault) or same(a, b))


def sound(*answers: Answer) -> bool:
    return not any(isinstance(answer, Fault) for answer in answers)


# Two formulas over the parts a, b, c: everywhere equal.
IDENTITIES = [
    ("B", "NOT NOT {a}", "{a}"),
    ("B", "NOT ({a} AND {b})", "(NOT {a}) OR (NOT {b})"),
    ("B", "NOT ({a} OR {b})", "(NOT {a}) AND (NOT {b})"),
    ("B", "{a} = TRUE", "{a}"),
    ("B", "{a} <> {b}", "NOT {a} = {b}"),
    ("B", "({a} AND {b}) AND {c}", "{a} AND ({b} AND {c})"),
    ("B", "IF({a}, {b}, {c})", "({a} AND {b}) OR (NOT {a} AND {c})"),
    ("N", "{a} + {b}", "{b} + {a}"),
    ("N", "{a} * {b}", "{b} * {a}"),
    ("N", "{a} - {b}", "-({b} - {a})"),
    ("N", "{a} + 0", "{a}"),
    ("N", "{a} * 1", "{a}"),
    ("N", "--{a}", "{a}"),
    ("N", "({a} + {b}) * 2", "{a} * 2 + {b} * 2"),
    ("N", "{a} < {b}", "{b} > {a}"),
    ("N", "{a} <= {b}", "{b} >= {a}"),
    ("N", "{a} = {b}", "{b} = {a}"),
    ("N", "{a} <> {b}", "NOT {a} = {b}"),
    ("N", "{a} <= {b}", "{a} < {b} OR ({a} = {b} AND NOT ISBLANK({a}))"),
    ("N", "BETWEEN({a}, {b}, {c})", "{a} >= {b} AND {a} <= {c}"),
    ("N", "{a} NOT IN ({b}, {c})", "NOT ({a} IN ({c}, {b}))"),
    ("N", "SUM({a}, {b})", "SUM({b}, {a})"),
    ("N", "MAX({a}, {b})", "-MIN(-{a}, -{b})"),
    ("N", "ABS({a})", "MAX({a}, -{a})"),
    ("N", "INT({a})", "FLOOR({a})"),
    ("N", "CEILING({a})", "-FLOOR(-{a})"),
    ("N", "ROUND(-{a}, 2)", "-ROUND({a}, 2)"),
    ("N", "({a})%", "{a} * 0.01"),
    ("N", "VALUE(TEXT(ROUND({a}, 4) * 0))", "{a} * 0"),
    ("T", "{a} & ({b} & {c})", "({a} & {b}) & {c}"),
    ("T", "LEFT({a}, 2) & MID({a}, 3, LEN({a}))", "{a}"),
    ("T", "UPPER(UPPER({a}))", "UPPER({a})"),
    ("T", "TRIM(TRIM({a}))", "TRIM({a})"),
    ("T", "BEGINS({a}, {b})", "LEFT({a}, LEN({b})) = {b} AND NOT ISBLANK({a}) AND NOT ISBLANK({b})"),
    ("T", "CONTAINS({a}, {b})", "FIND({b}, {a}) > 0"),
    ("D", "EDATE({a}, 0)", "{a}"),
    ("D", "{a} + 1month", "EDATE({a}, 1)"),
    ("D", "{a} < {b}", "{b} > {a}"),
    ("D", "{a} - {b}", "-({b} - {a})"),
    ("D", "DATE(YEAR({a}), MONTH({a}), DAY({a}))", "{a}"),
    ("D", "EOMONTH({a}, -1)", 'DATETRUNC({a}, "month") - 1'),
    ("I", "{a} < {b}", "{b} > {a}"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "left", "right"), IDENTITIES, ids=[f"{a} == {b}" for _, a, b in IDENTITIES])
def test_identity(bench: Bench, kind: str, left: str, right: str) -> None:
    compared = 0

    @CALM
    @given(st.tuples(*(formula(kind) for _ in "abc")))
    def run(parts: tuple[str, str, str]) -> None:
        nonlocal compared
        where = {name: f"({part})" for name, part in zip("abc", parts, strict=True)}
        trees = [bench.tree(each.format(**where)) for each in (left, right)]
        if None not in trees:
            compared += 1
            for row, (a, b) in zip(bench.world.rows, bench.answers(*trees), strict=True):  # type: ignore[arg-type]
                assert equal(a, b), (left.format(**where), right.format(**where), a, b, row)

    run()
    assert compared > 10


def _same_branches(x: Answer, c: Answer, made: Answer) -> bool:
    return not sound(c) or equal(made, x)


def _iferror(x: Answer, y: Answer, made: Answer) -> bool:
    return equal(made, x if sound(x) else y)


def _blankvalue(x: Answer, y: Answer, made: Answer) -> bool:
    return equal(made, x if not sound(x) or x not in (None, []) else y)


def _iserror(x: Answer, _: Answer, made: Answer) -> bool:
    return made is (not sound(x))


CHOICES: list[tuple[str, str, Callable[[Answer, Answer, Answer], bool]]] = [
    ("B", "IF({y}, {x}, {x})", _same_branches),
    ("", "IFERROR({x}, {y})", _iferror),
    ("", "BLANKVALUE({x}, {y})", _blankvalue),
    ("", "ISERROR({x})", _iserror),
]


@pytest.mark.parametrize("kind", ["N", "T", "D", "I"])
@pytest.mark.parametrize(("other", "shape", "holds"), CHOICES, ids=[shape for _, shape, _ in CHOICES])
def test_choice(bench: Bench, kind: str, other: str, shape: str, holds: Callable[..., bool]) -> None:
    @CALM
    @given(formula(kind), formula(other or kind))
    def run(x: str, y: str) -> None:
        trees = [bench.tree(text) for text in (x, y, shape.format(x=x, y=y))]
        if None not in trees:
            for row, answers in zip(bench.world.rows, bench.answers(*trees), strict=True):  # type: ignore[arg-type]
                assert holds(*answers), (x, y, answers, row)

    run()


@pytest.mark.parametrize("kind", ["N", "T", "B", "D", "I"])
def test_a_guard_that_is_left_out_changes_nothing(bench: Bench, kind: str) -> None:
    """The column where null carries the error, and the same with the guard written out."""

    @CALM
    @given(formula(kind))
    def run(text: str) -> None:
        tree = bench.tree(text)
        if tree is None:
            return
        found = expression.lower(tree, bench.row)
        guard = found.guard.condition if found.guard is not None else sa.false()
        written = sa.case((guard, None), else_=found.value)
        for short, whole in map(tuple, bench.found(expression.value(tree, bench.row).label("a"), written.label("b"))):
            assert same(short, whole), text

    run()


@pytest.mark.parametrize("kind", [*strategies.KINDS])
def test_layout_keeps_the_tree(kind: str) -> None:
    @PLENTY
    @given(formula(kind, 3))
    def run(text: str) -> None:
        tree = parse(text)
        written = layout.text(tree)
        assert parse(written) == tree
        assert layout.text(parse(written)) == written

    run()


# -- renaming and inlining ------------------------------------------------------------------------------------------

PREFIX = "renamed_"


class Renamed(world.Schema):
    """The same objects, every plain field of the project under another name."""

    def object(self, name: str) -> shapes.Shape | None:
        shape = super().object(name)
        if shape is None or name != "project":
            return shape
        fields = {PREFIX + n: replace(f, name=PREFIX + n) for n, f in shape.fields.items()}
        return replace(shape, fields=fields)


@dataclass(frozen=True)
class RenamedColumns(world.Columns):
    """Columns by the names that fields had before."""

    def field(self, node: typed.Field) -> Any:
        path = tuple(name.removeprefix(PREFIX) for name in node.path)
        return super().field(replace(node, path=path, name=node.name.removeprefix(PREFIX)))

    def property(self, node: typed.Property) -> Any:
        return super().property(replace(node, field=replace(node.field, name=node.field.name.removeprefix(PREFIX))))


@pytest.mark.parametrize("kind", ["N", "T", "B", "D"])
def test_renaming_fields_changes_nothing(bench: Bench, kind: str) -> None:
    """Names are replaced at the places that checking reports; the formula then means the same."""
    row = RenamedColumns(bench.row.environment, shapes.PROJECT)

    @CALM
    @given(formula(kind))
    def run(text: str) -> None:
        found = check(parse(text), world.PLAIN)
        if found.tree is None or any(isinstance(node, typed.Aggregate) for node in typed.walk(found.tree)):
            return
        renamed = text
        for at in sorted({r.start for r in found.references if r.kind == "field" and r.owner == "project"}, reverse=True):
            renamed = renamed[:at] + PREFIX + renamed[at:]
        tree = check(parse(renamed), Scope(Renamed(), "field", row="project")).tree
        assert tree is not None, (text, renamed)
        assert str(expression.value(tree, row)) == str(expression.value(found.tree, bench.row)), (text, renamed)

    run()


@pytest.mark.parametrize("kind", ["N", "T", "D"])
def test_a_formula_that_is_named_is_as_if_it_were_written_out(bench: Bench, kind: str) -> None:
    """`factor` (or a text, a date) stands for another formula: as a column of its value, and in its place in brackets."""
    name = {"N": "factor", "T": "name", "D": "due"}[kind]

    @CALM
    @given(formula(kind, 1), formula(kind, 2))
    def run(inner: str, outer: str) -> None:
        held = bench.tree(inner)
        written = outer.replace(f"old.{name}", "NULL").replace(f"this.{name}", "NULL")
        pieces = check(parse(written), world.SCOPE)
        if held is None or pieces.tree is None or any(isinstance(n, typed.Aggregate) for n in typed.walk(pieces.tree)):
            return
        inlined = written
        for r in sorted(pieces.references, key=lambda r: r.start, reverse=True):
            if (r.kind, r.owner, r.name) == ("field", "project", name):
                inlined = f"{inlined[: r.start]}({inner}){inlined[r.end :]}"
        named = check(parse(written), _with(name, held)).tree
        whole = bench.tree(inlined)
        if named is None or whole is None:
            return
        column = _Held(bench.row.environment, shapes.PROJECT, name, expression.value(held, bench.row))
        columns = [
            expression.failed(held, bench.row).label("skip"),
            expression.value(named, column).label("named"),
            expression.value(whole, bench.row).label("inlined"),
        ]
        for got in bench.found(*columns):
            assert got["skip"] or same(got["named"], got["inlined"]), (inner, written, inlined, tuple(got))

    run()


def _with(name: str, held: typed.Node) -> Scope:
    class Schema(world.Schema):
        def object(self, of: str) -> shapes.Shape | None:
            shape = super().object(of)
            if shape is None or of != "project":
                return shape
            return replace(shape, fields={**shape.fields, name: FieldShape(name, held.type)})

    return Scope(Schema(), "rule", row="project", old=True)


@dataclass(frozen=True)
class _Held(world.Columns):
    """A row with one field that is computed."""

    name: str = ""
    value: Any = None

    def field(self, node: typed.Field) -> Any:
        return self.value if (node.path, node.name, node.image) == ((), self.name, "new") else super().field(node)
