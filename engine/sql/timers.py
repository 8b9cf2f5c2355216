"""Statements of timers: the records whose moment has come, page by page in the order of their ids.

w        the windows (their slots are `SLOTS`): where to look, and how far away due is
due      the records in them with their due moments; the index of the base serves this
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    Integer,
    Interval,
    Text,
    Time,
    Uuid,
    case,
    cast,
    column,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from engine.plan.timers import Step, TimerPlan
from engine.sql import expression
from engine.sql.columns import constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import materialized
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.functions import sql, worktime
from metamodel.formula.functions.clock import INSTANT, STAMP
from metamodel.formula.functions.workdays import moved, workdays_of

MINUTE = 60


def due_statement(plan: TimerPlan, collation: str | None, *, one: bool = False) -> Statement:
    """The records with their due moments after slot `since` and not after slot `until`, as (record, due): the first
    `page` of those with an id greater than `after`, or with `one` only that of slot `record`.

    On schedule `due` is slot `until`.
    """
    new = qualified(plan.table).alias("t")
    id_ = of(new, "id", Uuid())
    found = _windows(plan) if plan.base is not None else None
    source: FromClause = new if found is None else found.join(new, true())
    trees = (plan.when, plan.base)
    rows = frame(Environment(plan.home, collation), {"new": new}, plan.joins, trees, source=source)
    where: list[ColumnElement[bool]] = [of(new, "deleted_at", INSTANT).is_(None)]
    due: ColumnElement[Any] = slot("until", INSTANT)
    if found is not None and plan.base is not None:
        base = expression.value(plan.base, rows.row)
        kind, due = Date() if plan.of_days else INSTANT, _due(plan, base, found)
        where += [base >= of(found, "low", kind), base <= of(found, "high", kind)]
        where += [due > slot("since", INSTANT), due <= slot("until", INSTANT)]
        if plan.staged:
            where.append(of(new, plan.staged.column, Text()) == of(found, "stage", Text()))
        if plan.staged and plan.staged.followed:
            process = func.coalesce(of(new, plan.staged.followed, Text()), constant(plan.staged.default.name))
            where.append(process == of(found, "process", Text()))
    if plan.when is not None:
        where.append(expression.condition(plan.when, rows.row))
    where.append(id_ == slot("record", Uuid()) if one else id_ > slot("after", Uuid()))
    listed = select(id_.label("record"), due.label("due")).select_from(rows.source).where(*where)
    if found is None:
        ordered = listed.order_by(id_)
    else:
        # Materialized, or the order of the ids would tempt PostgreSQL to walk through all records in it.
        all_due = materialized(listed.cte("due"))
        record = of(all_due, "record", Uuid())
        ordered = select(record, func.max(of(all_due, "due", INSTANT)).label("due")).group_by(record).order_by(record)
    return compile_statement(ordered.limit(literal(1, literal_execute=True) if one else slot("page", BigInteger())))


def oldest_statement(plan: TimerPlan) -> Statement:
    """The least base of the records that are there."""
    new = qualified(plan.table).alias("t")
    assert plan.base is not None
    rows = frame(Environment(plan.home, None), {"new": new}, (), (plan.base,))
    least = func.min(expression.value(plan.base, rows.row))
    return compile_statement(select(least).select_from(rows.source).where(of(new, "deleted_at", INSTANT).is_(None)))


def _windows(plan: TimerPlan) -> FromClause:
    kind = Date() if plan.of_days else INSTANT
    parts = {"low": kind, "high": kind, "count": Integer(), "stage": Text(), "process": Text(), "calendar": Text()}
    slots = (slot(name, ARRAY(of_)) for name, of_ in zip(SLOTS, parts.values(), strict=True))
    table = func.unnest(*slots).table_valued(*(column(name, of_) for name, of_ in parts.items()), name="w")
    return table.render_derived()


SLOTS = ("lows", "highs", "counts", "stages", "processes", "calendars")


def _due(plan: TimerPlan, base: ColumnElement[Any], found: FromClause) -> ColumnElement[Any]:
    """The due moment of a base, by the calendar of its window."""
    steps, named = of(found, "count", Integer()), of(found, "calendar", Text())
    ways = {step.calendar: _moved(plan, base, steps, step) for step in plan.steps}
    if len(ways) == 1:
        return next(iter(ways.values()))
    cases = [(named == constant(calendar.name), due) for calendar, due in ways.items() if calendar]
    return case(*cases, else_=ways.get(None))


def _moved(
    plan: TimerPlan, base: ColumnElement[Any], steps: ColumnElement[Any], step: Step
) -> ColumnElement[Any]:
    if plan.unit == "minutes":
        if step.calendar is not None:
            return worktime.later(step.calendar, base, sql.num(steps) * sql.number(MINUTE))
        return base + steps * sql.Constant("1 minute", Interval())
    local = base if plan.of_days else func.timezone(sql.text(step.zone), base, type_=STAMP)
    day = local if plan.of_days else cast(local, Date())
    there: ColumnElement[Any] = day.op("+", return_type=Date())(steps)
    if step.calendar is not None:
        there = case((steps == sql.whole(0), day), else_=moved(workdays_of(step.calendar), day, steps))
    if plan.at is not None or plan.of_days:
        at: ColumnElement[Any] = sql.Constant(f"{(plan.at or 0) // 60:02}:{(plan.at or 0) % 60:02}", Time())
    else:
        at = cast(local, Time())
    return func.timezone(sql.text(step.zone), there.op("+", return_type=STAMP)(at), type_=INSTANT)
