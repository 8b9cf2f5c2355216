"""SQL against the evaluator, formula by formula over every row of a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import ast, typed
from metamodel.formula.check import check
from metamodel.formula.parse import parse
from tests.formula import shapes
from tests.reference.formula import Fault, world

Blanks = Literal["blank", "zero"]


@dataclass(frozen=True)
class Difference:
    """A row on which the two disagree."""

    formula: str
    blanks: str
    row: dict[str, Any]
    wanted: Any
    found: Any
    sql: str

    def __str__(self) -> str:
        named = {name: value for name, value in self.row.items() if name.split(".")[0] in self.formula}
        shown = {"blanks": self.blanks, "specification": self.wanted, "SQL": self.found, "row": named, "lowered": self.sql}
        return "\n".join((self.formula, *(f"  {name}: {value!r}" for name, value in shown.items())))


def sql_text(clause: Any) -> str:
    how = {"render_postcompile": True, "literal_binds": True}
    return str(clause.compile(dialect=shapes.DIALECT, compile_kwargs=how))


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same: numbers by value, an empty list is blank, of several codes any will do."""
    found = None if found == [] else found
    if isinstance(wanted, Fault):
        return isinstance(found, Fault) and found.codes <= wanted.codes
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, Decimal | int) and isinstance(wanted, Decimal | int):
        return Decimal(found) == Decimal(wanted)
    if isinstance(found, datetime) != isinstance(wanted, datetime) and isinstance(found, date):
        return False
    return not isinstance(found, Fault) and bool(found == wanted)


class Bench:
    """A world in a database: formulas of its records."""

    scope, of = world.SCOPE, "project"
    blanks: tuple[Blanks, ...] = ("blank", "zero")

    def __init__(self, database: Database, made: world.World) -> None:
        self.database, self.world = database, made
        self.evaluator = world.evaluator()
        self.row = world.row_of(database)
        world.store(database, made)

    @property
    def records(self) -> Sequence[dict[str, Any]]:
        """What a formula is evaluated for, in the order of `found`."""
        return self.world.rows

    def tree(self, text: str, blanks: Blanks = "blank") -> typed.Node | None:
        return check(parse(text), self.scope, blanks=blanks).tree

    def wanted(self, tree: ast.Node, row: dict[str, Any], blanks: Blanks = "blank") -> Any:
        """The value by the specification; an error as a `Fault`."""
        try:
            return self.evaluator.run(tree, row, self.of, blanks=blanks)
        except Fault as fault:
            return fault

    def found(self, *columns: Any) -> list[Any]:
        statement = sa.select(*columns).select_from(shapes.PROJECT).order_by(sa.column("id", _selectable=shapes.PROJECT))
        return list(self.database.rows(sql_text(statement)))

    def answers(self, *trees: typed.Node) -> list[list[Any]]:
        """For each row the value of each tree, an error as a `Fault`."""
        columns = [part for tree in trees for part in (expression.value(tree, self.row), expression.error(tree, self.row))]
        named = [column.label(f"c{at}") for at, column in enumerate(columns)]
        pairs = [list(zip(got[::2], got[1::2], strict=True)) for got in map(tuple, self.found(*named))]
        return [[Fault(code) if code else value for value, code in row] for row in pairs]

    def differences(self, text: str, blanks: Blanks = "blank") -> list[Difference] | None:
        """The rows on which SQL and specification disagree; None where the formula is refused."""
        written = parse(text)
        tree = check(written, self.scope, blanks=blanks).tree
        if tree is None:
            return None
        columns = [expression.value(tree, self.row).label("value"), expression.error(tree, self.row).label("error")]
        if tree.type.kind == "boolean":
            columns += [
                expression.condition(tree, self.row).label("holds"),
                expression.violated(tree, self.row).label("violated"),
            ]
        found = self.found(*columns)
        wrong = []
        for row, got in zip(self.records, found, strict=True):
            wanted = self.wanted(written, row, blanks)
            actual = Fault(got["error"]) if got["error"] else got["value"]
            fine = same(actual, wanted) and not (got["error"] and got["value"] is not None)
            if fine and tree.type.kind == "boolean":
                fine = (got["holds"] is True) == (wanted is True) and got["violated"] is (wanted is not True)
            if not fine:
                wrong.append(Difference(text, blanks, row, wanted, tuple(got), sql_text(columns[0])))
        return wrong


class Measures(Bench):
    """Measures over the records of each team, and over none."""

    scope, of, blanks = world.MEASURE, "measure", ("blank",)

    @cached_property
    def records(self) -> Sequence[dict[str, Any]]:
        teams = [[row for row in self.world.rows if row["team"] == team] for team in range(world.TEAMS)]
        return [{"rows": rows} for rows in (*teams, [])]

    def found(self, *columns: Any) -> list[Any]:
        of_all = sa.select(*columns).select_from(shapes.PROJECT)
        team = sa.column("team", _selectable=shapes.PROJECT)
        statements = of_all.group_by(team).order_by(team), of_all.where(sa.false()).having(sa.true())
        return [row for statement in statements for row in self.database.rows(sql_text(statement))]
