"""A formula over typed inputs or over one record -> its value or its error, and the same of every part of it.

There is one back end: what is evaluated here is the SQL that fields, rules and reports become.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import JSON, column, func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause

from engine.base.clock import Clock
from engine.base.context import OPERATOR, Context
from engine.db.execute import fetch_rows
from engine.db.pool import Connection
from engine.formulas.inputs import IDENTITY, PLACES, RECORD, Inputs, InvalidInput, Shape, read_inputs
from engine.plan.names import Names
from engine.release.release import Release
from engine.sql import expression
from engine.sql.columns import SQL_TYPES, of, qualified, sql_type
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.source_row import SourceRow
from engine.sql.statement import compile_statement, slot
from metamodel.formula import ast, limits, typed
from metamodel.formula.check import check
from metamodel.formula.checked import Blanks, Checked, Part
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.mentions import sets
from metamodel.formula.parse import parse
from metamodel.formula.scope import Organisation, Schema, Scope, Where
from metamodel.formula.types import Type
from metamodel.model_schema import ModelSchema

Kind = Literal["syntax", "type", "arity", "unknown_field", "unknown_function"]
KINDS: dict[str, Kind] = {
    "E205": "arity", "E206": "arity", "E301": "unknown_field", "E302": "unknown_field", "E304": "unknown_field",
    "E306": "unknown_field", "E303": "unknown_function", "E305": "unknown_function",
}  # fmt: skip
TYPES: dict[str, str] = {
    "integer": "number", "decimal": "number", "money": "number", "percent": "number", "boolean": "bool",
    "select": "text", "reference": "text",
}  # fmt: skip
AT_ONCE = 600
"""Columns of one statement; PostgreSQL allows 1,664."""
LARGE = re.compile(rf"[0-9]{{{limits.FIELD_DIGITS + 1}}}|[.][0-9]{{{limits.SCALE + 1}}}")
"""A number that is larger than those of fields, whose sizes then have to be looked at."""


@dataclass(frozen=True, slots=True)
class Question:
    """A formula with its inputs by name (see `inputs`). `now` is an instant; dates are read in `timezone`."""

    expr: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    blanks: Blanks = "blank"
    now: datetime | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Value:
    """What a formula, or a part of it, gives: a value of the type (None: blank), or the code of an error."""

    type: Type
    value: Any = None
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """`{"type", "value"}` with numbers as exact text, or `{"error"}`."""
        if self.error:
            return {"error": self.error}
        return {"type": TYPES.get(self.type.kind, self.type.kind), "value": shown(self.value)}


@dataclass(frozen=True, slots=True)
class Seen:
    """A part of the formula's text, `text[start:end]`, and what it gives."""

    start: int
    end: int
    value: Value


@dataclass(frozen=True, slots=True)
class Account:
    """What a formula over a record gives and what it is made of: its parts (inner ones first, the whole last). `name`
    is the formula field that it belongs to, empty for the formula that was asked for."""

    name: str
    text: str
    seen: tuple[Seen, ...]


class Wrong(Exception):
    """The formula is wrong: it gives no value whatever the inputs."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(d for d in diagnostics if not d.warning)
        super().__init__(self.diagnostics[0].message)

    def document(self) -> dict[str, Any]:
        """`{"compile_error": {"code", "kind", "message"}}` of the first problem."""
        first = self.diagnostics[0]
        kind = KINDS.get(first.code) or ("syntax" if first.code[:2] in ("E1", "E6") else "type")
        message = first.message + (f" ({first.hint})" if first.hint else "")
        return {"compile_error": {"code": first.code, "kind": kind, "message": message}}


def checked(
    text: str, schema: Schema, row: str, blanks: Blanks = "blank", where: Where = "field"
) -> tuple[typed.Node, Checked]:
    """The typed tree of a formula over a record of `row`, with what is known of its parts. Raises `Wrong`."""
    found = check(_parsed(text), Scope(schema, where, row=row), blanks=blanks)
    if found.tree is None:
        raise Wrong(found.diagnostics)
    return found.tree, found


def _parsed(text: str) -> ast.Node:
    try:
        return parse(text)
    except FormulaError as error:
        raise Wrong(error.diagnostics) from error


async def answer(conn: Connection, collation: str | None, question: Question) -> dict[str, Any]:
    """`{"type", "value"}`, `{"error"}` or `{"compile_error"}` of one question. Raises `InvalidInput`."""
    try:
        seen = await evaluate(conn, collation, question)
    except Wrong as wrong:
        return wrong.document()
    return seen[-1].value.document()


async def evaluate(
    conn: Connection, collation: str | None, question: Question, *, parts: bool = False
) -> tuple[Seen, ...]:
    """The value of the whole (the last one), and with `parts` before it those of its parts, inner ones first.

    Raises `Wrong` and `InvalidInput`.
    """
    ctx = context(question.now, question.timezone)
    many = sets(_parsed(question.expr))
    inputs = read_inputs(question.inputs, Organisation(question.timezone), many)
    tree, found = checked(question.expr, inputs, RECORD, question.blanks, "workflow")
    document = msgspec.json.encode(inputs.values).decode()
    sizes = (limits.DIGITS, PLACES) if LARGE.search(document) else ()
    row = _row(Environment(question.timezone, collation, *sizes), inputs)
    wanted = _wanted(question.expr, tree, found.parts if parts else ())
    values = await _run(conn, ctx, [part.node for part in wanted], row, row.source, document=document)
    return _seen(wanted, values)


async def evaluate_record(
    conn: Connection, collation: str | None, ctx: Context, release: Release, obj: str, record: UUID, text: str,
    *, blanks: Blanks = "blank",
) -> tuple[Account, ...] | None:
    """What the formula and each part of it give over one record, hidden from nobody, and then the same of the record's
    own formula fields that it comes from. None where there is no record.

    Raises `Wrong`.
    """
    asked = list(_accounts(release, obj, text, blanks))
    names = Names(release, None)
    planned = [names.tree(part.node, obj) for _, _, parts in asked for part in parts]
    base = qualified(release.table(obj)).alias("t")
    rows = frame(
        Environment(release.model.settings.time_zone, collation), {"new": base}, names.joins(planned, obj), planned
    )
    where = [of(base, "id", SQL_TYPES["reference"]) == slot("id", SQL_TYPES["reference"]),
             of(base, "deleted_at", SQL_TYPES["datetime"]).is_(None)]  # fmt: skip
    values = iter(await _run(conn, ctx, planned, rows.row, rows.source, where, id=record))
    made = [Account(name, text, _seen(parts, list(islice(values, 2 * len(parts))))) for name, text, parts in asked]
    return tuple(made) if made[0].seen else None


def _accounts(release: Release, obj: str, text: str, blanks: Blanks) -> Iterator[tuple[str, str, list[Part]]]:
    """The formula and the formula fields of the same record that it names, directly or by others, each with its parts.
    """
    schema, fields = ModelSchema(release.model), release.object(obj).fields
    todo, met = [("", text, blanks)], set[str]()
    for name, formula, read in todo:
        tree, found = checked(formula, schema, obj, read)
        yield name, formula, _wanted(formula, tree, found.parts)
        for part in found.parts:
            if part.depth or not isinstance(part.node, typed.Field) or part.node.path or part.node.name in met:
                continue
            declared = fields[part.node.name].formula
            if declared and declared.key not in release.model.broken:
                met.add(part.node.name)
                todo.append((part.node.name, declared.text, declared.blanks))


def context(now: datetime | None, timezone: str) -> Context:
    """The clock of an evaluation. Raises `InvalidInput` for an unknown zone and a moment outside of the years."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f'there is no time zone "{timezone}"') from error
    moment = now or Clock().now()
    try:
        moment.astimezone(zone)
        return Context(OPERATOR, "", moment.astimezone(UTC), timezone)
    except OverflowError as error:
        raise InvalidInput(f'"now" is outside of the years 1 to 9999 in UTC or in {timezone}') from error


def _wanted(text: str, tree: typed.Node, parts: Sequence[Part]) -> list[Part]:
    """The parts that have a value of their own in the record, the whole last; a constant needs no telling."""
    inner = [
        part for part in parts
        if part.depth == 0 and not isinstance(part.node, typed.Literal) and part.node.type.kind not in NO_VALUE
        and part.node is not tree
    ]  # fmt: skip
    return [*dict.fromkeys(inner), Part(0, len(text), tree, 0)]


NO_VALUE = frozenset({"set", "null", "period", "error", "geo", "json"})


async def _run(
    conn: Connection, ctx: Context, trees: Sequence[typed.Node], row: expression.Row, source: FromClause,
    where: Sequence[ColumnElement[bool]] = (), **given: Any,
) -> list[Any]:
    """Value and error code of each tree in turn; empty where there is no row."""
    columns: list[ColumnElement[Any]] = []
    for n, tree in enumerate(trees):
        value, error = expression.outcome(tree, row)
        columns += [value.label(f"v{n}"), error.label(f"e{n}")]
    values: list[Any] = []
    for start in range(0, len(columns), AT_ONCE):
        statement = compile_statement(select(*columns[start : start + AT_ONCE]).select_from(source).where(*where))
        rows = await fetch_rows(conn, statement.text, statement.arguments(ctx, **given))
        if not rows:
            return []
        values += list(rows[0])
    return values


def _seen(wanted: Sequence[Part], values: Sequence[Any]) -> tuple[Seen, ...]:
    return tuple(
        Seen(part.start, part.end, Value(part.node.type, value, error))
        for part, value, error in zip(wanted, values[::2], values[1::2], strict=bool(values))
    )


def shown(value: Any) -> Any:
    """A value as JSON: numbers as exact text, instants in UTC."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        text = format(Decimal(value) if value else Decimal(0), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date | time) else str(value)


# -- inputs as rows -------------------------------------------------------------------------------------------------


class _InputRow(SourceRow):
    """A row of inputs. No input is a reference: that is the identity of the row."""

    def field(self, node: typed.Field) -> ColumnElement[Any]:
        return super().field(replace(node, name=IDENTITY) if node.type.kind == "reference" else node)


def _row(environment: Environment, inputs: Inputs) -> SourceRow:
    """The record of inputs as a row of columns, its child sets as subqueries over their JSON.

    Columns, not constants: PostgreSQL would compute with constants while it plans.
    """

    def children(row: SourceRow, node: typed.Aggregate) -> tuple[FromClause, tuple[()]]:
        rows = func.json_to_recordset(of(row.source, node.object, JSON()))
        return _table(rows, inputs.shapes[node.object], "c"), ()

    return _InputRow(environment, _table(func.json_to_record(slot("document", JSON())), inputs.record, "t"), children)


def _table(rows: FunctionElement[Any], shape: Shape, name: str) -> FromClause:
    fields = [column(f.name, sql_type(f.type)) for f in shape.fields.values() if f.type.kind != "reference"]
    sets = [column(child, JSON()) for child in shape.children]
    identity = column(IDENTITY, SQL_TYPES["reference"])
    return rows.table_valued(identity, *fields, *sets, name=name).render_derived(with_types=True)
