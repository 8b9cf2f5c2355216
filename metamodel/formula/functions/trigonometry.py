"""Angles. The functions are computed in double precision and rounded to 12 places (formula.md 2.8); degrees and
radians are turned into each other exactly and then rounded."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from sqlalchemy import Double, Numeric, Text, case, cast, func

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.number import N, rough
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function, numeric

PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170680")
DEGREE = Context(prec=90).divide(Decimal(180), PI)
"""Degrees of one radian, to 90 digits."""
RADIAN = Context(prec=90).divide(PI, Decimal(180))
PLACES = 12
ONE = sql.whole(1)


def _float(a: Column) -> Column:
    # Digits far behind the point would be an underflow.
    return cast(sql.rounded(sql.num(a), 40), Double)


def _from_float(made: Column) -> Column:
    # By way of text, because the cast to numeric cuts a float to 15 digits: it would be rounded twice.
    return sql.rounded(cast(cast(made, Text), Numeric), PLACES)


def _within_one(a: Column) -> Column:
    """The number where it is a sine, else NULL."""
    a = sql.num(a)
    return case((a.between(sql.whole(-1), ONE), a))


def _no_sine(site: Site, a: Column) -> Condition:
    return func.abs(sql.num(a), type_=Numeric()) > ONE


def _angle(name: str, doc: str, *examples: str, inverse: bool = False) -> None:
    compute: Any = getattr(func, name.lower())

    def lower(site: Site, a: Column) -> Column:
        return _from_float(compute(_float(_within_one(a) if inverse else a), type_=Double()))

    lower.__doc__ = doc
    function(
        name,
        "trigonometry",
        N,
        returns=rough,
        errors={"NUM": _no_sine} if inverse else {},
        nulls=True,
        copies=(2, 1) if inverse else (1, 0),
        examples=examples,
    )(lower)


_angle("SIN", "The sine of an angle in radians.", "SIN(0) = 0", "SIN(RADIANS(30)) = 0.5")
_angle("COS", "The cosine of an angle in radians.", "COS(0) = 1", "COS(RADIANS(60)) = 0.5")
_angle("TAN", "The tangent of an angle in radians.", "TAN(0) = 0", "ROUND(TAN(RADIANS(45)), 9) = 1")
_angle(
    "ASIN",
    "The angle in radians with that sine, -π/2 to π/2.",
    "ASIN(0.5) = 0.523598775598",
    "ASIN(2) -> #NUM",
    inverse=True,
)
_angle(
    "ACOS",
    "The angle in radians with that cosine, 0 to π.",
    "ACOS(-0.5) = 2.094395102393",
    "ACOS(-2) -> #NUM",
    inverse=True,
)
_angle("ATAN", "The angle in radians with that tangent, -π/2 to π/2.", "ATAN(1) = 0.785398163397")


@function(
    "ATAN2",
    "trigonometry",
    Param("x", numeric()),
    Param("y", numeric()),
    returns=rough,
    errors={"DIV0": lambda site, x, y: sql.all_of(x == sql.whole(0), y == sql.whole(0))},
    examples=("ATAN2(1, 1) = 0.785398163397", "ATAN2(-1, -1) = -2.356194490192", "ATAN2(0, 0) -> #DIV0"),
)
def atan2(site: Site, x: Column, y: Column) -> Column:
    """The angle in radians between the x axis and the point (x, y), -π to π without -π."""
    return _from_float(func.atan2(_float(y), _float(x), type_=Double()))


def _turned(name: str, factor: Decimal, doc: str, *examples: str) -> None:
    def lower(site: Site, a: Column) -> Column:
        return sql.rounded(sql.num(a) * sql.number(factor), PLACES)

    lower.__doc__ = doc
    size = len(str(int(factor)))
    function(
        name,
        "trigonometry",
        N,
        returns=rough,
        size=lambda site: (site.lowered[0].digits + size, limits.SCALE),
        examples=examples,
    )(lower)


_turned("DEGREES", DEGREE, "An angle in radians as degrees, to 12 places.", "DEGREES(PI()) = 180")
_turned("RADIANS", RADIAN, "An angle in degrees as radians, to 12 places.", "ROUND(RADIANS(270), 6) = 4.712389")
