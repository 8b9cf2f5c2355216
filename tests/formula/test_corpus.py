"""The corpus: what other engines document, as lines of `expression | inputs | expected | source`.

Each line runs in PostgreSQL, and through the reference evaluator where it knows the functions. `inputs` is empty or
JSON: `{"x": {"type": "number", "value": "2.45"}}`, where a value null is blank; beside fields it may say `timezone`,
`now`, `blanks` and `fiscal_year_start`. `expected` is a constant of the language, or an error as `#DIV0`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import ast, typed
from metamodel.formula.check import check
from metamodel.formula.functions.guard import ERRORS
from metamodel.formula.parse import parse
from metamodel.formula.scope import FieldShape, Organisation, Scope
from metamodel.formula.types import BOOLEAN, DATE, DATETIME, DECIMAL, TEXT, TIME, Type
from tests.formula import shapes
from tests.reference.formula import CALLS, Evaluator, Fault
from tests.reference.formula.compare import same, sql_text
from tests.reference.formula.values import Unknown

FILES = sorted((Path(__file__).parent / "corpus").glob("*.txt"))
KINDS: dict[str, Type] = {
    "number": DECIMAL,
    "text": TEXT,
    "bool": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    "time": TIME,
    "list": Type("list", item="text"),
}
OPTIONS = {"timezone": "UTC", "now": "2024-01-15T12:00:00Z", "blanks": "blank", "fiscal_year_start": 1}


@dataclass(frozen=True)
class Line:
    """A line of the corpus."""

    where: str
    expression: str
    fields: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: str = ""
    source: str = ""


class Malformed(ValueError):
    """A line that is none."""


def read(text: str, where: str) -> Line:
    """The line. Raises `Malformed`."""
    parts = [part.strip() for part in text.rsplit("|", 3)]
    if len(parts) != 4 or not parts[0] or not parts[2] or not parts[3]:
        raise Malformed(f"{where}: expression | inputs | expected | source")
    written, given, expected, source = parts
    try:
        inputs = json.loads(given) if given else {}
    except ValueError as error:
        raise Malformed(f"{where}: {error}") from None
    if expected.startswith("#") and expected[1:] not in ERRORS:
        raise Malformed(f"{where}: there is no error {expected}")
    options = {name: inputs.pop(name) for name in OPTIONS if not isinstance(inputs.get(name, {}), dict)}
    fields = {}
    for name, value in inputs.items():
        if not isinstance(value, dict) or set(value) != {"type", "value"} or value["type"] not in KINDS:
            raise Malformed(f"{where}: {name} is not a type and a value")
        fields[name] = (value["type"], plain(value["type"], value["value"]))
    return Line(where, written, fields, {**OPTIONS, **options}, expected, source)


def plain(kind: str, value: Any) -> Any:
    """An input as a value of Python."""
    if value is None or value == "":
        return None
    readers = {"number": Decimal, "date": date.fromisoformat, "time": time.fromisoformat, "bool": bool, "list": list}
    if kind == "datetime":
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return readers[kind](value) if kind in readers else str(value)


def lines() -> Iterator[Any]:
    for file in FILES:
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if text.strip() and not text.startswith("#"):
                where = f"{file.stem}:{number}"
                yield pytest.param(text, where, id=f"{where} {text.split(' | ')[0][:60]}")


class Schema(shapes.Schema):
    """One object whose fields are the inputs of a line."""

    def __init__(self, line: Line) -> None:
        self.fields = {name: FieldShape(name, KINDS[kind]) for name, (kind, _) in line.fields.items()}
        options = line.options
        self.organisation = replace(
            Organisation(options["timezone"]), fiscal_year_start=options["fiscal_year_start"]
        )

    def object(self, name: str) -> shapes.Shape | None:
        return shapes.Shape("row", self.fields) if name == "row" else None


TYPES = {**shapes.COLUMNS, "time": sa.Time()}


@dataclass(frozen=True)
class Row(shapes.Columns):
    """The inputs as constants of the statement."""

    line: Line | None = None

    def field(self, node: typed.Field) -> Any:
        assert self.line is not None
        value = self.line.fields[node.name][1]
        if isinstance(value, list):
            return sa.cast(_array(value), sa.ARRAY(sa.Text()))
        shown = value.isoformat() if isinstance(value, date | time) else value
        return sa.cast(sa.null() if shown is None else sa.literal(str(shown)), TYPES[node.type.kind])

    def system(self, node: typed.System) -> Any:
        assert self.line is not None
        e = evaluator(self.line)
        at = e.now if node.name == "now" else e.local(e.now).date()
        return sa.cast(sa.literal(at.isoformat()), TYPES[node.type.kind])


def _array(items: list[str]) -> Any:
    quoted = ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return sa.literal("{" + quoted + "}")


def evaluator(line: Line) -> Evaluator:
    now = datetime.fromisoformat(line.options["now"])
    kinds = {"bool": "boolean"}
    shape = {name: kinds.get(kind, kind) for name, (kind, _) in line.fields.items()}
    return Evaluator(line.options["timezone"], now, {"row": shape}, fiscal_start=line.options["fiscal_year_start"])


def expected(line: Line) -> Any:
    """What the line says: a value, or a `Fault`."""
    if line.expected.startswith("#"):
        return Fault(line.expected[1:])
    return evaluator(line).run(parse(line.expected), {})


def known(node: ast.Node) -> bool:
    """Whether the evaluator knows every function of a formula."""
    own = not isinstance(node, ast.Call) or node.name.upper() in CALLS
    return own and all(map(known, ast.children(node)))


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


@pytest.mark.parametrize(("text", "where"), list(lines()))
def test_line(database: Database, text: str, where: str) -> None:
    line = read(text, where)
    wanted = expected(line)
    blanks = line.options["blanks"]
    checked = check(parse(line.expression), Scope(Schema(line), "field", row="row"), blanks=blanks)
    assert checked.tree is not None, [f"{d.code} {d.message}" for d in checked.diagnostics]
    row = Row(expression.Environment(line.options["timezone"], database.case_collation), line=line)
    columns = expression.value(checked.tree, row).label("value"), expression.error(checked.tree, row).label("error")
    value, error = tuple(database.row(sql_text(sa.select(*columns))))
    found = Fault(error) if error else value
    assert agree(found, wanted), f"SQL gives {found!r}, {line.source} says {wanted!r}"


@pytest.mark.parametrize(("text", "where"), list(lines()))
def test_line_in_the_reference(text: str, where: str) -> None:
    line = read(text, where)
    tree = parse(line.expression)
    if not known(tree):
        pytest.skip("the reference evaluator does not know the function")
    row = {name: value for name, (_, value) in line.fields.items()}
    try:
        found = evaluator(line).run(tree, row, blanks=line.options["blanks"])
    except Unknown as unknown:
        pytest.skip(f"the reference evaluator does not know {unknown}")
    except Fault as fault:
        found = fault
    assert agree(found, wanted := expected(line)), f"the evaluator gives {found!r}, {line.source} says {wanted!r}"


def agree(found: Any, wanted: Any) -> bool:
    """The same value; where the evaluator leaves the code open, the corpus may name one of them."""
    return same(found, wanted) or same(wanted, found)


MALFORMED = [
    "1 + 1",
    "1 + 1 | | 2",
    "1 + 1 | {x} | 2 | Excel",
    '1 + 1 | {"x": 3} | 2 | Excel',
    '1 + 1 | {"x": {"type": "money", "value": "3"}} | 2 | Excel',
    "1 / 0 | | #DIV/0! | Excel",
    "1 + 1 | | 2 |",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_line_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read(text, "here:1")


def test_every_file_holds_lines() -> None:
    without = [file.name for file in FILES if not re.search(r"^[^#\s]", file.read_text(encoding="utf-8"), re.MULTILINE)]
    assert without == []
