"""Statistics over child records or a measure's rows, with Excel's definitions.

Sums are exact; a result is rounded once, to 18 places. Blanks are left out. Of no value at all every statistic is
blank; where Excel divides by zero for a single one, or for values that are all the same, it is the error DIV0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Integer, Numeric, case, cast, func, or_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from metamodel.formula.functions import sql
from metamodel.formula.functions.aggregate import ORDERED, SET, Finish, averaged, finish, listed, mean, row, same
from metamodel.formula.functions.registry import (
    Column,
    Condition,
    Fails,
    Over,
    Param,
    Site,
    aggregation,
    function,
    numeric,
)
from metamodel.formula.typed import Literal, Node
from metamodel.formula.types import DECIMAL, Type

NUMERIC = Numeric()
VALUE = row("value", numeric("duration"))
NUMBER = row("value", numeric())
LIST = Param("list", frozenset({"list"}))
P, K = Param("p", numeric()), Param("k", frozenset({"integer"}))
FINE = "1." + "0" * 80
"""Zeros behind the operand of a logarithm or power whose result is multiplied further."""


def _rough(args: tuple[Node, ...]) -> Type:
    return DECIMAL.rough()


# -- places in the order --------------------------------------------------------------------------------------------


def _element(args: tuple[Node, ...]) -> Type:
    return mean(args[0].type.element)


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


def _no_share(site: Site, numbers: Column, p: Column) -> Condition | None:
    if isinstance(p, sql.Constant) and p.value is not None and 0 <= p.value <= 1:
        return None
    share = sql.steady(p, site.args[1].type)
    return sql.all_of(or_(share < sql.whole(0), share > sql.whole(1)), numbers.is_not(None))


def _outside(site: Site, numbers: Column, p: Column) -> Condition:
    place = sql.steady(_exclusive(numbers, p), DECIMAL.rough(site.args[1].type.inexact))
    return or_(place < sql.whole(1), place > _many(numbers))


def _share(name: str, doc: str, place: Callable[[Column, Column], Column], fails: Fails, copies: int) -> None:
    def lower(site: Site, numbers: Column, p: Column) -> Column:
        return _between(numbers, place(numbers, p))

    lower.__doc__ = doc
    declared = function(
        name, "list", LIST, P, returns=_element, operator=True, errors={"NUM": fails}, copies=(28, copies)
    )
    declared(lower)


_share("percentile", "The value below which a share of numbers lies, both ends included.", _inclusive, _no_share, 2)
_share("percentile_exc", "The same with both ends excluded.", _exclusive, _outside, 3)


def _no_place(site: Site, numbers: Column, k: Column) -> Condition:
    return sql.all_of(or_(sql.num(k) < sql.whole(1), sql.num(k) > _many(numbers)), numbers.is_not(None))


@function(
    "nth",
    "list",
    LIST,
    K,
    returns=lambda args: args[0].type.element.blank(),
    operator=True,
    errors={"NUM": _no_place},
    copies=(3, 2),
)
def nth(site: Site, numbers: Column, k: Column) -> Column:
    """The k-th of a list."""
    return sql.Element(numbers, sql.small_int(k, 1, 2**31 - 1), NUMERIC)


def _in_order(
    name: str, doc: str, *examples: str, by: tuple[Param, ...] = (), resolve: Finish, falling: bool = False
) -> None:
    """Declare an aggregate that a function makes of the values in ascending (`falling`: descending) order."""

    def lower(site: Site, over: Over) -> Column:
        value = sql.num(over.values[0])
        order = value.desc() if falling else value
        return over.rows(func.array_agg(aggregate_order_by(value, order)), value.is_not(None))

    lower.__doc__ = doc
    aggregation(name, SET, VALUE, *by, returns=listed, resolve=resolve, examples=examples, copies=3)(lower)


def _constant(number: str) -> Literal:
    return Literal(DECIMAL.blank(False), Decimal(number))


_in_order(
    "MEDIAN",
    "The middle value, or the mean of the two in the middle; of nothing it is blank.",
    "MEDIAN(lines.amount)",
    resolve=lambda c, made, values: c.call("percentile", made, _constant("0.5")),
)
_in_order(
    "PERCENTILE",
    """The value below which a share p of the rows lies, in proportion between the two nearest ones; 0 is the smallest
    and 1 the largest value, and any other p an error (Excel PERCENTILE.INC).""",
    "PERCENTILE(lines.amount, 0.9)",
    "PERCENTILE(lines, price * 2, 90%)",
    by=(P,),
    resolve=finish("percentile"),
)
_in_order(
    "PERCENTILE_EXC",
    """As PERCENTILE, with the ends excluded: an error where p is below 1/(n+1) or above n/(n+1) (Excel
    PERCENTILE.EXC).""",
    "PERCENTILE_EXC(lines.amount, 0.9)",
    by=(P,),
    resolve=finish("percentile_exc"),
)
_in_order(
    "QUARTILE",
    "The percentile of 0 to 4 quarters; any other number is an error (Excel QUARTILE.INC).",
    "QUARTILE(lines.amount, 3)",
    by=(Param("quarter", frozenset({"integer"})),),
    resolve=lambda c, made, values: c.call("percentile", made, c.call("*", values[0], _constant("0.25"))),
)
_in_order(
    "SMALL",
    "The k-th smallest value; of nothing it is blank, and an error where there are fewer.",
    "SMALL(lines.amount, 2)",
    by=(K,),
    resolve=finish("nth"),
)
_in_order(
    "LARGE",
    "The k-th largest value; of nothing it is blank, and an error where there are fewer.",
    "LARGE(lines.amount, 2)",
    by=(K,),
    resolve=finish("nth"),
    falling=True,
)


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
        copies=11,
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
    copies=10,
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
    copies=30,
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
    copies=36,
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
    copies=40,
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
    copies=4,
    examples=("GEOMEAN(lines.amount)",),
)
def geomean(site: Site, over: Over) -> Column:
    """The geometric mean; an error where a value is not positive."""
    value = sql.num(over.values[0])
    sound = case((value > sql.whole(0), value * sql.number(FINE)), else_=sql.whole(1))
    logs = over.rows(func.sum(func.ln(sound, type_=NUMERIC), type_=NUMERIC))
    many = func.nullif(over.rows(func.count(value)), sql.whole(0), type_=Integer())
    return sql.rounded(func.exp(logs / many, type_=NUMERIC))
