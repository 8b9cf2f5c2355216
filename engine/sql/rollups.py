"""Roll-ups that stand in a column: whose they are after a write, their counting, and the search for drift."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import ARRAY, Integer, Select, Text, Uuid, cast, func, literal, or_, select, union, update
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.upkeep import Upkeep
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, constant, into, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import frame
from engine.sql.statement import Statement, compile_statement, slot

SAMPLE = 5


def affected(upkeep: tuple[Upkeep, ...], old: CTE | None, new: CTE) -> ColumnElement[str]:
    """`{object: [id, ...] | null}` as text: the records that the written rows belonged to and belong to now."""
    pairs: list[ColumnElement[Any]] = []
    for kept in upkeep:
        images = [rows for rows in (new, old) if rows is not None]
        ids = [select(of(rows, via, Uuid()).label("id")) for rows in images for via in kept.via.values()]
        each = union(*ids).subquery()
        listed = select(func.json_agg(each.c.id)).where(each.c.id.is_not(None))
        pairs += [constant(kept.object), listed.scalar_subquery()]
    return cast(func.json_build_object(*pairs), Text).label("affected")


def recount_statement(kept: Upkeep, collation: str | None) -> Statement:
    """Counts again the rows in slot `ids`, which are locked, and writes what differs, nothing else; their ids."""
    rows = qualified(kept.table).alias("t")
    asked = of(rows, "id", Uuid()) == func.any(slot("ids", ARRAY(Uuid())))
    counted = _counted(kept, rows, collation).where(asked).cte("counted")
    target = into(kept.table, ["id", *(k.column for k in kept.fields)])
    new = {k.column: of(counted, k.column, COLUMN_TYPES[k.type]) for k in kept.fields}
    differs = or_(*(target.c[name].is_distinct_from(value) for name, value in new.items()))
    made = update(target).values(new).where(target.c.id == of(counted, "id", Uuid()), differs)
    return compile_statement(made.returning(target.c.id))


def drift_statement(kept: Upkeep, collation: str | None) -> Statement:
    """One row: for each roll-up the number of records, deleted ones too, whose column is not what is counted, and a
    sample of their ids."""
    rows = qualified(kept.table).alias("t")
    now = [of(rows, k.column, COLUMN_TYPES[k.type]).label(f"now{n}") for n, k in enumerate(kept.fields)]
    counted = _counted(kept, rows, collation).add_columns(*now).subquery("counted")
    id_ = of(counted, "id", Uuid())
    values: list[ColumnElement[Any]] = []
    for n, k in enumerate(kept.fields):
        type_ = COLUMN_TYPES[k.type]
        differs = of(counted, k.column, type_).is_distinct_from(of(counted, f"now{n}", type_))
        first = select(id_).where(differs).order_by(id_).limit(literal(SAMPLE, Integer(), literal_execute=True))
        values += [func.count().filter(differs), func.array(first.scalar_subquery(), type_=ARRAY(Uuid()))]
    return compile_statement(select(*values).select_from(counted))


def next_ids_statement(ref: TableRef, count: int) -> Statement:
    """The next ids of a table behind slot `after` (a uuid), deleted rows too."""
    rows = qualified(ref).alias("t")
    id_ = of(rows, "id", Uuid())
    limit = literal(count, Integer(), literal_execute=True)
    return compile_statement(select(id_).where(id_ > slot("after", Uuid())).order_by(id_).limit(limit))


def fingerprint(kept: Upkeep, collation: str | None) -> str:
    """Names what the columns hold: with the same name they were counted in the same way."""
    types = ",".join(f"{k.column} {k.type}" for k in kept.fields)
    text = compile_statement(_counted(kept, qualified(kept.table).alias("t"), collation)).text
    return sha256(f"{types}\n{text}".encode()).hexdigest()[:16]


def _counted(kept: Upkeep, rows: FromClause, collation: str | None) -> Select[Any]:
    """Rows of (id, the columns as counted) of all records."""
    made = frame(Environment(kept.zone, collation), {"new": rows}, (), [k.tree for k in kept.fields])
    values = [cast(expression.value(k.tree, made.row), COLUMN_TYPES[k.type]).label(k.column) for k in kept.fields]
    return select(of(rows, "id", Uuid()).label("id"), *values).select_from(made.source)
