"""The tables, checks, indexes and sequences that a release wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from engine.plan.duplicates import keys
from engine.release.identity import SYSTEM_COLUMNS, expression_index_name, index_name
from engine.release.release import Release, TableRef
from engine.sql.indexing import compared_expression, folded_column, index_expression, key_condition
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field, Object

LISTS = ("text[]", "uuid[]")
MAY_BE_NULL = frozenset({"owner", "deleted_at", "deleted_batch"})
"""The system columns that a row may leave blank."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; a boolean is never blank and defaults to false."""

    name: str
    type: str
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A limit on a column: `test` is max_length, most (elements of a list), min, max or required, with its operand."""

    name: str
    column: str
    test: str
    value: Decimal | int | None


@dataclass(frozen=True, slots=True)
class Index:
    """A B-tree over live rows (`deleted_at` is null); a unique one keeps a business key. `expression` is SQL over the
    columns of the table and stands before `columns`; such an index is over all rows, since PostgreSQL estimates a
    condition by the statistics of an index's expression only where the index is not partial; a `gin` one is over the
    elements of a list. Of columns in `fold` it holds that SQL instead, and with a `condition` (SQL too) only the rows
    where that is true."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    expression: str | None = None
    fold: tuple[tuple[str, str], ...] = ()
    condition: str | None = None
    gin: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with everything on it."""

    name: str
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]
    indexes: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a tenant's schema should hold besides the system tables."""

    schema: str
    tables: tuple[Table, ...]
    sequences: tuple[TableRef, ...]


def wanted(release: Release, collation: str | None) -> Catalogue:
    """The catalogue of a release; `collation` is the server's for changes of case."""
    objects = release.model.objects.values()
    sequences = tuple(
        release.sequence(o.name, f.name) for o in objects for f in o.fields.values()
        if f.type == "auto_number" and not f.gapless
    )
    return Catalogue(release.schema, tuple(_table(release, o, collation) for o in objects), sequences)


def _table(release: Release, obj: Object, collation: str | None) -> Table:
    name = release.table(obj.name).name
    columns = [Column(n, type_, n not in MAY_BE_NULL) for n, type_ in SYSTEM_COLUMNS.items()]
    checks: list[Check] = []
    for f in release.stored(obj.name):
        if f.system:
            continue
        column, type_ = release.column(obj.name, f.name), FIELD_TYPES[f.type].column or ""
        columns.append(Column(column, type_, type_ == "boolean"))
        if (staged := release.staged(obj.name)) and f.name == staged.field:
            columns += [Column(beside, kind) for beside, kind in staged.beside.items()]
        checks += _checks(name, column, f)
    for f in release.kept(obj.name):
        type_ = release.column_type(obj.name, f.name)
        columns.append(Column(release.column(obj.name, f.name), type_, type_ == "boolean"))
    indexes = (*_indexes(release, obj, name, collation), *_expression_indexes(release, obj, name, collation))
    return Table(name, tuple(columns), tuple(checks), indexes)


def _checks(table: str, column: str, f: Field) -> Iterator[Check]:
    kind = FIELD_TYPES[f.type].column
    limits = {
        "required": True if f.required or f.type == "stage" else None,
        "max_length": f.max_length if kind == "text" else None,
        "most": f.max if kind in LISTS else None,
        "min": f.min,
        "max": f.max if kind not in LISTS else None,
    }
    for test, value in limits.items():
        if value is not None:
            yield Check(index_name(table, (column,), test), column, test, None if value is True else value)


def _indexes(release: Release, obj: Object, table: str, collation: str | None) -> Iterator[Index]:
    """Every lookup is indexed, since child sets and deletes follow it backwards; the rest is declared."""
    kept = release.kept(obj.name)
    column = {f.name: release.column(obj.name, f.name) for f in (*release.stored(obj.name), *kept)}
    seen: set[tuple[str, ...]] = set()
    plain_keys = [key.fields for key in obj.unique.values() if key.plain]
    unique = [(f.name,) for f in release.stored(obj.name) if f.unique and not f.system] + plain_keys
    for fields in unique:
        columns = tuple(column[f] for f in fields)
        seen.add(columns)
        yield Index(index_name(table, columns, "key"), columns, unique=True)
    for key in obj.unique.values():
        if not key.plain:
            columns = tuple(column[f] for f in key.fields)
            fold = tuple((column[f], folded_column(column[f], collation)) for f in key.fold)
            condition = key_condition(release, obj.name, key)
            told = f"{columns} {fold} {condition}"
            yield Index(
                expression_index_name(table, columns[0], told), columns, unique=True, fold=fold, condition=condition
            )
    followed = {f.name for f in release.stored(obj.name) if f.type in ("lookup", "user") and not f.system}
    followed |= {key.field for key in keys(release, obj.name) if key.compared is None}
    plain = [(f.name,) for f in (*release.stored(obj.name), *kept) if f.indexed or f.name in followed]
    for fields in [*plain, ("owner",), *obj.indexes.values()]:
        columns = tuple(column[f] for f in fields)
        if columns not in seen:
            seen.add(columns)
            yield Index(index_name(table, columns, "idx"), (*columns, "id"))
    for moment in release.moments(obj.name):
        if (moment,) not in seen:
            yield Index(index_name(table, (moment,), "idx"), (moment, "id"))


def _expression_indexes(release: Release, obj: Object, table: str, collation: str | None) -> Iterator[Index]:
    """Formulas that are indexed; the id behind them serves the order of equal values. What duplicates are found by."""
    for f in obj.fields.values():
        if f.indexed and f.formula and not f.stored:
            text = index_expression(release, obj.name, f.name, collation)
            name = expression_index_name(table, release.column(obj.name, f.name), text)
            yield Index(name, ("id",), expression=text)
    found = set()
    for key in keys(release, obj.name):
        if key.compared is not None:
            text = compared_expression(release, obj.name, key.compared, collation, key.grams)
            name = expression_index_name(table, release.column(obj.name, key.field), text)
            if name not in found:
                found.add(name)
                yield Index(name, () if key.grams else ("id",), expression=text, gin=key.grams)
