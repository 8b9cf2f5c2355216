"""Finance: depreciation, growth and present value with Excel's definitions; annuities have a room of their own.

Inside they carry 100 places; the result is rounded once, to 18. Money that is paid out is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, case, cast, func, or_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.aggregate import ORDERED, SET, collected, finish, listed, row
from metamodel.formula.functions.number import NUMERIC, ONE, ZERO, blank_flags, rough
from metamodel.formula.functions.operators import LN_LIMIT, TOP
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Fails,
    Over,
    Param,
    Site,
    aggregation,
    function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import Node
from metamodel.formula.types import DECIMAL, MONEY, Type

RATE = Param("rate", numeric())
LONG, EXACT = sql.number("0." + "0" * 100), sql.number("1." + "0" * 100)
LN_TINY = sql.number(-230)
"""The natural logarithm of a growth that is nothing, 10^-100."""


def amount(args: tuple[Node, ...]) -> Type:
    """Money where one of the amounts is."""
    return blank_flags(MONEY if any(arg.type.kind == "money" for arg in args) else DECIMAL, args).rough()


def numbers(columns: Iterable[Any]) -> list[Column]:
    """The operands as `numeric`."""
    return [sql.num(a) for a in columns]


def fails(condition: Callable[..., Condition], operands: Callable[..., Sequence[Column | None]] = numbers) -> Fails:
    """The error of a strict function from a condition over its operands; one that is blank makes the result blank."""

    def found(site: Site, *columns: Column) -> Condition:
        filled = (a.is_not(None) for a, arg in zip(columns, site.args, strict=True) if arg.type.nullable)
        return sql.all_of(condition(*operands(columns)), *filled)

    return found


def over(a: Column, b: Column) -> Column:
    """a / b to 100 places; NULL where b is 0."""
    return a * EXACT / func.nullif(b, ZERO, type_=NUMERIC)


@function(
    "SLN",
    "finance",
    Param("cost", numeric()),
    Param("salvage", numeric()),
    Param("life", numeric()),
    returns=amount,
    errors={"DIV0": fails(lambda cost, salvage, life: life == ZERO)},
    nulls=True,
    size=lambda site: (max(part.digits for part in site.lowered) + site.lowered[2].places + 1, limits.SCALE),
    examples=("SLN(30000, 7500, 10) = 2250", "SLN(30000, 7500, 0) -> #DIV0"),
    copies=(1, 2),
)
def sln(site: Site, cost: Column, salvage: Column, life: Column) -> Column:
    """The depreciation of each period of a life, the same in all."""
    return sql.quotient(sql.num(cost) - sql.num(salvage), life)


# -- growth ---------------------------------------------------------------------------------------------------------


def _sides(a: Column, b: Column) -> Column:
    """1 where both numbers are on the same side of 0, -1 where they are not, 0 where one is 0."""
    return func.sign(a, type_=NUMERIC) * func.sign(b, type_=NUMERIC)


def _growth_of(start: Column, end: Column) -> Column:
    """end / start, at least 10^-100; NULL where it is not above 0."""
    least = func.greatest(over(end, start), sql.number(Decimal(1).scaleb(-100)), type_=NUMERIC)
    return case((_sides(start, end) > ZERO, least))


def _rate_of_growth(start: Column, end: Column, periods: Column) -> Column:
    """ln(end / start) / periods, about."""
    return func.ln(_growth_of(start, end), type_=NUMERIC) / func.nullif(periods, ZERO, type_=NUMERIC)


def _lost(start: Column, end: Column, periods: Column) -> Condition:
    """All is lost, so nothing is left of each period."""
    return sql.all_of(end == ZERO, start != ZERO, periods > ZERO)


@function(
    "CAGR",
    "finance",
    Param("start", numeric()),
    Param("end", numeric()),
    Param("periods", numeric()),
    returns=rough,
    errors={
        "DIV0": fails(
            lambda start, end, periods: or_(start == ZERO, periods == ZERO, sql.all_of(end == ZERO, periods < ZERO))
        ),
        "NUM": fails(lambda start, end, periods: _sides(start, end) < ZERO),
        "OVERFLOW": fails(lambda start, end, periods: _rate_of_growth(start, end, periods) > LN_LIMIT),
    },
    nulls=True,
    size=lambda site: (limits.POWER_DIGITS + 1, limits.SCALE),
    examples=("CAGR(100, 121, 2) = 0.1", "CAGR(100, 0, 2) = -1", "CAGR(0, 10, 2) -> #DIV0", "CAGR(-5, 10, 2) -> #NUM"),
    copies=(9, 7),
)
def cagr(site: Site, start: Column, end: Column, periods: Column) -> Column:
    """The rate by which each period grows, (end / start)^(1 / periods) - 1, where growth is compounded."""
    start, end, periods = numbers((start, end, periods))
    size = _rate_of_growth(start, end, periods)
    root = case((size.between(LN_TINY, LN_LIMIT), over(ONE, periods)), (size < LN_TINY, sql.number(1)))
    base = case((size < LN_TINY, LONG), else_=_growth_of(start, end))
    grown = sql.rounded(func.power(base, root, type_=NUMERIC)) - ONE
    return case((_lost(start, end, periods), sql.number(-1)), else_=grown)


# -- present value --------------------------------------------------------------------------------------------------


def _present_value(amounts: Column, rate: Column) -> Column:
    """NULL where the rate is -1, 10^100 where it is that large or larger."""
    return func.fieldwright.present_value(cast(amounts, ARRAY(NUMERIC)), sql.num(rate), type_=NUMERIC)


@function(
    "discounted",
    "finance",
    Param("amounts", frozenset({"list"}), blanks=True),
    RATE,
    returns=lambda args: (
        (MONEY if args[0].type.element.kind == "money" else DECIMAL).blank(args[1].type.nullable).rough()
    ),
    errors={
        "DIV0": lambda site, amounts, rate: rate == sql.whole(-1),
        "OVERFLOW": lambda site, amounts, rate: _present_value(amounts, rate) == sql.number(TOP),
    },
    nulls=True,
    size=lambda site: (limits.DIGITS, limits.SCALE),
    operator=True,
    copies=(1, 2),
)
def discounted(site: Site, amounts: Column, rate: Column) -> Column:
    """The sum of a list's numbers, the i-th of them that is not blank divided by (1 + rate)^i."""
    return func.nullif(_present_value(amounts, rate), sql.number(TOP), type_=NUMERIC)


@rewritten(
    "NPV",
    "finance",
    RATE,
    Param("value", numeric(), repeat=True),
    examples=(
        "ROUND(NPV(10%, -10000, 3000, 4200, 6800), 2) = 1188.44",
        "NPV(100%, 8, NULL, 8) = 6",
        "NPV(-1, 100) -> #DIV0",
    ),
)
def npv(c: Builder, args: tuple[Node, ...]) -> Node:
    """What amounts at the ends of coming periods are worth today; a blank is no period."""
    amounts = c.call("list", *args[1:])
    return amounts if amounts.type.kind == "error" else c.call("discounted", amounts, args[0])


@aggregation(
    "NPV",
    RATE,
    SET,
    row("value", numeric()),
    row("by", ORDERED),
    returns=listed,
    resolve=finish("discounted"),
    copies=2,
    examples=("NPV(10%, lines.amount, number)", "NPV(10%, lines, price * quantity, number)"),
)
def npv_of(site: Site, over: Over) -> Column:
    """The present value of the rows' values in the order given, the first of them a period from now (Excel NPV);
    blank values take no period, and of nothing it is 0. A rate of -100 % is an error."""
    return collected(over, sql.num(over.values[0]), sql.ordered(over.values[1], site.args[1].type).asc().nulls_last())
