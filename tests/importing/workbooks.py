"""Small XLSX workbooks (ECMA-376), written by hand so that they may be odd."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = f'<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]], extra: str = "", target: str = "worksheets/sheet1.xml"
) -> bytes:
    """The bytes of a workbook; a cell is None, a text, a number, a truth value or ("date", serial number)."""
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        targets = [target, *(f"worksheets/sheet{n}.xml" for n in range(2, len(sheets) + 1))]
        parts = "".join(f'<Override PartName="/xl/{t}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>' for t in targets)
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types">{parts}</Types>')
        archive.writestr("_rels/.rels", _links([(f"{OFFICE}/officeDocument", "xl/workbook.xml")]))
        links = [(f"{OFFICE}/worksheet", t) for t in targets] + [(f"{OFFICE}/styles", "styles.xml")]
        archive.writestr("xl/_rels/workbook.xml.rels", _links(links))
        archive.writestr("xl/styles.xml", STYLES)
        named = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1))
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{named}</sheets></workbook>'
        )
        for at, rows in zip(targets, sheets.values(), strict=True):
            body = "".join(_row(n, cells) for n, cells in enumerate(rows, 1))
            archive.writestr(f"xl/{at}", f'<worksheet xmlns="{MAIN}"><sheetData>{body}{extra}</sheetData></worksheet>')
    return out.getvalue()


def _links(links: Sequence[tuple[str, str]]) -> str:
    made = "".join(f'<Relationship Id="r{n}" Type="{type_}" Target="{to}"/>' for n, (type_, to) in enumerate(links, 1))
    return f'<Relationships xmlns="{PACKAGE}/relationships">{made}</Relationships>'


def _row(number: int, cells: Sequence[Any]) -> str:
    return f'<row r="{number}">{"".join(_cell(f"{chr(65 + n)}{number}", cell) for n, cell in enumerate(cells))}</row>'


def _cell(at: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c r="{at}" s="1"><v>{value[1]}</v></c>'
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{at}"><v>{value}</v></c>'
