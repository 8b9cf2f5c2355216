"""WritePlan -> one statement that locks, makes the new rows, judges them, writes, logs and answers.

    raw      the payload (slot `payload`: one JSON object, or an array of them, with `_ord` from 0)
    old      the rows of an update as they are, locked, among those that the writer may change
    new      the rows as they will be, and beside it what stood in the columns that may change
    judged   for each row the numbers of what it breaks
    gate     refuses the whole statement where anything is broken (SQLSTATE FW001, detail `[[ord, [number, ...]], ...]`)
    written, history, stages, events   only through the gate

It answers (body, meta): the record or the array of records as the writer may read them, and `[[id, version], ...]`
(null for a create, whose ids the caller made and whose versions are 1). Where roll-ups are kept of such rows, a third
text says of which records: `{object: [id, ...] | null}`, those of the old and of the new rows. What was noted of rows
stands in a column `notices`, written like the violations.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Text,
    Uuid,
    cast,
    func,
    insert,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from engine.plan.write import WritePlan
from engine.sql import expression
from engine.sql.answer import answered
from engine.sql.columns import COLUMN_TYPES, into, of
from engine.sql.expression import Environment
from engine.sql.files import attach
from engine.sql.images import all_columns, before, changed_columns, new_rows, old_rows, raw_rows
from engine.sql.joins import frame
from engine.sql.judging import gate_of, judged_rows, passed
from engine.sql.rollups import affected
from engine.sql.statement import Statement, compile_statement
from engine.sql.trail import events, history, queued, stage_history


def write_statement(plan: WritePlan, collation: str | None) -> Statement:
    """The statement of a plan; `collation` is the server's for changes of case."""
    environment = Environment(plan.zone, collation)
    raw = raw_rows(plan)
    old = None if plan.operation == "create" else old_rows(plan, environment, raw)
    new = new_rows(plan, environment, raw, old)
    was = None if old is None else before(plan, new)
    gate = gate_of(judged_rows(plan, environment, raw, was, new))
    logged = events(plan, new, gate)
    effects = [_written(plan, new, gate), history(plan, was, new, gate), *stage_history(plan, was, new, gate), logged]
    if plan.attached:
        effects.append(attach(plan, new, passed(gate)))
    answer = _answer(plan, environment, new, gate)
    if plan.upkeep:
        answer = answer.add_columns(affected(plan.upkeep, old, new))
    if plan.late and old is not None:
        answer = answer.add_columns(_olds(old))
    if plan.noting:
        answer = answer.add_columns(of(gate, "notices", Text()).label("notices"))
    return compile_statement((answer.add_columns(queued(logged)) if plan.queued else answer).add_cte(*effects))


def _olds(old: CTE) -> ColumnElement[str]:
    """The rows as they were, as JSON text, for what is judged after the write."""
    listed = select(cast(func.json_agg(old.table_valued()), Text)).select_from(old)
    return listed.scalar_subquery().label("olds")


def _written(plan: WritePlan, new: CTE, gate: CTE) -> CTE:
    types = all_columns(plan)
    if plan.operation == "create":
        columns = [of(new, name, COLUMN_TYPES[type_]) for name, type_ in types.items()]
        rows = select(*columns).select_from(new.join(gate, true())).where(passed(gate))
        return insert(into(plan.table, types)).from_select(list(types), rows).cte("written")
    target = into(plan.table, types)
    values = {name: of(new, name, COLUMN_TYPES[types[name]]) for name in changed_columns(plan)}
    return update(target).values(values).where(target.c.id == of(new, "id", Uuid()), passed(gate)).cte("written")


def _answer(plan: WritePlan, environment: Environment, new: CTE, gate: CTE) -> Select[Any]:
    shown = frame(
        environment, {"new": new}, plan.output_joins, [*(tree for o in plan.outputs for tree in o.trees), plan.visible]
    )
    values = [answered(o, shown.row).label(o.key) for o in plan.outputs]
    order = of(new, "_ord", Integer())
    where = [expression.grants(plan.visible, shown.row)] if plan.visible is not None else []
    found = select(*values).select_from(shown.source).where(*where)
    rows = (found if plan.single else found.order_by(order)).subquery("r")
    aggregate = func.row_to_json(rows.table_valued()) if plan.single else func.json_agg(rows.table_valued())
    body = select(cast(aggregate, Text)).scalar_subquery() if plan.outputs else cast(null(), Text)
    if plan.operation == "create":
        return select(body, cast(null(), Text)).select_from(gate).where(passed(gate))
    changed = func.json_build_array(of(new, "id", Uuid()), of(new, "version", BigInteger()))
    if plan.single:
        meta = cast(func.json_build_array(changed), Text)
        # The gate stands first: it is asked also where no row was found.
        return select(body, meta).select_from(gate.outerjoin(new, true())).where(passed(gate))
    listed = select(cast(func.json_agg(aggregate_order_by(changed, order)), Text)).select_from(new).scalar_subquery()
    return select(body, listed).select_from(gate).where(passed(gate))
