"""Statistics over child records or a measure's rows, with Excel's definitions.

Sums are exact; a result is rounded once, to 18 places. Blanks are left out. Of no value at all every statistic is
blank; where Excel divides by zero for a single one, or for values that are all the same, it is the error DIV0.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Integer, Numeric, case, cast, func, or_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.aggregate import ORDERED, SET, averaged, collected, finish, listed, row, same
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.operators import LN_LIMIT
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Over,
    Param,
    Site,
    aggregation,
    function,
    lazy_function,
    numeric,
)
from metamodel.formula.typed import Aggregate, Literal, Node
from metamodel.formula.types import DECIMAL, Type

NUMERIC = Numeric()
VALUE = row("value", numeric("duration"))
NUMBER = row("value", numeric())
LIST = Param("list", frozenset({"list"}))
FINE = "1." + "0" * 80
"""Zeros behind the operand of a logarithm or power whose result is multiplied further."""


def _rough(args: tuple[Node, ...]) -> Type:
    return DECIMAL.rough()


def _ascending(site: Site, over: Over) -> Column:
    value = sql.num(over.values[0])
    return over.rows(func.array_agg(aggregate_order_by(value, value)), value.is_not(None))


# -- places in the order --------------------------------------------------------------------------------------------


def _element(args: tuple[Node, ...]) -> Type:
    return averaged((Literal(args[0].type.element, None),))


def _many(numbers: Column) -> Column:
    return sql.num(func.cardinality(numbers, type_=Integer()))


def _between(numbers: Column, place: Column) -> Column:
    """The value at a place, counted from 1, of ascending numbers; between two of them in proportion."""
    many = _many(numbers)
    place = case((place < sql.whole(1), sql.whole(1)), (place > many, many), else_=place)
    low = cast(func.floor(place, type_=NUMERIC), Integer)
    below, above = sql.Element(numbers, low, NUMERIC), sql.Element(numbers, low + sql.whole(1), NUMERIC)
    return sql.rounded(below + (place - low) * func.coalesce(above - below, sql.whole(0), type_=NUMERIC))


def _inclusive(numbers: Column, p: Column) -> Column:
    return (_many(numbers) - sql.whole(1)) * sql.num(p) + sql.whole(1)


def _exclusive(numbers: Column, p: Column) -> Column:
    return (_many(numbers) + sql.whole(1)) * sql.num(p)


def _no_share(site: Site, numbers: Column, p: Column) -> Condition:
    share = sql.steady(p, site.args[1].type)
    return sql.all_of(or_(share < sql.whole(0), share > sql.whole(1)), numbers.is_not(None))


def _outside(site: Site, numbers: Column, p: Column) -> Condition:
    place = sql.steady(_exclusive(numbers, p), DECIMAL.rough(site.args[1].type.inexact))
    return or_(place < sql.whole(1), place > _many(numbers))


@function(
    "percentile",
    "list",
    LIST,
    Param("p", numeric()),
    returns=_element,
    operator=True,
    errors={"NUM": _no_share},
    copies=(28, 4),
)
def percentile(site: Site, numbers: Column, p: Column) -> Column:
    """The value below which a share of ascending numbers lies, both ends included."""
    return _between(numbers, _inclusive(numbers, p))


@function(
    "percentile_exc",
    "list",
    LIST,
    Param("p", numeric()),
    returns=_element,
    operator=True,
    errors={"NUM": _outside},
    copies=(28, 6),
)
def percentile_exc(site: Site, numbers: Column, p: Column) -> Column:
    """The value below which a share of ascending numbers lies, both ends excluded."""
    return _between(numbers, _exclusive(numbers, p))


def _no_place(site: Site, numbers: Column, k: Column) -> Condition:
    return sql.all_of(or_(sql.num(k) < sql.whole(1), sql.num(k) > _many(numbers)), numbers.is_not(None))


@function(
    "nth",
    "list",
    LIST,
    Param("k", frozenset({"integer"})),
    returns=lambda args: args[0].type.element.blank(),
    operator=True,
    errors={"NUM": _no_place},
    copies=(3, 2),
)
def nth(site: Site, numbers: Column, k: Column) -> Column:
    """The k-th of a list."""
    return sql.Element(numbers, sql.small_int(k, 1, 2**31 - 1), NUMERIC)


@function("middle", "list", LIST, returns=_element, operator=True, copies=(28, 1))
def middle(site: Site, numbers: Column) -> Column:
    """The value in the middle of ascending numbers."""
    return _between(numbers, _inclusive(numbers, sql.number("0.5")))


@aggregation(
    "MEDIAN",
    SET,
    VALUE,
    returns=listed,
    resolve=finish("middle"),
    examples=("MEDIAN(lines.amount)",),
    copies=3,
)
def median(site: Site, over: Over) -> Column:
    """The middle value, or the mean of the two in the middle; of nothing it is blank."""
    return _ascending(site, over)


P = Param("p", numeric())


@aggregation(
    "PERCENTILE",
    SET,
    VALUE,
    P,
    returns=listed,
    resolve=finish("percentile"),
    examples=("PERCENTILE(lines.amount, 0.9)", "PERCENTILE(lines, price * 2, 90%)"),
    copies=3,
)
def percentile_of(site: Site, over: Over) -> Column:
    """The value below which a share p of the rows lies, in proportion between the two nearest ones; 0 is the smallest
    and 1 the largest value, and any other p an error (Excel PERCENTILE.INC)."""
    return _ascending(site, over)


@aggregation(
    "PERCENTILE_EXC",
    SET,
    VALUE,
    P,
    returns=listed,
    resolve=finish("percentile_exc"),
    examples=("PERCENTILE_EXC(lines.amount, 0.9)",),
    copies=3,
)
def percentile_exc_of(site: Site, over: Over) -> Column:
    """As PERCENTILE, with the ends excluded: an error where p is below 1/(n+1) or above n/(n+1) (Excel
    PERCENTILE.EXC)."""
    return _ascending(site, over)


QUARTER = Literal(DECIMAL.blank(False), Decimal("0.25"))


def _quartile(c: Builder, made: Aggregate, values: tuple[Node, ...]) -> Node:
    return c.call("percentile", made, c.call("*", values[0], QUARTER))


@aggregation(
    "QUARTILE",
    SET,
    VALUE,
    Param("quarter", frozenset({"integer"})),
    returns=listed,
    resolve=_quartile,
    examples=("QUARTILE(lines.amount, 3)",),
    copies=3,
)
def quartile(site: Site, over: Over) -> Column:
    """The percentile of 0 to 4 quarters; any other number is an error (Excel QUARTILE.INC)."""
    return _ascending(site, over)


K = Param("k", frozenset({"integer"}))


@aggregation(
    "SMALL",
    SET,
    VALUE,
    K,
    returns=listed,
    resolve=finish("nth"),
    examples=("SMALL(lines.amount, 2)",),
    copies=3,
)
def small(site: Site, over: Over) -> Column:
    """The k-th smallest value; an error where there are fewer."""
    return _ascending(site, over)


@aggregation(
    "LARGE",
    SET,
    VALUE,
    K,
    returns=listed,
    resolve=finish("nth"),
    examples=("LARGE(lines.amount, 2)",),
    copies=3,
)
def large(site: Site, over: Over) -> Column:
    """The k-th largest value; an error where there are fewer."""
    value = sql.num(over.values[0])
    return over.rows(func.array_agg(aggregate_order_by(value, value.desc())), value.is_not(None))


@aggregation("MODE", SET, row("value", ORDERED), returns=same, examples=("MODE(lines.quantity)",))
def mode(site: Site, over: Over) -> Column:
    """The most frequent value; of several the smallest."""
    value = sql.ordered(over.values[0], site.args[0].type)
    return func.mode().within_group(value if over.where is None else case((over.where, value)))


# -- spread ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the rows where every value is known: their number, of x and y, of squares and of the product."""

    over: Over

    def of(self, *factors: int) -> Column:
        """The sum of the product of these values of a row (by position); of none their number."""
        values = [sql.num(value) for value in self.over.values]
        known = [value.is_not(None) for value in values]
        if not factors:
            return self.over.rows(func.count(), *known)
        product = values[factors[0]]
        for factor in factors[1:]:
            product = product * values[factor]
        return self.over.rows(func.sum(product, type_=NUMERIC), *known)

    def spread(self, x: int, y: int) -> Column:
        """n² times the covariance (of a value with itself: the variance), exactly."""
        return sql.num(self.of()) * self.of(x, y) - self.of(x) * self.of(y)


def _variance(over: Over, *, sample: bool) -> tuple[Column, Column]:
    sums = Sums(over)
    n = sql.num(sums.of())
    return sums.spread(0, 0), n * (n - sql.whole(1)) if sample else n * n


def _single(site: Site, over: Over) -> Condition:
    return Sums(over).of() == sql.whole(1)


def _spread(name: str, doc: str, *, sample: bool, root: bool) -> None:
    def lower(site: Site, over: Over) -> Column:
        a, b = _variance(over, sample=sample)
        if not root:
            return sql.quotient(a, b)
        mean = (a * sql.number(sql.EXACT)) / func.nullif(b, sql.whole(0), type_=NUMERIC)
        return sql.rounded(func.sqrt(mean, type_=NUMERIC))

    lower.__doc__ = doc
    aggregation(
        name,
        SET,
        VALUE if root else NUMBER,
        returns=averaged if root else _rough,
        errors={"DIV0": _single} if sample else {},
        copies=16,
        power=1 if root else 2,
        examples=(f"{name}(lines.amount)",),
    )(lower)


_spread("STDEV", "The standard deviation of a sample; of one value it is an error.", sample=True, root=True)
_spread("STDEVP", "The standard deviation of the values as a whole.", sample=False, root=True)
_spread("VAR", "The variance of a sample; of one value it is an error.", sample=True, root=False)
_spread("VARP", "The variance of the values as a whole.", sample=False, root=False)


# -- two values of a row --------------------------------------------------------------------------------------------


def _weightless(site: Site, over: Over) -> Condition:
    return Sums(over).of(1) == sql.whole(0)


@aggregation(
    "WEIGHTEDAVG",
    SET,
    VALUE,
    row("weight", numeric()),
    returns=averaged,
    errors={"DIV0": _weightless},
    copies=6,
    power=3,
    examples=("WEIGHTEDAVG(lines.price, quantity)", "WEIGHTEDAVG(lines, price * 2, quantity)"),
)
def weightedavg(site: Site, over: Over) -> Column:
    """The mean in which each value counts by its weight; rows where one of the two is blank are left out, and weights
    that add up to 0 are an error."""
    sums = Sums(over)
    return sql.quotient(sums.of(0, 1), sums.of(1))


def _flat(*positions: int) -> dict[str, object]:
    """The error where the values at one of these positions are all the same."""

    def flat(site: Site, over: Over) -> Condition:
        sums = Sums(over)
        return or_(*(sums.spread(at, at) == sql.whole(0) for at in positions))

    return {"DIV0": flat}


@aggregation(
    "CORREL",
    SET,
    row("x", numeric("duration")),
    row("y", numeric("duration")),
    returns=_rough,
    errors=_flat(0, 1),
    copies=40,
    power=2,
    examples=("CORREL(lines.price, quantity)", "CORREL(lines, price, quantity)"),
)
def correl(site: Site, over: Over) -> Column:
    """The correlation of two values of each row, from -1 to 1; rows where one is blank are left out. An error where
    one of them is always the same."""
    sums = Sums(over)
    root = func.sqrt(sums.spread(0, 0) * sums.spread(1, 1) * sql.number(sql.EXACT), type_=NUMERIC)
    return sql.quotient(sums.spread(0, 1), root)


@aggregation(
    "SLOPE",
    SET,
    row("y", numeric()),
    row("x", numeric()),
    returns=_rough,
    errors=_flat(1),
    copies=24,
    power=6,
    examples=("SLOPE(lines.price, quantity)", "SLOPE(lines, price, quantity)"),
)
def slope(site: Site, over: Over) -> Column:
    """How much y grows with x along the line of least squares; rows where one is blank are left out. An error where
    x is always the same."""
    sums = Sums(over)
    return sql.quotient(sums.spread(0, 1), sums.spread(1, 1))


@aggregation(
    "INTERCEPT",
    SET,
    row("y", numeric()),
    row("x", numeric()),
    returns=_rough,
    errors=_flat(1),
    copies=28,
    power=6,
    examples=("INTERCEPT(lines.price, quantity)",),
)
def intercept(site: Site, over: Over) -> Column:
    """The y of the line of least squares where x is 0; see SLOPE."""
    sums = Sums(over)
    return sql.quotient(sums.of(0) * sums.of(1, 1) - sums.of(1) * sums.of(0, 1), sums.spread(1, 1))


def _not_positive(site: Site, over: Over) -> Condition:
    return over.rows(func.count(), over.values[0] <= sql.whole(0)) > sql.whole(0)


@aggregation(
    "GEOMEAN",
    SET,
    NUMBER,
    returns=averaged,
    errors={"NUM": _not_positive},
    copies=3,
    examples=("GEOMEAN(lines.amount)",),
)
def geomean(site: Site, over: Over) -> Column:
    """The geometric mean; an error where a value is not positive."""
    value = sql.num(over.values[0])
    sound = case((value > sql.whole(0), value * sql.number(FINE)), else_=sql.whole(1))
    logs = over.rows(func.sum(func.ln(sound, type_=NUMERIC), type_=NUMERIC))
    many = func.nullif(over.rows(func.count(value)), sql.whole(0), type_=Integer())
    return sql.rounded(func.exp(logs / many, type_=NUMERIC))


# -- money over time ------------------------------------------------------------------------------------------------


AT = cast(sql.POSITION, Numeric)


def _log(growth: Column) -> Column:
    """The logarithm of a growth without its sign; 0 where there is none."""
    size = func.nullif(func.abs(growth, type_=NUMERIC), sql.whole(0), type_=NUMERIC)
    return func.coalesce(func.ln(size, type_=NUMERIC), sql.whole(0), type_=NUMERIC)


@lazy_function(
    "discounted",
    "list",
    LIST,
    Param("rate", numeric()),
    returns=lambda args: DECIMAL.blank(args[1].type.nullable).rough(),
    operator=True,
    volatility="relational",
    copies=(6, 3),
)
def discounted(site: Site, numbers: Lowered, rate: Lowered) -> Lowered:
    """The sum of a list's numbers, the i-th divided by (1 + rate)^i."""
    growth = sql.num(rate.value) + sql.whole(1)
    none = growth == sql.whole(0)
    log = _log(growth)
    # Far away a number is worth nothing, or more than there are digits for, which is an error.
    endless = -_many(numbers.value) * log > LN_LIMIT
    far = func.abs(AT * log, type_=NUMERIC) > LN_LIMIT
    factor = sql.number(FINE) / func.nullif(growth, sql.whole(0), type_=NUMERIC)
    power = func.power(factor, case((far, sql.whole(0)), else_=AT), type_=NUMERIC)
    worth = sql.element(NUMERIC) * case((far, sql.whole(0)), else_=power)
    total = sql.OfElements(numbers.value, func.sum(worth, type_=NUMERIC), NUMERIC)
    value = case((rate.value.is_not(None), sql.rounded(func.coalesce(total, sql.whole(0), type_=NUMERIC))))
    guard = first(numbers.guard, rate.guard, raises("DIV0", none), raises("NUM", endless))
    return Lowered(value, guard, digits=numbers.digits + limits.POWER_DIGITS)


@aggregation(
    "NPV",
    Param("rate", numeric()),
    SET,
    row("value", numeric()),
    row("by", ORDERED),
    returns=listed,
    resolve=finish("discounted"),
    copies=2,
    examples=("NPV(10%, lines.amount, number)", "NPV(10%, lines, price * quantity, number)"),
)
def npv(site: Site, over: Over) -> Column:
    """The present value of the rows' values in the order given, the first of them a period from now (Excel NPV);
    blank values take no period, and of nothing it is 0. A rate of -100 % is an error."""
    return collected(over, sql.num(over.values[0]), sql.ordered(over.values[1], site.args[1].type).asc().nulls_last())
