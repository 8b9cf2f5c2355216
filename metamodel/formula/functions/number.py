"""Numbers. Everything is exact or rounded to 18 places, half away from zero (formula.md 2.8)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Numeric, case, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first
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
from metamodel.formula.types import DECIMAL, ERROR, INTEGER, Type

NUMERIC = Numeric()
N = Param("number", numeric())
DIGITS = Param("digits", frozenset({"integer"}), optional=True)


def blank_flags(of: Type, args: tuple[Node, ...]) -> Type:
    """The type with the nullability and exactness of the arguments."""
    return of.blank(any(a.type.nullable for a in args)).rough(of.number and any(a.type.inexact for a in args))


def same(args: tuple[Node, ...]) -> Type:
    """The type of the first argument."""
    return blank_flags(args[0].type, args)


def settled(args: tuple[Node, ...]) -> Type:
    """The type of the first argument; rounding makes it exact."""
    return same(args).rough(False)


def whole(args: tuple[Node, ...]) -> Type:
    """A whole number."""
    return blank_flags(INTEGER, args).rough(False)


def cut(args: tuple[Node, ...]) -> Type:
    """A whole number, or to so many digits the type of the first argument."""
    return whole(args) if len(args) == 1 else settled(args)


def rough(args: tuple[Node, ...]) -> Type:
    """A number that had to be rounded to 18 places."""
    return blank_flags(DECIMAL, args).rough()


@function("ABS", "number", N, returns=same, examples=("ABS(-2.5) = 2.5",))
def abs_(site: Site, a: Column) -> Column:
    """The number without its sign."""
    return func.abs(sql.num(a), type_=NUMERIC)


@function("SIGN", "number", N, returns=whole, examples=("SIGN(-2.5) = -1", "SIGN(0) = 0"))
def sign(site: Site, a: Column) -> Column:
    """-1, 0 or 1."""
    return func.sign(sql.num(a), type_=NUMERIC)


def _places(digits: Column | None) -> Column:
    return sql.whole(0) if digits is None else sql.small_int(digits, -60, 60)


@function(
    "ROUND",
    "number",
    N,
    DIGITS,
    returns=cut,
    examples=("ROUND(2.5) = 3", "ROUND(-2.5) = -3", "ROUND(1.575, 2) = 1.58", "ROUND(1250, -2) = 1300"),
    copies=(3, 0),
)
def round_(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded half away from zero, to that many decimal places (0; negative: to tens, hundreds)."""
    return func.round(sql.num(a), _places(digits), type_=NUMERIC)


def _steady(site: Site, a: Column) -> Column:
    return sql.num(sql.steady(a, site.args[0].type))


@function("ROUNDDOWN", "number", N, DIGITS, returns=cut, examples=("ROUNDDOWN(-2.59, 1) = -2.5",), copies=(3, 0))
def rounddown(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded towards zero."""
    return func.trunc(_steady(site, a), _places(digits), type_=NUMERIC)


@function("TRUNC", "number", N, DIGITS, returns=cut, examples=("TRUNC(2.9) = 2", "TRUNC(-2.9) = -2"), copies=(3, 0))
def trunc(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Cut off after that many decimal places."""
    return func.trunc(_steady(site, a), _places(digits), type_=NUMERIC)


@function(
    "ROUNDUP",
    "number",
    N,
    DIGITS,
    returns=cut,
    examples=("ROUNDUP(2.01) = 3", "ROUNDUP(-2.11, 1) = -2.2"),
    copies=(4, 0),
)
def roundup(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded away from zero."""
    a, places = _steady(site, a), _places(digits)
    down: Column = func.trunc(a, places, type_=NUMERIC)
    step = func.power(sql.number("10.0"), -places, type_=NUMERIC)
    return case((a == down, down), else_=func.round(down + func.sign(a, type_=NUMERIC) * step, places, type_=NUMERIC))


@function("INT", "number", N, returns=whole, examples=("INT(-2.5) = -3", "INT(1/9*9) = 1"))
def int_(site: Site, a: Column) -> Column:
    """The next whole number below."""
    return func.floor(_steady(site, a), type_=NUMERIC)


STEP = Param("step", numeric(), optional=True)


def _no_step(site: Site, a: Column, step: Column | None = None) -> Condition | None:
    if step is None or (isinstance(step, sql.Constant) and step.value):
        return None
    return sql.all_of(step == sql.whole(0), a.is_not(None))


def _multiple(name: str, doc: str, examples: tuple[str, ...]) -> None:
    def lower(site: Site, a: Column, step: Column | None = None) -> Column:
        to_whole = func.ceil if name == "CEILING" else func.floor
        if step is None:
            return to_whole(_steady(site, a), type_=NUMERIC)
        # The magnitude of the step counts, its sign does not.
        size = func.abs(sql.num(step), type_=NUMERIC)
        return to_whole(sql.rounded(sql.quotient(_steady(site, a), size), 12), type_=NUMERIC) * size

    lower.__doc__ = doc
    function(
        name,
        "number",
        N,
        STEP,
        returns=cut,
        errors={"DIV0": _no_step},
        nulls=True,
        examples=examples,
        size=lambda site: (max(x.digits for x in site.lowered) * 2 + 20, max(x.places for x in site.lowered)),
    )(lower)


_multiple(
    "CEILING",
    "The next multiple of the step (1) above.",
    ("CEILING(2.1) = 3", "CEILING(-2.5) = -2", "CEILING(7, 5) = 10", "CEILING(1, 0) -> error"),
)
_multiple(
    "FLOOR",
    "The next multiple of the step (1) below.",
    ("FLOOR(2.9) = 2", "FLOOR(-2.5) = -3", "FLOOR(7, 5) = 5", "FLOOR(1/9*9) = 1"),
)


def _by_zero(site: Site, a: Column, b: Column) -> Condition | None:
    return _no_step(site, a, b)


BY = (N, Param("divisor", numeric()))


@function(
    "MOD",
    "number",
    *BY,
    returns=same,
    errors={"DIV0": _by_zero},
    nulls=True,
    examples=("MOD(7, 3) = 1", "MOD(-7, 3) = 2", "MOD(7, -3) = -2", "MOD(1, 0) -> error"),
    copies=(2, 1),
)
def mod(site: Site, a: Column, b: Column) -> Column:
    """The remainder, with the sign of the divisor."""
    b = func.nullif(sql.num(b), sql.whole(0), type_=NUMERIC)
    return func.mod(func.mod(sql.num(a), b, type_=NUMERIC) + b, b, type_=NUMERIC)


@function(
    "QUOTIENT",
    "number",
    *BY,
    returns=whole,
    errors={"DIV0": _by_zero},
    nulls=True,
    size=lambda site: (site.lowered[0].digits + site.lowered[1].places, 0),
    examples=("QUOTIENT(7, 2) = 3", "QUOTIENT(-7, 2) = -3", "QUOTIENT(1, 0) -> error"),
)
def quotient(site: Site, a: Column, b: Column) -> Column:
    """The whole part of a quotient."""
    return func.div(sql.num(a), func.nullif(sql.num(b), sql.whole(0)), type_=NUMERIC)


@function(
    "SQRT",
    "number",
    N,
    returns=rough,
    errors={"NUM": lambda site, a: a < sql.whole(0)},
    examples=("SQRT(16) = 4", "ROUND(SQRT(2), 6) = 1.414214", "SQRT(-1) -> error"),
)
def sqrt(site: Site, a: Column) -> Column:
    """The square root, to 18 places; of a negative number an error."""
    return sql.rounded(func.sqrt(func.abs(sql.num(a)) * sql.number(sql.EXACT), type_=NUMERIC))


@rewritten("POWER", "number", N, Param("exponent", numeric()), examples=("POWER(2, 3) = 8", "POWER(4, 0.5) = 2"))
def power(c: Builder, args: tuple[Node, ...]) -> Node:
    """The number raised to a power: the same as `^`."""
    return c.call("^", *args)


# -- several numbers, blanks left out -------------------------------------------------------------------------------

SEVERAL = Param("number", numeric(), repeat=True)
COMPARABLE = Param("value", numeric("date", "datetime", "time", "duration", "text"), repeat=True)


def _joined(name: str, *, blank: bool, rough: bool = False) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        parts, of = c.join(args)
        if of.kind == "error":
            return Literal(ERROR, None)
        of = of.blank(blank and all(arg.type.nullable for arg in parts))
        return Call(of.rough(of.inexact or rough), name, parts)

    return resolve


def _all(parts: tuple[Lowered, ...], value: Column, more: int = 0) -> Lowered:
    return Lowered(
        value,
        first(*(part.guard for part in parts)),
        False,
        max(part.digits for part in parts) + more,
        max(part.places for part in parts),
    )


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
    terms = [
        func.coalesce(sql.num(part.value), sql.whole(0), type_=NUMERIC) if arg.type.nullable else sql.num(part.value)
        for part, arg in zip(parts, site.args, strict=True)
    ]
    return _all(parts, sum(terms[1:], terms[0]), len(parts))


@lazy_function(
    "AVERAGE",
    "number",
    SEVERAL,
    resolve=_joined("AVERAGE", blank=True, rough=True),
    examples=("AVERAGE(1, NULL, 2) = 1.5", "AVERAGE(NULL, NULL) -> NULL"),
    copies=(2, 0),
)
def average(site: Site, *parts: Lowered) -> Lowered:
    """The mean of those that are not blank."""
    total = sum_.lazy(site, *parts)  # type: ignore[misc]
    count: Column = func.num_nonnulls(*(part.value for part in parts), type_=sql.SQL_TYPES["integer"])
    return _all(parts, sql.quotient(total.value, count), len(parts))


def _extreme(name: str, doc: str, examples: tuple[str, ...]) -> None:
    pick = func.greatest if name == "MAX" else func.least

    def lower(site: Site, *parts: Lowered) -> Lowered:
        of = site.call.type
        columns = [sql.num(p.value) if of.number else sql.ordered(p.value, of) for p in parts]
        return _all(parts, pick(*columns, type_=parts[0].value.type if not of.number else NUMERIC))

    lower.__doc__ = doc
    lazy_function(name, "number", COMPARABLE, resolve=_joined(name, blank=True), examples=examples)(lower)


_extreme("MIN", "The smallest of those that are not blank.", ("MIN(3, NULL, 2) = 2", "MIN(NULL, NULL) -> NULL"))
_extreme(
    "MAX",
    "The largest of those that are not blank.",
    ("MAX(3, NULL, 2) = 3", "MAX(@2024-01-01, @2024-02-01) = @2024-02-01"),
)
