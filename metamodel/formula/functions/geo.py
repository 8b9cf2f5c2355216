"""Places on the globe; a place is known to formulas only."""

from __future__ import annotations

from sqlalchemy import ARRAY, Double, Numeric, case, cast, func, or_
from sqlalchemy.dialects.postgresql import array

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function, numeric
from metamodel.formula.types import DECIMAL, GEO, Kind

RADIUS = {"km": "6371.0088", "mi": "3958.761333810546"}
"""The mean radius of the earth (IUGG), in each unit."""
PLACES = 6
PLACE: frozenset[Kind] = frozenset({"geo"})
NUMERIC = Numeric()


def _sizes(latitude: Column, longitude: Column) -> tuple[Column, Column]:
    return func.abs(sql.num(latitude), type_=NUMERIC), func.abs(sql.num(longitude), type_=NUMERIC)


def _off_the_globe(site: Site, latitude: Column, longitude: Column) -> Condition:
    wide, far = _sizes(latitude, longitude)
    return sql.all_of(or_(wide > sql.whole(90), far > sql.whole(180)), latitude.is_not(None), longitude.is_not(None))


@function(
    "GEOLOCATION",
    "geo",
    Param("latitude", numeric()),
    Param("longitude", numeric()),
    returns=GEO,
    errors={"NUM": _off_the_globe},
    nulls=True,
    copies=(2, 2),
    examples=("ISBLANK(GEOLOCATION(NULL, 1))", "ISBLANK(GEOLOCATION(91, 0)) -> #NUM"),
)
def geolocation(site: Site, latitude: Column, longitude: Column) -> Column:
    """A place by its latitude (-90 to 90) and longitude (-180 to 180) in degrees; blank where one of them is."""
    wide, far = _sizes(latitude, longitude)
    sound = sql.all_of(wide <= sql.whole(90), far <= sql.whole(180))
    return case((sound, cast(array([sql.num(latitude), sql.num(longitude)]), ARRAY(Numeric()))))


def _radians(place: Column, index: int) -> Column:
    return func.radians(cast(sql.Element(place, sql.whole(index), NUMERIC), Double))


def _square(a: Column) -> Column:
    return func.power(a, sql.whole(2), type_=Double())


@function(
    "DISTANCE",
    "geo",
    Param("from", PLACE),
    Param("to", PLACE),
    Param("unit", constant=True, choices=tuple(RADIUS)),
    returns=lambda args: DECIMAL.blank(args[0].type.nullable or args[1].type.nullable).rough(),
    size=lambda site: (6, PLACES),
    copies=(6, 0),
    examples=(
        'ROUND(DISTANCE(GEOLOCATION(52.52, 13.405), GEOLOCATION(48.8566, 2.3522), "km"), 1) = 877.5',
        'DISTANCE(GEOLOCATION(0, 0), GEOLOCATION(0, 0), "mi") = 0',
    ),
)
def distance(site: Site, a: Column, b: Column, unit: Column) -> Column:
    """The distance of two places over the surface of a globe of 6371.0088 km radius (haversine), in "km" or "mi", to
    six places."""
    one, two = _radians(a, 1), _radians(b, 1)
    across = _radians(b, 2) - _radians(a, 2)
    half = cast(sql.number("0.5"), Double)
    chord = _square(func.sin((two - one) * half)) + func.cos(one) * func.cos(two) * _square(func.sin(across * half))
    # A rounded chord may pass 1; LEAST would take a blank one for 1.
    whole = cast(sql.whole(1), Double)
    angle = func.asin(func.sqrt(case((chord > whole, whole), else_=chord)))
    radius = sql.number(RADIUS[unit.value.lower()]) if isinstance(unit, sql.Constant) else sql.number("0")
    return func.round(sql.num(cast(angle, Numeric)) * radius * sql.whole(2), sql.whole(PLACES), type_=NUMERIC)
