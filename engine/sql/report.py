"""ReportPlan -> one statement that yields (rows as a JSON array, totals as a JSON object or null)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, DateTime, Select, Text, case, cast, func, literal, literal_column, null, select
from sqlalchemy.sql.elements import ColumnElement

from engine.plan.grouping import narrowed
from engine.plan.report import ReportColumn, ReportPlan
from engine.sql import expression
from engine.sql.columns import SQL_TYPES, constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import GroupRow, frame
from engine.sql.statement import Statement, compile_statement, slot


def report_statement(plan: ReportPlan, collation: str | None) -> Statement:
    """The statement of a plan: at most `limit` groups (a slot), in the plan's order."""
    grouped = _grouped(plan, collation, plan.groups).cte("grouped")
    columns = {c.name: of(grouped, c.name, SQL_TYPES[c.tree.type.kind]) for c in (*plan.groups, *plan.measures)}
    by_name = {c.name: c for c in (*plan.groups, *plan.measures)}
    order = [_sorted(columns[name], by_name[name], descending) for name, descending in plan.order]
    rows = (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(grouped).order_by(*order).limit(slot("limit", BigInteger()))
    ).subquery("r")
    body = select(func.coalesce(cast(func.json_agg(rows.table_valued()), Text), literal("[]", literal_execute=True)))
    totals: Any = cast(null(), Text)
    if plan.totals:
        whole = _grouped(plan, collation, ()).subquery("w")
        totals = select(cast(func.row_to_json(whole.table_valued()), Text)).scalar_subquery()
    return compile_statement(select(body.scalar_subquery(), totals))


def _grouped(plan: ReportPlan, collation: str | None, groups: tuple[ReportColumn, ...]) -> Select[Any]:
    base = qualified(plan.table).alias("t")
    trees = [plan.access, plan.where, *(c.tree for c in (*plan.groups, *plan.measures))]
    grouped = not (narrowed(plan.access) or narrowed(plan.where))
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, trees, grouped=grouped)
    where: list[ColumnElement[bool]] = [of(base, "deleted_at", DateTime()).is_(None)]
    if plan.access is not None:
        where.append(expression.grants(plan.access, rows.row))
    if plan.where is not None:
        where.append(expression.condition(plan.where, rows.row))
    measured = GroupRow((rows,))
    columns = [expression.value(c.tree, rows.row).label(c.name) for c in groups]
    columns += [expression.value(c.tree, measured).label(c.name) for c in plan.measures]
    made = select(*columns).select_from(rows.source).where(*where)
    return made.group_by(*(literal_column(str(n + 1)) for n in range(len(groups)))) if groups else made


def _sorted(column: ColumnElement[Any], of_: ReportColumn, descending: bool) -> ColumnElement[Any]:
    """Options sort as they are declared; blanks come last."""
    key = column
    if of_.ranks:
        ranks = {constant(name): _number(n) for n, name in enumerate(of_.ranks)}
        key = case(*((column == name, rank) for name, rank in ranks.items()))
    return (key.desc() if descending else key.asc()).nulls_last()


def _number(constant: int) -> ColumnElement[Any]:
    return literal(constant, BigInteger(), literal_execute=True)
