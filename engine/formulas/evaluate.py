"""A formula over typed inputs or over one record -> its value or its error, and the same of every part of it.

There is one back end: what is evaluated here is the SQL that fields, rules and reports become.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import ARRAY, JSON, Boolean, column, func, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from engine.base.context import OPERATOR, Context
from engine.db.execute import fetch_rows
from engine.db.pool import Connection
from engine.formulas.inputs import RECORD, InvalidInput, read_inputs
from engine.plan.names import Names
from engine.release.release import Release
from engine.sql import expression
from engine.sql.columns import SQL_TYPES, of, qualified
from engine.sql.expression import Environment, Lowered
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.checked import Blanks, Checked, Part
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.functions.guard import held
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
    try:
        found = check(parse(text), Scope(schema, where, row=row), blanks=blanks)
    except FormulaError as error:
        raise Wrong(error.diagnostics) from error
    if found.tree is None:
        raise Wrong(found.diagnostics)
    return found.tree, found


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
    inputs = read_inputs(question.inputs, Organisation(question.timezone))
    tree, found = checked(question.expr, inputs, RECORD, question.blanks, "workflow")
    row = _InputRow(Environment(question.timezone, collation), inputs.shapes[RECORD].fields, inputs.shapes)
    wanted = _wanted(question.expr, tree, found.parts if parts else ())
    document = msgspec.json.encode(inputs.values).decode()
    values = await _run(conn, ctx, wanted, lambda node: node, row, row.source, document=document)
    return _seen(wanted, values)


async def evaluate_record(
    conn: Connection, collation: str | None, ctx: Context, release: Release, obj: str, record: UUID, text: str,
    *, blanks: Blanks = "blank",
) -> tuple[Seen, ...] | None:
    """What the formula and each part of it give over one record, hidden from nobody; None where there is no record.

    Raises `Wrong`.
    """
    tree, found = checked(text, ModelSchema(release.model), obj, blanks)
    names = Names(release, None)
    wanted = _wanted(text, tree, found.parts)
    planned = [names.tree(part.node, obj) for part in wanted]
    base = qualified(release.table(obj)).alias("t")
    rows = frame(
        Environment(release.model.settings.time_zone, collation), {"new": base}, names.joins(planned, obj), planned
    )
    lookup = {id(part.node): tree for part, tree in zip(wanted, planned, strict=True)}
    where = [of(base, "id", SQL_TYPES["reference"]) == slot("id", SQL_TYPES["reference"]),
             of(base, "deleted_at", SQL_TYPES["datetime"]).is_(None)]  # fmt: skip
    values = await _run(conn, ctx, wanted, lambda node: lookup[id(node)], rows.row, rows.source, where, id=record)
    return _seen(wanted, values) if values else None


def context(now: datetime | None, timezone: str) -> Context:
    """The clock of an evaluation. Raises `InvalidInput` for an unknown zone."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f'there is no time zone "{timezone}"') from error
    return Context(OPERATOR, "", now or datetime.now(UTC), timezone)


def _wanted(text: str, tree: typed.Node, parts: Sequence[Part]) -> list[Part]:
    """The parts that have a value of their own in the record, the whole last; a constant needs no telling."""
    inner = [
        part for part in parts
        if part.depth == 0 and not isinstance(part.node, typed.Literal) and part.node.type.kind not in NO_VALUE
        and part.node is not tree
    ]  # fmt: skip
    return [*dict.fromkeys(inner), Part(0, len(text), tree, 0)]


NO_VALUE = frozenset({"set", "null", "period", "error", "geo"})


async def _run(
    conn: Connection, ctx: Context, wanted: Sequence[Part], planned: Any, row: expression.Row, source: FromClause,
    where: Sequence[ColumnElement[bool]] = (), **given: Any,
) -> list[Any]:
    """Value and error code of each part in turn; empty where there is no row."""
    columns: list[ColumnElement[Any]] = []
    for n, part in enumerate(wanted):
        node = planned(part.node)
        columns += [expression.value(node, row).label(f"v{n}"), expression.error(node, row).label(f"e{n}")]
    values: list[Any] = []
    for start in range(0, len(columns), AT_ONCE):
        statement: Statement = compile_statement(
            select(*columns[start : start + AT_ONCE]).select_from(source).where(*where)
        )
        rows = await fetch_rows(conn, statement.text, statement.arguments(ctx, **given))
        if not rows:
            return []
        values += list(rows[0])
    return values


def _seen(wanted: Sequence[Part], values: Sequence[Any]) -> tuple[Seen, ...]:
    return tuple(
        Seen(part.start, part.end, Value(part.node.type, values[2 * n], values[2 * n + 1]))
        for n, part in enumerate(wanted)
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


@dataclass(frozen=True)
class _InputRow:
    """The record of inputs as a row of columns, and its child sets as subqueries over their JSON.

    Columns, not constants: PostgreSQL would compute with constants while it plans.
    """

    environment: Environment
    fields: Mapping[str, Any]
    shapes: Mapping[str, Any]
    source: FromClause = None  # type: ignore[assignment]
    outer: _InputRow | None = None

    def __post_init__(self) -> None:
        if self.source is None:
            sets = [column(name, JSON()) for name in self.shapes if name != RECORD]
            columns = [column("_", Boolean()), *_columns(self.fields), *sets]
            made = func.json_to_record(slot("document", JSON())).table_valued(*columns, name="t")
            object.__setattr__(self, "source", made.render_derived(with_types=True))

    def field(self, node: typed.Field) -> ColumnElement[Any]:
        row = self
        for _ in range(node.level):
            assert row.outer is not None
            row = row.outer
        return of(row.source, node.name, _sql_type(node.type))

    def property(self, node: typed.Property) -> ColumnElement[Any]:
        raise AssertionError("inputs have no properties")

    def system(self, node: typed.System) -> ColumnElement[Any]:
        return slot(node.name, SQL_TYPES[node.type.kind])

    def param(self, node: typed.Param) -> ColumnElement[Any]:
        raise AssertionError("nothing is lifted here")

    def aggregate(self, node: typed.Aggregate) -> Lowered:
        fields = self.shapes[node.object].fields
        rows = func.json_to_recordset(of(self.source, node.object, JSON())).table_valued(*_columns(fields), name="c")
        inner = _InputRow(self.environment, fields, self.shapes, rows.render_derived(with_types=True), self)
        made = expression.aggregate(node, inner)

        def over(found: ColumnElement[Any]) -> Any:
            return type_coerce(
                select(found).select_from(inner.source).correlate_except(inner.source).scalar_subquery(), found.type
            )

        return replace(made, value=over(made.value), guard=held(over(made.guard.code)) if made.guard else None)


def _columns(fields: Mapping[str, Any]) -> list[Any]:
    return [column(name, _sql_type(shape.type)) for name, shape in fields.items()]


def _sql_type(kind: Type) -> Any:
    return ARRAY(SQL_TYPES[kind.element.kind]) if kind.kind == "list" else SQL_TYPES[kind.kind]
