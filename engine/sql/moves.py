"""What stands in the way of each move of a record: every target stage judged in one statement, nothing written."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ARRAY, DateTime, Integer, Text, Uuid, cast, func, literal, null, select, true, values
from sqlalchemy import column as column_

from engine.plan.write import WritePlan
from engine.release.identity import entered_at
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import all_columns, materialized
from engine.sql.joins import frame
from engine.sql.judging import broken_check, integers
from engine.sql.statement import Statement, compile_statement, slot


def moves_statement(plan: WritePlan, targets: Sequence[str], collation: str | None) -> Statement:
    """For the record in slot `id`: rows of JSON `[target, [number of a broken check, ...]]` as one array.

    NULL where the actor may not change the record.
    """
    assert plan.stage
    environment = Environment(plan.zone, collation)
    base = qualified(plan.table).alias("t")
    types = {name: COLUMN_TYPES[type_] for name, type_ in all_columns(plan).items()}
    target = values(column_("_target", Text()), name="s", literal_binds=True).data([(t,) for t in targets])
    rows = frame(environment, {"new": base}, plan.access_joins, (plan.access,))
    here = [of(base, "id", Uuid()) == slot("id", Uuid()), of(base, "deleted_at", DateTime()).is_(None)]
    if plan.access is not None:
        here.append(expression.grants(plan.access, rows.row))
    old = materialized(
        select(target.c["_target"], *(of(base, name, t) for name, t in types.items()))
        .select_from(rows.source.join(target, true())).where(*here).cte("old")
    )
    changed = {plan.stage: of(old, "_target", Text()), entered_at(plan.stage): slot("now", DateTime(timezone=True))}
    kept = {name: of(old, name, type_) for name, type_ in types.items()}
    given = literal("-", Text(), literal_execute=True).label("_reason")
    new = materialized(
        select(of(old, "_target", Text()), given, *(value.label(name) for name, value in (kept | changed).items()))
        .select_from(old).cte("new")
    )
    source = new.join(old, of(new, "_target", Text()) == of(old, "_target", Text()))
    trees = [tree for check in plan.checks for tree in (check.holds, check.when)]
    both = frame(environment, {"new": new, "old": old}, plan.check_joins, trees, source=source)
    broken = func.array_remove(integers([broken_check(c, both, n) for n, c in enumerate(plan.checks)]), null())
    told = select(of(new, "_target", Text()).label("_target"), broken.label("broken"))
    judged = told.select_from(both.source).subquery()
    pair = func.json_build_array(of(judged, "_target", Text()), of(judged, "broken", ARRAY(Integer())))
    return compile_statement(select(cast(func.json_agg(pair), Text)).select_from(judged))
