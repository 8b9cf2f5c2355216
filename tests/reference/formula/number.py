"""Numbers: Excel decides (formula.md 2.13). What floors, cuts or compares takes an inexact operand at 12 places."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from metamodel.formula import limits
from tests.reference.formula.core import Site, known
from tests.reference.formula.operators import power
from tests.reference.formula.static import NUMBER, ROUGH, Static, joined, numeric
from tests.reference.formula.values import (
    GUARD,
    Fault,
    ceiling,
    divide,
    down,
    floor,
    half_even,
    half_up,
    inexact,
    root,
    up,
)

ONE = Decimal(1)
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


@known("ABS", returns=numeric)
def abs_(c: Site, number: Decimal) -> Any:
    return abs(number)


@known("SIGN", returns=NUMBER)
def sign(c: Site, number: Decimal) -> Any:
    return Decimal((number > 0) - (number < 0))


# -- rounding -------------------------------------------------------------------------------------------------------


def _places(c: Site, digits: tuple[Decimal, ...]) -> int:
    """How many places are kept; beyond 1,100 none is left to round, before the point or behind it."""
    return max(min(c.whole(1, digits[0]), 1_100), -1_100) if digits else 0


@known("ROUND", returns=NUMBER)
def round_(c: Site, number: Decimal, *digits: Decimal) -> Any:
    places = _places(c, digits)
    return half_up(c.near(0, number, places), places)


@known("ROUNDUP", returns=NUMBER)
def roundup(c: Site, number: Decimal, *digits: Decimal) -> Any:
    return up(c.steady(0, number), _places(c, digits))


@known("ROUNDDOWN", "TRUNC", returns=NUMBER)
def rounddown(c: Site, number: Decimal, *digits: Decimal) -> Any:
    return down(c.steady(0, number), _places(c, digits))


@known("ROUNDEVEN", returns=NUMBER)
def roundeven(c: Site, number: Decimal, *digits: Decimal) -> Any:
    places = _places(c, digits)
    return half_even(c.near(0, number, places), places)


@known("INT", returns=NUMBER)
def int_(c: Site, number: Decimal) -> Any:
    return floor(c.steady(0, number))


def _stepped(parts: list[Static]) -> Static:
    """A multiple of a step is as exact as the step."""
    return Static("number", len(parts) > 1 and parts[1].rough)


def _multiple(cut: Callable[[Any], Decimal], code_of_zero: str | None) -> Callable[..., Any]:
    """`cut(g(x / s)) * s`, guarded where one of the two is inexact (Excel: a negative step of a positive number is
    #NUM!)."""

    def run(c: Site, number: Decimal, *step: Decimal) -> Any:
        if not step:
            return cut(c.steady(0, number))
        if step[0] == 0:
            if code_of_zero:
                raise Fault(code_of_zero)
            return Decimal(0)
        if number > 0 > step[0]:
            raise Fault("NUM")
        ratio = _ratio(c.steady(0, number), step[0])
        rough = c.static[0].rough or c.static[1].rough
        return cut(half_up(ratio, GUARD) if rough else ratio) * step[0]

    return run


known("FLOOR", "MFLOOR", returns=_stepped)(_multiple(floor, "DIV0"))
known("CEILING", "MCEILING", returns=_stepped)(_multiple(ceiling, None))


@known("MROUND", returns=_stepped)
def mround(c: Site, number: Decimal, step: Decimal) -> Any:
    """Excel MROUND: to the nearest multiple, half away from zero; of different signs #NUM!; of a step 0 it is 0."""
    if step == 0:
        return Decimal(0)
    if number * step < 0:
        raise Fault("NUM")
    ratio = _ratio(c.steady(0, number), step)
    rough = c.static[0].rough or c.static[1].rough
    return half_up(half_up(ratio, GUARD) if rough else ratio, 0) * step


@known("EVEN", returns=NUMBER)
def even(c: Site, number: Decimal) -> Any:
    return up(c.steady(0, number) / 2) * 2


@known("ODD", returns=NUMBER)
def odd(c: Site, number: Decimal) -> Any:
    exact = c.steady(0, number)
    side = -1 if exact < 0 else 1
    return side * (max(up((abs(exact) - 1) / 2), Decimal(0)) * 2 + 1)


# -- division -------------------------------------------------------------------------------------------------------


def _ratio(a: Decimal, b: Decimal) -> Fraction:
    if b == 0:
        raise Fault("DIV0")
    return Fraction(a) / Fraction(b)


@known("MOD", returns=numeric)
def mod(c: Site, number: Decimal, divisor: Decimal) -> Any:
    """With the sign of the divisor."""
    a, b = c.steady(0, number), c.steady(1, divisor)
    return a - floor(_ratio(a, b)) * b


@known("REM", returns=numeric)
def rem(c: Site, number: Decimal, divisor: Decimal) -> Any:
    """With the sign of the number."""
    a, b = c.steady(0, number), c.steady(1, divisor)
    ratio = _ratio(a, b)
    return a - (floor(ratio) if ratio >= 0 else ceiling(ratio)) * b


@known("QUOTIENT", returns=NUMBER)
def quotient(c: Site, number: Decimal, divisor: Decimal) -> Any:
    ratio = _ratio(c.steady(0, number), c.steady(1, divisor))
    return floor(ratio) if ratio >= 0 else ceiling(ratio)


# -- several numbers ------------------------------------------------------------------------------------------------


def _filled(values: tuple[Any, ...]) -> list[Any]:
    return [value for value in values if value is not None]


@known("SUM", returns=numeric, mode="sees")
def total(c: Site, *numbers: Decimal | None) -> Any:
    return sum(_filled(numbers), Decimal(0))


@known("AVERAGE", returns=ROUGH, mode="sees")
def average(c: Site, *numbers: Decimal | None) -> Any:
    counted = _filled(numbers)
    return divide(sum(counted, Decimal(0)), Decimal(len(counted))) if counted else None


@known("MIN", returns=joined, mode="sees")
def smallest(c: Site, *values: Any) -> Any:
    return min(_filled(values), default=None)


@known("MAX", returns=joined, mode="sees")
def largest(c: Site, *values: Any) -> Any:
    return max(_filled(values), default=None)


@known("PRODUCT", returns=numeric, mode="sees")
def product(c: Site, *numbers: Decimal | None) -> Any:
    """Blanks are left out; of nothing it is blank, as MIN is."""
    counted = _filled(numbers)
    return math.prod(counted, start=ONE) if counted else None


@known("CLAMP", returns=joined)
def clamp(c: Site, number: Decimal, low: Decimal, high: Decimal) -> Any:
    """Where the bounds are crossed the lower one counts."""
    return max(low, min(number, high))


# -- roots, powers, logarithms --------------------------------------------------------------------------------------


@known("SQRT", returns=ROUGH)
def sqrt(c: Site, number: Decimal) -> Any:
    return root(number)


@known("POWER", returns=ROUGH)
def power_(c: Site, number: Decimal, exponent: Decimal) -> Any:
    return power(number, exponent)


@known("EXP", returns=ROUGH)
def exp(c: Site, number: Decimal) -> Any:
    if number > 200:
        raise Fault("NUM", "OVERFLOW")
    if number < -200:
        return Decimal(0)
    with localcontext(Context(prec=180)):
        made = number.exp()
        if made > Decimal(10) ** 64:
            raise Fault("NUM", "OVERFLOW")
        return inexact(made)


def _ln(number: Decimal) -> Decimal:
    if number <= 0:
        raise Fault("NUM")
    with localcontext(Context(prec=180)):
        return number.ln()


@known("LN", returns=ROUGH)
def ln(c: Site, number: Decimal) -> Any:
    return inexact(_ln(number))


@known("LOG", returns=ROUGH)
def log(c: Site, number: Decimal, base: Decimal = Decimal(10)) -> Any:
    """Excel LOG: to the base 10 where none is given."""
    above, below = _ln(number), _ln(base)
    if below == 0:
        raise Fault("DIV0", "NUM")
    return inexact(Fraction(above) / Fraction(below))


@known("LOG10", returns=ROUGH)
def log10(c: Site, number: Decimal) -> Any:
    return inexact(Fraction(_ln(number)) / Fraction(_ln(Decimal(10))))


@known("PI", returns=ROUGH)
def pi(c: Site) -> Any:
    return inexact(PI)


# -- whole numbers --------------------------------------------------------------------------------------------------


@known("GCD", returns=NUMBER)
def gcd(c: Site, *numbers: Decimal) -> Any:
    """Excel GCD: fractions are cut off; a negative number is #NUM!."""
    return Decimal(math.gcd(*_counts(c, numbers)))


@known("LCM", returns=NUMBER)
def lcm(c: Site, *numbers: Decimal) -> Any:
    return Decimal(math.lcm(*_counts(c, numbers)))


def _counts(c: Site, numbers: tuple[Decimal, ...]) -> list[int]:
    found = [c.whole(i, number) for i, number in enumerate(numbers)]
    if any(n < 0 for n in found):
        raise Fault("NUM")
    return found


@known("FACT", returns=NUMBER)
def fact(c: Site, number: Decimal) -> Any:
    (n,) = _counts(c, (number,))
    if n > 170:
        raise Fault("OVERFLOW")
    return Decimal(math.factorial(n))


@known("COMBIN", returns=NUMBER)
def combin(c: Site, number: Decimal, chosen: Decimal) -> Any:
    n, k = _counts(c, (number, chosen))
    if k > n:
        raise Fault("NUM")
    made = 1
    for i in range(min(k, n - k)):
        made = made * (n - i) // (i + 1)
        if made >= 10**limits.DIGITS:
            raise Fault("OVERFLOW")
    return Decimal(made)


# -- trigonometry: double precision, rounded to 12 places -----------------------------------------------------------


def _floating(compute: Callable[..., float]) -> Callable[..., Any]:
    def run(c: Site, *numbers: Decimal) -> Any:
        try:
            return half_up(Decimal(repr(compute(*map(float, numbers)))), 12)
        except (ValueError, OverflowError):
            raise Fault("NUM") from None

    return run


for _name, _compute in {
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "ASIN": math.asin,
    "ACOS": math.acos,
    "ATAN": math.atan,
}.items():
    known(_name, returns=ROUGH)(_floating(_compute))


@known("ATAN2", returns=ROUGH)
def atan2(c: Site, x: Decimal, y: Decimal) -> Any:
    """Excel ATAN2: x comes first; both 0 is #DIV/0!."""
    if x == 0 and y == 0:
        raise Fault("DIV0", "NUM")
    return _floating(lambda a, b: math.atan2(b, a))(c, x, y)


@known("DEGREES", returns=ROUGH)
def degrees(c: Site, number: Decimal) -> Any:
    return half_up(Fraction(number) * 180 / Fraction(PI), 12)


@known("RADIANS", returns=ROUGH)
def radians(c: Site, number: Decimal) -> Any:
    return half_up(Fraction(number) * Fraction(PI) / 180, 12)
