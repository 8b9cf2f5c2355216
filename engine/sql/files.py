"""Files in a write: which of them a record may hold, and that they belong to it from then on. And the fixed
statements over the table `_file`; `schema` is one of the tenant directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    Text,
    Uuid,
    and_,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.files import Attached
from engine.plan.write import WritePlan
from engine.sql.columns import constant, into, of, qualified
from engine.sql.imports import TABLE as IMPORTS
from engine.sql.statement import slot

FAULTS = ("file.foreign", "file.type", "file.size")
"""What may be wrong with the files of a field, in the order of `unfit`."""
LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtextextended('files of ' || $1::text, 0))"
"""Shared while a row is added, alone while bytes are found to be unused."""


def unfit(a: Attached, plan: WritePlan, new: CTE) -> list[ColumnElement[bool]]:
    """Whether the field holds a file that the writer may not give, one of another type, one that is too large."""
    file = qualified(plan.files).alias()
    ids = of(new, a.column, ARRAY(Uuid()))
    one = func.unnest(ids).column_valued("one")
    here = and_(
        of(file, "object", Text()) == constant(plan.table.name), of(file, "field", Text()) == constant(a.column),
        of(file, "record", Uuid()) == of(new, "id", Uuid()),
    )
    fresh = and_(of(file, "record", Uuid()).is_(None), of(file, "uploaded_by", Uuid()) == slot("user.id", Uuid()))
    type_, given = of(file, "type", Text()), of(file, "id", Uuid()) == func.any(ids)
    wanted = [
        func.starts_with(type_, constant(name[:-1])) if name.endswith("/*") else type_ == constant(name)
        for name in a.types
    ]
    large = of(file, "size", BigInteger()) > literal(a.max_size, BigInteger(), literal_execute=True)
    usable = _any(file, of(file, "id", Uuid()) == one, or_(here, fresh))
    foreign: list[ColumnElement[bool]] = [select(one).where(not_(usable)).correlate(new).exists()]
    # What one statement would put into two places is in neither yet.
    foreign += [_overlap(ids, new, o) for o in plan.attached if o.column != a.column]
    other = new.alias()
    for o in () if plan.single else plan.attached:
        foreign.append(_any(other, of(other, "id", Uuid()) != of(new, "id", Uuid()), _overlap(ids, other, o)))
    never = literal(False, literal_execute=True)
    misfit = _any(file, given, not_(or_(*wanted))) if wanted else never
    return [func.coalesce(or_(*foreign), never), misfit, _any(file, given, large)]


def _overlap(ids: ColumnElement[Any], rows: FromClause, a: Attached) -> ColumnElement[bool]:
    return ids.op("&&", is_comparison=True, return_type=Boolean())(of(rows, a.column, ARRAY(Uuid())))


def _any(file: Any, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    found = select(literal(1, Integer(), literal_execute=True)).select_from(file).where(*where)
    return found.correlate_except(file).exists()


def attach(plan: WritePlan, new: CTE, passed: ColumnElement[bool]) -> CTE:
    """The files of all given fields belong to their records from now on."""
    held = union_all(
        *(
            select(
                of(new, "id", Uuid()).label("record"),
                constant(a.column).label("field"),
                func.unnest(of(new, a.column, ARRAY(Uuid())), type_=Uuid()).label("file"),
            )
            for a in plan.attached
        )
    ).subquery("held")
    target = into(plan.files, ["id", "object", "field", "record", "touched_at"])
    values = {
        "object": constant(plan.table.name),
        "field": held.c.field,
        "record": held.c.record,
        "touched_at": slot("now", DateTime(timezone=True)),
    }
    return update(target).values(values).where(target.c.id == held.c.file, passed).cte("attached")


def add(schema: str) -> str:
    """$1 id, $2 sha256, $3 size, $4 type, $5 name, $6 facts, $7 uploader: a new row."""
    return (
        f'INSERT INTO "{schema}"._file (id, sha256, size, type, name, facts, uploaded_by) '
        "VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)"
    )


def find(schema: str) -> str:
    """$1 id -> sha256, size, type, name, uploaded_at."""
    return f'SELECT sha256, size, type, name, uploaded_at FROM "{schema}"._file WHERE id = $1'


def forget(schema: str, columns: Iterable[tuple[str, str]]) -> str:
    """$1 hours: takes out the rows that no record has held for so long, and answers their hashes. `columns` are the
    (table, column) that hold files; a file of any other column is kept, and one of an import as long as that."""
    gone = [
        f"""f.object = '{table}' AND f.field = '{column}' AND NOT EXISTS (
                SELECT FROM "{schema}"."{table}" r WHERE r.id = f.record AND f.id = ANY (r."{column}"))"""
        for table, column in columns
    ]
    gone.append(f"""f.object = '{IMPORTS}' AND NOT EXISTS (SELECT FROM "{schema}"._import i WHERE i.file = f.id)""")
    unused = " OR ".join(["f.record IS NULL", *(f"({part})" for part in gone)])
    return f"""
        DELETE FROM "{schema}"._file f WHERE f.touched_at < now() - make_interval(hours => $1) AND ({unused})
        RETURNING f.sha256"""


def unused(schema: str) -> str:
    """$1 hashes -> those that no row has any more."""
    return f'SELECT h FROM unnest($1::text[]) AS h WHERE NOT EXISTS (SELECT FROM "{schema}"._file f WHERE f.sha256 = h)'
