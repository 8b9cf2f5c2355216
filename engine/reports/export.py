"""Rows as CSV and as text for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import msgspec

from engine.base.cells import safe_cell
from engine.reports.run import ReportResult

DIGITS = Context(prec=200)

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def csv_text(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV (RFC 4180) with headers and cells made safe alike."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe_cell(header) for header in headers])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def report_csv(result: ReportResult) -> str:
    """A report as CSV: labels as headers, values as they are."""
    rows = [[row[c["name"]] for c in result.columns] for row in _decode(result.body)]
    return csv_text([c["label"] for c in result.columns], rows)


def report_rows(result: ReportResult) -> tuple[list[list[str]], list[str] | None]:
    """The rows, and the totals, as text for people: labels of options, thousands, per cents."""
    rows = [[shown(row[c["name"]], c) for c in result.columns] for row in _decode(result.body)]
    if result.totals is None:
        return rows, None
    totals: Mapping[str, Any] = _decode(result.totals)
    return rows, [shown(totals[c["name"]], c) if c["name"] in totals else "" for c in result.columns]


def shown(value: Any, column: Mapping[str, Any]) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    form = column["format"] or column["kind"]
    if form == "percent":
        return f"{_rounded(Decimal(value) * 100, 1):f}%"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        whole = form != "money" and value == value.to_integral()
        return f"{value:,.0f}" if whole else f"{_rounded(value, 2):,f}"
    return str(column.get("options", {}).get(value, value))


def _rounded(value: Decimal, places: int) -> Decimal:
    """Half away from zero, as formulas round."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, DIGITS)
