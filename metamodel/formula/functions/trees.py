"""Records above each other: what the plan of a lookup that makes a tree is made of. No formula can call this."""

from __future__ import annotations

from sqlalchemy import Boolean, cast, func, not_
from sqlalchemy.dialects.postgresql import REGCLASS

from metamodel.formula.functions.registry import Column, Condition, Param, Site, function
from metamodel.formula.types import BOOLEAN


@function("nowhereup", "logic", Param("table"), Param("column"), Param("row"), returns=BOOLEAN, operator=True)
def nowhereup(site: Site, table: Column, column: Column, row: Column) -> Condition:
    """Whether a row is nowhere on the way up from itself."""
    return not_(func.fieldwright.comes_back(cast(table, REGCLASS), column, row, type_=Boolean()))
