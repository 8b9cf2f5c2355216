"""The rows that function checks run over: columns of every type, full of what breaks functions.

There is one table, and every object is that table: its child set `lines` and the objects that functions look into
too. Columns are named after their family and a number: `decimal_1`, `text_2`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from engine.base.context import OPERATOR, Context
from engine.release.release import TableRef
from engine.sql.columns import SQL_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.source_row import SourceRow
from engine.testing.database import Database
from metamodel.formula import limits, typed
from metamodel.formula.calendar import Calendar
from metamodel.formula.scope import ChildShape, FieldShape, FunctionShape, Organisation
from metamodel.formula.types import Type

ZONE = "Europe/Berlin"
NOW = datetime(2024, 5, 31, 22, 30, tzinfo=UTC)
"""Half an hour into the first of June in the tenant's zone: another day and month than in UTC."""
CONTEXT = Context(OPERATOR, "", NOW, ZONE)
OFFICE = Calendar("office", ZONE, (((540, 720), (780, 1080)),) * 5 + ((), ()), off=(date(2024, 5, 1),))
"""The calendar of the examples, with one holiday."""
RECORD, LINES, EACH = "record", "lines", 6
MIXED, BESIDE = 120, 24
ROWS = MIXED + EACH * BESIDE
OPTIONS, ROLES = ("open", "won", "lost"), ("manager", "clerk")

NUMBERS = (
    "0 1 -1 2 3 7 -7 12 30 64 100 360 2024 65536 0.1 0.5 -0.5 2.5 -2.5 1.005 0.333333333333333333 1234567.89 "
    "1e-18 -1e-18 1e9 1e18 1e30 -1e30 99999999999999999999999999999999999999"
).split()
INTEGERS = (
    *(0, 1, -1, 2, 3, 4, 5, 7, 12, 13, 21, 29, 30, 31, 100, 400, 2023, 2024, 9999, 10_000, -9999, 65_536, 65_537),
    *(1_114_111, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)),
)  # fmt: skip
TEXTS = (
    *("a", "A", "abc", " a  b ", "a,b,,c", "%_\\", "it's \"x\"", "0", "-12.5", "1e5", "1.234,5", "9" * 60, "EUR"),
    *("2024-02-29", "2024-02-30", "9999-12-31", "2024-03-31T02:30:00", "2024-10-27T02:30:00+01:00", "24:00", "12:30"),
    *("ß", "İi", "e\u0301", "\U0001f600", "\U00020000\U0001f468\u200d\U0001f469", "([a-z]+", "\n\t\x01", "\u00a0"),
    *("ab" * 600, "x" * limits.TEXT_CHARACTERS, "\U0001f600" * 20_000),
)
DATES = (
    *("0001-01-01", "0001-01-02", "0001-12-31", "1900-02-28", "1970-01-01", "2000-02-29", "2023-02-28", "2023-12-31"),
    *("2024-01-01", "2024-02-29", "2024-03-31", "2024-06-01", "2024-10-27", "9998-12-31", "9999-12-01", "9999-12-31"),
)
INSTANTS = (
    *("0001-01-01T00:00:00", "0001-01-01T12:00:00", "1893-03-31T23:06:32", "1970-01-01T00:00:00"),
    *("1999-12-31T23:59:59.5", "2024-02-29T12:00:00", "2024-03-31T00:59:59.999999", "2024-03-31T01:00:00"),
    "2024-05-31T22:30:00",
    *("2024-10-27T00:00:00", "2024-10-27T00:30:00", "2024-10-27T01:00:00", "2024-10-27T01:30:00"),
    *("9999-12-30T00:00:00", "9999-12-31T22:59:59", "9999-12-31T23:59:59.999999"),
)
TIMES = ("00:00:00", "00:00:01", "02:30:00", "12:30:00", "23:59:59.999999")
DURATIONS = "0 1 -1 0.5 60 3600 86400 -86400 90061.25 2592000 31556952 1e12 1e30 1e-18".split()
IDS = tuple(str(UUID(int=n + 1)) for n in range(ROWS))
LISTS = (["a"], ["a", "b", "a"], ["\U0001f600", "x" * 5_000], [str(n) for n in range(1_000)])
FAMILIES: dict[str, tuple[Type, tuple[Any, ...]]] = {
    "decimal": (Type("decimal"), tuple(NUMBERS)),
    "integer": (Type("integer"), INTEGERS),
    "money": (Type("money"), tuple(NUMBERS[:18])),
    "percent": (Type("percent"), tuple(NUMBERS[:18])),
    "text": (Type("text"), TEXTS),
    "date": (Type("date"), DATES),
    "datetime": (Type("datetime"), tuple(f"{instant}+00:00" for instant in INSTANTS)),
    "time": (Type("time"), TIMES),
    "duration": (Type("duration"), tuple(DURATIONS)),
    "boolean": (Type("boolean", nullable=False), (True, False)),
    "select": (Type("select", of="options"), OPTIONS),
    "reference": (Type("reference", of=RECORD), IDS[:5]),
    "texts": (Type("list", item="text"), ([], *LISTS)),
    "numbers": (Type("list", item="decimal"), ([], NUMBERS[:1], NUMBERS, NUMBERS[3:9])),
    "days": (Type("list", item="date"), ([], DATES[:1], DATES)),
}  # fmt: skip
"""The values of each type; blank is one more."""

NAMED = {
    "id": Type("reference", nullable=False, of=RECORD), "parent": Type("reference", of=RECORD),
    "owner": Type("reference", of="user"), "name": Type("text"), "region": Type("text"), "label": Type("text"),
    "product": Type("text"), "amount": Type("decimal"), "price": Type("decimal"), "quantity": Type("integer"),
    "number": Type("integer"), "currency": Type("text"), "valid_from": Type("date"), "rate": Type("decimal"),
}  # fmt: skip
"""Names that examples use."""
SHAPES = {f"{family}_{n}": of for family, (of, _) in FAMILIES.items() for n in range(1, EACH + 1)} | NAMED


@dataclass(frozen=True, slots=True)
class Shape:
    """An object as formulas see it; all of them have the same fields."""

    name: str
    fields: Mapping[str, FieldShape]
    children: Mapping[str, ChildShape] = field(default_factory=dict)


class Schema:
    """The `formula.scope.Schema` of the checks."""

    organisation = Organisation(ZONE, "EUR", calendars={OFFICE.name: OFFICE})
    functions: Mapping[str, FunctionShape] = {}
    roles: Collection[str] = ROLES

    def object(self, name: str) -> Shape | None:
        """Every name of an object that functions may look for is one; second columns pass for keys."""
        if name not in (RECORD, LINES, "user", "exchange_rate"):
            return None
        unique = frozenset({"id", "number", *(n for n in SHAPES if n.endswith("_2"))})
        fields = {n: FieldShape(n, of, None, {}, n in unique) for n, of in SHAPES.items()}
        fields["id"] = FieldShape("id", Type("reference", nullable=False, of=name))
        return Shape(name, fields, {LINES: ChildShape(LINES, LINES, "parent", unique)})

    def options(self, of: str) -> Collection[str]:
        """The options of the only value set."""
        return OPTIONS

    def labels(self, of: str) -> Mapping[str, Mapping[str, str]]:
        """Their labels."""
        return {name: {"en": name.title(), "zh-CN": f"{name}-zh"} for name in OPTIONS}

    def granting(self, permission: str) -> Collection[str] | None:
        """Every permission is the manager's."""
        return ("manager",)


def rows() -> list[dict[str, Any]]:
    """The rows as JSON. All is blank in the first; then each column holds its values in another order. In the blocks
    after these the first columns are blank, then the second ones, and so on, beside the values of the others."""
    made: list[dict[str, Any]] = []
    columns = {name: _column(name, of) for name, of in SHAPES.items()}
    for n in range(ROWS):
        made.append({name: column[n] for name, column in columns.items()})
        # The first records have child records, none to a dozen; the last ones have no parent.
        made[n] |= {"id": IDS[n], "number": n, "parent": IDS[n * n % 23] if n < ROWS - 10 else None}
    return made


def _column(name: str, of: Type) -> list[Any]:
    family, _, n = name.rpartition("_")
    values = list(FAMILIES[family if family in FAMILIES else of.kind][1])
    blank = False if of.kind == "boolean" else None
    beside = [values[at % len(values)] for at in range(BESIDE)]
    blocks = [value for block in range(EACH) for value in ([blank] * BESIDE if n == str(block + 1) else beside)]
    chance = random.Random(name)
    mixed: list[Any] = [blank]
    while len(mixed) < MIXED:
        chance.shuffle(values)
        mixed += [*values, *([blank] * (1 + len(values) // 12))]
    return mixed[:MIXED] + blocks


class World:
    """The table in a database. `empty` is a table of the same columns without rows."""

    table, empty = qualified(TableRef("pg_temp", "world")), "pg_temp.empty"

    def __init__(self, database: Database) -> None:
        self.database, self.rows = database, rows()
        self.row = row_of(Environment(ZONE, database.case_collation))
        shown = ", ".join(f"{name} {_postgres(of)}" for name, of in SHAPES.items())
        database.execute("SET statement_timeout = '30s'")
        database.execute(f"CREATE TEMPORARY TABLE world ({shown}); CREATE TEMPORARY TABLE empty (LIKE pg_temp.world)")
        document = msgspec.json.encode(self.rows).decode()
        query = f"INSERT INTO pg_temp.world SELECT * FROM json_to_recordset($1::json) AS t({shown})"
        database.rows(query, document)


def world(database: Database) -> World:
    """The world of a database, made when it is asked for first."""
    if "world" not in database.memory:
        database.memory["world"] = World(database)
    made: World = database.memory["world"]
    return made


def _postgres(of: Type) -> str:
    names = {
        "integer": "bigint", "boolean": "boolean", "date": "date", "datetime": "timestamptz", "time": "time",
        "text": "text", "select": "text", "reference": "uuid",
    }  # fmt: skip
    return f"{names.get(of.element.kind, 'numeric')}[]" if of.kind == "list" else names.get(of.kind, "numeric")


def row_of(environment: Environment) -> SourceRow:
    """A row of the world; the old image of a record is the record."""
    return SourceRow(environment, World.table, _children)


def _children(row: SourceRow, node: typed.Aggregate) -> tuple[FromClause, tuple[ColumnElement[bool], ...]]:
    """The child records, or every record."""
    rows = World.table.alias()
    if node.via is None:
        return rows, ()
    return rows, (of(rows, node.via, SQL_TYPES["reference"]) == of(row.source, "id", SQL_TYPES["reference"]),)


def literal(family: str, value: Any) -> str | None:
    """A value as a formula writes it, None where it can not."""
    if value is None:
        return "NULL"
    if family in ("decimal", "money", "percent", "integer"):
        return format(Decimal(value), "f")
    if family == "duration":
        return f"{value}seconds" if str(value).isdigit() else None
    if family in ("text", "select"):
        return '"' + "".join(_escaped(ch) for ch in value) + '"' if len(value) <= 200 else None
    if family == "datetime":
        return f"@{value.replace('+00:00', 'Z')}"
    if family in ("date", "time"):
        return f"@{value}"
    if family == "boolean":
        return str(value).upper()
    element = {"texts": "text", "numbers": "decimal", "days": "date"}.get(family)
    if element is None or not value or len(value) > 20:
        return None
    items = [literal(element, item) for item in value]
    return None if None in items else f"[{', '.join(map(str, items))}]"


def _escaped(ch: str) -> str:
    if ch in '"\\':
        return f"\\{ch}"
    return f"\\u{ord(ch):04x}" if ord(ch) < 32 else ch
