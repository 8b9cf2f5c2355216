"""WritePlan -> the statement that judges, after the write, what reads rows among which the written ones are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, Text, Uuid, cast, column, func, literal, null, select, true
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.checks import ACKNOWLEDGED
from engine.plan.planned import Image
from engine.plan.stages import CONFIRMED, REASON, SAID
from engine.plan.write import WritePlan
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import all_columns, materialized, no_row, with_old
from engine.sql.joins import frame
from engine.sql.judging import broken_check, gate_of, noted, numbers
from engine.sql.statement import Statement, compile_statement, slot


def late_statement(plan: WritePlan, collation: str | None) -> Statement:
    """Judges the rows with the ids in slot `ids`, in the order of the batch; slot `olds` holds how they were, as JSON,
    slot `acks` what each acknowledges.

    Raises like the writing statement, by the same numbers.
    """
    new = _written(plan)
    old = _olds(plan) if plan.operation != "create" else None
    checks = [(n, check) for n, check in enumerate(plan.checks) if check.late]
    trees = [tree for _, check in checks for tree in (check.holds, check.when)]
    images: dict[Image, FromClause] = {"new": new, "old": old if old is not None else no_row(plan)}
    source = with_old(new, old) if old is not None else new.join(images["old"], true())
    rows = frame(Environment(plan.zone, collation), images, plan.check_joins, trees, source=source)
    broken = numbers([broken_check(check, rows, n) for n, check in checks if check.severity != "info"])
    told = [broken.label("broken"), *noted(checks, rows)]
    gate = gate_of(select(of(new, "_ord", Integer()).label("_ord"), *told).select_from(rows.source))
    return compile_statement(select(*gate.c).select_from(gate))


def _written(plan: WritePlan) -> CTE:
    """The rows as they stand now, with blanks for what a write alone has."""
    asked = func.unnest(slot("ids", ARRAY(Uuid()))).table_valued(
        column("id", Uuid()), with_ordinality="place", name="asked"
    ).render_derived()
    rows = qualified(plan.table).alias("t")
    types = all_columns(plan)
    place = (asked.c.place - literal(1, BigInteger(), literal_execute=True)).cast(Integer())
    extra: dict[str, Any] = {REASON: Text(), CONFIRMED: ARRAY(Text()), SAID: ARRAY(Text())}
    columns = [of(rows, name, COLUMN_TYPES[type_]) for name, type_ in types.items()]
    blanks = [cast(null(), type_).label(name) for name, type_ in extra.items()]
    if plan.acknowledging:
        given = func.json_array_elements_text(slot("acks", JSON()).op("->")(place)).table_valued("value", name="given")
        blanks.append(func.array(select(given.c.value).scalar_subquery(), type_=ARRAY(Text())).label(ACKNOWLEDGED))
    source = asked.join(rows, of(rows, "id", Uuid()) == asked.c.id)
    return materialized(select(place.label("_ord"), *columns, *blanks).select_from(source).cte("new"))


def _olds(plan: WritePlan) -> CTE:
    fields = [column("_ord", Integer())]
    fields += [column(name, COLUMN_TYPES[type_]) for name, type_ in all_columns(plan).items()]
    taken = func.json_to_recordset(slot("olds", JSON())).table_valued(*fields, name="x").render_derived(with_types=True)
    return materialized(select(*taken.c).cte("old"))
