"""Formats of numbers, dates and times: `#,##0.00`, `yyyy-mm-dd`. The codes are those of Excel's TEXT.

A format is a constant, so it is read once and becomes an expression over the value; to_char would not be immutable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Numeric, Text, case, cast, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column
from metamodel.formula.types import Type

LONGEST = 100
DIGIT_RUNS = 6
DATE_CODES = 20
MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
COMMAS = (sql.text(r"([0-9])(?=([0-9]{3})+(\.|$))(?<!\.[0-9]+)"), sql.text(r"\1,"), sql.text("g"))
TOKEN = re.compile(r'"[^"]*"|\\.|AM/PM|[yY]+|[mM]+|[dD]+|[hH]+|[sS]+|.', re.DOTALL | re.IGNORECASE)


class BadFormat(Exception):
    """The format can not be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a format: literal text, or a code."""

    kind: Literal["text", "code"]
    value: str


def joined(parts: Iterable[Column]) -> Column:
    """Texts one after the other."""
    first, *rest = parts
    for part in rest:
        first = first.concat(part)
    return first


def _pieces(format_: str, codes: str) -> list[Piece]:
    """The parts of a format; `codes` says which letters and signs are codes, other letters need quotes."""
    if len(format_) > LONGEST:
        raise BadFormat(f"the format has more than {LONGEST} characters")
    found = []
    for token in TOKEN.findall(format_):
        if len(token) > 1 and token[0] in '"\\':
            found.append(Piece("text", token.strip('"') if token[0] == '"' else token[1]))
        elif token[0].lower() in codes:
            found += [Piece("code", token.lower())] if token[0].isalpha() else [Piece("code", ch) for ch in token]
        elif token[0].isalnum() or token[0] in '"\\;@*_?[]#%':
            raise BadFormat(f'"{token}" is no code of this format; literal text stands in double quotes')
        else:
            found.append(Piece("text", token))
    return found


# -- numbers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """`parts`: literal texts, and the number of digits of each run before the point (an int; the first takes all that
    are left); "." stands for the point and what follows it. `least`: digits before the point that are written anyhow;
    `places` and `kept`: decimal places at most and at least (None: no point); `shift`: powers of ten to multiply by."""

    parts: tuple[str | int, ...]
    point_at: int | None
    least: int
    places: int
    kept: int
    shift: int
    grouped: bool


def number_format(format_: str) -> NumberFormat:
    """Reads a format of numbers: `0` and `#` digits, `,` thousands (behind the digits: divided by 1000), `.` point,
    `%` percent. Raises BadFormat."""
    pieces = _pieces(format_, "0#,.%")
    parts: list[str | int] = []
    whole, fraction, commas, shift, point_at = "", "", 0, 0, None
    grouped = False
    for at, piece in enumerate(pieces):
        beside = at > 0 and pieces[at - 1].kind == "code" and pieces[at - 1].value in "0#,."
        if piece.kind == "text":
            parts.append(piece.value)
        elif piece.value == "%":
            parts.append("%")
            shift += 2
        elif piece.value == ".":
            if point_at is not None:
                raise BadFormat("a format has one point")
            if not whole:
                parts.append(0)
            point_at = len(parts)
            parts.append(".")
        elif piece.value == ",":
            if not beside or not whole + fraction:
                raise BadFormat("a comma stands between or behind digits; else put it in quotes")
            commas += 1
        elif point_at is not None:
            if not beside or pieces[at - 1].value == ",":
                raise BadFormat("the digits after the point stand together")
            fraction += piece.value
        else:
            grouped, commas = grouped or commas > 0, 0
            whole += piece.value
            if beside and parts and isinstance(parts[-1], int):
                parts[-1] += 1
            else:
                parts.append(1)
    runs = sum(isinstance(part, int) for part in parts)
    if not whole and not fraction:
        raise BadFormat("a format of numbers has a digit: 0 or #")
    if runs > DIGIT_RUNS or (runs > 1 and grouped):
        raise BadFormat("the digits before the point are parted too often")
    least = len(whole) - whole.index("0") if "0" in whole else 0
    return NumberFormat(
        tuple(parts), point_at, least, len(fraction), fraction.rfind("0") + 1, shift - 3 * commas, grouped
    )


def number_text(format_: NumberFormat, value: Column, of: Type) -> Column:
    """The number in that format; one that rounds to zero has no sign."""
    value = sql.near(value, of, sql.whole(format_.places + format_.shift))
    scaled = value * sql.number(f"1e{format_.shift}") if format_.shift else value
    rounded = func.round(scaled, sql.whole(format_.places), type_=Numeric())
    digits = cast(func.abs(rounded, type_=Numeric()), Text)
    before = _before_point(format_, func.split_part(digits, sql.text("."), sql.whole(1), type_=Text()))
    after: Column = func.split_part(digits, sql.text("."), sql.whole(2), type_=Text())
    if format_.kept < format_.places:
        kept = sql.whole(format_.kept)
        optional = func.rtrim(func.substr(after, kept + sql.whole(1)), sql.text("0"), type_=Text())
        after = func.left(after, kept, type_=Text()).concat(optional) if format_.kept else optional
    sign: Column = case((rounded < sql.whole(0), sql.text("-")), else_=sql.text(""))
    out = [sign]
    left = sum(part for part in format_.parts if isinstance(part, int))
    first = True
    for at, part in enumerate(format_.parts):
        if isinstance(part, int):
            left -= part
            run = func.left(before, sql.whole(-left), type_=Text()) if left else before
            out.append(run if first else func.right(run, sql.whole(part), type_=Text()))
            first = False
        elif at == format_.point_at:
            out.append(sql.text(".").concat(after))
        else:
            out.append(sql.text(part))
    return joined(out)


def grouped(number: Column) -> Column:
    """The text of a number with a comma before every three digits that end at its point."""
    return func.regexp_replace(number, *COMMAS, type_=Text())


def _before_point(format_: NumberFormat, digits: Column) -> Column:
    if format_.least == 0:
        digits = func.ltrim(digits, sql.text("0"), type_=Text())
    elif format_.least > 1:
        width = func.greatest(func.length(digits), sql.whole(format_.least))
        digits = func.lpad(digits, width, sql.text("0"), type_=Text())
    return grouped(digits) if format_.grouped else digits


# -- dates and times ------------------------------------------------------------------------------------------------


def two(column: Column, width: int = 2) -> Column:
    """A whole number below 10^width with leading zeros."""
    return func.lpad(plain(column), sql.whole(width), sql.text("0"), type_=Text())


def plain(column: Column) -> Column:
    """A whole number as text."""
    return cast(column, Text)


def _name(names: str, number: Column, letters: int | None = None) -> Column:
    found = func.split_part(sql.text(names), sql.text(" "), cast(number, sql.SQL_TYPES["integer"]), type_=Text())
    return found if letters is None else func.left(found, sql.whole(letters), type_=Text())


def _twelve(hour: Column) -> Column:
    return func.mod(hour + sql.whole(11), sql.whole(12), type_=Numeric()) + sql.whole(1)


Show = Callable[[Column], Column]
DATE_SHOWS: dict[str, Show] = {
    "yyyy": lambda d: two(sql.part("year", d), 4),
    "yy": lambda d: func.right(two(sql.part("year", d), 4), sql.whole(2), type_=Text()),
    "mmmm": lambda d: _name(MONTHS, sql.part("month", d)),
    "mmm": lambda d: _name(MONTHS, sql.part("month", d), 3),
    "mm": lambda d: two(sql.part("month", d)),
    "m": lambda d: plain(sql.part("month", d)),
    "dddd": lambda d: _name(WEEKDAYS, sql.part("isodow", d)),
    "ddd": lambda d: _name(WEEKDAYS, sql.part("isodow", d), 3),
    "dd": lambda d: two(sql.part("day", d)),
    "d": lambda d: plain(sql.part("day", d)),
}
TIME_SHOWS: dict[str, Show] = {
    "hh": lambda d: two(sql.part("hour", d)),
    "h": lambda d: plain(sql.part("hour", d)),
    "hh12": lambda d: two(_twelve(sql.part("hour", d))),
    "h12": lambda d: plain(_twelve(sql.part("hour", d))),
    "minute2": lambda d: two(sql.part("minute", d)),
    "minute": lambda d: plain(sql.part("minute", d)),
    "ss": lambda d: two(func.trunc(sql.part("second", d), type_=Numeric())),
    "s": lambda d: plain(func.trunc(sql.part("second", d), type_=Numeric())),
    "am/pm": lambda d: _name("AM PM", func.div(sql.part("hour", d), sql.whole(12), type_=Numeric()) + sql.whole(1)),
}
ALLOWED: dict[str, dict[str, Show]] = {
    "date": DATE_SHOWS,
    "time": TIME_SHOWS,
    "datetime": {**DATE_SHOWS, **TIME_SHOWS},
}


def date_format(format_: str, kind: str) -> tuple[Piece, ...]:
    """Reads a format of dates, times or date-times. `m` and `mm` are minutes right after an hour or right before
    seconds, else months. Raises BadFormat."""
    pieces = _pieces(format_, "ymdhsa")
    at = [i for i, piece in enumerate(pieces) if piece.kind == "code"]
    if not at or len(at) > DATE_CODES:
        raise BadFormat("the format shows nothing of the value" if not at else "the format has too many codes")
    names = [pieces[i].value for i in at]
    half = "am/pm" in names
    for place, (i, name) in enumerate(zip(at, names, strict=True)):
        hour_before = place > 0 and names[place - 1][0] == "h"
        seconds_after = place + 1 < len(names) and names[place + 1][0] == "s"
        if name in ("m", "mm") and (hour_before or seconds_after):
            name = "minute2" if name == "mm" else "minute"
        elif name in ("h", "hh") and half:
            name += "12"
        if name not in ALLOWED[kind]:
            raise BadFormat(f'"{pieces[i].value}" shows nothing of a {kind}')
        pieces[i] = Piece("code", name)
    return tuple(pieces)


def date_text(format_: tuple[Piece, ...], kind: str, value: Column) -> Column:
    """The date, time or local date-time in that format; blank where it is."""
    shows = ALLOWED[kind]
    return joined(shows[piece.value](value) if piece.kind == "code" else sql.text(piece.value) for piece in format_)
