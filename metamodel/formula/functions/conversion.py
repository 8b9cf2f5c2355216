"""From values to texts and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Numeric, Text, case, cast, func, not_

from metamodel.formula.functions import formats, sql
from metamodel.formula.functions.formats import BadFormat, two
from metamodel.formula.functions.number import with_flags
from metamodel.formula.functions.patterns import source
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Param,
    Site,
    function,
    numeric,
)
from metamodel.formula.functions.text import T, filled, length, position, replaced, same_blanks
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, DECIMAL, TEXT, Type

NUMERIC = Numeric()
N = Param("number", numeric())


# -- to text --------------------------------------------------------------------------------------------------------


def _datetime_text(site: Site, t: Column) -> Column:
    return formats.date_text(DATETIME_TEXT, "datetime", sql.in_zone(t, site.environment.zone))


DATE_TEXT = formats.date_format("yyyy-mm-dd", "date")
TIME_TEXT = formats.date_format("hh:mm:ss", "time")
DATETIME_TEXT = formats.date_format('yyyy-mm-dd"T"hh:mm:ss', "datetime")
SHOW: dict[str, Any] = {
    "date": lambda site, v: formats.date_text(DATE_TEXT, "date", v),
    "time": lambda site, v: formats.date_text(TIME_TEXT, "time", v),
    "datetime": _datetime_text,
    "boolean": lambda site, v: case((v, sql.text("TRUE")), (not_(v), sql.text("FALSE"))),
    "text": lambda site, v: v,
    "select": lambda site, v: v,
    "null": lambda site, v: v,
}


def _shown(c: Builder, args: tuple[Node, ...]) -> Node:
    of = args[0].type
    if len(args) == 2:
        return c.call("format", *args)
    if of.kind == "text":
        return args[0]
    if of.kind not in SHOW and not of.number and of.kind != "duration":
        return c.fail("E204", args[0], f"{of} has no text", "name one of its fields")
    return Call(TEXT.blank(of.nullable), "TEXT", args)


def _number_length(site: Site) -> tuple[int, int]:
    return max(site.lowered[0].digits + site.lowered[0].places + 2, 40), 0


@function(
    "TEXT",
    "conversion",
    Param("value"),
    Param("format", frozenset({"text"}), optional=True, constant=True),
    resolve=_shown,
    volatility="zoned",
    size=_number_length,
    examples=(
        'TEXT(1.50) = "1.5"',
        'TEXT(@2024-01-31) = "2024-01-31"',
        'TEXT(1 = 1) = "TRUE"',
        'TEXT(1234.5, "#,##0.00") = "1,234.50"',
        'TEXT(0.285, "0.0%") = "28.5%"',
        "TEXT(@2024-01-05, 'ddd d mmm yyyy') = \"Fri 5 Jan 2024\"",
        'TEXT(@14:05, "h:mm AM/PM") = "2:05 PM"',
    ),
    copies=(6, 0),
)
def text_(site: Site, value: Column) -> Column:
    """The value as text: numbers without needless zeros, dates as 2024-01-31, date-times in the tenant's zone,
    conditions as TRUE and FALSE, options by their name. A number, date or time may be given a constant `format`:
    `0` and `#` digits, `,` thousands, `.` point, `%` percent; `yyyy yy`, `mmmm mmm mm m`, `dddd ddd dd d`, `hh h`,
    `mm m` (minutes, next to hours or seconds), `ss s`, `AM/PM`; other letters stand in double quotes."""
    of = site.args[0].type
    if of.kind in SHOW:
        return SHOW[of.kind](site, value)  # type: ignore[no-any-return]
    return cast(func.trim_scale(sql.num(value), type_=NUMERIC), Text)


def _formatted(c: Builder, args: tuple[Node, ...]) -> Node:
    value, shape = args
    of = value.type
    try:
        if of.number:
            formats.number_format(source(shape))
        elif of.kind in formats.ALLOWED:
            formats.date_format(source(shape), of.kind)
        elif of.kind == "null":
            return Literal(TEXT, None)
        else:
            return c.fail("E204", value, f"a {of} has no format", "numbers, dates and times have one")
    except BadFormat as error:
        return c.fail("E209", shape, str(error))
    return Call(TEXT, "format", args)


@function(
    "format",
    "conversion",
    Param("value"),
    Param("format", frozenset({"text"}), constant=True),
    resolve=_formatted,
    operator=True,
    volatility="zoned",
    size=lambda site: (2 * _number_length(site)[0] + formats.LONGEST * 10, 0),
    copies=(20, 0),
)
def format_(site: Site, value: Column, shape: Column) -> Column:
    """The value in a format."""
    kind, wanted = site.args[0].type.kind, source(site.args[1])
    if site.args[0].type.number:
        return sql.or_blank(formats.number_text(formats.number_format(wanted), value, site.args[0].type))
    local = sql.in_zone(value, site.environment.zone) if kind == "datetime" else value
    return formats.date_text(formats.date_format(wanted, kind), kind, local)


def _rounded(number: Column, of: Type, places: Column) -> Column:
    """The number with so many decimal places as text."""
    return cast(func.round(sql.near(number, of, places), places, type_=NUMERIC), Text)


@function(
    "FIXED",
    "conversion",
    N,
    Param("digits", frozenset({"integer"}), optional=True),
    Param("no_commas", frozenset({"boolean"}), optional=True),
    returns=same_blanks,
    size=lambda site: (2 * site.lowered[0].digits + 62, 0),
    examples=(
        'FIXED(1234.567, 1) = "1,234.6"',
        'FIXED(1234.567, -1, TRUE) = "1230"',
        'FIXED(44.332) = "44.33"',
    ),
    absorbs=True,
    copies=(6, 0),
)
def fixed(site: Site, number: Column, digits: Column | None = None, no_commas: Column | None = None) -> Column:
    """The number rounded to so many decimal places (2; at most 60; negative: to tens, hundreds) as text, with or
    without a comma before every three digits."""
    places = sql.whole(2) if digits is None else sql.small_int(digits, -60, 60)
    shown = _rounded(number, site.args[0].type, places)
    commas = formats.grouped(shown)
    return commas if no_commas is None else case((no_commas, shown), else_=commas)


MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),
    3: "BHD IQD JOD KWD LYD OMR TND".split(),
    4: "CLF UYW".split(),
}
"""Decimal places of the currencies that do not have two (ISO 4217)."""


def _no_currency(site: Site, code: Column, amount: Column) -> Condition:
    known = sql.collated(code, "C").regexp_match(sql.text("^[A-Z]{3}$"))
    return sql.all_of(known.is_(sql.FALSE), amount.is_not(None))


@function(
    "FORMATCURRENCY",
    "conversion",
    Param("currency", frozenset({"text"})),
    Param("amount", numeric()),
    returns=same_blanks,
    errors={"VALUE": _no_currency},
    size=lambda site: (2 * site.lowered[1].digits + 12, 0),
    examples=(
        'FORMATCURRENCY("EUR", 1234.5) = "EUR 1,234.50"',
        'FORMATCURRENCY("JPY", 1234.5) = "JPY 1,235"',
        'FORMATCURRENCY("euro", 1) -> #VALUE',
        'FORMATCURRENCY("EUR", NULL) -> NULL',
    ),
    copies=(4, 1),
)
def formatcurrency(site: Site, currency: Column, amount: Column) -> Column:
    """The amount with the code of its currency before it, rounded to the decimal places of that currency
    (ISO 4217). A code is three capital letters, else it is an error."""
    if isinstance(currency, sql.Constant):
        places: Column = sql.whole(next((n for n, codes in MINOR_UNITS.items() if currency.value in codes), 2))
    else:
        of = {n: currency.in_([sql.text(code) for code in codes]) for n, codes in MINOR_UNITS.items()}
        places = case(*((known, sql.whole(n)) for n, known in of.items()), else_=sql.whole(2))
    return currency.concat(sql.text(" ")).concat(formats.grouped(_rounded(amount, site.args[1].type, places)))


DAY, HOUR, MINUTE = 86_400, 3_600, 60


@function(
    "FORMATDURATION",
    "conversion",
    Param("duration", numeric("duration")),
    Param("days", frozenset({"boolean"}), optional=True),
    returns=same_blanks,
    size=lambda site: (site.lowered[0].digits + 12, 0),
    examples=(
        'FORMATDURATION(90minutes) = "01:30:00"',
        'FORMATDURATION(@2024-01-03T10:00 - @2024-01-01T09:00, TRUE) = "2:01:00:00"',
        'FORMATDURATION(-5) = "00:00:05"',
    ),
    absorbs=True,
    copies=(6, 0),
)
def formatduration(site: Site, duration: Column, days: Column | None = None) -> Column:
    """The size of a duration (or of a number of seconds) as hours:minutes:seconds, or with `days` as
    days:hours:minutes:seconds; sign and parts of seconds are left out."""
    seconds = func.trunc(func.abs(sql.num(duration), type_=NUMERIC), type_=NUMERIC)
    hours = func.div(seconds, sql.number(HOUR), type_=NUMERIC)
    rest = [
        two(func.mod(func.div(seconds, sql.number(MINUTE)), sql.number(60), type_=NUMERIC)),
        two(func.mod(seconds, sql.number(60), type_=NUMERIC)),
    ]
    short = func.lpad(formats.plain(hours), func.greatest(length(formats.plain(hours)), sql.whole(2)), sql.text("0"))
    long = [
        formats.plain(func.div(seconds, sql.number(DAY), type_=NUMERIC)),
        two(func.mod(hours, sql.number(24), type_=NUMERIC)),
    ]
    colon = sql.text(":")
    before = short if days is None else case((days, long[0].concat(colon).concat(long[1])), else_=short)
    return formats.joined([before, colon, rest[0], colon, rest[1]])


# -- from text ------------------------------------------------------------------------------------------------------

DIGITS, PLACES = 38, 18
NUMBER = rf"[+-]?(?:[0-9]{{1,{DIGITS}}}(?:\.[0-9]{{0,{PLACES}}})?|\.[0-9]{{1,{PLACES}}})"
SHORT_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"


def _writes_number(text: Column, tail: str = "") -> Condition:
    """Whether a text is a number, and behind it what the pattern says. Digits are only counted where there are many:
    that takes PostgreSQL ten times as long."""
    short, exact = (text.regexp_match(sql.text(f"^{pattern}{tail}$")) for pattern in (SHORT_NUMBER, NUMBER))
    return case((length(text) <= sql.whole(PLACES + 1), short), else_=exact)


@function(
    "VALUE",
    "conversion",
    T,
    returns=DECIMAL,
    nulls=True,
    errors={"VALUE": lambda site, t: _writes_number(func.btrim(t, type_=Text())).is_(sql.FALSE)},
    examples=('VALUE(" 7.50 ") = 7.5', 'VALUE("-3") = -3', 'VALUE("x") -> #VALUE', "VALUE(NULL) -> NULL"),
    copies=(4, 3),
)
def value(site: Site, text: Column) -> Column:
    """The number that the text writes, with at most 38 digits before a decimal point and 18 behind it; anything else is
    an error."""
    bare = func.btrim(text, type_=Text())
    return cast(case((_writes_number(bare), bare)), Numeric)


@function(
    "ISNUMBER",
    "conversion",
    T,
    returns=BOOLEAN,
    examples=('ISNUMBER("7.5")', 'NOT ISNUMBER("7,5")', "NOT ISNUMBER(NULL)"),
    copies=(3, 0),
)
def isnumber(site: Site, text: Column) -> Column:
    """Whether the text writes a number that VALUE reads; a blank does not."""
    return _writes_number(func.btrim(text, type_=Text()))


PERCENTS = "%{0,9}"


def _plain(text: Column, decimal: Column, group: Column) -> Column:
    """A number in local writing with a point and without groups; a point that does not separate becomes a space."""
    bare = replaced(text, sql.text(" "), sql.text(""))
    point = func.left(decimal, sql.whole(1), type_=Text())
    at = position(bare, point)
    whole = replaced(
        func.split_part(bare, point, sql.whole(1), type_=Text()), func.left(group, sql.whole(1)), sql.text("")
    )
    after = case((at > sql.whole(0), sql.text(".").concat(func.substr(bare, at + sql.whole(1)))), else_=sql.text(""))
    return replaced(whole, sql.text("."), sql.text(" ")).concat(after)


def _separators(site: Site, decimal: Column | None, group: Column | None) -> tuple[Column, Column]:
    return (
        sql.text(".") if decimal is None else decimal,
        sql.text(",") if group is None else filled(group, site.args[2]),
    )


def _no_number(site: Site, text: Column, decimal: Column | None = None, group: Column | None = None) -> Condition:
    marks = _separators(site, decimal, group)
    return _writes_number(_plain(text, *marks), PERCENTS).is_(sql.FALSE)


@function(
    "NUMBERVALUE",
    "conversion",
    T,
    Param("decimal", frozenset({"text"}), optional=True),
    Param("group", frozenset({"text"}), optional=True, blanks=True),
    returns=with_flags(DECIMAL),
    errors={"VALUE": _no_number},
    nulls=True,
    size=lambda site: (DIGITS, PLACES + 18),
    examples=(
        'NUMBERVALUE("2.500,27", ",", ".") = 2500.27',
        'NUMBERVALUE("3.5%") = 0.035',
        'NUMBERVALUE("1 000") = 1000',
        'NUMBERVALUE("1.2.3") -> #VALUE',
    ),
    copies=(24, 12),
)
def numbervalue(site: Site, text: Column, decimal: Column | None = None, group: Column | None = None) -> Column:
    """The number that the text writes with other separators than VALUE's: `decimal` before the decimal places (a
    point), `group` between groups of digits (a comma; blank: none). Spaces do not count; a percent sign divides by
    100."""
    plain = _plain(text, *_separators(site, decimal, group))
    bare = func.rtrim(plain, sql.text("%"), type_=Text())
    exponent = cast((length(bare) - length(plain)) * sql.whole(2), Text)
    return cast(case((_writes_number(plain, PERCENTS), bare.concat(sql.text("e")).concat(exponent))), Numeric)
