"""Formula functions for retailers."""

from __future__ import annotations

from sqlalchemy import case, not_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function, numeric
from metamodel.formula.types import PERCENT, TEXT


def _no_price(site: Site, price: Column, cost: Column) -> Condition:
    # Without a cost the call is blank, not an error.
    return sql.all_of(sql.num(price) == sql.whole(0), cost.is_not(None))


def _ratio(site: Site) -> tuple[int, int]:
    price, cost = site.lowered
    return max(price.digits, cost.digits) + 1 + price.places, limits.SCALE


@function(
    "retail.MARGIN_PCT",
    "retail",
    Param("price", numeric()),
    Param("cost", numeric()),
    returns=PERCENT.rough(),
    errors={"DIV0": _no_price},
    nulls=True,
    copies=(2, 1),
    size=_ratio,
    examples=(
        "retail.MARGIN_PCT(100, 60) = 40%",
        "retail.MARGIN_PCT(100, NULL) -> NULL",
        "retail.MARGIN_PCT(0, 60) -> #DIV0",
    ),
)
def margin_pct(site: Site, price: Column, cost: Column) -> Column:
    """What is left of the price after the cost, as a part of the price. A price of 0 is an error."""
    return sql.quotient(sql.num(price) - sql.num(cost), price)


@function(
    "retail.SEASON",
    "retail",
    Param("day", frozenset({"date"})),
    returns=TEXT,
    copies=(2, 0),
    examples=('retail.SEASON(DATE(2024, 11, 5)) = "winter"', "retail.SEASON(NULL) -> NULL"),
)
def season(site: Site, day: Column) -> Column:
    """The selling season of a day: `summer` from March to August, else `winter`."""
    month = sql.part("month", day)
    summer = month.between(sql.whole(3), sql.whole(8))
    # No else: a blank day is neither.
    return case((summer, sql.text("summer")), (not_(summer), sql.text("winter")))
