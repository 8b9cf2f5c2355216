"""Operations -> DDL. Identifiers come from the identity map and are quoted, constants are numbers, expressions of
indexes are made by the lowering of formulas; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.migrate.diff import (
    AddCheck,
    AddColumn,
    CreateIndex,
    CreateSequence,
    CreateTable,
    DropIndex,
    DropInvalidIndex,
    Operation,
    ValidateCheck,
)
from engine.migrate.wanted import Check, Column, Index
from engine.release.release import TableRef


def render(operation: Operation) -> list[str]:
    """The statements of an operation, to be run one by one."""
    return _RENDER[type(operation)](operation)


def describe(operation: Operation) -> str:
    """One line for a person: what is done, and what it locks."""
    return f"{_DESCRIBE[type(operation)](operation)} (lock: {operation.lock})"


def concurrent(operation: Operation) -> bool:
    """Whether the operation must run outside a transaction."""
    return isinstance(operation, CreateIndex | DropInvalidIndex | DropIndex)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _ref(ref: TableRef) -> str:
    return f"{_quoted(ref.schema)}.{_quoted(ref.name)}"


def _column(column: Column) -> str:
    type_ = f'{column.type} COLLATE "C"' if column.type == "text" else column.type
    default = " DEFAULT false" if column.type == "boolean" else ""
    return f"{_quoted(column.name)} {type_}{default}{' NOT NULL' if column.not_null else ''}"


def _condition(check: Check) -> str:
    column = _quoted(check.column)
    return {
        "required": f"{column} IS NOT NULL",
        "max_length": f"char_length({column}) <= {check.value}",
        "most": f"cardinality({column}) <= {check.value}",
        "min": f"{column} >= {check.value}",
        "max": f"{column} <= {check.value}",
    }[check.test]


def _index(ref: TableRef, index: Index, how: str = "") -> str:
    keys = [f"({index.expression})"] if index.expression else []
    folded = dict(index.fold)
    columns = ", ".join([*keys, *(folded.get(column) or _quoted(column) for column in index.columns)])
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    live = "" if index.expression else " WHERE deleted_at IS NULL"
    live += f" AND ({index.condition})" if index.condition else ""
    method = "USING gin " if index.gin else ""
    return f"CREATE {kind} {how}{_quoted(index.name)} ON {_ref(ref)} {method}({columns}){live}"


def _create_table(operation: CreateTable) -> list[str]:
    ref = TableRef(operation.schema, operation.table.name)
    lines = [_column(column) for column in operation.table.columns]
    lines += [f"CONSTRAINT {_quoted(c.name)} CHECK ({_condition(c)})" for c in operation.table.checks]
    lines.append("PRIMARY KEY (id)")
    body = ",\n  ".join(lines)
    return [f"CREATE TABLE {_ref(ref)} (\n  {body}\n)", *(_index(ref, index) for index in operation.table.indexes)]


_RENDER: dict[type[Any], Callable[[Any], list[str]]] = {
    CreateSequence: lambda o: [f"CREATE SEQUENCE {_ref(o.sequence)}"],
    CreateTable: _create_table,
    AddColumn: lambda o: [f"ALTER TABLE {_ref(o.table)} ADD COLUMN {_column(o.column)}"],
    AddCheck: lambda o: [
        f"ALTER TABLE {_ref(o.table)} ADD CONSTRAINT {_quoted(o.check.name)} CHECK ({_condition(o.check)}) NOT VALID"
    ],
    ValidateCheck: lambda o: [f"ALTER TABLE {_ref(o.table)} VALIDATE CONSTRAINT {_quoted(o.check.name)}"],
    DropInvalidIndex: lambda o: [f"DROP INDEX CONCURRENTLY {_quoted(o.schema)}.{_quoted(o.name)}"],
    CreateIndex: lambda o: [_index(o.table, o.index, "CONCURRENTLY ")],
    DropIndex: lambda o: [f"DROP INDEX CONCURRENTLY IF EXISTS {_quoted(o.schema)}.{_quoted(o.name)}"],
}

_DESCRIBE: dict[type[Any], Callable[[Any], str]] = {
    CreateSequence: lambda o: f"create sequence {o.sequence.name}",
    CreateTable: lambda o: f"create table {o.table.name}",
    AddColumn: lambda o: f"add column {o.table.name}.{o.column.name}",
    AddCheck: lambda o: f"add check {o.check.name}",
    ValidateCheck: lambda o: f"validate check {o.check.name}",
    DropInvalidIndex: lambda o: f"drop invalid index {o.name}",
    CreateIndex: lambda o: f"build index {o.index.name}",
    DropIndex: lambda o: f"drop index {o.name}",
}
