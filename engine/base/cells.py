"""Cells of a table for spreadsheets: made safe where they are written, taken back where they are read."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula (OWASP, CSV injection)."""
NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)*%?")


def safe_cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, list) and all(isinstance(item, str) and ";" not in item for item in value):
        value = ";".join(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(DANGEROUS) else text


def again_cell(text: str) -> str:
    """A cell of a file that was read, safe for a spreadsheet and such that `plain_cell` gives the same text again:
    numbers with a sign stay numbers."""
    if NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip("'").startswith(DANGEROUS) else text


def plain_cell(text: str) -> str:
    """The text of a cell without the apostrophe that made it safe."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(DANGEROUS) else text
