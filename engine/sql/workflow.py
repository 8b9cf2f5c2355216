"""Statements of automation: which events cause a run, and what an action writes.

events   the asked events (slot `events`, an array of ids) with what they changed
old      the record of each event as it was before: changed columns take their former value, others that of now
new      the record as it is now
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Text, Uuid, and_, case, cast, func, literal, null, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.planned import Image
from engine.plan.workflow import Images, TriggerPlan, ValuesPlan
from engine.release.identity import entered_at
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import materialized
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot

FAILED = "failed."
"""Before the name of a value: whether its formula is an error in this record."""
PRESENT = "present."
"""Before the name of a field: its value as it is now."""


def trigger_statement(plan: TriggerPlan, collation: str | None) -> Statement:
    """The ids of those events among slot `events` that cause a run."""
    old, new = _old(plan.images, _events(plan.images, plan)), qualified(plan.images.table).alias("t")
    rows = frame(
        Environment(plan.images.zone, collation),
        {"new": new, "old": old},
        plan.joins,
        (plan.when,),
        source=_both(old, new),
    )
    where = [] if plan.when is None else [expression.condition(plan.when, rows.row)]
    return compile_statement(select(of(old, "_event", BigInteger())).select_from(rows.source).where(*where))


def values_statement(plan: ValuesPlan, collation: str | None) -> Statement:
    """The values of an action in the record of the one event in slot `events`, else in that of slot `record`; no row
    where the record is gone."""
    images: dict[Image, FromClause] = {}
    where: list[ColumnElement[bool]] = []
    if plan.table is None:
        images["new"] = select(cast(null(), Uuid()).label("id")).subquery("t")
    else:
        images["new"] = qualified(plan.table).alias("t")
    new, source = images["new"], images["new"]
    if plan.images is not None:
        images["old"] = old = _old(plan.images, _events(plan.images))
        source = _both(old, new)
    elif plan.table is not None:
        where = [of(new, "id", Uuid()) == slot("record", Uuid()), of(new, "deleted_at", DateTime()).is_(None)]
    rows = frame(
        Environment(plan.zone, collation), images, plan.joins, [o.tree for o in plan.values], source=source
    )
    columns = [expression.value(o.tree, rows.row).label(o.key) for o in plan.values]
    columns += [expression.failed(o.tree, rows.row).label(FAILED + o.key) for o in plan.values]
    columns += [of(new, column, COLUMN_TYPES[type_]).label(PRESENT + name) for name, column, type_ in plan.present]
    return compile_statement(select(*columns).select_from(rows.source).where(*where))


def _events(plan: Images, trigger: TriggerPlan | None = None) -> CTE:
    e, h = qualified(plan.events).alias("e"), qualified(plan.history).alias("h")
    columns = [
        of(e, "id", BigInteger()),
        of(e, "record", Uuid()),
        of(e, "version", BigInteger()),
        of(e, "kind", Text()),
        of(e, "at", DateTime(timezone=True)),
        of(h, "changes", JSONB()),
    ]
    same = and_(
        *(
            of(e, name, type_) == of(h, name, type_)
            for name, type_ in (
                ("object", Text()),
                ("record", Uuid()),
                ("version", BigInteger()),
            )
        )
    )
    where = [
        of(e, "id", BigInteger()) == func.any(slot("events", ARRAY(BigInteger()))),
        of(e, "object", Text()) == constant(plan.object),
    ]
    if trigger is not None:
        where += _caused(trigger, of(e, "kind", Text()), of(h, "changes", JSONB()))
    return materialized(select(*columns).select_from(e.join(h, same)).where(*where).cte("events"))


def _caused(plan: TriggerPlan, kind: ColumnElement[Any], changes: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [or_(*(kind == constant(name) for name in plan.kinds))]
    if plan.changed:
        found.append(or_(*(_changed(changes, name) for name in plan.changed)))
    if plan.entered is not None and plan.images.stage:
        stage = constant(plan.images.stage)
        entered = case(
            (kind == constant("created"), func.jsonb_extract_path_text(changes, stage)),
            else_=func.jsonb_extract_path_text(changes, stage, constant("1")),
        )
        found.append(entered == constant(plan.entered) if plan.entered else entered.is_not(None))
    return found


def _old(plan: Images, events: CTE) -> CTE:
    base, changes = qualified(plan.table).alias("b"), of(events, "changes", JSONB())
    created = of(events, "kind", Text()) == constant("created")
    columns = [of(events, "id", BigInteger()).label("_event"), of(events, "record", Uuid()).label("_record")]
    for name, type_ in plan.columns:
        kind = COLUMN_TYPES[type_]
        kept: ColumnElement[Any] = of(base, name, kind)
        before: ColumnElement[Any] = case((_changed(changes, name), _former(changes, name, type_)), else_=kept)
        if name == "version":
            before = of(events, "version", BigInteger()) - literal(1, literal_execute=True)
        elif plan.stage and name == entered_at(plan.stage):
            before = case((_changed(changes, plan.stage), _left(plan, events)), else_=kept)
        columns.append(case((created, cast(null(), kind)), else_=before).label(name))
    source = events.join(base, of(base, "id", Uuid()) == of(events, "record", Uuid()))
    return select(*columns).select_from(source).cte("old")


def _both(old: FromClause, new: FromClause) -> FromClause:
    same = of(new, "id", Uuid()) == of(old, "_record", Uuid())
    return old.join(new, and_(same, of(new, "deleted_at", DateTime()).is_(None)))


def _changed(changes: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = func.jsonb_exists(changes, constant(name))
    return found


def _former(changes: ColumnElement[Any], name: str, type_: str) -> ColumnElement[Any]:
    """The first of the pair [before, after] that the history keeps of a column."""
    if not type_.endswith("[]"):
        return cast(func.jsonb_extract_path_text(changes, constant(name), constant("0")), COLUMN_TYPES[type_])
    before = func.jsonb_extract_path(changes, constant(name), constant("0"), type_=JSONB())
    listed = func.jsonb_typeof(before) == constant("array")
    items = func.jsonb_array_elements_text(case((listed, before))).column_valued("item")
    texts = func.array(select(items).scalar_subquery(), type_=ARRAY(Text()))
    return case((listed, texts if type_ == "text[]" else cast(texts, COLUMN_TYPES[type_])))


def _left(plan: Images, events: CTE) -> ColumnElement[Any]:
    """When the stage that an event left had been entered."""
    h = qualified(plan.stage_history).alias("s")
    left = of(h, "left_at", DateTime(timezone=True))
    return (
        select(of(h, "entered_at", DateTime(timezone=True)))
        .where(
            of(h, "object", Text()) == constant(plan.object),
            of(h, "record", Uuid()) == of(events, "record", Uuid()),
            of(h, "field", Text()) == constant(plan.stage or ""),
            left <= of(events, "at", DateTime(timezone=True)),
        )
        .order_by(left.desc())
        .limit(literal(1, literal_execute=True))
        .scalar_subquery()
    )
