"""The objects and rows that formulas are compared over, and the same rows as PostgreSQL and as the evaluator see them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import typed
from metamodel.formula.functions.guard import held
from metamodel.formula.scope import ChildShape, FieldShape, Scope
from metamodel.formula.types import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    MONEY,
    NUMBERS,
    PERCENT,
    TEXT,
    TIME,
    Type,
)
from tests.formula import shapes
from tests.reference.formula.core import Evaluator
from tests.reference.formula.static import Shapes

ZONE = shapes.ZONE
NOW = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
"""The second before the hour that comes twice ends in the zone above."""

PROJECT = {
    "name": TEXT,
    "note": TEXT,
    "factor": DECIMAL,
    "tiny": DECIMAL,
    "amount": MONEY,
    "rate": PERCENT,
    "units": INTEGER,
    "count_of": INTEGER,
    "due": DATE,
    "begun": DATE,
    "seen": DATETIME,
    "ended": DATETIME,
    "opens": TIME,
    "active": BOOLEAN,
    "urgent": BOOLEAN,
    "stage": Type("select", of="stages"),
    "tags": Type("list", of="colours"),
}
CLIENT = {"region": TEXT, "vip": BOOLEAN, "since": DATE, "size": DECIMAL}
READER = {"region": TEXT, "team": TEXT, "quota": DECIMAL, "bonus": DECIMAL, "since": DATE, "trusted": BOOLEAN}
LINE = {"price": DECIMAL, "quantity": INTEGER, "number": INTEGER, "label": TEXT, "day": DATE, "done": BOOLEAN}
OLD = ("factor", "units", "stage", "due", "name")


def _shape(name: str, plain: dict[str, Type], *more: FieldShape, children: tuple[ChildShape, ...] = ()) -> shapes.Shape:
    fields = {"id": FieldShape("id", Type("reference", nullable=False, of=name))}
    fields |= {n: FieldShape(n, of, None, shapes.STAGE if n == "stage" else {}) for n, of in plain.items()}
    fields |= {f.name: f for f in more}
    return shapes.Shape(name, fields, {c.name: c for c in children})


OBJECTS = {
    "project": _shape(
        "project",
        PROJECT,
        FieldShape("client", Type("reference", of="client"), "client"),
        children=(ChildShape("lines", "line", "project"),),
    ),
    "client": _shape("client", CLIENT, children=(ChildShape("orders", "line", "buyer"),)),
    "line": _shape(
        "line",
        LINE,
        FieldShape("project", Type("reference", of="project"), "project"),
        FieldShape("buyer", Type("reference", of="client"), "client"),
    ),
    "user": _shape("user", READER),
}
USER = {"region": "ab", "team": None, "quota": Decimal("2.50"), "bonus": None, "since": date(2024, 2, 29), "trusted": True}
"""Who asks."""


class Schema(shapes.Schema):
    def object(self, name: str) -> shapes.Shape | None:
        return OBJECTS.get(name)


SCOPE = Scope(Schema(), "rule", row="project", old=True)
PLAIN = Scope(Schema(), "field", row="project")
MEASURE = Scope(Schema(), "measure", rows="project")


def _kind(of: Type) -> str:
    return "number" if of.kind in NUMBERS else "text" if of.kind == "select" else of.kind


def _shapes() -> Shapes:
    found: dict[str, dict[str, str]] = {}
    for name, shape in OBJECTS.items():
        kinds = {n: f"-> {f.target}" if f.target else _kind(f.type) for n, f in shape.fields.items()}
        kinds |= {n: f"[] {c.object}" for n, c in shape.children.items()}
        found[name] = kinds | ({"stage.probability": "number", "stage.category": "text"} if name == "project" else {})
    return found | {"measure": {"rows": "[] project"}}


SHAPES: Shapes = _shapes()
PROBABILITY = {"open": Decimal("0.25"), "won": Decimal(1), "lost": Decimal(0)}


def evaluator() -> Evaluator:
    return Evaluator(ZONE, NOW, SHAPES, user=USER)


# -- rows -----------------------------------------------------------------------------------------------------------

ASTRAL = ("a\U0001f600b", "\U00010400\U0001f468‍\U0001f469", "e\u0301")
VALUES: dict[str, tuple[Any, ...]] = {
    "decimal": tuple(
        Decimal(x)
        for x in (
            "0 1 -1 2 2.50 -2.5 0.1 1.575 1000000 0.0001 33.33 -7 9 3 0.5 1.005 45 -4.2 100 "
            "98765432109876543210987654321098765432 -12345678901234567890.123456789012345678 0.3333333333333 6.05"
        ).split()
    ),
    "tiny": tuple(
        Decimal(x)
        for x in (
            "0.000000000000000001 -0.000000000000000001 0.0000000000005 0.00000000000049999 1.0000000000004 "
            "2.999999999999999999 0.9999999999995 0 1 -0.5 1e-10 3.0000000000005"
        ).split()
    ),
    "percent": tuple(Decimal(x) for x in "0 0.05 0.1 0.19 -0.25 1 0.333333 2.5".split()),
    "integer": (0, 1, 2, 3, -1, -7, 12, 100, 31, 2_000_000_000, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808),
    "text": (
        "a",
        "ab",
        "abc",
        "aXbXc",
        " b ",
        "7.50",
        "-3",
        "2024-02-29",
        "2023-02-29",
        "14:30",
        "2024-03-31T02:30",
        "x'y",
        "ABC",
        "Straße",
        "ẞß",
        "İıΣς",
        "ΑΣ",
        "日本",
        "a\\d%_",
        "1e5",
        "a,b,,c",
        "line\nbreak\tend",
        "<b>&\"'",
        *ASTRAL,
    ),
    "date": (
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2023, 2, 28),
        date(2023, 12, 31),
        date(2024, 1, 1),
        date(2000, 2, 28),
        date(2024, 3, 31),
        date(2024, 10, 27),
        date(2021, 1, 3),
        date(2020, 12, 28),
        date(1, 1, 1),
        date(9999, 12, 31),
        date(1900, 3, 1),
        date(2024, 4, 30),
    ),
    # An hour that never comes (31 March), one that comes twice (27 October), midnight by local time, and a leap day.
    "datetime": tuple(
        datetime(*at, tzinfo=UTC)  # type: ignore[misc]
        for at in (
            (2024, 3, 31, 0, 30),
            (2024, 3, 31, 0, 59, 59, 999_999),
            (2024, 3, 31, 1, 0),
            (2024, 3, 31, 1, 30),
            (2024, 10, 27, 0, 30),
            (2024, 10, 27, 1, 30),
            (2024, 10, 26, 22, 0),
            (2024, 2, 29, 12, 0),
            (2024, 2, 28, 23, 30),
            (2023, 12, 31, 22, 59, 59),
            (2023, 12, 31, 23, 0),
            (1970, 1, 1, 0, 0),
            (1900, 1, 1, 0, 0),
            (2100, 6, 15, 8, 45, 30, 500_000),
        )
    ),
    "time": (time(0, 0), time(14, 30), time(23, 59, 59, 999_999), time(6, 0, 30), time(12, 0)),
    "boolean": (True, False),
    "select": shapes.OPTIONS["stages"],
    "list": (["red"], ["red", "blue"], ["blue", "green", "red"], []),
}
VALUES["money"] = VALUES["decimal"]
TEAMS = 7


@dataclass(frozen=True)
class World:
    """The rows of `project`, each with its client and the orders of it, lines and old image, as the evaluator reads
    them. `team` groups them for measures."""

    rows: tuple[dict[str, Any], ...]


def world(count: int, seed: int) -> World:
    """Rows in which a fifth of the values is blank; the first one is all blank, without client, lines or old image."""
    chance = random.Random(seed)

    def value(name: str, of: Type, blank: bool) -> Any:
        if blank and of.kind != "boolean":
            return None
        if of.kind == "text" and chance.random() < 0.1:
            return "".join(chance.choice("ab XßİΣé日\U0001f600\U00010400.5-") for _ in range(chance.randint(1, 6))) or None
        if of.kind == "date" and chance.random() < 0.2:
            return date(2023, 1, 1) + timedelta(days=chance.randint(0, 800))
        return chance.choice(VALUES["tiny" if name == "tiny" else of.kind])

    def record(plain: dict[str, Type], empty: bool) -> dict[str, Any]:
        made = {name: value(name, of, empty or chance.random() < 0.2) for name, of in plain.items()}
        return {name: (list(v) if isinstance(v, list) else v) for name, v in made.items()}

    def lines(at: int, empty: bool) -> list[dict[str, Any]]:
        made = [] if empty or chance.random() < 0.15 else [record(LINE, False) for _ in range(chance.randint(1, 5))]
        # Ties of order and value are wanted.
        for n, line in enumerate(made):
            line["id"] = str(UUID(int=(at + 1) * 1_000 + n))
            if line["number"] is not None:
                line["number"] = chance.randint(1, 3)
            if line["quantity"] is not None and chance.random() < 0.7:
                line["quantity"] = chance.choice((0, 1, 1, 2, 3, -1))
        return made

    found = []
    for at in range(count):
        row = record(PROJECT, at == 0)
        row["id"] = str(UUID(int=at + 1))
        row["stage.probability"] = PROBABILITY.get(row["stage"])
        row["stage.category"] = row["stage"] and ("open" if row["stage"] == "open" else "closed")
        row["client"] = None if at == 0 or chance.random() < 0.25 else record(CLIENT, False)
        row["old"] = {name: value(name, PROJECT[name], at == 0 or chance.random() < 0.2) for name in OLD}
        row["old"]["id"] = row["id"] if at % 3 else None
        row["lines"] = lines(at * 2, at == 0)
        if row["client"]:
            row["client"]["orders"] = lines(at * 2 + 1, False)
        row["team"] = at % TEAMS
        found.append(row)
    return World(tuple(found))


# -- in PostgreSQL --------------------------------------------------------------------------------------------------

TYPES = {**shapes.COLUMNS, "time": sa.Time()}


def _columns() -> dict[str, str]:
    """Columns of the table `project` with their types: own ones, those of the client, properties and old values."""
    found = {"id": "uuid"} | {name: _type(of) for name, of in PROJECT.items()}
    found |= {"team": "bigint", "client": "uuid"} | {f"client_{name}": _type(of) for name, of in CLIENT.items()}
    found |= {"stage_probability": "numeric", "stage_category": "text", "old_id": "uuid"}
    return found | {f"old_{name}": _type(PROJECT[name]) for name in OLD}


def _type(of: Type) -> str:
    return str(TYPES[of.kind].compile(dialect=shapes.DIALECT))


def store(database: Database, made: World) -> None:
    """Put the rows into temporary tables."""
    columns = _columns()
    lines = {"id": "uuid", "project": "uuid", "buyer": "uuid"} | {name: _type(of) for name, of in LINE.items()}
    for table, types in (("project", columns), ("line", lines)):
        database.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
        database.execute(f"CREATE TEMPORARY TABLE {table} ({', '.join(f'{n} {of}' for n, of in types.items())})")
    for row in made.rows:
        flat = {name: row.get(name) for name in columns}
        flat |= {f"client_{name}": (row["client"] or {}).get(name) for name in CLIENT}
        flat |= {"client": row["id"] if row["client"] else None}
        flat |= {"stage_probability": row["stage.probability"], "stage_category": row["stage.category"]}
        flat |= {f"old_{name}": row["old"][name] for name in (*OLD, "id")}
        _insert(database, "project", flat)
        for line in row["lines"]:
            _insert(database, "line", {"project": row["id"], **line})
        for line in (row["client"] or {}).get("orders", ()):
            _insert(database, "line", {"buyer": row["id"], **line})
    database.execute("ANALYZE pg_temp.project; ANALYZE pg_temp.line")


def _insert(database: Database, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join(f"${i + 1}" for i in range(len(row)))
    database.row(f"INSERT INTO pg_temp.{table} ({', '.join(row)}) VALUES ({marks})", *row.values())


@dataclass(frozen=True)
class Columns(shapes.Columns):
    """The row in SQL; what the context gives is a constant."""

    def field(self, node: typed.Field) -> Any:
        name = "_".join((*(("old",) if node.image == "old" else ()), *node.path, node.name))
        return sa.column(name, TYPES[node.type.kind], _selectable=shapes.PROJECT if node.level else self.table)

    def property(self, node: typed.Property) -> Any:
        # A column with the table's name, where the plain one would be taken for a field of the line.
        name = f"{node.field.name}_{node.name}"
        return sa.column(name, TYPES[node.type.kind], _selectable=shapes.PROJECT if node.field.level else self.table)

    def system(self, node: typed.System) -> Any:
        about, _, name = node.name.partition(".")
        facts = {"now": NOW, "today": evaluator().local(NOW).date()}
        found = USER[name] if about == "user" else facts[about]
        shown = found.isoformat() if isinstance(found, date) else str(found)
        return sa.cast(sa.null() if found is None else sa.literal(shown, literal_execute=True), TYPES[node.type.kind])

    def aggregate(self, node: typed.Aggregate) -> expression.Lowered:
        """The rows of the measure, or the lines of the project or its client in a subquery of their own."""
        if node.relation is None:
            return expression.aggregate(node, self)
        made = expression.aggregate(node, Columns(self.environment, shapes.LINE))
        parent = sa.column(node.path[0] if node.path else "id", _selectable=shapes.PROJECT)
        belongs = sa.column(node.via, _selectable=shapes.LINE) == parent

        def over(column: Any) -> Any:
            return sa.select(column).select_from(shapes.LINE).where(belongs).correlate(shapes.PROJECT).scalar_subquery()

        guard = held(over(made.guard.code)) if made.guard is not None else None
        return replace(made, value=sa.type_coerce(over(made.value), made.value.type), guard=guard)


def row_of(database: Database) -> Columns:
    return Columns(expression.Environment(ZONE, database.case_collation), shapes.PROJECT)
