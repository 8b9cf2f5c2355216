"""InFlightPlan -> how many records break each check, and a sample of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, Uuid, cast, func, literal, null, select, true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from engine.plan.inflight import InFlightPlan
from engine.plan.planned import Image
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.judging import broken_check
from engine.sql.statement import Statement, compile_statement

SAMPLE = 5


def in_flight_statement(plan: InFlightPlan, collation: str | None) -> Statement:
    """One row: for each check the number of live records that break it, and the ids of a few of them."""
    base = qualified(plan.table).alias("t")
    blanks = [cast(null(), COLUMN_TYPES[type_]).label(name) for name, type_ in plan.columns.items()]
    nothing = select(*blanks).subquery("old")
    images: dict[Image, FromClause] = {"new": base, "old": nothing}
    trees = [tree for check in plan.checks for tree in (check.holds, check.when)]
    source = base.join(nothing, true())
    rows = frame(Environment(plan.zone, collation), images, plan.joins, [*trees, plan.visible], source=source)
    where: list[ColumnElement[bool]] = [of(base, "deleted_at", DateTime()).is_(None)]
    if plan.visible is not None:
        where.append(expression.grants(plan.visible, rows.row))
    id_ = of(base, "id", Uuid())
    broken = [broken_check(check, rows, n).label(f"b{n}") for n, check in enumerate(plan.checks)]
    judged = select(id_, *broken).select_from(rows.source).where(*where).subquery("judged")
    told: list[ColumnElement[Any]] = []
    for n in range(len(plan.checks)):
        test = of(judged, f"b{n}", Integer()).is_not(None)
        first = select(judged.c.id).where(test).order_by(judged.c.id)
        few = first.limit(literal(SAMPLE, Integer(), literal_execute=True))
        told += [func.count().filter(test).label(f"c{n}"), func.array(few.scalar_subquery(), type_=ARRAY(Uuid()))]
    return compile_statement(select(*told).select_from(judged))
