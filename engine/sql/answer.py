"""Values as an answer shows them, where that is not how their column holds them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Numeric, Text, case, func, literal, or_
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.elements import ColumnElement

from engine.plan.read import Output
from engine.sql import expression
from engine.sql.columns import constant
from engine.sql.expression import Row


def answered(output: Output, row: Row) -> ColumnElement[Any]:
    """The value of an output, NULL where it is blank."""
    if output.parts:
        values = [(constant(part.key), answered(part, row)) for part in output.parts]
        filled = or_(*(value.is_not(None) for _, value in values))
        return case((filled, func.json_build_object(*(item for pair in values for item in pair), type_=JSON())))
    value = expression.value(output.tree, row)
    return duration(value) if output.tree.type.kind == "duration" else value


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
