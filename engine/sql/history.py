"""The statements that read the history of one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Numeric,
    Text,
    Uuid,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array
from sqlalchemy.sql.elements import ColumnElement

from engine.plan.planned import Join
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.answer import duration
from engine.sql.columns import constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.typed import Node


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """`fields` holds (column, name, rows in which it is readable or None for all), `forms` the columns whose values
    the history keeps otherwise than they are shown, with their type: `duration` (seconds) and `json` (as text)."""

    object: str
    zone: str
    table: TableRef
    history: TableRef
    stage_history: TableRef
    fields: tuple[tuple[str, str, Node | None], ...]
    forms: tuple[tuple[str, str], ...]
    joins: tuple[Join, ...]


def history_statement(plan: HistoryPlan, collation: str | None) -> Statement:
    """Changes of the record in slot `id`, newest first, at most `limit`, as one JSON array."""
    base = qualified(plan.table).alias("t")
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, [c for _, _, c in plan.fields])
    allowed: ColumnElement[Any] = _texts([name for name, _, condition in plan.fields if condition is None])
    for name, _, condition in plan.fields:
        if condition is not None:
            granted = func.coalesce(expression.grants(condition, rows.row), literal(False, literal_execute=True))
            allowed = allowed.concat(case((granted, _texts([name])), else_=_texts([])))
    readable = (
        select(allowed.label("columns")).select_from(rows.source).where(of(base, "id", Uuid()) == slot("id", Uuid()))
    ).cte("readable")
    h = qualified(plan.history).alias("h")
    entry = func.jsonb_each(of(h, "changes", JSONB())).table_valued(column("key", Text()), column("value", JSONB()))
    renamed = [(entry.c.key == constant(at), constant(name)) for at, name, _ in plan.fields if at != name]
    named = case(*renamed, else_=entry.c.key) if renamed else entry.c.key
    created = of(h, "kind", Text()) == constant("created")
    pair = case((created, func.jsonb_build_array(null(), entry.c.value)), else_=entry.c.value)
    if plan.forms:
        pair = case(*((entry.c.key == constant(at), _formed(pair, form)) for at, form in plan.forms), else_=pair)
    visible = or_(
        entry.c.key == func.any(of(readable, "columns", ARRAY(Text()))), entry.c.key == constant("deleted_at")
    )
    changes = (
        select(func.coalesce(func.jsonb_object_agg(named, pair), cast(constant("{}"), JSONB())))
        .select_from(entry).where(visible).scalar_subquery()
    )
    picked = {name: of(h, name, Text()) for name in ("version", "at", "actor", "kind", "door", "request_id")}
    listed = (
        select(*(value.label(name) for name, value in picked.items()), changes.label("changes"))
        .select_from(h.join(readable, true()))
        .where(and_(of(h, "object", Text()) == constant(plan.object), of(h, "record", Uuid()) == slot("id", Uuid())))
        .order_by(of(h, "id", BigInteger()).desc()).limit(slot("limit", BigInteger()))
    ).subquery("r")
    return compile_statement(select(cast(func.json_agg(listed.table_valued()), Text)))


def stage_history_statement(plan: HistoryPlan) -> Statement:
    """Stages of the record in slot `id`, oldest first, as one JSON array; needs the stage fields to be readable."""
    h = qualified(plan.stage_history).alias("h")
    names = ("field", "process", "process_version", "stage", "previous", "entered_at", "left_at", "seconds", "actor",
             "reason", "door")
    left = func.coalesce(of(h, "left_at", DateTime(timezone=True)), slot("now", DateTime(timezone=True)))
    lasted = func.extract("epoch", left - of(h, "entered_at", DateTime(timezone=True)))
    told = {name: of(h, name, Text()) for name in names} | {"seconds": cast(func.floor(lasted), BigInteger())}
    readable = _texts([column for column, _, condition in plan.fields if condition is None])
    listed = (
        select(*(value.label(name) for name, value in told.items()))
        .select_from(h)
        .where(
            of(h, "object", Text()) == constant(plan.object), of(h, "record", Uuid()) == slot("id", Uuid()),
            of(h, "field", Text()) == func.any(readable),
        )
        .order_by(of(h, "entered_at", DateTime()), of(h, "id", BigInteger())).limit(slot("limit", BigInteger()))
    ).subquery("r")
    return compile_statement(select(cast(func.json_agg(listed.table_valued()), Text)))


def _formed(pair: ColumnElement[Any], form: str) -> ColumnElement[Any]:
    """The pair [before, after] with both values as they are shown."""
    told = [func.jsonb_extract_path_text(pair, constant(at), type_=Text()) for at in ("0", "1")]
    if form == "duration":
        return func.jsonb_build_array(*(duration(cast(text, Numeric())) for text in told))
    return func.jsonb_build_array(*(cast(text, JSONB()) for text in told))


def _texts(texts: list[str]) -> ColumnElement[Any]:
    return cast(array([constant(text) for text in texts], type_=Text()), ARRAY(Text()))
