"""Aggregates over child records or a measure's rows. Blanks are left out; an error in any row is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Integer, Numeric, cast, func, literal_column
from sqlalchemy.dialects.postgresql import aggregate_order_by

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Site, aggregation, numeric
from metamodel.formula.types import BOOLEAN, DECIMAL, INTEGER, Type

ORDERED = numeric("date", "datetime", "time", "duration", "text")
NUMERIC = Numeric()


def filtered(aggregated: Any, where: Condition | None) -> Column:
    """The aggregate over the rows that meet the condition."""
    return aggregated if where is None else aggregated.filter(where)  # type: ignore[no-any-return]


def _same(of: Type | None) -> Type:
    assert of is not None
    return of.blank()


def _count(of: Type | None) -> Type:
    return INTEGER.blank(False)


@aggregation(
    "COUNT",
    returns=_count,
    value="optional",
    examples=("COUNT(lines)", "COUNT(lines[amount > 10])", "COUNT(lines.amount)"),
)
def count(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """The number of rows; with a value, of the rows where it is not blank."""
    return filtered(func.count(literal_column("*") if value is None else value, type_=sql.SQL_TYPES["integer"]), where)


@aggregation("COUNTDISTINCT", returns=_count, examples=("COUNTDISTINCT(lines.product)",))
def countdistinct(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """The number of different values."""
    return filtered(func.count(value.distinct(), type_=sql.SQL_TYPES["integer"]), where)  # type: ignore[union-attr]


@aggregation("EXISTS", returns=lambda of: BOOLEAN, value="none", examples=("EXISTS(lines[amount > 10])",))
def exists(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """Whether there is a row."""
    return filtered(func.count(literal_column("*"), type_=sql.SQL_TYPES["integer"]), where) > sql.whole(0)


@aggregation(
    "SUM",
    returns=lambda of: _same(of).blank(False),
    takes=numeric("duration"),
    examples=("SUM(lines.amount)", "SUM(lines, price * quantity)"),
)
def sum_(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """The sum; of nothing it is 0."""
    return func.coalesce(filtered(func.sum(value, type_=NUMERIC), where), sql.whole(0), type_=NUMERIC)


@aggregation(
    "AVERAGE",
    returns=lambda of: (DECIMAL if _same(of).kind == "integer" else _same(of)).rough(),
    takes=numeric("duration"),
    examples=("AVERAGE(lines.amount)",),
)
def average(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """The mean; of nothing it is blank."""
    return sql.quotient(filtered(func.sum(value, type_=NUMERIC), where), filtered(func.count(value), where))


def _extreme(name: str, pick: Callable[..., Any], doc: str) -> None:
    def lower(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
        assert value is not None
        of = site.args[0].type
        return filtered(pick(sql.ordered(value, of), type_=value.type), where)

    lower.__doc__ = doc
    aggregation(name, returns=_same, takes=ORDERED, examples=(f"{name}(lines.amount)",))(lower)


_extreme("MIN", func.min, "The smallest value; of nothing it is blank.")
_extreme("MAX", func.max, "The largest value; of nothing it is blank.")


def _end(name: str, doc: str) -> None:
    def lower(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
        assert value is not None
        by = [c.asc().nulls_last() if name == "FIRST" else c.desc().nulls_last() for c in order]
        return sql.Element(filtered(func.array_agg(aggregate_order_by(value, *by)), where), sql.whole(1), value.type)

    lower.__doc__ = doc
    aggregation(name, returns=_same, ordered=True, examples=(f"{name}(lines.amount, number)",))(lower)


_end("FIRST", "The value of the first row in the order given; rows of blank order come last.")
_end("LAST", "The value of the last row in the order given; rows of blank order are passed over.")


@aggregation(
    "MEDIAN",
    returns=lambda of: (DECIMAL if _same(of).kind == "integer" else _same(of)).rough(),
    takes=numeric("duration"),
    examples=("MEDIAN(lines.amount)",),
)
def median(site: Site, value: Column | None, where: Condition | None, order: Sequence[Column]) -> Column:
    """The middle value, or the mean of the two in the middle; of nothing it is blank."""
    assert value is not None
    known = value.is_not(None) if where is None else sql.all_of(where, value.is_not(None))
    every = filtered(func.array_agg(aggregate_order_by(sql.num(value), sql.num(value))), known)
    size = filtered(func.count(value), where)
    middle = [sql.Element(every, cast(func.div(size + sql.whole(i), sql.whole(2)), Integer), NUMERIC) for i in (1, 2)]
    return sql.quotient(middle[0] + middle[1], sql.whole(2))
