"""Numbers. Everything is exact or rounded to 18 places, half away from zero (formula.md 2.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import factorial

from sqlalchemy import BigInteger, Double, Numeric, case, cast, func, or_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first
from metamodel.formula.functions.operators import TOP, bounded
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Param,
    Site,
    function,
    lazy_function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import DECIMAL, ERROR, INTEGER, MONEY, NULL, Type

NUMERIC = Numeric()
N = Param("number", numeric())
DIGITS = Param("digits", frozenset({"integer"}), optional=True)
ZERO, ONE = sql.whole(0), sql.whole(1)


def blank_flags(of: Type, args: tuple[Node, ...]) -> Type:
    """The type with the nullability and exactness of the arguments."""
    return of.blank(any(a.type.nullable for a in args)).rough(of.number and any(a.type.inexact for a in args))


def with_flags(of: Type) -> Callable[[tuple[Node, ...]], Type]:
    """That type, with the nullability and exactness of the arguments."""
    return lambda args: blank_flags(of, args)


def same(args: tuple[Node, ...]) -> Type:
    """The type of the first argument."""
    return blank_flags(args[0].type, args)


def settled(args: tuple[Node, ...]) -> Type:
    """The type of the first argument; rounding makes it exact."""
    return same(args).rough(False)


def whole(args: tuple[Node, ...]) -> Type:
    """A whole number."""
    return blank_flags(INTEGER, args).rough(False)


def rough(args: tuple[Node, ...]) -> Type:
    """A number that had to be rounded to 18 places."""
    return blank_flags(DECIMAL, args).rough()


def _common(args: tuple[Node, ...]) -> Type:
    """The type that holds all numbers."""
    kinds = {arg.type.kind for arg in args}
    return blank_flags(args[0].type if len(kinds) == 1 else MONEY if "money" in kinds else DECIMAL, args)


@function("ABS", "number", N, returns=same, examples=("ABS(-2.5) = 2.5",))
def abs_(site: Site, a: Column) -> Column:
    """The number without its sign."""
    return func.abs(sql.num(a), type_=NUMERIC)


@function("SIGN", "number", N, returns=whole, examples=("SIGN(-2.5) = -1", "SIGN(0) = 0"))
def sign(site: Site, a: Column) -> Column:
    """-1, 0 or 1."""
    return func.sign(sql.num(a), type_=NUMERIC)


# -- powers and logarithms ------------------------------------------------------------------------------------------


def _positive(a: Column) -> Column:
    """The number with 40 places; NULL where it is not above 0."""
    held = func.nullif(func.greatest(sql.num(a), ZERO, type_=NUMERIC), ZERO, type_=NUMERIC)
    return held * sql.number(sql.EXACT)


@function(
    "SQRT",
    "number",
    N,
    returns=rough,
    errors={"NUM": lambda site, a: a < ZERO},
    nulls=True,
    examples=("SQRT(16) = 4", "ROUND(SQRT(2), 6) = 1.414214", "SQRT(-1) -> #NUM"),
    copies=(2, 1),
)
def sqrt(site: Site, a: Column) -> Column:
    """The square root, to 18 places; of a negative number an error."""
    return sql.rounded(func.sqrt(case((a >= ZERO, sql.num(a) * sql.number(sql.EXACT))), type_=NUMERIC))


@rewritten(
    "POWER",
    "number",
    N,
    Param("exponent", numeric()),
    examples=("POWER(2, 3) = 8", "POWER(4, 0.5) = 2", "POWER(5, 0) = 1"),
)
def power(c: Builder, args: tuple[Node, ...]) -> Node:
    """The number raised to a power: the same as `^`."""
    return c.call("^", *args)


LN_TOP = sql.number("147.365445951618923777151453099799309286")
"""The natural logarithm of 10^64."""


@function(
    "EXP",
    "number",
    N,
    returns=rough,
    errors={"OVERFLOW": lambda site, a: a > LN_TOP},
    nulls=True,
    size=lambda site: (limits.POWER_DIGITS + 1, limits.SCALE),
    examples=("EXP(0) = 1", "ROUND(EXP(1), 9) = 2.718281828", "EXP(1000) -> #OVERFLOW"),
    copies=(3, 1),
)
def exp(site: Site, a: Column) -> Column:
    """e raised to that power, to 18 places; above 10^64 an error."""
    a, tiny = sql.num(a), sql.number(-45)
    held = case((a < tiny, tiny), (a <= LN_TOP, a))
    return sql.rounded(func.exp(held * sql.number(sql.EXACT), type_=NUMERIC))


@function(
    "LN",
    "number",
    N,
    returns=rough,
    errors={"NUM": lambda site, a: a <= ZERO},
    nulls=True,
    examples=("LN(1) = 0", "ROUND(LN(86), 7) = 4.4543473", "LN(0) -> #NUM"),
)
def ln(site: Site, a: Column) -> Column:
    """The natural logarithm, to 18 places; an error where the number is not above 0."""
    return sql.rounded(func.ln(_positive(a), type_=NUMERIC))


def _no_log(site: Site, a: Column, base: Column | None = None) -> Condition:
    if base is None:
        return a <= ZERO
    return or_(sql.all_of(a <= ZERO, base.is_not(None)), sql.all_of(base <= ZERO, a.is_not(None)))


def _base_one(site: Site, a: Column, base: Column | None = None) -> Condition | None:
    return None if base is None else sql.all_of(base == ONE, a > ZERO)


@function(
    "LOG",
    "number",
    N,
    Param("base", numeric(), optional=True),
    returns=rough,
    errors={"NUM": _no_log, "DIV0": _base_one},
    nulls=True,
    size=lambda site: (60, limits.SCALE),
    examples=("LOG(1000) = 3", "LOG(8, 2) = 3", "LOG(0) -> #NUM", "LOG(5, 1) -> #DIV0"),
    copies=(1, 3),
)
def log(site: Site, a: Column, base: Column | None = None) -> Column:
    """The logarithm to a base (10), to 18 places; an error where the number or the base is not above 0."""
    if base is None:
        return sql.rounded(func.log(sql.number("10"), _positive(a), type_=NUMERIC))
    return sql.rounded(func.log(func.nullif(_positive(base), ONE, type_=NUMERIC), _positive(a), type_=NUMERIC))


@rewritten("LOG10", "number", N, examples=("LOG10(100) = 2", "LOG10(0.001) = -3"))
def log10(c: Builder, args: tuple[Node, ...]) -> Node:
    """The logarithm to the base 10."""
    return c.call("LOG", *args)


@function(
    "PI", "number", returns=lambda args: DECIMAL.blank(False).rough(), examples=("ROUND(PI(), 10) = 3.1415926536",)
)
def pi(site: Site) -> Column:
    """The ratio of a circle's circumference to its diameter, to 18 places."""
    return sql.number("3.141592653589793238")


# -- whole numbers --------------------------------------------------------------------------------------------------

WHOLE = Param("number", frozenset({"integer"}))
SEVERAL_WHOLE = Param("number", frozenset({"integer"}), repeat=True)


def _negative(site: Site, *columns: Column) -> Condition:
    """One of them is below 0 and none is blank."""
    blank = [a.is_not(None) for a, arg in zip(columns, site.args, strict=True) if arg.type.nullable]
    return sql.all_of(or_(*(a < ZERO for a in columns)), *blank)


@function(
    "GCD",
    "number",
    SEVERAL_WHOLE,
    returns=whole,
    errors={"NUM": _negative},
    examples=("GCD(24, 36) = 12", "GCD(7, 0) = 7", "GCD(8, -2) -> #NUM"),
    copies=(1, 2),
)
def gcd(site: Site, *numbers: Column) -> Column:
    """The greatest common divisor; fractions are cut off, a negative number is an error."""
    return reduce(lambda a, b: func.gcd(a, b, type_=NUMERIC), (sql.num(a) for a in numbers), sql.number(0))


@function(
    "LCM",
    "number",
    SEVERAL_WHOLE,
    returns=whole,
    errors={"NUM": _negative},
    size=lambda site: (sum(part.digits for part in site.lowered), 0),
    examples=("LCM(24, 36) = 72", "LCM(7, 0) = 0", "LCM(8, -2) -> #NUM"),
    copies=(1, 3),
)
def lcm(site: Site, *numbers: Column) -> Column:
    """The least common multiple; fractions are cut off, a negative number is an error."""
    return reduce(lambda a, b: func.lcm(a, b, type_=NUMERIC), (sql.num(a) for a in numbers), sql.number(1))


FACTORIALS = next(n for n in range(limits.DIGITS) if factorial(n + 1) >= 10**limits.DIGITS)
"""The last number whose factorial has no more digits than a number may have."""


@function(
    "FACT",
    "number",
    WHOLE,
    returns=whole,
    errors={"NUM": lambda site, a: a < ZERO, "OVERFLOW": lambda site, a: a > sql.whole(FACTORIALS)},
    nulls=True,
    size=lambda site: (limits.DIGITS, 0),
    examples=("FACT(5) = 120", "FACT(1.9) = 1", "FACT(0) = 1", "FACT(-1) -> #NUM", "FACT(70) -> #OVERFLOW"),
    copies=(2, 2),
)
def fact(site: Site, a: Column) -> Column:
    """The product of the whole numbers up to this one; fractions are cut off."""
    a = sql.num(a)
    return func.factorial(cast(case((a.between(ZERO, sql.whole(FACTORIALS)), a)), BigInteger), type_=NUMERIC)


def _no_choice(site: Site, n: Column, k: Column) -> Condition:
    return or_(sql.all_of(n < ZERO, k.is_not(None)), sql.all_of(k < ZERO, n.is_not(None)), k > n)


def _combinations(n: Column, k: Column) -> Column:
    """The number of combinations; NULL where there is none, 10^100 where there are that many or more."""
    return func.fieldwright.combinations(sql.num(n), sql.num(k), type_=NUMERIC)


@function(
    "COMBIN",
    "number",
    WHOLE,
    Param("chosen", frozenset({"integer"})),
    returns=whole,
    errors={"NUM": _no_choice, "OVERFLOW": lambda site, n, k: _combinations(n, k) == sql.number(TOP)},
    nulls=True,
    size=lambda site: (limits.DIGITS, 0),
    examples=("COMBIN(8, 2) = 28", "COMBIN(5, 0) = 1", "COMBIN(3, 4) -> #NUM"),
    copies=(1, 4),
)
def combin(site: Site, n: Column, k: Column) -> Column:
    """In how many ways so many things can be chosen out of a number of things; fractions are cut off."""
    return func.nullif(_combinations(n, k), sql.number(TOP), type_=NUMERIC)


@function(
    "RAND",
    "number",
    returns=lambda args: DECIMAL.blank(False),
    volatility="volatile",
    contexts=frozenset({"default", "workflow"}),
    examples=("RAND() >= 0 AND RAND() < 1",),
)
def rand(site: Site) -> Column:
    """A random number from 0 up to, but not including, 1, with 15 places; another one for each record."""
    # Cut as a float: the cast to numeric keeps 15 digits and would round the largest ones up to 1.
    parts: Column = func.floor(func.random(type_=Double()) * sql.number("1E+15"), type_=Double())
    return cast(parts, Numeric) * sql.number("0.000000000000001")


# -- several numbers, blanks left out -------------------------------------------------------------------------------

SEVERAL = Param("number", numeric(), repeat=True)
BLANK = Literal(DECIMAL, None)
COMPARABLE = Param("value", numeric("date", "datetime", "time", "duration", "text"), repeat=True)


def _joined(name: str, *, blank: bool, rough: bool = False) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        # A blank constant is of the kind of the others.
        parts, of = c.join([replace(arg, type=NULL) if arg == BLANK else arg for arg in args])
        if of.kind == "null":
            parts, of = args, DECIMAL
        if of.kind == "error":
            return Literal(ERROR, None)
        of = DECIMAL if rough and of.kind == "integer" else of
        of = of.blank(blank and all(arg.type.nullable for arg in parts))
        return Call(of.rough(of.inexact or rough), name, parts)

    return resolve


def _all(parts: tuple[Lowered, ...], value: Column, digits: int, places: int) -> Lowered:
    return bounded(Lowered(value, first(*(part.guard for part in parts)), False, digits, places))


def _most(parts: tuple[Lowered, ...]) -> tuple[int, int]:
    """The largest number of digits before and after the point."""
    return max(part.digits for part in parts), max(part.places for part in parts)


def _or_neutral(part: Lowered, arg: Node, neutral: Column) -> Column:
    value = sql.num(part.value)
    return func.coalesce(value, neutral, type_=NUMERIC) if arg.type.nullable else value


@lazy_function(
    "SUM",
    "number",
    SEVERAL,
    resolve=_joined("SUM", blank=False),
    examples=("SUM(1, NULL, 2) = 3", "SUM(NULL, NULL) = 0"),
    copies=(1, 0),
)
def sum_(site: Site, *parts: Lowered) -> Lowered:
    """The sum; a blank counts as 0."""
    terms = [_or_neutral(part, arg, ZERO) for part, arg in zip(parts, site.args, strict=True)]
    digits, places = _most(parts)
    return _all(parts, sum(terms[1:], terms[0]), digits + len(str(len(parts))), places)


@lazy_function(
    "AVERAGE",
    "number",
    SEVERAL,
    resolve=_joined("AVERAGE", blank=True, rough=True),
    examples=("AVERAGE(1, NULL, 2) = 1.5", "AVERAGE(NULL, NULL) -> NULL"),
    copies=(2, 0),
)
def average(site: Site, *parts: Lowered) -> Lowered:
    """The mean of those that are not blank, to 18 places."""
    total = sum_.lazy(site, *parts)  # type: ignore[misc]
    count: Column = func.num_nonnulls(*(part.value for part in parts), type_=sql.SQL_TYPES["integer"])
    return Lowered(sql.quotient(total.value, count), total.guard, False, total.digits, limits.SCALE)


def _product(c: Builder, args: tuple[Node, ...]) -> Node:
    if sum(arg.type.kind == "money" for arg in args) > 1:
        return c.fail("E202", None, "money * money has no meaning", "multiply money by a number")
    return _joined("PRODUCT", blank=True)(c, args)


@lazy_function(
    "PRODUCT",
    "number",
    SEVERAL,
    resolve=_product,
    examples=("PRODUCT(2, NULL, 3) = 6", "PRODUCT(NULL, NULL) -> NULL"),
    copies=(2, 2),
)
def product(site: Site, *parts: Lowered) -> Lowered:
    """The product of those that are not blank."""
    factors = [_or_neutral(part, arg, ONE) for part, arg in zip(parts, site.args, strict=True)]
    made: Column = reduce(lambda a, b: a * b, factors)
    if site.call.type.nullable:
        count: Column = func.num_nonnulls(*(part.value for part in parts), type_=sql.SQL_TYPES["integer"])
        made = case((count > ZERO, made))
    return _all(parts, made, sum(part.digits for part in parts), sum(part.places for part in parts))


def _extreme(name: str, doc: str, examples: tuple[str, ...]) -> None:
    pick = func.greatest if name == "MAX" else func.least

    def lower(site: Site, *parts: Lowered) -> Lowered:
        of = site.call.type
        columns = [sql.num(p.value) if of.number else sql.ordered(p.value, of) for p in parts]
        value: Column = pick(*columns, type_=parts[0].value.type if not of.number else NUMERIC)
        return Lowered(value, first(*(part.guard for part in parts)), False, *_most(parts))

    lower.__doc__ = doc
    lazy_function(name, "number", COMPARABLE, resolve=_joined(name, blank=True), examples=examples)(lower)


_extreme("MIN", "The smallest of those that are not blank.", ("MIN(3, NULL, 2) = 2", "MIN(NULL, NULL) -> NULL"))
_extreme(
    "MAX",
    "The largest of those that are not blank.",
    ("MAX(3, NULL, 2) = 3", "MAX(@2024-01-01, @2024-02-01) = @2024-02-01"),
)


@function(
    "CLAMP",
    "number",
    N,
    Param("low", numeric()),
    Param("high", numeric()),
    returns=_common,
    examples=("CLAMP(7, 1, 5) = 5", "CLAMP(-1, 0, 5) = 0", "CLAMP(NULL, 0, 5) -> NULL"),
    copies=(2, 0),
)
def clamp(site: Site, a: Column, low: Column, high: Column) -> Column:
    """The number held between two bounds; where they are crossed the lower one counts."""
    columns = tuple(sql.num(x) for x in (a, low, high))
    held = func.greatest(columns[1], func.least(columns[0], columns[2], type_=NUMERIC), type_=NUMERIC)
    # LEAST and GREATEST skip blanks, and an operand that is an error may be NULL too.
    parts = zip(columns, site.args, site.lowered, strict=True)
    blank = [x.is_(None) for x, arg, part in parts if arg.type.nullable or part.guard is not None]
    return case((or_(*blank), None), else_=held) if blank else held
