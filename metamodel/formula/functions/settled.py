"""The value of a formula as an index holds it."""

from __future__ import annotations

from sqlalchemy import case

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Lowered, Param, Site, lazy_function


@lazy_function("settled", "logic", Param("value"), operator=True)
def settled(site: Site, a: Lowered) -> Lowered:
    """The value, NULL where it is an error: one expression wherever the field stands, so that its index serves.

    PostgreSQL takes a condition apart at its ANDs, so a yes or no is closed in a CASE.
    """
    failed = () if a.guard is None else ((a.guard.condition, None),)
    if site.call.type.kind == "boolean":
        return Lowered(case(*failed, (a.value, sql.TRUE), else_=sql.FALSE), a.guard, True)
    value = case(*failed, else_=a.value) if failed else a.value
    return Lowered(value, a.guard, True, a.digits, a.places)
