"""Texts. Positions and lengths count code points; an empty result is blank."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Boolean, Integer, Numeric, Text, case, cast, func

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Lowered,
    Param,
    Site,
    function,
    lazy_function,
    rewritten,
)
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, DECIMAL, INTEGER, TEXT, Type

T = Param("text", frozenset({"text"}))
COUNT = Param("count", frozenset({"integer"}))
MAX = limits.TEXT_CHARACTERS


def blankable(args: tuple[Node, ...]) -> Type:
    """A text that may come out empty."""
    return TEXT


@function("LEN", "text", T, returns=INTEGER, examples=('LEN("abc") = 3', "LEN(NULL) -> NULL"))
def len_(site: Site, text: Column) -> Column:
    """The number of characters."""
    return func.length(text, type_=Integer())


@function(
    "LEFT",
    "text",
    T,
    COUNT,
    returns=blankable,
    examples=('LEFT("abc", 2) = "ab"', 'LEFT("abc", -1) -> NULL'),
    copies=(3, 0),
)
def left(site: Site, text: Column, count: Column) -> Column:
    """The first characters."""
    return sql.or_blank(func.left(text, sql.small_int(count, 0, MAX), type_=Text()))


@function(
    "RIGHT",
    "text",
    T,
    COUNT,
    returns=blankable,
    examples=('RIGHT("abc", 2) = "bc"', 'RIGHT("abc", 9) = "abc"'),
    copies=(3, 0),
)
def right(site: Site, text: Column, count: Column) -> Column:
    """The last characters."""
    return sql.or_blank(func.right(text, sql.small_int(count, 0, MAX), type_=Text()))


@function(
    "MID",
    "text",
    T,
    Param("start", frozenset({"integer"})),
    COUNT,
    returns=blankable,
    examples=('MID("abcd", 2, 2) = "bc"', 'MID("abcd", 9, 1) -> NULL'),
    copies=(3, 0),
)
def mid(site: Site, text: Column, start: Column, count: Column) -> Column:
    """`count` characters from position `start`, the first being 1. A start below 1 is taken as 1."""
    return sql.or_blank(func.substr(text, sql.small_int(start, 1, MAX), sql.small_int(count, 0, MAX), type_=Text()))


def _cased(site: Site, text: Column) -> Column:
    collation = site.environment.case_collation
    return text.collate(collation) if collation else text


def _tripled(site: Site) -> tuple[int, int]:
    return site.lowered[0].digits * 3, 0


@function("UPPER", "text", T, returns=TEXT, size=_tripled, examples=('UPPER("abc") = "ABC"',))
def upper(site: Site, text: Column) -> Column:
    """In upper case, by the Unicode rules of no particular language."""
    return func.upper(_cased(site, text), type_=Text()).collate("C")


@function("LOWER", "text", T, returns=TEXT, size=_tripled, examples=('LOWER("ABC") = "abc"',))
def lower(site: Site, text: Column) -> Column:
    """In lower case, by the Unicode rules of no particular language."""
    return func.lower(_cased(site, text), type_=Text()).collate("C")


@function("TRIM", "text", T, returns=blankable, examples=('TRIM("  a b ") = "a b"', 'TRIM("  ") -> NULL'))
def trim(site: Site, text: Column) -> Column:
    """Without spaces at both ends."""
    return sql.or_blank(func.btrim(text, type_=Text()))


def _grown(text: Column, old: Column, new: Column) -> Column:
    """The length that a replacement will give."""
    without = func.length(func.replace(text, old, sql.text("")), type_=Integer())
    found = (func.length(text, type_=Integer()) - without) / func.nullif(
        func.length(old), sql.whole(0), type_=Integer()
    )
    return func.length(text, type_=Integer()) + sql.num(found) * (func.length(new, type_=Integer()) - func.length(old))


@lazy_function(
    "SUBSTITUTE",
    "text",
    T,
    Param("old", frozenset({"text"})),
    Param("new", frozenset({"text"})),
    returns=blankable,
    examples=('SUBSTITUTE("a-b-c", "-", "+") = "a+b+c"', 'SUBSTITUTE("a-b", "-", "") = "ab"'),
    copies=(6, 6),
)
def substitute(site: Site, text: Lowered, old: Lowered, new: Lowered) -> Lowered:
    """Every occurrence of `old` replaced by `new`; a blank `new` removes it."""
    put = sql.filled(new.value, site.args[2].type.nullable)
    guard = first(text.guard, old.guard, new.guard)
    value: Column = sql.or_blank(func.replace(text.value, old.value, put, type_=Text()))
    both = isinstance(old.value, sql.Constant) and isinstance(put, sql.Constant)
    if not (both and len(put.value) <= len(old.value.value or "")):
        long = _grown(text.value, old.value, put) > sql.whole(MAX)
        value, guard = case((long, None), else_=value), first(guard, raises("LIMIT", long))
    return Lowered(value, guard, digits=MAX)


@function(
    "FIND",
    "text",
    Param("part", frozenset({"text"})),
    T,
    Param("start", frozenset({"integer"}), optional=True),
    returns=INTEGER,
    examples=('FIND("b", "abcb") = 2', 'FIND("b", "abcb", 3) = 4', 'FIND("x", "abc") = 0'),
    copies=(8, 0),
)
def find(site: Site, part: Column, text: Column, start: Column | None = None) -> Column:
    """The position of the first occurrence from `start` on, the first character being 1; 0 where there is none."""
    if start is None:
        return func.strpos(text, part, type_=Integer())
    begin = sql.small_int(start, 1, MAX)
    found = func.strpos(func.substr(text, begin), part, type_=Integer())
    return case((found > sql.whole(0), found + begin - sql.whole(1)), else_=found)


PART = Param("part", frozenset({"text"}))


@function("CONTAINS", "text", T, PART, returns=BOOLEAN, examples=('CONTAINS("abc", "b")', 'NOT CONTAINS(NULL, "b")'))
def contains(site: Site, text: Column, part: Column) -> Column:
    """Whether the part occurs in the text; with a blank operand FALSE."""
    return func.strpos(text, part, type_=Integer()) > sql.whole(0)


@function(
    "BEGINS",
    "text",
    T,
    PART,
    returns=BOOLEAN,
    aliases=("STARTSWITH",),
    examples=('BEGINS("abc", "ab")', 'NOT BEGINS("abc", "b")'),
)
def begins(site: Site, text: Column, part: Column) -> Column:
    """Whether the text begins with the part."""
    return func.starts_with(text, part, type_=Boolean())


@function(
    "ENDS", "text", T, PART, returns=BOOLEAN, aliases=("ENDSWITH",), examples=('ENDS("abc", "bc")',), copies=(2, 0)
)
def ends(site: Site, text: Column, part: Column) -> Column:
    """Whether the text ends with the part."""
    return func.right(text, func.length(part), type_=Text()) == part


@rewritten(
    "CONCATENATE",
    "text",
    Param("value", repeat=True),
    aliases=("CONCAT",),
    examples=('CONCATENATE("a", 1, TRUE) = "a1TRUE"',),
)
def concatenate(c: Builder, args: tuple[Node, ...]) -> Node:
    """The values as texts, joined: the same as `&`."""
    return c.call("concat", *args)


# -- conversion -----------------------------------------------------------------------------------------------------


def two(column: Any, width: int = 2) -> Column:
    """A whole number with leading zeros."""
    return func.lpad(cast(cast(column, Integer), Text), sql.whole(width), sql.text("0"), type_=Text())


def _date_text(d: Column) -> Column:
    return (
        two(sql.part("year", d), 4)
        .concat(sql.text("-"))
        .concat(two(sql.part("month", d)))
        .concat(sql.text("-"))
        .concat(two(sql.part("day", d)))
    )


def _time_text(t: Column) -> Column:
    return (
        two(sql.part("hour", t))
        .concat(sql.text(":"))
        .concat(two(sql.part("minute", t)))
        .concat(sql.text(":"))
        .concat(two(func.trunc(sql.part("second", t))))
    )


def _datetime_text(site: Site, t: Column) -> Column:
    local = sql.in_zone(t, site.environment.zone)
    return _date_text(local).concat(sql.text("T")).concat(_time_text(local))


SHOW: dict[str, Any] = {
    "date": lambda site, v: _date_text(v),
    "time": lambda site, v: _time_text(v),
    "datetime": _datetime_text,
    "boolean": lambda site, v: case((v, sql.text("TRUE")), else_=sql.text("FALSE")),
    "text": lambda site, v: v,
    "select": lambda site, v: v,
    "null": lambda site, v: v,
}


def _shown(c: Builder, args: tuple[Node, ...]) -> Node:
    of = args[0].type
    if of.kind == "text":
        return args[0]
    if of.kind not in SHOW and not of.number and of.kind != "duration":
        return c.fail("E204", args[0], f"{of} has no text", "name one of its fields")
    return Call(TEXT.blank(of.nullable), "TEXT", args)


@function(
    "TEXT",
    "conversion",
    Param("value"),
    resolve=_shown,
    volatility="zoned",
    size=lambda site: (max(site.lowered[0].digits + site.lowered[0].places + 2, 40), 0),
    examples=('TEXT(1.50) = "1.5"', 'TEXT(@2024-01-31) = "2024-01-31"', 'TEXT(1 = 1) = "TRUE"'),
    copies=(6, 0),
)
def text_(site: Site, value: Column) -> Column:
    """The value as text: numbers without needless zeros, dates as 2024-01-31, date-times in the tenant's zone,
    conditions as TRUE and FALSE, options by their name."""
    of = site.args[0].type
    if of.kind in SHOW:
        return SHOW[of.kind](site, value)  # type: ignore[no-any-return]
    return cast(func.trim_scale(sql.num(value), type_=Numeric()), Text)


NUMBER_PATTERN = r"^([+-]?(?:\d{1,38}(?:\.\d{0,18})?|\.\d{1,18}))$"


def number_in(text: Column) -> Column:
    """The part of a text that is a number, or NULL."""
    return func.substring(func.btrim(text), sql.text(NUMBER_PATTERN), type_=Text())


@function(
    "VALUE",
    "conversion",
    T,
    returns=DECIMAL,
    nulls=True,
    errors={"VALUE": lambda site, t: sql.all_of(t.is_not(None), number_in(t).is_(None))},
    examples=('VALUE(" 7.50 ") = 7.5', 'VALUE("-3") = -3', 'VALUE("x") -> error', "VALUE(NULL) -> NULL"),
    copies=(1, 2),
)
def value(site: Site, text: Column) -> Column:
    """The number that the text writes, with a point for decimals; anything else is an error."""
    return cast(number_in(text), Numeric)


# -- patterns -------------------------------------------------------------------------------------------------------

BANNED = re.compile(r"\\[^dws.\\^$|?*+()\[\]{}/-]|\(\?(?!:)|[*+?}][+]|\[\[[:.=]|\[[^\]]*\[|\*\*\*|&&")


def _pattern(c: Builder, args: tuple[Node, ...]) -> Node:
    pattern = args[1]
    assert isinstance(pattern, Literal)
    assert isinstance(pattern.value, str)
    problem = pattern_problem(pattern.value)
    if problem:
        return c.fail("E209", pattern, problem, r"supported: . [] | () (?:) * + ? {m,n} \d \w \s ^ $")
    return Call(BOOLEAN, "REGEX", args)


def pattern_problem(pattern: str) -> str | None:
    """Why a pattern is outside the subset that PostgreSQL and RE2 read alike, or None."""
    if len(pattern) > limits.PATTERN_CHARACTERS:
        return f"the pattern has more than {limits.PATTERN_CHARACTERS} characters"
    if found := BANNED.search(pattern):
        return f'"{found[0]}" is not supported in a pattern'
    if any(int(n) > 255 for bounds in re.findall(r"\{([\d,]+)\}", pattern) for n in bounds.split(",") if n):
        return "a repetition may be at most 255"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"the pattern is not valid: {error.msg}"
    return None


@function(
    "REGEX",
    "text",
    T,
    Param("pattern", frozenset({"text"}), constant=True),
    resolve=_pattern,
    examples=(r'REGEX("A-12", "[A-Z]-\\d+")', r'NOT REGEX("xA-12", "[A-Z]-\\d+")'),
)
def regex(site: Site, text: Column, pattern: Column) -> Column:
    """Whether the whole text matches the pattern (a constant, in the subset that every engine reads alike)."""
    source = str(site.args[1].value)  # type: ignore[attr-defined]
    return func.left(text, sql.whole(limits.FIELD_CHARACTERS), type_=Text()).op(
        "~", precedence=5, is_comparison=True, return_type=Boolean()
    )(sql.text(f"^(?:{source})$"))
