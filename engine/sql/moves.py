"""What stands in the way of each move of a record: every target stage judged in one statement, nothing written."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    DateTime,
    Text,
    Uuid,
    case,
    cast,
    func,
    null,
    select,
    true,
    values,
)
from sqlalchemy import column as column_

from engine.plan.moves import MovesPlan
from engine.plan.stages import CONFIRMED, REASON
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, constant, json_object, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import all_columns, materialized
from engine.sql.joins import frame
from engine.sql.judging import broken_check, integers
from engine.sql.statement import Statement, compile_statement, slot


def moves_statement(plan: MovesPlan, collation: str | None) -> Statement:
    """For the record in slot `id`: `[[target, [number of a broken check, ...], {key: value}, {key: holds}], ...]`.

    NULL where the actor may not change the record.
    """
    write, staged = plan.write, plan.write.staged
    assert staged is not None
    environment = Environment(write.zone, collation)
    base = qualified(write.table).alias("t")
    types = {name: COLUMN_TYPES[type_] for name, type_ in all_columns(write).items()}
    target = values(column_("_target", Text()), name="s", literal_binds=True).data([(t,) for t in plan.targets])
    rows = frame(environment, {"new": base}, write.access_joins, (write.access,))
    here = [of(base, "id", Uuid()) == slot("id", Uuid()), of(base, "deleted_at", DateTime()).is_(None)]
    if write.access is not None:
        here.append(expression.grants(write.access, rows.row))
    old = materialized(
        select(target.c["_target"], *(of(base, name, t) for name, t in types.items()))
        .select_from(rows.source.join(target, true())).where(*here).cte("old")
    )
    stays = of(old, "_target", Text()) == of(old, staged.column, Text())
    since, now = of(old, staged.entered, DateTime(timezone=True)), slot("now", DateTime(timezone=True))
    entered = case((stays, since), else_=now)
    changed = {staged.column: of(old, "_target", Text()), staged.entered: entered}
    kept = {name: of(old, name, type_) for name, type_ in types.items()}
    given = [cast(null(), Text()).label(REASON)]
    if staged.confirmed:
        given.append(of(old, staged.confirmed, ARRAY(Text())).label(CONFIRMED))
    new = materialized(
        select(of(old, "_target", Text()), *given, *(value.label(name) for name, value in (kept | changed).items()))
        .select_from(old).cte("new")
    )
    source = new.join(old, of(new, "_target", Text()) == of(old, "_target", Text()))
    trees = [tree for check in write.checks for tree in (check.holds, check.when)]
    trees += [*plan.tests.values(), *plan.values]
    both = frame(environment, {"new": new, "old": old}, plan.joins, trees, source=source)
    broken = func.array_remove(integers([broken_check(c, both, n) for n, c in enumerate(write.checks)]), null())
    told = [part for tree, key in plan.values.items() for part in (constant(key), expression.value(tree, both.row))]
    held = [part for key, tree in plan.tests.items() for part in (constant(key), expression.condition(tree, both.row))]
    row = func.json_build_array(of(new, "_target", Text()), broken, json_object(told), json_object(held))
    return compile_statement(select(cast(func.json_agg(row), Text)).select_from(both.source))
