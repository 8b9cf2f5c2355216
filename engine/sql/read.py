"""ReadPlan -> one statement that yields (body, meta), both JSON text made by PostgreSQL.

A single record: body is the object, meta its version. A page: body is the array, meta
`{"ends": [[sort keys as text], ...] | null, "count": n | null}`; `ends` are the last record of the page and the
one after it, as far as there are such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, DateTime, Select, Text, Uuid, and_, cast, func, literal, null, or_, select
from sqlalchemy.sql.elements import ColumnElement

from engine.plan.grouping import narrowed
from engine.plan.planned import Join, own
from engine.plan.read import Order, Output, ReadPlan
from engine.sql import expression
from engine.sql.answer import answered
from engine.sql.columns import SQL_TYPES, constant, json_object, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import Frame, frame, tables
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.functions import sql
from metamodel.formula.typed import Field

ONE, TWO = (literal(n, BigInteger(), literal_execute=True) for n in (1, 2))


def read_statement(plan: ReadPlan, collation: str | None) -> Statement:
    """The statement of a plan; `collation` is the server's for changes of case."""
    environment = Environment(plan.zone, collation)
    return compile_statement(_single(plan, environment) if plan.single else _page(plan, environment))


def _single(plan: ReadPlan, environment: Environment) -> Select[Any, Any]:
    rows = _filtered(plan, environment, extra=[tree for o in plan.outputs for tree in o.trees], joins=plan.output_joins)
    row = _row(plan, rows).correlate(*tables(rows.source)).lateral("r")
    base = rows.images["new"]
    return (
        select(cast(func.row_to_json(row.table_valued()), Text), cast(of(base, "version", BigInteger()), Text))
        .select_from(rows.source.join(row, literal(True, literal_execute=True)))
        .where(*_conditions(plan, rows), of(base, "id", Uuid()) == slot("id", Uuid()))
    )


def _page(plan: ReadPlan, environment: Environment) -> Select[Any]:
    rows = _filtered(plan, environment)
    base = rows.images["new"]
    keys = [expression.value(order.tree, rows.row) for order in plan.order]
    conditions = _conditions(plan, rows)
    # A constant: with a parameter here the planner takes a tenth of the table, and plans anew at every run.
    limit = literal(plan.limit, BigInteger(), literal_execute=True)
    page = (
        select(
            *(of(base, name, type_) for name, type_ in _needed(plan).items()),
            *(key.label(f"_k{n}") for n, key in enumerate(keys)),
        )
        .select_from(rows.source)
        .where(*conditions, *(_after(plan, keys) if plan.after is not None else ()))
        .order_by(*_sorted(plan.order, keys))
        .limit(limit + ONE)
        .cte("page")
    )
    held = [of(page, f"_k{n}", SQL_TYPES[order.tree.type.kind]) for n, order in enumerate(plan.order)]
    shown = frame(environment, {"new": page}, plan.output_joins, [tree for o in plan.outputs for tree in o.trees])
    listed = (
        _row(plan, shown).select_from(shown.source).order_by(*_sorted(plan.order, held)).limit(limit)
    ).subquery("r")
    body = select(func.coalesce(cast(func.json_agg(listed.table_valued()), Text), literal("[]", literal_execute=True)))
    end = select(*held).order_by(*_sorted(plan.order, held)).offset(limit - ONE).limit(TWO).subquery("e")
    ends = func.json_agg(func.json_build_array(*(cast(key, Text) for key in end.c)))
    count = (
        select(func.count()).select_from(rows.source).where(*conditions).scalar_subquery() if plan.count else null()
    )
    meta = func.json_build_object(
        literal("ends", literal_execute=True), ends, literal("count", literal_execute=True), count
    )
    return select(body.scalar_subquery(), select(cast(meta, Text)).select_from(end).scalar_subquery())


def _filtered(
    plan: ReadPlan, environment: Environment, *, extra: list[Any] | None = None, joins: tuple[Join, ...] = ()
) -> Frame:
    base = qualified(plan.table).alias("t")
    hops = {(join.image, join.path): join for join in (*plan.filter_joins, *joins)}
    trees = [plan.access, plan.where, *(o.tree for o in plan.order), *(extra or ())]
    grouped = not (plan.single or narrowed(plan.access) or narrowed(plan.where))
    ordered = sorted(hops.values(), key=lambda join: len(join.path))
    return frame(environment, {"new": base}, ordered, trees, grouped=grouped)


def _conditions(plan: ReadPlan, rows: Frame) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [of(rows.images["new"], "deleted_at", DateTime()).is_(None)]
    if plan.access is not None:
        found.append(expression.grants(plan.access, rows.row))
    if plan.where is not None:
        found.append(expression.condition(plan.where, rows.row))
    return found


def _row(plan: ReadPlan, rows: Frame) -> Select[Any]:
    columns = [answered(output, rows.row).label(output.key) for output in plan.outputs]
    return select(*columns, *([_errors(plan.outputs, rows).label("_errors")] if plan.errors else []))


def _errors(outputs: tuple[Output, ...], rows: Frame) -> ColumnElement[Any]:
    """The codes of the outputs that are in error, by key."""
    pairs: list[ColumnElement[Any]] = []
    for output in outputs:
        if expression.failed(output.tree, rows.row) is not sql.FALSE:
            pairs += [constant(output.key), expression.error(output.tree, rows.row)]
    return json_object(pairs)


def _needed(plan: ReadPlan) -> dict[str, Any]:
    """The columns of the row itself that the answer is made of."""
    needed: dict[str, Any] = {"id": Uuid()}
    for tree in (tree for output in plan.outputs for tree in output.trees):
        for node in own(tree):
            if isinstance(node, Field) and node.path == ():
                needed[node.name] = SQL_TYPES[node.type.kind]
    needed.update({join.column: Uuid() for join in plan.output_joins if len(join.path) == 1})
    return needed


def _sorted(order: tuple[Order, ...], keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """PostgreSQL's own place of blanks (last when ascending, first when descending), so that plain indexes serve."""
    return [key.desc() if o.descending else key.asc() for o, key in zip(order, keys, strict=True)]


def _after(plan: ReadPlan, keys: list[ColumnElement[Any]]) -> list[ColumnElement[bool]]:
    """The rows behind the cursor. The first condition is a plain range on the first key, for its index."""
    assert plan.after is not None
    beyond: ColumnElement[bool] | None = None
    first: list[ColumnElement[bool]] = []
    for n in reversed(range(len(keys))):
        key, order, blank = keys[n], plan.order[n], plan.after[n]
        value = slot(f"v{plan.first_cursor_value + n}", SQL_TYPES[order.tree.type.kind])
        if blank:
            greater: ColumnElement[bool] | None = key.is_not(None) if order.descending else None
            equal: ColumnElement[bool] = key.is_(None)
        else:
            greater = key < value if order.descending else or_(key > value, key.is_(None))
            equal = key == value
        if n == 0 and not blank:
            first = [key <= value if order.descending else or_(key >= value, key.is_(None))]
            if not order.tree.type.nullable and not order.descending:
                first = [key >= value]
        rest = equal if beyond is None else and_(equal, beyond)
        if beyond is None:
            beyond = greater if greater is not None else literal(False, literal_execute=True)
        else:
            beyond = rest if greater is None else or_(greater, rest)
    assert beyond is not None
    return [*first, beyond]
