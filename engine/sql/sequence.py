"""Auto numbers: the next value of a sequence in a format such as `OPP-{YYYY}{MM}-{0000}`."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import DateTime, Text, func
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.sql.elements import ColumnElement

from engine.release.release import TableRef
from engine.sql.columns import constant
from engine.sql.statement import slot

PART = re.compile(r"\{(YYYY|YY|MM|DD|0{1,12})\}")


def next_number(sequence: TableRef, form: str, zone: str) -> ColumnElement[Any]:
    """The formatted next number. A number longer than its zeros is written in full. Refused writes leave gaps."""
    local = func.timezone(constant(zone), slot("now", DateTime(timezone=True)))
    name = constant(f'"{sequence.schema}"."{sequence.name}"').cast(REGCLASS)
    parts: list[ColumnElement[Any]] = []
    for n, piece in enumerate(PART.split(form or "{0000}")):
        if n % 2 == 0:
            parts += [constant(piece)] if piece else []
        elif piece[0] == "0":
            digits = f"FM{'9' * (18 - len(piece))}{piece}"
            parts.append(func.to_char(func.nextval(name), constant(digits), type_=Text()))
        else:
            parts.append(func.to_char(local, constant(piece), type_=Text()))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concat(part)
    return whole
