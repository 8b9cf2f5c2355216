"""Wanted against present: the ordered operations that make the schema hold what the release wants.

Every operation adds, or drops an index that the engine itself made; none loses anything. The same comparison after a
crash gives what is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.migrate.present import Present
from engine.migrate.wanted import Catalogue, Check, Column, Index, Table
from engine.release.identity import names_expression_index
from engine.release.release import TableRef


@dataclass(frozen=True, slots=True)
class CreateSequence:
    sequence: TableRef
    lock = "none"


@dataclass(frozen=True, slots=True)
class CreateTable:
    table: Table
    schema: str
    lock = "none"


@dataclass(frozen=True, slots=True)
class AddColumn:
    table: TableRef
    column: Column
    lock = "exclusive, catalogue only"


@dataclass(frozen=True, slots=True)
class AddCheck:
    """Added not valid: new rows comply from then on; `ValidateCheck` looks at the old ones without blocking writes."""

    table: TableRef
    check: Check
    lock = "exclusive, catalogue only"


@dataclass(frozen=True, slots=True)
class ValidateCheck:
    table: TableRef
    check: Check
    lock = "reads and writes go on"


@dataclass(frozen=True, slots=True)
class DropInvalidIndex:
    """What an interrupted concurrent build left behind."""

    schema: str
    name: str
    lock = "reads and writes go on"


@dataclass(frozen=True, slots=True)
class CreateIndex:
    table: TableRef
    index: Index
    lock = "reads and writes go on"


@dataclass(frozen=True, slots=True)
class DropIndex:
    """The index of an expression that no formula has any more; done when the new release is published."""

    schema: str
    name: str
    lock = "reads and writes go on"


Operation = (
    CreateSequence | CreateTable | AddColumn | AddCheck | ValidateCheck | DropInvalidIndex | CreateIndex | DropIndex
)


def operations(wanted: Catalogue, present: Present) -> tuple[Operation, ...]:
    """What is to be done, in an order in which each step finds what it needs.

    Raises ValueError where a column is present with another type, which no operation here can change.
    """
    found: list[Operation] = [CreateSequence(s) for s in wanted.sequences if s.name not in present.sequences]
    for table in wanted.tables:
        ref = TableRef(wanted.schema, table.name)
        if table.name not in present.columns:
            found.append(CreateTable(table, wanted.schema))
        else:
            found += _columns(ref, table, present)
    for table in wanted.tables:
        kept = {index.name for index in table.indexes}
        ours = filter(names_expression_index, present.indexes.get(table.name, ()))
        found += [DropIndex(wanted.schema, name) for name in ours if name not in kept]
    return tuple(found)


def _columns(ref: TableRef, table: Table, present: Present) -> list[Operation]:
    columns = present.columns[table.name]
    checks, indexes = present.checks.get(table.name, {}), present.indexes.get(table.name, {})
    found: list[Operation] = []
    for column in table.columns:
        if column.name not in columns:
            found.append(AddColumn(ref, column))
        elif columns[column.name] != column.type:
            raise ValueError(f"column {ref.name}.{column.name} is {columns[column.name]}, not {column.type}")
    found += [AddCheck(ref, check) for check in table.checks if check.name not in checks]
    found += [ValidateCheck(ref, check) for check in table.checks if not checks.get(check.name)]
    for index in table.indexes:
        if indexes.get(index.name) is False:
            found.append(DropInvalidIndex(ref.schema, index.name))
        if not indexes.get(index.name):
            found.append(CreateIndex(ref, index))
    return found
