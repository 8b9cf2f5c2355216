"""Rounding, multiples and remainders, with the signs of Excel (formula.md 2.13).

What rounds, floors, cuts or divides takes an inexact operand at the guard digits, so that FLOOR(1/9*9) is 1; exact
operands are computed exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric, case, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.number import DIGITS, NUMERIC, N, same, settled, whole
from metamodel.formula.functions.registry import Column, Condition, Function, Param, Site, Strict, function, numeric
from metamodel.formula.typed import Node
from metamodel.formula.types import DECIMAL, Type

PLACES = 500
"""Rounding looks at this many digits on either side of the point; no number of a formula has more."""
ZERO, TWO, HALF = sql.whole(0), sql.whole(2), sql.number("0.5")
STEP = Param("step", numeric(), optional=True)
BY = (N, Param("divisor", numeric()))


def _cut(args: tuple[Node, ...]) -> Type:
    """A whole number, or to so many digits the type of the first argument."""
    return whole(args) if len(args) == 1 else settled(args)


def _of_both(args: tuple[Node, ...]) -> Type:
    """The type of the first argument, which a second one with decimals makes a decimal."""
    wider = len(args) == 2 and args[0].type.kind == "integer" != args[1].type.kind
    return same(args) if not wider else DECIMAL.blank(same(args).nullable).rough(same(args).inexact)


def _multiple_of(args: tuple[Node, ...]) -> Type:
    """The type of a multiple: as exact as its step."""
    return whole(args) if len(args) == 1 else _of_both(args).rough(args[1].type.inexact)


def _steady(site: Site, at: int, a: Column) -> Column:
    return sql.num(sql.steady(a, site.args[at].type))


def _known(column: Column | None) -> Decimal | None:
    """A constant that is not blank."""
    if not isinstance(column, sql.Constant) or column.value is None:
        return None
    return Decimal(column.value)


# -- to so many digits ----------------------------------------------------------------------------------------------


def _places(digits: Column | None) -> Column:
    return ZERO if digits is None else sql.small_int(digits, -PLACES, PLACES)


def _ten_to(places: Column, sign: int) -> Column:
    """10 to the number of places, or its inverse; exact."""
    known = _known(places)
    if known is not None:
        return sql.number(Decimal(1).scaleb(sign * int(known)))
    return func.power(sql.number("10.0"), places if sign > 0 else -places, type_=NUMERIC)


def _size(site: Site) -> tuple[int, int]:
    """Rounding up to tens or hundreds makes a number as long as they are."""
    first, *rest = site.lowered
    known = _known(rest[0].value) if rest else Decimal(0)
    above = PLACES if known is None else max(-int(max(known, Decimal(-PLACES))), 0)
    return max(first.digits, above) + 1, first.places


def _to_digits(name: str, **declared: Any) -> Callable[[Strict], Function]:
    return function(name, "rounding", N, DIGITS, returns=_cut, **declared)


@_to_digits(
    "ROUND",
    examples=("ROUND(2.5) = 3", "ROUND(-2.5) = -3", "ROUND(1.575, 2) = 1.58", "ROUND(1250, -2) = 1300"),
    copies=(3, 0),
)
def round_(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded half away from zero, to that many decimal places (0; negative: to tens, hundreds)."""
    places = _places(digits)
    return func.round(sql.near(a, site.args[0].type, places), places, type_=NUMERIC)


@_to_digits(
    "ROUNDEVEN",
    examples=("ROUNDEVEN(2.5) = 2", "ROUNDEVEN(3.5) = 4", "ROUNDEVEN(-2.5) = -2", "ROUNDEVEN(0.125, 2) = 0.12"),
    copies=(12, 0),
)
def roundeven(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded to the nearest, a tie to the even digit (the rule of bankers)."""
    places = _places(digits)
    a = sql.near(a, site.args[0].type, places)
    unit = _ten_to(places, -1)
    # Two units hold one tie that rounding away from zero takes from even to odd: the one in their first half.
    odd_tie = func.abs(func.mod(a, TWO * unit, type_=NUMERIC), type_=NUMERIC) == HALF * unit
    return func.round(a, places, type_=NUMERIC) - case((odd_tie, func.sign(a, type_=NUMERIC) * unit), else_=ZERO)


@_to_digits(
    "TRUNC",
    aliases=("ROUNDDOWN",),
    examples=("TRUNC(-2.9) = -2", "TRUNC(-2.59, 1) = -2.5", "ROUNDDOWN(1299, -2) = 1200"),
    copies=(3, 0),
)
def trunc(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded towards zero: cut off after that many decimal places (0; negative: to tens, hundreds)."""
    return func.trunc(_steady(site, 0, a), _places(digits), type_=NUMERIC)


@_to_digits(
    "ROUNDUP",
    size=_size,
    examples=("ROUNDUP(2.01) = 3", "ROUNDUP(-2.11, 1) = -2.2", "ROUNDUP(1201, -2) = 1300"),
    copies=(9, 9),
)
def roundup(site: Site, a: Column, digits: Column | None = None) -> Column:
    """Rounded away from zero."""
    a = _steady(site, 0, a)
    if digits is None:
        return func.sign(a, type_=NUMERIC) * func.ceil(func.abs(a, type_=NUMERIC), type_=NUMERIC)
    places = _places(digits)
    steps = func.ceil(func.abs(a, type_=NUMERIC) * _ten_to(places, 1), type_=NUMERIC)
    return func.round(func.sign(a, type_=NUMERIC) * steps * _ten_to(places, -1), places, type_=NUMERIC)


@function("INT", "rounding", N, returns=whole, examples=("INT(-2.5) = -3", "INT(1/9*9) = 1"))
def int_(site: Site, a: Column) -> Column:
    """The next whole number below."""
    return func.floor(_steady(site, 0, a), type_=NUMERIC)


@function("EVEN", "rounding", N, returns=whole, examples=("EVEN(1.5) = 2", "EVEN(-1) = -2"), copies=(2, 0))
def even(site: Site, a: Column) -> Column:
    """The next even number away from zero."""
    a = _steady(site, 0, a)
    return func.sign(a, type_=NUMERIC) * func.ceil(func.abs(a, type_=NUMERIC) * HALF, type_=NUMERIC) * TWO


@function("ODD", "rounding", N, returns=whole, examples=("ODD(1.5) = 3", "ODD(2) = 3", "ODD(0) = 1"), copies=(3, 0))
def odd(site: Site, a: Column) -> Column:
    """The next odd number away from zero; of 0 it is 1."""
    a, one = _steady(site, 0, a), sql.whole(1)
    size = func.ceil((func.abs(a, type_=NUMERIC) - one) * HALF, type_=NUMERIC) * TWO + one
    return case((a < ZERO, -size), else_=size)


# -- to a multiple --------------------------------------------------------------------------------------------------


def _remainder(a: Column, b: Column) -> Column:
    """a - b * floor(a / b), exact; NULL where b is 0."""
    b = func.nullif(b, ZERO, type_=NUMERIC)
    return func.mod(func.mod(a, b, type_=NUMERIC) + b, b, type_=NUMERIC)


def _no_step(site: Site, a: Column, step: Column | None = None) -> Condition | None:
    if step is None or _known(step):
        return None
    return sql.all_of(step == ZERO, a.is_not(None))


def _against(site: Site, a: Column, step: Column | None = None) -> Condition | None:
    """A negative step goes with negative numbers only."""
    known = _known(step)
    return None if step is None or (known is not None and known >= 0) else sql.all_of(a > ZERO, step < ZERO)


def _size_of_multiple(site: Site) -> tuple[int, int]:
    return max(part.digits for part in site.lowered) + 1, max(part.places for part in site.lowered)


def _inexact(site: Site) -> bool:
    return any(arg.type.inexact for arg in site.args)


def _steps(site: Site, a: Column, step: Column) -> Column:
    """How many steps there are in an inexact number, or how many inexact steps."""
    return sql.rounded(sql.quotient(_steady(site, 0, a), sql.num(step)), 12)


@function(
    "FLOOR",
    "rounding",
    N,
    STEP,
    returns=_multiple_of,
    errors={"DIV0": _no_step, "NUM": _against},
    aliases=("MFLOOR",),
    examples=(
        "FLOOR(2.9) = 2",
        "FLOOR(-2.5) = -3",
        "FLOOR(7, 5) = 5",
        "FLOOR(-7, -5) = -5",
        "FLOOR(1/9*9) = 1",
        "FLOOR(7, 0) -> #DIV0",
        "FLOOR(7, -5) -> #NUM",
    ),
    size=_size_of_multiple,
    copies=(3, 2),
)
def floor(site: Site, a: Column, step: Column | None = None) -> Column:
    """The next multiple of the step (1) below; with a negative step the next one towards zero."""
    if step is None:
        return func.floor(_steady(site, 0, a), type_=NUMERIC)
    if _inexact(site):
        return func.floor(_steps(site, a, step), type_=NUMERIC) * sql.num(step)
    return sql.num(a) - _remainder(sql.num(a), sql.num(step))


@function(
    "CEILING",
    "rounding",
    N,
    STEP,
    returns=_multiple_of,
    errors={"NUM": _against},
    aliases=("MCEILING",),
    examples=(
        "CEILING(2.1) = 3",
        "CEILING(-2.5) = -2",
        "CEILING(7, 5) = 10",
        "CEILING(-7, -5) = -10",
        "CEILING(7, 0) = 0",
        "CEILING(7, -5) -> #NUM",
    ),
    size=_size_of_multiple,
    copies=(4, 1),
)
def ceiling(site: Site, a: Column, step: Column | None = None) -> Column:
    """The next multiple of the step (1) above; with a negative step the next one away from zero. A step of 0 gives
    0."""
    if step is None:
        return func.ceil(_steady(site, 0, a), type_=NUMERIC)
    if _inexact(site):
        made = func.ceil(_steps(site, a, step), type_=NUMERIC) * sql.num(step)
    else:
        made = sql.num(a) + _remainder(-sql.num(a), sql.num(step))
    return _or_zero(made, a, step)


def _or_zero(made: Column, a: Column, step: Column) -> Column:
    return made if _known(step) else case((sql.all_of(step == ZERO, a.is_not(None)), ZERO), else_=made)


def _other_side(site: Site, a: Column, step: Column) -> Condition:
    return func.sign(sql.num(a), type_=NUMERIC) * func.sign(sql.num(step), type_=NUMERIC) < ZERO


@function(
    "MROUND",
    "rounding",
    N,
    Param("step", numeric()),
    returns=_multiple_of,
    errors={"NUM": _other_side},
    examples=("MROUND(10, 3) = 9", "MROUND(-10, -3) = -9", "MROUND(1.25, 0.5) = 1.5", "MROUND(5, -2) -> #NUM"),
    size=_size_of_multiple,
    copies=(4, 1),
)
def mround(site: Site, a: Column, step: Column) -> Column:
    """The nearest multiple of the step, half away from zero. A step of 0 gives 0; both must have the same sign."""
    if _inexact(site):
        return _or_zero(func.round(_steps(site, a, step), type_=NUMERIC) * sql.num(step), a, step)
    size = func.nullif(func.abs(sql.num(step), type_=NUMERIC), ZERO, type_=NUMERIC)
    reach = func.abs(sql.num(a), type_=NUMERIC) + HALF * size
    made = func.sign(sql.num(a), type_=NUMERIC) * (reach - func.mod(reach, size, type_=NUMERIC))
    return _or_zero(made, a, step)


# -- remainders -----------------------------------------------------------------------------------------------------


def _no_divisor(site: Site, a: Column, b: Column) -> Condition | None:
    """A divisor that is 0 as it is divided by: an inexact one at the guard digits."""
    return _no_step(site, a, _steady(site, 1, b) if site.args[1].type.inexact else b)


@function(
    "MOD",
    "rounding",
    *BY,
    returns=_of_both,
    errors={"DIV0": _no_divisor},
    nulls=True,
    examples=("MOD(7, 3) = 1", "MOD(-7, 3) = 2", "MOD(7, -3) = -2", "MOD(1, 0) -> #DIV0"),
    size=_size_of_multiple,
    copies=(3, 1),
)
def mod(site: Site, a: Column, b: Column) -> Column:
    """The remainder, with the sign of the divisor."""
    return _remainder(_steady(site, 0, a), _steady(site, 1, b))


@function(
    "REM",
    "rounding",
    *BY,
    returns=_of_both,
    errors={"DIV0": _no_divisor},
    nulls=True,
    examples=("REM(-7, 3) = -1", "REM(7, -3) = 1", "REM(1, 0) -> #DIV0"),
    size=_size_of_multiple,
)
def rem(site: Site, a: Column, b: Column) -> Column:
    """The remainder, with the sign of the number."""
    return func.mod(_steady(site, 0, a), func.nullif(_steady(site, 1, b), ZERO, type_=Numeric()), type_=NUMERIC)


@function(
    "QUOTIENT",
    "rounding",
    *BY,
    returns=whole,
    errors={"DIV0": _no_divisor},
    nulls=True,
    size=lambda site: (site.lowered[0].digits + site.lowered[1].places, 0),
    examples=("QUOTIENT(7, 2) = 3", "QUOTIENT(-7, 2) = -3", "QUOTIENT(1, 0) -> #DIV0"),
)
def quotient(site: Site, a: Column, b: Column) -> Column:
    """The whole part of a quotient."""
    below = func.nullif(_steady(site, 1, b), ZERO, type_=NUMERIC)
    return func.div(_steady(site, 0, a), below, type_=NUMERIC)
