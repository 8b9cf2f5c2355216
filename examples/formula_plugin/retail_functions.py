"""Formula functions for retailers."""

from __future__ import annotations

from sqlalchemy import case, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function, numeric
from metamodel.formula.types import PERCENT, TEXT


def _no_price(site: Site, price: Column, cost: Column) -> Condition:
    return sql.num(price) == sql.whole(0)


@function(
    "retail.MARGIN_PCT",
    "retail",
    Param("price", numeric()),
    Param("cost", numeric()),
    returns=PERCENT,
    errors={"DIV0": _no_price},
    nulls=True,
    copies=(2, 1),
    examples=("retail.MARGIN_PCT(100, 60) = 40%", "retail.MARGIN_PCT(0, 60) -> error"),
)
def margin_pct(site: Site, price: Column, cost: Column) -> Column:
    """What is left of the price after the cost, as a part of the price. A price of 0 is an error."""
    paid = func.nullif(sql.num(price), sql.whole(0))
    return sql.quotient(sql.num(price) - sql.num(cost), paid)


@function(
    "retail.SEASON",
    "retail",
    Param("day", frozenset({"date"})),
    returns=TEXT,
    examples=('retail.SEASON(DATE(2024, 11, 5)) = "winter"', "retail.SEASON(NULL) -> NULL"),
)
def season(site: Site, day: Column) -> Column:
    """The selling season of a day: `summer` from March to August, else `winter`."""
    month = sql.part("month", day)
    return case((month.between(sql.whole(3), sql.whole(8)), sql.text("summer")), else_=sql.text("winter"))
