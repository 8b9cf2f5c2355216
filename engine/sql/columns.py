"""Columns: their SQLAlchemy types, those of the formula language's kinds too, and what statements name them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Interval,
    Numeric,
    Text,
    Time,
    Uuid,
    column,
    func,
    literal,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import FromClause, TableClause
from sqlalchemy.types import TypeEngine

from engine.release.release import TableRef
from metamodel.formula.types import Type

SQL_TYPES: dict[str, TypeEngine[Any]] = {
    "text": Text(),
    "select": Text(),
    "integer": BigInteger(),
    "decimal": Numeric(),
    "percent": Numeric(),
    "money": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(timezone=True),
    "time": Time(),
    "duration": Numeric(),
    "period": Interval(),
    "reference": Uuid(),
    "list": ARRAY(Text()),
    "geo": ARRAY(Numeric()),
    "json": JSONB(),
    "null": Text(),
}

COLUMN_TYPES: dict[str, TypeEngine[Any]] = {
    "text": Text(),
    "bigint": BigInteger(),
    "numeric": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
    "timestamptz": DateTime(timezone=True),
    "time": Time(),
    "uuid": Uuid(),
    "text[]": ARRAY(Text()),
    "jsonb": JSONB(),
    "uuid[]": ARRAY(Uuid()),
}


def sql_type(of: Type) -> TypeEngine[Any]:
    """The SQL type of a value; that of a list by its elements."""
    return ARRAY(SQL_TYPES[of.element.kind]) if of.kind == "list" else SQL_TYPES[of.kind]


def qualified(ref: TableRef) -> TableClause:
    """The table with its schema; no column is declared, `of` names them."""
    return table(ref.name, schema=ref.schema)


def into(ref: TableRef, columns: Iterable[str]) -> TableClause:
    """A table with the columns that are written."""
    return table(ref.name, *(column(name) for name in columns), schema=ref.schema)


@dataclass(frozen=True, slots=True)
class Carried:
    """Rows that stand within others, `rows`, so that nothing has to be joined: `names` are those of the columns that
    differ there."""

    rows: FromClause
    names: Mapping[str, str]


Source: TypeAlias = FromClause | Carried


def of(source: Source, name: str, type_: TypeEngine[Any]) -> ColumnClause[Any]:
    """The column `name` of a table, alias or common table expression, or of rows that are carried within one."""
    if isinstance(source, Carried):
        return column(source.names.get(name, name), type_, _selectable=source.rows)
    return column(name, type_, _selectable=source)


def constant(text: str) -> ColumnElement[Any]:
    """A text constant, rendered in the statement."""
    return literal(text, Text(), literal_execute=True)


def json_object(pairs: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """A JSON object of names and values in turn, without those that are NULL. A function of PostgreSQL takes at most
    100 arguments, so a long one is joined of parts."""
    parts: list[ColumnElement[Any]] = [
        func.jsonb_build_object(*pairs[n : n + 100], type_=JSONB()) for n in range(0, max(len(pairs), 1), 100)
    ]
    return func.jsonb_strip_nulls(reduce(lambda whole, part: whole.op("||")(part), parts))
