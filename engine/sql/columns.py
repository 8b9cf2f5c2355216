"""Column types: of the formula language's kinds and of stored fields, as SQLAlchemy types."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Interval, Numeric, Text, Time, Uuid, column, literal, table
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import FromClause, TableClause
from sqlalchemy.types import TypeEngine

from engine.release.release import TableRef

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
}


def qualified(ref: TableRef) -> TableClause:
    """The table with its schema; no column is declared, `of` names them."""
    return table(ref.name, schema=ref.schema)


def of(source: FromClause, name: str, type_: TypeEngine[Any]) -> ColumnClause[Any]:
    """The column `name` of a table, alias or common table expression."""
    return column(name, type_, _selectable=source)


def constant(text: str) -> ColumnElement[Any]:
    """A text constant, rendered in the statement."""
    return literal(text, Text(), literal_execute=True)
