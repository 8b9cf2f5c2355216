"""Auto numbers: the next value of a sequence or of a counter, in a format such as `OPP-{YYYY}{MM}-{0000}`."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, Uuid, cast, column, func, select
from sqlalchemy import table as table_
from sqlalchemy.dialects.postgresql import REGCLASS, insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause, TableClause

from engine.plan.write import Counter
from engine.release.release import TableRef
from engine.sql.columns import constant, of
from engine.sql.statement import slot

PART = re.compile(r"\{(YYYY|YY|MM|DD|PER|0{1,12})\}")
PERIODS = {None: "", "yearly": "YYYY", "monthly": "YYYYMM", "daily": "YYYYMMDD"}


def next_number(sequence: TableRef, form: str, zone: str) -> ColumnElement[Any]:
    """The formatted next number of a sequence. Refused writes leave gaps."""
    name = constant(f'"{sequence.schema}"."{sequence.name}"').cast(REGCLASS)
    return formatted(form, zone, func.nextval(name), constant(""))


def formatted(form: str, zone: str, number: ColumnElement[Any], per: ColumnElement[Any]) -> ColumnElement[Any]:
    """A number in its format; one that is longer than its zeros is written in full."""
    local = _local(zone)
    parts: list[ColumnElement[Any]] = []
    for n, piece in enumerate(PART.split(form or "{0000}")):
        if n % 2 == 0:
            parts += [constant(piece)] if piece else []
        elif piece == "PER":
            parts.append(per)
        elif piece[0] == "0":
            digits = f"FM{'9' * (18 - len(piece))}{piece}"
            parts.append(func.to_char(number, constant(digits), type_=Text()))
        else:
            parts.append(func.to_char(local, constant(piece), type_=Text()))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concat(part)
    return whole


def counted(
    counter: Counter, raw: CTE, source: FromClause, per: ColumnElement[Any] | None, form: str, zone: str, name: str
) -> tuple[FromClause, ColumnElement[Any]]:
    """The rows with gapless numbers: the source joined with what was counted, and the formatted number of a row.

    The counters move by as many as there are rows, in one update in the order of what is counted apart; where the
    statement is refused they stand as before.
    """
    ord_ = of(raw, "_ord", Integer())
    text = constant("") if per is None else func.coalesce(cast(per, Text), constant(""))
    place = func.row_number().over(partition_by=text, order_by=ord_)
    many = func.count().over(partition_by=text)
    asked = select(
        ord_.label("_ord"), text.label("per"), place.label("place"), many.label("many")
    ).select_from(source).cte(f"{name}_asked")
    period = func.to_char(_local(zone), constant(PERIODS[counter.reset])) if counter.reset else constant("")
    target = _counters(counter.table)
    grouped = select(
        *(cast(constant(text_), Uuid()) for text_ in (counter.object, counter.field)), asked.c.per, period,
        func.max(asked.c.many),
    ).group_by(asked.c.per).order_by(asked.c.per)
    adding = insert(target).from_select(["object", "field", "per", "period", "value"], grouped)
    moved = adding.on_conflict_do_update(
        index_elements=["object", "field", "per", "period"], set_={"value": target.c.value + adding.excluded.value}
    ).returning(target.c.per, target.c.value).cte(f"{name}_counted")
    joined = source.join(asked, asked.c._ord == ord_).join(moved, moved.c.per == asked.c.per)
    number = moved.c.value - asked.c.many + asked.c.place
    return joined, formatted(form, zone, number, asked.c.per)


def _counters(ref: TableRef) -> TableClause:
    types: dict[str, Any] = {"object": Uuid(), "field": Uuid(), "per": Text(), "period": Text(), "value": BigInteger()}
    return table_(ref.name, *(column(name, type_) for name, type_ in types.items()), schema=ref.schema)


def _local(zone: str) -> ColumnElement[Any]:
    """The tenant's clock."""
    return func.timezone(constant(zone), slot("now", DateTime(timezone=True)))
