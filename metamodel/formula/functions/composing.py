"""Texts put together and taken apart. A result that is too long is an error (formula.md 2.12)."""

from __future__ import annotations

from sqlalchemy import ARRAY, Integer, Text, case, cast, func
from sqlalchemy.dialects.postgresql import array

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import Guard, first, raises
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Param,
    Site,
    function,
    lazy_function,
    rewritten,
)
from metamodel.formula.functions.text import COUNT, FAR, MAX, START, T, blankable, filled, length, replaced
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import ERROR, TEXT, Type

OLD, NEW = Param("old", frozenset({"text"})), Param("new", frozenset({"text"}))
SEPARATOR = Param("separator", frozenset({"text"}))
TEXTS = ARRAY(Text())


# -- repeated, padded, replaced ---------------------------------------------------------------------------------------


@function(
    "REPT",
    "text",
    T,
    COUNT,
    returns=blankable,
    errors={"LIMIT": lambda site, text, count: sql.num(length(text)) * sql.num(count) > sql.whole(MAX)},
    size=lambda site: (MAX, 0),
    examples=('REPT("ab", 3) = "ababab"', 'REPT("ab", -1) -> NULL', 'REPT("ab", 1e30) -> #LIMIT'),
    copies=(6, 1),
)
def rept(site: Site, text: Column, count: Column) -> Column:
    """The text so many times."""
    fits = sql.whole(MAX) // func.greatest(length(text), sql.whole(1), type_=Integer())
    wanted = sql.small_int(count, 0, MAX)
    times = case((wanted > fits, sql.whole(0)), else_=wanted)
    return sql.or_blank(func.repeat(text, times, type_=Text()))


def _padded(name: str, doc: str, examples: tuple[str, ...]) -> None:
    pad_with = func.lpad if name == "LPAD" else func.rpad

    def lower(site: Site, text: Column, count: Column, pad: Column | None = None) -> Column:
        with_ = sql.text(" ") if pad is None else pad
        return sql.or_blank(pad_with(text, sql.small_int(count, 0, MAX), with_, type_=Text()))

    def fails(site: Site, text: Column, count: Column, pad: Column | None = None) -> Condition | None:
        if isinstance(count, sql.Constant) and (count.value is None or count.value <= MAX):
            return None
        others = [column for column in (text, pad) if column is not None]
        return sql.all_of(count > sql.whole(MAX), *(column.is_not(None) for column in others))

    lower.__doc__ = doc
    function(
        name,
        "text",
        T,
        Param("length", frozenset({"integer"})),
        Param("pad", frozenset({"text"}), optional=True),
        returns=blankable,
        errors={"LIMIT": fails},
        size=lambda site: (MAX, 0),
        examples=examples,
        copies=(3, 1),
    )(lower)


_padded(
    "LPAD",
    "The text filled up at its start to a length, with spaces or repetitions of `pad`; a longer one is cut at its end.",
    ('LPAD("7", 3, "0") = "007"', 'LPAD("abcd", 2) = "ab"', 'LPAD("a", -1) -> NULL'),
)
_padded(
    "RPAD",
    "The text filled up at its end to a length, with spaces or repetitions of `pad`; a longer one is cut.",
    ('RPAD("7", 3, ".") = "7.."', 'RPAD("abcd", 2) = "ab"', 'RPAD("a", 2) & "b" = "a b"'),
)


def _grown(text: Column, old: Column, new: Column) -> Column:
    """The length that a replacement will give."""
    found = (length(text) - length(replaced(text, old, sql.text("")))) / func.nullif(
        length(old), sql.whole(0), type_=Integer()
    )
    return length(text) + sql.num(found) * (length(new) - length(old))


@lazy_function(
    "SUBSTITUTE",
    "text",
    T,
    OLD,
    NEW,
    Param("nth", frozenset({"integer"}), optional=True),
    returns=blankable,
    examples=(
        'SUBSTITUTE("a-b-c", "-", "+") = "a+b+c"',
        'SUBSTITUTE("a-b", "-", "") = "ab"',
        'SUBSTITUTE("a-b-c", "-", "+", 2) = "a-b+c"',
    ),
    copies=(4, 3),
)
def substitute(site: Site, text: Lowered, old: Lowered, new: Lowered, nth: Lowered | None = None) -> Lowered:
    """Every occurrence of `old` replaced by `new`, or only the `nth`; a blank `new` removes it."""
    put = filled(new.value, site.args[2])
    if nth is not None:
        return _substitute_one(text, old, new, nth, put)
    guard = first(text.guard, old.guard, new.guard)
    value: Column = sql.or_blank(replaced(text.value, old.value, put))
    both = isinstance(old.value, sql.Constant) and isinstance(put, sql.Constant)
    if both and len(put.value) <= len(old.value.value or ""):
        return Lowered(value, guard, digits=text.digits)
    long = _grown(text.value, old.value, put) > sql.whole(MAX)
    return Lowered(case((long, None), else_=value), first(guard, raises("LIMIT", long)), digits=MAX)


def _substitute_one(text: Lowered, old: Lowered, new: Lowered, nth: Lowered, put: Column) -> Lowered:
    which = sql.small_int(nth.value, 0, FAR)
    value = func.fieldwright.text_replace(text.value, old.value, put, which, type_=Text())
    guard = first(text.guard, old.guard, new.guard, nth.guard)
    return _measured(sql.or_blank(value), guard, text.digits + new.digits)


def _measured(value: Column, guard: Guard | None, digits: int) -> Lowered:
    """A text that was made without harm, an error where it is too long."""
    long = raises("LIMIT", length(value) > sql.whole(MAX)) if digits > MAX else None
    return Lowered(value, first(guard, long), digits=min(digits, MAX))


@lazy_function(
    "REPLACE",
    "text",
    T,
    START,
    COUNT,
    NEW,
    returns=blankable,
    examples=(
        'REPLACE("abcdef", 3, 2, "*") = "ab*ef"',
        'REPLACE("abc", 9, 1, "d") = "abcd"',
        'REPLACE("abc", 1, 3, "") -> NULL',
    ),
    copies=(3, 3),
)
def replace(site: Site, text: Lowered, start: Lowered, count: Lowered, new: Lowered) -> Lowered:
    """`count` characters from position `start` replaced by `new`; a blank `new` removes them."""
    begin, size = sql.small_int(start.value, 1, FAR), sql.small_int(count.value, 0, FAR)
    value = func.overlay(text.value, filled(new.value, site.args[3]), begin, size, type_=Text())
    guard = first(text.guard, start.guard, count.guard, new.guard)
    return _measured(sql.or_blank(value), guard, text.digits + new.digits)


# -- joined and split -------------------------------------------------------------------------------------------------


def _text(c: Builder, arg: Node) -> Node:
    return c.fit(arg, TEXT) if arg.type.kind in ("text", "null") else c.call("TEXT", arg)


def _concat(c: Builder, args: tuple[Node, ...]) -> Node:
    shown: list[Node] = []
    for arg in args:
        if isinstance(arg, Call) and arg.function == "concat":
            shown.extend(arg.args)
        else:
            shown.append(_text(c, arg))
    if any(arg.type.kind == "error" for arg in shown):
        return Literal(ERROR, None)
    return Call(TEXT.blank(all(arg.type.nullable for arg in shown)), "concat", tuple(shown))


@lazy_function(
    "concat",
    "operators",
    Param("text", repeat=True),
    resolve=_concat,
    volatility="zoned",
    operator=True,
    examples=('"a" & "b" = "ab"', '"a" & NULL = "a"', '1.50 & "x" = "1.5x"', 'NULL & "" -> NULL'),
)
def concat(site: Site, *parts: Lowered) -> Lowered:
    """Texts joined; a blank counts as nothing. Numbers, dates and conditions are written as TEXT() writes them."""
    value = sql.filled(parts[0].value, site.args[0].type.nullable)
    for part, arg in zip(parts[1:], site.args[1:], strict=True):
        value = value.concat(sql.filled(part.value, arg.type.nullable))
    digits = sum(part.digits for part in parts)
    guard = first(*(part.guard for part in parts))
    value = sql.or_blank(value) if site.call.type.nullable else value
    if digits > limits.JOINED_CHARACTERS:
        lengths = [func.coalesce(length(part.value), sql.whole(0), type_=Integer()) for part in parts]
        total = sum(lengths[1:], lengths[0])
        long = total > sql.whole(MAX)
        value = case((long, None), else_=value)
        guard = first(guard, raises("LIMIT", long))
        digits = MAX
    return Lowered(value, guard, digits=digits)


@rewritten(
    "CONCATENATE",
    "text",
    Param("value", repeat=True),
    volatility="zoned",
    aliases=("CONCAT",),
    examples=('CONCATENATE("a", 1, TRUE) = "a1TRUE"',),
)
def concatenate(c: Builder, args: tuple[Node, ...]) -> Node:
    """The values as texts, joined: the same as `&`."""
    return c.call("concat", *args)


def _joined(c: Builder, args: tuple[Node, ...]) -> Node:
    values = args[2:]
    listed = [arg for arg in values if arg.type.kind == "list"]
    if listed and len(values) > 1:
        return c.fail("E204", listed[0], "a list stands alone in TEXTJOIN", "join it first")
    if listed and listed[0].type.element.kind not in ("text", "select"):
        hint = "join the set itself, such as TEXTJOIN(separator, set.field)"
        return c.fail("E204", listed[0], f"TEXTJOIN joins the items of a list of texts, this is {listed[0].type}", hint)
    shown = tuple(listed) or tuple(_text(c, arg) for arg in values)
    failed = any(arg.type.kind == "error" for arg in shown)
    return Literal(ERROR, None) if failed else Call(TEXT, "TEXTJOIN", (*args[:2], *shown))


@lazy_function(
    "TEXTJOIN",
    "text",
    SEPARATOR,
    Param("skip_blanks", frozenset({"boolean"})),
    Param("value", repeat=True),
    resolve=_joined,
    volatility="zoned",
    examples=(
        'TEXTJOIN(", ", TRUE, "a", NULL, 3) = "a, 3"',
        'TEXTJOIN(",", FALSE, "a", NULL, "b") = "a,,b"',
        'TEXTJOIN("", TRUE, "a", "b") = "ab"',
    ),
    copies=(1, 1),
)
def textjoin(site: Site, separator: Lowered, skip: Lowered, *values: Lowered) -> Lowered:
    """The values as texts, or the items of one list of texts, with the separator between them, with or without the
    blank ones."""
    listed = site.args[2].type.kind == "list"
    parts = values[0].value if listed else cast(array([part.value for part in values]), TEXTS)
    put = filled(separator.value, site.args[0])
    blank = case((skip.value, sql.Constant(None, Text())), else_=sql.text(""))
    value = sql.or_blank(func.fieldwright.text_join(parts, put, blank, type_=Text()))
    digits = MAX + 1 if listed else sum(part.digits for part in values) + separator.digits * (len(values) - 1)
    return _measured(value, first(separator.guard, skip.guard, *(part.guard for part in values)), digits)


@function(
    "SPLIT",
    "text",
    T,
    SEPARATOR,
    returns=lambda args: Type("list", nullable=any(arg.type.nullable for arg in args), item="text"),
    examples=('TEXTJOIN("+", FALSE, SPLIT("a,,b", ",")) = "a++b"', 'INCLUDES(SPLIT("a,b", ","), "b")'),
    copies=(2, 0),
    absorbs=True,
)
def split(site: Site, text: Column, separator: Column) -> Column:
    """The parts between the separators, as a list; an empty part is blank."""
    parts = func.string_to_array(text, separator, sql.text(""), type_=TEXTS)
    return case((separator.is_not(None), parts)) if site.args[1].type.nullable else parts
