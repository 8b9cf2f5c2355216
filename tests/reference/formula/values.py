"""The values of the naive evaluator, the errors it knows, and exact rounding.

A number is a `Decimal`, a blank is None, a list is a tuple, a record is a dict. What a number's static type says
(made by a division or not) is in `static.py`; here are only values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from typing import Any, TypeAlias

from metamodel.formula import limits

Record: TypeAlias = "dict[str, Any]"
SCALE = 18
WORKING = 40
GUARD = 12
CODES = ("DIV0", "NUM", "VALUE", "DATE", "REF", "OVERFLOW", "LIMIT", "CUSTOM")


class Fault(Exception):
    """The row is in error. More than one code: the specification does not say which of them it is."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = frozenset(codes)
        assert self.codes and self.codes <= set(CODES)


class Unknown(Exception):
    """Something that the evaluator does not know."""


@dataclass(frozen=True)
class Seconds:
    """A duration."""

    value: Decimal


@dataclass(frozen=True)
class Months:
    """A period."""

    value: int


@dataclass(frozen=True)
class Place:
    """A geographical position in degrees."""

    latitude: Decimal
    longitude: Decimal


def half_up(value: Fraction | Decimal | int, places: int = SCALE) -> Decimal:
    """Rounded half away from zero to that many places (negative: to tens, hundreds)."""
    exact = abs(Fraction(value)) * Fraction(10) ** places
    whole = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return Decimal(-whole if value < 0 else whole).scaleb(-places)


def half_even(value: Decimal, places: int) -> Decimal:
    return Decimal(round(Fraction(value) * Fraction(10) ** places)).scaleb(-places)


def down(value: Decimal, places: int = 0) -> Decimal:
    """Towards zero."""
    exact = abs(Fraction(value)) * Fraction(10) ** places
    whole = exact.numerator // exact.denominator
    return Decimal(-whole if value < 0 else whole).scaleb(-places)


def up(value: Decimal, places: int = 0) -> Decimal:
    """Away from zero."""
    exact = abs(Fraction(value)) * Fraction(10) ** places
    whole = -(-exact.numerator // exact.denominator)
    return Decimal(-whole if value < 0 else whole).scaleb(-places)


def floor(value: Fraction | Decimal) -> Decimal:
    exact = Fraction(value)
    return Decimal(exact.numerator // exact.denominator)


def ceiling(value: Fraction | Decimal) -> Decimal:
    return -floor(-value)


def inexact(value: Fraction | Decimal) -> Decimal:
    """The canonical form of an inexact result: at 40 places, and from there at 18 (formula.md 2.8)."""
    return half_up(half_up(value, WORKING))


def divide(a: Decimal | Fraction, b: Decimal | Fraction) -> Decimal:
    if b == 0:
        raise Fault("DIV0")
    return inexact(Fraction(a) / Fraction(b))


def root(value: Fraction | Decimal) -> Decimal:
    """The square root, by whole numbers alone."""
    if value < 0:
        raise Fault("NUM")
    exact = Fraction(value) * Fraction(10) ** (2 * WORKING)
    # floor(sqrt(n) + 1/2) = floor((floor(sqrt(4 n)) + 1) / 2)
    return inexact(Decimal((isqrt(4 * exact.numerator // exact.denominator) + 1) // 2).scaleb(-WORKING))


def sized(value: Any) -> Any:
    """A result within the limits of the language."""
    if isinstance(value, Decimal) and value and value.adjusted() >= limits.DIGITS:
        raise Fault("OVERFLOW")
    if isinstance(value, str) and len(value) > limits.TEXT_CHARACTERS:
        raise Fault("LIMIT")
    return None if value == "" else value


def plain(value: Any) -> Any:
    """A result as PostgreSQL gives it."""
    if isinstance(value, Seconds | Months):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def steady(value: Any, rough: bool) -> Any:
    """An operand that is compared, floored or cut: an inexact number is rounded to 12 places before."""
    if isinstance(value, Decimal):
        return half_up(value, GUARD) if rough else value
    return value.value if isinstance(value, Seconds | Months) else value


def whole(value: Decimal, rough: bool = False) -> int:
    """A count: cut off towards zero."""
    return int(down(steady(value, rough)))


def iso(value: date | time) -> str:
    return value.isoformat()
