"""Conversion, lists and places."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from tests.reference.formula import patterns
from tests.reference.formula.core import Site, known
from tests.reference.formula.operators import shown
from tests.reference.formula.static import BOOLEAN, NUMBER, PLACE, ROUGH, TEXT, Static
from tests.reference.formula.values import Fault, Place, Seconds, half_up, whole

NUMERAL = re.compile(r"[+-]?([0-9]{1,38}(\.[0-9]{0,18})?|\.[0-9]{1,18})")


@known("TEXT", returns=TEXT)
def text(c: Site, value: Any, *pattern: str) -> Any:
    if not pattern:
        return shown(c.e, value)
    if isinstance(value, Decimal):
        return patterns.number(lambda places: c.near(0, value, places), pattern[0])
    return patterns.moment(c.e, value, pattern[0])


@known("VALUE", returns=NUMBER)
def value(c: Site, text: str) -> Any:
    if not NUMERAL.fullmatch(text.strip(" ")):
        raise Fault("VALUE")
    return Decimal(text.strip(" "))


@known("ISNUMBER", returns=BOOLEAN)
def isnumber(c: Site, text: str) -> Any:
    """Whether VALUE reads the text."""
    return NUMERAL.fullmatch(text.strip(" ")) is not None


@known("FIXED", returns=TEXT)
def fixed(c: Site, number: Decimal, digits: Decimal = Decimal(2), plain: bool = False) -> Any:
    """Excel FIXED: two places, at most 60, thousands by commas unless the third argument is TRUE."""
    places = max(min(c.whole(1, digits), 60), -60) if len(c.static) > 1 else 2
    rounded = half_up(c.near(0, number, places), places)
    shown = format(rounded if places >= 0 else rounded.quantize(Decimal(1)), "f" if plain else ",f")
    return shown[1:] if shown.startswith("-") and not rounded else shown




@known("NUMBERVALUE", returns=NUMBER, mode="sees")
def numbervalue(c: Site, text: str | None, decimal: str | None = ".", group: str | None = ",") -> Any:
    """Excel NUMBERVALUE: only the first character of a separator counts, a group's only before the decimal point,
    spaces nowhere; each of at most nine percent signs at the end divides by 100."""
    if text is None or decimal is None:
        return None
    written = text.replace(" ", "")
    plain = written.rstrip("%")
    head, point, tail = plain.partition(decimal[0])
    if group and group[0] != decimal[0]:
        head = head.replace(group[0], "")
    head = head.replace(".", " ")
    # The number itself is one that VALUE reads, and no other sign than `decimal` is its point.
    if not NUMERAL.fullmatch(made := head + ("." if point else "") + tail) or len(written) - len(plain) > 9:
        raise Fault("VALUE")
    return Decimal(made).scaleb(-2 * (len(written) - len(plain)))


MINOR = dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
MINOR |= dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)


@known("FORMATCURRENCY", returns=TEXT)
def formatcurrency(c: Site, currency: str, amount: Decimal) -> Any:
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Fault("VALUE")
    places = MINOR.get(currency, 2)
    rounded = half_up(c.near(1, amount, places), places)
    return f"{currency} {rounded or abs(rounded):,f}"


@known("FORMATDURATION", returns=TEXT)
def formatduration(c: Site, length: Any, days: bool = False) -> Any:
    total = abs(whole(length.value if isinstance(length, Seconds) else length))
    minutes, second = divmod(total, 60)
    hour, minute = divmod(minutes, 60)
    if not days:
        return f"{hour:02}:{minute:02}:{second:02}"
    return f"{hour // 24}:{hour % 24:02}:{minute:02}:{second:02}"


# -- lists ----------------------------------------------------------------------------------------------------------


@known("INCLUDES", returns=BOOLEAN)
def includes(c: Site, items: tuple[Any, ...], item: Any) -> Any:
    return any(item == each for each in items if each is not None)


@known("EXCLUDES", returns=BOOLEAN, mode="sees")
def excludes(c: Site, items: tuple[Any, ...] | None, item: Any) -> Any:
    return item is None or item not in (items or ())


@known("LISTSIZE", returns=NUMBER, mode="sees")
def listsize(c: Site, items: tuple[Any, ...] | None) -> Any:
    """An empty list has no items."""
    return Decimal(len(items or ()))


@known("LISTAT", returns=lambda parts: Static(parts[0].item or "text", parts[0].rough))
def listat(c: Site, items: tuple[Any, ...], place: Decimal) -> Any:
    """The first item is 1; beyond the list it is blank, a condition FALSE."""
    at = c.whole(1, place)
    found = items[at - 1] if 1 <= at <= len(items) else None
    return False if found is None and c.static[0].item == "boolean" else found


@known("UNIQUE", returns=lambda parts: parts[0])
def unique(c: Site, items: tuple[Any, ...]) -> Any:
    """Every item once, where it stands first."""
    return tuple(dict.fromkeys(items))


@known("ISPICKVAL", returns=BOOLEAN, mode="sees")
def ispickval(c: Site, option: Any, name: Any) -> Any:
    return option == name


# -- places ---------------------------------------------------------------------------------------------------------


@known("GEOLOCATION", returns=PLACE)
def geolocation(c: Site, latitude: Decimal, longitude: Decimal) -> Any:
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise Fault("NUM")
    return Place(latitude, longitude)


@known("DISTANCE", returns=ROUGH)
def distance(c: Site, a: Place, b: Place, unit: str) -> Any:
    """Haversine on a sphere of 6371.0088 km; a mile is 1.609344 km."""
    x, y = math.radians(a.latitude), math.radians(b.latitude)
    half = math.sin((y - x) / 2) ** 2
    half += math.cos(x) * math.cos(y) * math.sin(math.radians(b.longitude - a.longitude) / 2) ** 2
    length = 2 * 6371.0088 * math.asin(min(math.sqrt(half), 1.0))
    return half_up(Decimal(repr(length if unit.lower() == "km" else length / 1.609344)), 6)
