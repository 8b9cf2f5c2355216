"""Values as an answer shows them, where that is not how their column holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Integer, Numeric, Text, Uuid, case, column, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSON, JSONB, aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from engine.plan.read import Output
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.columns import constant, of, qualified
from engine.sql.expression import Row

FILE: Mapping[str, TypeEngine[Any]] = {
    "id": Uuid(), "name": Text(), "type": Text(), "size": BigInteger(), "sha256": Text(),
}  # fmt: skip
"""The columns of a file that are told, beside its facts."""


def answered(output: Output, row: Row) -> ColumnElement[Any]:
    """The value of an output, NULL where it is blank."""
    values = [(constant(part.key), answered(part, row)) for part in output.parts]
    members = [item for pair in values for item in pair]
    if output.files is not None:
        listed = _files(output.files, expression.value(output.tree, row))
        none = literal(0, Integer(), literal_execute=True)
        first: ColumnElement[Any] = func.jsonb_array_element(listed, none, type_=JSONB())
        if members:
            first = first.op("||")(func.jsonb_build_object(*members, type_=JSONB()))
        return listed if output.many else first
    if members:
        filled = or_(*(value.is_not(None) for _, value in values))
        return case((filled, func.json_build_object(*members, type_=JSON())))
    value = expression.value(output.tree, row)
    return duration(value) if output.tree.type.kind == "duration" else value


def _files(ref: TableRef, ids: ColumnElement[Any]) -> ColumnElement[Any]:
    """What is known of the files with these ids, in their order."""
    file = qualified(ref).alias()
    held = func.unnest(ids).table_valued(column("id", Uuid()), with_ordinality="at", name="held").render_derived()
    pairs = [part for name, type_ in FILE.items() for part in (constant(name), of(file, name, type_))]
    told = func.jsonb_build_object(*pairs, type_=JSONB()).op("||")(of(file, "facts", JSONB()))
    rows = held.join(file, of(file, "id", Uuid()) == held.c.id)
    every = func.jsonb_agg(aggregate_order_by(told, held.c.at), type_=JSONB())
    return select(every).select_from(rows).scalar_subquery()


def duration(seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    """The ISO 8601 text of so many seconds in hours, minutes and seconds: `PT49H30M`, `-PT0.5S`, `PT0S`."""
    size = func.abs(seconds, type_=Numeric())
    none, minute, hour = (literal(n, Numeric(), literal_execute=True) for n in (0, 60, 3_600))
    rest = func.mod(size, minute, type_=Numeric())

    def part(number: ColumnElement[Any], unit: str) -> ColumnElement[Any]:
        return func.concat(number, constant(unit), type_=Text())

    whole = [
        (func.div(size, hour, type_=Numeric()), "H"),
        (func.div(func.mod(size, hour, type_=Numeric()), minute, type_=Numeric()), "M"),
    ]
    parts = [case((number > none, part(number, unit))) for number, unit in whole]
    parts.append(case((rest > none, part(func.trim_scale(rest), "S")), (size == none, constant("0S"))))
    sign = case((seconds < none, constant("-PT")), else_=constant("PT"))
    return case((seconds.is_not(None), func.concat(sign, *parts, type_=Text())))
