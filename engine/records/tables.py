"""Files with a table in them, read row by row: CSV (RFC 4180) and the sheets of XLSX workbooks.

All cells become texts, what looks like a formula too. A workbook is looked at before it is opened, because a small
archive may unpack to a large one and a cell at the far corner makes an endless sheet.
"""

from __future__ import annotations

import csv
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from engine.base.cells import plain_cell
from engine.base.errors import Refused
from engine.base.limits import SHEET_BYTES, SHEET_CELLS, TABLE_COLUMNS

CELL = re.compile(r"([A-Z]{1,3})?([1-9][0-9]{0,6})")
PLACED = frozenset({"c", "row"})
CHUNK = 1 << 16
RELATIONS = "workbook.xml.rels"
UNREADABLE = (
    CalamineError, BadZipFile, expat.ExpatError, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
    OSError, ValueError, LookupError, OverflowError,
)
"""What a damaged archive, or damaged parts of it, may raise."""
FOREIGN = frozenset({"xl/workbook.bin", "content.xml"})
"""What makes an archive a workbook of another form."""
ZIP = b"PK\x03\x04"
CODECS = {"utf-8": "utf-8-sig"}


@dataclass(frozen=True, slots=True)
class Table:
    """The texts of the first row, and the rows behind it with their lines (of a sheet: their numbers). `typed`: dates
    were cells of dates, so their texts are ISO."""

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    typed: bool = False

    def named(self) -> Iterator[tuple[int, list[str], Mapping[str, str]]]:
        """The rows with their cells by column."""
        for line, cells in self.rows:
            yield line, cells, dict(zip(self.header, cells, strict=False))


def open_table(path: Path, encoding: str = "utf-8", separator: str = ",", sheet: str | None = None) -> Table:
    """The table in a file; `sheet` is one of a workbook, the others are of CSV.

    What is wrong with it raises Refused "import.file", at once or when its row is read.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(ZIP)) == ZIP
    except OSError as error:
        raise _unfit(path, error) from error
    table = _workbook(path, sheet) if packed else _csv(path, CODECS.get(encoding, encoding), separator)
    if len(table.header) > TABLE_COLUMNS:
        raise Refused("import.file", f"{path.name} has {len(table.header)} columns; at most {TABLE_COLUMNS} are taken")
    return table


def _csv(path: Path, encoding: str, separator: str) -> Table:
    try:
        file = path.open(encoding=encoding, newline="")
        reader = csv.reader(file, strict=True, delimiter=separator)
        header = next(reader, None)
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unfit(path, error, encoding) from error
    if not header:
        file.close()
        raise Refused("import.file", f"{path.name} is empty")

    def rows() -> Iterator[tuple[int, list[str]]]:
        with file:
            line = reader.line_num + 1
            try:
                for cells in reader:
                    if cells:
                        yield line, [plain_cell(cell) if cell[:1] == "'" else cell for cell in cells]
                    line = reader.line_num + 1
            except (UnicodeError, csv.Error) as error:
                raise _unfit(path, error, encoding, line) from error

    return Table([plain_cell(name) for name in header], rows())


def _unfit(path: Path, error: Exception, encoding: str = "", line: int | None = None) -> Refused:
    place = path.name if line is None else f"{path.name}, line {line}"
    if isinstance(error, UnicodeError):
        name = {"utf-8-sig": "UTF-8"}.get(encoding, encoding)
        hint = "name the encoding of the file in the mapping, such as encoding: gb18030"
        return Refused("import.file", f"{place}: the text is not {name}", hint=hint)
    detail = error.strerror or "can not be opened" if isinstance(error, OSError) else str(error)
    return Refused("import.file", f"{place}: {detail}")


def _workbook(path: Path, sheet: str | None) -> Table:
    """The table of a sheet; its first row with a cell in it is the header."""
    try:
        _measure(path)
        book = CalamineWorkbook.from_path(path)
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            raise Refused("import.file", f'{path.name} has no sheet "{sheet}"; it has {", ".join(names)}')
        found = book.get_sheet_by_name(sheet) if sheet else book.get_sheet_by_index(0)
    except PasswordError as error:
        raise Refused("import.file", f"{path.name} is protected by a password") from error
    except UNREADABLE as error:
        raise Refused("import.file", f"{path.name} is no XLSX workbook that can be read") from error
    rows = ((line, [_text(cell) for cell in cells]) for line, cells in enumerate(found.iter_rows(), 1))
    filled = ((line, cells) for line, cells in rows if any(cells))
    _, header = next(filled, (0, []))
    if not header:
        raise Refused("import.file", f"{path.name} is empty")
    while not header[-1]:
        header.pop()

    def trimmed() -> Iterator[tuple[int, list[str]]]:
        for line, cells in filled:
            if any(cells[len(header) :]):
                yield line, cells  # more cells than columns: the row is refused
            else:
                yield line, cells[: len(header)]

    return Table(header, trimmed(), typed=True)


def _measure(path: Path) -> None:
    """Unpacks the workbook once, without keeping it, and reads where the cells of its sheets stand.

    Every part that can be taken for a sheet is read here first, and as strictly as XML is meant.
    """
    left = SHEET_BYTES
    with ZipFile(path) as archive:
        names = {member.filename.lower() for member in archive.infolist()}
        if "xl/workbook.xml" not in names or names & FOREIGN:
            raise Refused("import.file", f"{path.name} is no XLSX workbook that can be read")
        for member in archive.infolist():
            parser = None
            if member.filename.lower().endswith((".xml", ".rels")):
                parser = expat.ParserCreate()
                parser.StartElementHandler = _Extent(path.name, member.filename.lower().endswith(RELATIONS)).element
            with archive.open(member) as file:
                while chunk := file.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise Refused("import.file", f"{path.name} unpacks to more than {SHEET_BYTES} bytes")
                    if parser is not None:
                        parser.Parse(chunk)


@dataclass(slots=True)
class _Extent:
    """How far the cells of a part reach, or (`links`) what the workbook takes for its parts."""

    name: str
    links: bool
    rows: int = 0
    columns: int = 0

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        if self.links and not attributes.get("Target", ".xml").lower().endswith(".xml"):
            raise Refused("import.file", f"{self.name} has parts that are no XML, such as macros")
        if name.rpartition(":")[2].lower() not in PLACED or not attributes.get("r"):
            return
        place = CELL.fullmatch(attributes["r"])
        if place is None:
            raise Refused("import.file", f"{self.name} has a cell at no place of a sheet")
        column = 0
        for letter in place[1] or "":
            column = 26 * column + ord(letter) - 64
        self.rows, self.columns = max(self.rows, int(place[2])), max(self.columns, column)
        if self.columns > TABLE_COLUMNS or self.rows * self.columns > SHEET_CELLS:
            raise Refused("import.file", f"{self.name} has a sheet of {self.rows} rows and {self.columns} columns")


def _text(value: Any) -> str:
    """What a cell holds as a CSV would: ISO forms, numbers without exponent, no number for an error."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, int | float):
        return format(Decimal(repr(value)).normalize(), "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
