"""Texts. Positions and lengths count code points; an empty result is blank."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Boolean, Integer, Text, case, func

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Param,
    Site,
    function,
    rewritten,
)
from metamodel.formula.typed import Node
from metamodel.formula.types import BOOLEAN, INTEGER, TEXT, Type

T = Param("text", frozenset({"text"}))
PART = Param("part", frozenset({"text"}))
COUNT = Param("count", frozenset({"integer"}))
ONE = Param("count", frozenset({"integer"}), optional=True)
START = Param("start", frozenset({"integer"}))
MAX = limits.TEXT_CHARACTERS
FAR = 1_000_000_000
"""A position behind every text; the sum of two is still an `integer`."""


def blankable(args: tuple[Node, ...]) -> Type:
    """A text that may come out empty."""
    return TEXT


def same_blanks(args: tuple[Node, ...]) -> Type:
    """A text that is blank only where an argument is."""
    return TEXT.blank(any(arg.type.nullable for arg in args))


def length(text: Column) -> Column:
    """The number of code points."""
    return func.length(text, type_=Integer())


def position(text: Column, part: Column) -> Column:
    """Where the part begins in the text, the first place being 1; 0 where it does not occur."""
    return func.strpos(text, part, type_=Integer())


def replaced(text: Column, old: Column, new: Column) -> Column:
    """Every occurrence of `old` replaced."""
    return func.replace(text, old, new, type_=Text())


def filled(column: Column, node: Node) -> Column:
    """The text, blank as the empty one."""
    return sql.filled(column, node.type.nullable)


def grows(factor: int) -> Callable[[Site], tuple[int, int]]:
    """The size of a text that is at most so many times as long as the first argument."""
    return lambda site: (min(site.lowered[0].digits * factor, MAX), 0)


def outgrown(text: Lowered, made: Column, factor: int, more: int = 0) -> Condition | None:
    """Whether what was made of a text, at most so many times as long and some characters more, is longer than the
    limit; None where it can not be. It is only looked at where the text is long enough for that."""
    if text.digits * factor + more <= MAX:
        return None
    return sql.all_of(length(text.value) > sql.whole((MAX - more) // factor), length(made) > sql.whole(MAX))


def too_long(make: Callable[[Site, Column], Column], factor: int) -> Callable[[Site, Column], Condition | None]:
    """The error of a result, at most so many times as long as the text, that is longer than the limit."""
    return lambda site, text: outgrown(site.lowered[0], make(site, text), factor)


# -- pieces ---------------------------------------------------------------------------------------------------------


@function("LEN", "text", T, returns=INTEGER, examples=('LEN("abc") = 3', 'LEN("a😀") = 2', "LEN(NULL) -> NULL"))
def len_(site: Site, text: Column) -> Column:
    """The number of characters."""
    return length(text)


def _count(count: Column | None) -> Column:
    return sql.whole(1) if count is None else sql.small_int(count, 0, FAR)


@function(
    "LEFT",
    "text",
    T,
    ONE,
    returns=blankable,
    examples=('LEFT("abc", 2) = "ab"', 'LEFT("abc", 9) = "abc"', 'LEFT("abc", -1) -> NULL'),
    copies=(3, 0),
)
def left(site: Site, text: Column, count: Column | None = None) -> Column:
    """The first characters: so many, or one."""
    return sql.or_blank(func.left(text, _count(count), type_=Text()))


@function(
    "RIGHT",
    "text",
    T,
    ONE,
    returns=blankable,
    examples=('RIGHT("abc", 2) = "bc"', 'RIGHT("abc", 9) = "abc"', 'RIGHT("abc", 0) -> NULL'),
    copies=(3, 0),
)
def right(site: Site, text: Column, count: Column | None = None) -> Column:
    """The last characters: so many, or one."""
    return sql.or_blank(func.right(text, _count(count), type_=Text()))


@function(
    "MID",
    "text",
    T,
    START,
    COUNT,
    returns=blankable,
    examples=('MID("abcd", 2, 2) = "bc"', 'MID("abcd", 9, 1) -> NULL', 'MID("abcd", 0, 2) = "ab"'),
    copies=(3, 0),
)
def mid(site: Site, text: Column, start: Column, count: Column) -> Column:
    """`count` characters from position `start`, the first being 1. A start below 1 is taken as 1."""
    return sql.or_blank(func.substr(text, sql.small_int(start, 1, FAR), sql.small_int(count, 0, FAR), type_=Text()))


@function(
    "TEXTBEFORE",
    "text",
    T,
    PART,
    returns=blankable,
    examples=('TEXTBEFORE("a.b.c", ".") = "a"', 'TEXTBEFORE("abc", "x") -> NULL'),
    copies=(2, 0),
)
def textbefore(site: Site, text: Column, part: Column) -> Column:
    """What stands before the first occurrence of the part; blank where it does not occur."""
    return sql.or_blank(func.left(text, func.greatest(position(text, part) - sql.whole(1), sql.whole(0)), type_=Text()))


@function(
    "TEXTAFTER",
    "text",
    T,
    PART,
    returns=blankable,
    examples=('TEXTAFTER("a.b.c", ".") = "b.c"', 'TEXTAFTER("abc", "x") -> NULL'),
    copies=(3, 0),
)
def textafter(site: Site, text: Column, part: Column) -> Column:
    """What stands after the first occurrence of the part; blank where it does not occur."""
    at = position(text, part)
    return sql.or_blank(case((at > sql.whole(0), func.substr(text, at + length(part), type_=Text()))))


# -- case and spaces ------------------------------------------------------------------------------------------------


def _cased(site: Site, text: Column) -> Column:
    collation = site.environment.case_collation
    return sql.collated(text, collation) if collation else text


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


BREAK = "\ufdd0"
"""A code point that no text holds. After every other character than a letter or its accent it makes the servers'
notions of a word one."""


@function(
    "PROPER",
    "text",
    T,
    returns=TEXT,
    size=_tripled,
    aliases=("INITCAP",),
    examples=('PROPER("o\'neil-SMITH") = "O\'Neil-Smith"', 'PROPER("76budget") = "76Budget"'),
)
def proper(site: Site, text: Column) -> Column:
    """The first letter of every word in upper case, the others in lower case; a word is a run of letters."""
    marked = func.regexp_replace(
        _cased(site, text),
        sql.text("([^[:alpha:]\u0300-\u036f])"),
        sql.text("\\1" + BREAK),
        sql.text("g"),
        type_=Text(),
    )
    return replaced(func.initcap(_cased(site, marked), type_=Text()), sql.text(BREAK), sql.text("")).collate("C")


@function("fold", "text", T, returns=TEXT, operator=True)
def fold(site: Site, text: Column) -> Column:
    """For comparison without case. One code point stays one, so that positions are those of the text; hence the
    dotted capital I and the sigmas, whose lower case is longer or depends on what follows, are set apart."""
    even = func.translate(text, sql.text("\u0130\u03a3\u03c2"), sql.text("i\u03c3\u03c3"), type_=Text())
    return func.lower(_cased(site, even), type_=Text()).collate("C")


@function("TRIM", "text", T, returns=blankable, examples=('TRIM("  a  b ") = "a  b"', 'TRIM("  ") -> NULL'))
def trim(site: Site, text: Column) -> Column:
    """Without spaces at both ends."""
    return sql.or_blank(func.btrim(text, type_=Text()))


@function("TRIMALL", "text", T, returns=blankable, examples=('TRIMALL("  a   b ") = "a b"', 'TRIMALL("  ") -> NULL'))
def trimall(site: Site, text: Column) -> Column:
    """Without spaces at both ends, and one for several between words."""
    runs = (sql.text(" +"), sql.text(" "), sql.text("g"))
    return sql.or_blank(func.btrim(func.regexp_replace(text, *runs, type_=Text()), type_=Text()))


@function("CLEAN", "text", T, returns=blankable, examples=('CLEAN("a\\n\\tb") = "ab"', 'CLEAN("\\n") -> NULL'))
def clean(site: Site, text: Column) -> Column:
    """Without control characters (code points 1 to 31), line breaks among them."""
    controls = "".join(map(chr, range(1, 32)))
    return sql.or_blank(func.translate(text, sql.text(controls), sql.text(""), type_=Text()))


@function("REVERSE", "text", T, returns=TEXT, examples=('REVERSE("abc") = "cba"',))
def reverse(site: Site, text: Column) -> Column:
    """The characters in the other direction."""
    return func.reverse(text, type_=Text())


# -- search ---------------------------------------------------------------------------------------------------------


@function(
    "FIND",
    "text",
    PART,
    T,
    Param("start", frozenset({"integer"}), optional=True),
    returns=INTEGER,
    examples=('FIND("b", "abcb") = 2', 'FIND("b", "abcb", 3) = 4', 'FIND("x", "abc") = 0'),
    copies=(12, 0),
)
def find(site: Site, part: Column, text: Column, start: Column | None = None) -> Column:
    """The position of the first occurrence from `start` on, the first character being 1; 0 where there is none."""
    if start is None:
        return position(text, part)
    begin = sql.small_int(start, 1, FAR)
    found = position(func.substr(text, begin, type_=Text()), part)
    return case((found > sql.whole(0), found + begin - sql.whole(1)), else_=found)


@function("CONTAINS", "text", T, PART, returns=BOOLEAN, examples=('CONTAINS("abc", "b")', 'NOT CONTAINS(NULL, "b")'))
def contains(site: Site, text: Column, part: Column) -> Column:
    """Whether the part occurs in the text; with a blank operand FALSE."""
    return position(text, part) > sql.whole(0)


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
    """Whether the text begins with the part; with a blank operand FALSE."""
    return func.starts_with(text, part, type_=Boolean())


@function(
    "ENDS", "text", T, PART, returns=BOOLEAN, aliases=("ENDSWITH",), examples=('ENDS("abc", "bc")',), copies=(2, 0)
)
def ends(site: Site, text: Column, part: Column) -> Column:
    """Whether the text ends with the part; with a blank operand FALSE."""
    return func.right(text, length(part), type_=Text()) == part


def _folded(c: Builder, name: str, args: tuple[Node, ...]) -> Node:
    return c.call(name, *(c.call("fold", arg) for arg in args[:2]), *args[2:])


@rewritten(
    "SEARCH",
    "text",
    PART,
    T,
    Param("start", frozenset({"integer"}), optional=True),
    examples=('SEARCH("B", "abcb") = 2', 'SEARCH("B", "abcb", 3) = 4', 'SEARCH("x", "abc") = 0'),
)
def search(c: Builder, args: tuple[Node, ...]) -> Node:
    """Like FIND, capital and small letters alike."""
    return _folded(c, "FIND", args)


@rewritten("ICONTAINS", "text", T, PART, examples=('ICONTAINS("ABC", "b")', 'NOT ICONTAINS("abc", NULL)'))
def icontains(c: Builder, args: tuple[Node, ...]) -> Node:
    """Like CONTAINS, capital and small letters alike."""
    return _folded(c, "CONTAINS", args)


@rewritten("IEQUALS", "text", T, Param("other", frozenset({"text"})), examples=('IEQUALS("Abc", "aBC")',))
def iequals(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether two texts are equal, capital and small letters alike; two blanks are."""
    return _folded(c, "=", args)


@rewritten("EXACT", "text", T, Param("other", frozenset({"text"})), examples=('EXACT("a", "a")', 'NOT EXACT("a", "A")'))
def exact(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether two texts are equal: the same as `=`."""
    return c.call("=", *args)
