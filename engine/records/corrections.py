"""The rows of a file that were not imported, as they were, with what is wrong: to be corrected and imported again."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from engine.base.cells import again_cell
from engine.base.errors import Fault
from engine.records.importing import ISO
from engine.records.mapping import ImportMapping
from engine.records.tables import CODECS, Table, open_table

COLUMN = "import_errors"


def write_corrections(source: Path, mapping: ImportMapping, rejected: Mapping[int, Sequence[Fault]]) -> IO[bytes]:
    """The rejected rows (line -> faults) of a file as CSV, in the encoding and with the separator that the mapping
    names, so that it takes them again; a column `import_errors` is added, or replaced."""
    table = open_table(source, mapping.encoding, mapping.separator, mapping.sheet)
    at = [n for n, name in enumerate(table.header) if name != COLUMN]
    encoding = CODECS.get(mapping.encoding, mapping.encoding)
    target = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
    text = io.TextIOWrapper(target, encoding, errors="replace", newline="")
    writer = csv.writer(text, delimiter=mapping.separator, lineterminator="\r\n")
    writer.writerow([*(again_cell(table.header[n]) for n in at), COLUMN])
    forms = _forms(mapping, table)
    for line, cells, row in table.named():
        if line in rejected:
            told = "; ".join(reason(mapping, row, fault) for fault in rejected[line])
            kept = [_formed(cells[n], forms.get(n)) if n < len(cells) else "" for n in at]
            extra = cells[len(table.header) :]
            writer.writerow([again_cell(cell) for cell in (*kept, told, *extra)])
    text.detach()
    target.seek(0)
    return target


def reason(mapping: ImportMapping, row: Mapping[str, str], fault: Fault) -> str:
    """What is wrong, with the column and the value that it is about."""
    column, value = located(mapping, row, fault)
    shown = f'{column} "{value}": ' if column and value else f"{column}: " if column else ""
    return f"{shown}{fault.detail} ({fault.code})"


def located(mapping: ImportMapping, row: Mapping[str, str], fault: Fault) -> tuple[str, str]:
    """The column of the file that a fault is about and what stands there; both empty where it is about none."""
    field = fault.pointer[1:].replace("/", ".")
    for source in (*mapping.sources, *mapping.system):
        if source.field == field and source.columns:
            filled = [name for name in source.columns if row.get(name, "").strip() not in ("", *source.blank)]
            column = filled[0] if filled else source.columns[0]
            return column, row.get(column, "")[:100]
    return "", ""


def _forms(mapping: ImportMapping, table: Table) -> Mapping[int, str]:
    """The forms of dates that the mapping expects where the file has cells of dates."""
    if not table.typed:
        return {}
    sources = (*mapping.sources, *mapping.system)
    return {table.header.index(name): s.format for s in sources if s.format for name in s.columns}


def _formed(cell: str, form: str | None) -> str:
    return datetime.fromisoformat(cell).strftime(form) if form and ISO.match(cell) else cell
