"""WritePlan -> the statement that finds the records that are duplicates of what is given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime, Integer, Select, Text, Uuid, cast, false, func, literal, null, select, true, union_all
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from engine.plan.duplicates import Search
from engine.plan.write import WritePlan
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import all_columns, made_value, materialized, partial, raw_rows
from engine.sql.joins import Frame, frame
from engine.sql.statement import Statement, compile_statement

MOST = 50
"""How many duplicates are told of one record by one search."""


def search_statement(plan: WritePlan, collation: str | None) -> Statement:
    """Rows of (`row`: the place in slot `payload`, `search`: the place in the plan, `id`, `seen`, `title`), at most
    MOST and one more of each; what the payload does not give of records that exist is as it is stored."""
    environment = Environment(plan.zone, collation)
    record = _record(plan, raw_rows(plan), environment)
    rows = frame(environment, {"new": record}, plan.search_joins, [one.when for one in plan.searches])
    found = [_found(one, n, record, rows, environment) for n, one in enumerate(plan.searches)]
    return compile_statement(union_all(*found) if len(found) > 1 else found[0])


def _record(plan: WritePlan, raw: CTE, environment: Environment) -> CTE:
    types = all_columns(plan)
    values: dict[str, ColumnElement[Any]]
    given = {c.name: c for c in plan.columns if c.given}
    if plan.operation == "create":
        blank = {name: cast(null(), COLUMN_TYPES[type_]) for name, type_ in types.items()}
        rows = frame(environment, {"new": raw}, plan.raw_joins, [c.default for c in plan.columns])
        known = [c for c in plan.columns if not c.sequence and not c.counter]
        values = {**blank, "id": of(raw, "id", Uuid()), "owner": of(raw, "owner", Uuid())}
        values |= {c.name: made_value(c, raw, rows, environment) for c in known}
        source: Any = rows.source
    else:
        stored = qualified(plan.table).alias("t")
        values = {name: of(stored, name, COLUMN_TYPES[type_]) for name, type_ in types.items()}
        values |= {
            name: partial(c, raw, of(raw, name, COLUMN_TYPES[c.type]), values[name]) for name, c in given.items()
        }
        source = raw.join(stored, of(stored, "id", Uuid()) == of(raw, "id", Uuid()))
    columns = [value.label(name) for name, value in values.items()]
    return materialized(select(of(raw, "_ord", Integer()), *columns).select_from(source).cte("record"))


def _found(search: Search, number: int, record: CTE, rows: Frame, environment: Environment) -> Select[Any]:
    found = search.found
    candidate = qualified(found.table).alias()
    inner = frame(environment, {"new": candidate}, found.joins, found.inside, outer=(rows,))
    where: list[ColumnElement[bool]] = [of(candidate, "deleted_at", DateTime()).is_(None)]
    if found.where is not None:
        where.append(expression.condition(found.where, inner.row))
    limit = literal(MOST + 1, Integer(), literal_execute=True)
    ids = select(of(candidate, "id", Uuid()).label("id")).select_from(inner.source).where(*where).limit(limit)
    duplicates = ids.correlate(record).lateral()
    shown = qualified(found.table).alias()
    told = frame(environment, {"new": shown}, search.joins, (search.visible, search.title))
    seen = func.coalesce(expression.grants(search.visible, told.row), false()) if search.visible is not None else true()
    id_ = of(duplicates, "id", Uuid())
    source = rows.source.join(duplicates, true()).join(told.source, of(shown, "id", Uuid()) == id_)
    when = [expression.condition(search.when, rows.row)] if search.when is not None else []
    return select(
        of(record, "_ord", Integer()).label("row"), literal(number, Integer(), literal_execute=True).label("search"),
        id_.label("id"), seen.label("seen"), cast(expression.value(search.title, told.row), Text).label("title"),
    ).select_from(source).where(*when)
