"""Regular expressions: a constant pattern in the subset that PostgreSQL, RE2 and others read alike (formula.md 2.12).

Classes such as `\\w` mean ASCII, `.` any character; of several matches at one place the longest counts.
"""

from __future__ import annotations

import re

from sqlalchemy import Boolean, Text, func

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.composing import NEW
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Param,
    Site,
    function,
    lazy_function,
)
from metamodel.formula.functions.text import MAX, T, filled, length, outgrown, replaced
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, ERROR, TEXT

POISON = Literal(ERROR, None)
PATTERN = Param("pattern", frozenset({"text"}), constant=True)
SUPPORTED = r"supported: . [] | () (?:) * + ? {m,n} \d \w \s ^ $"
TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\{\d+(?:,\d*)?\}|.", re.DOTALL)
ESCAPE = re.compile(r"\\(?P<escaped>.?)", re.DOTALL)
ESCAPED = frozenset(r"dws.\^$|?*+()[]{}/-")
QUANTIFIERS = frozenset("*+?{")
JOINED_RANGES = re.compile(r"(?:\\.|[^\\])-(?:\\.|[^\\])-.", re.DOTALL)
"""In brackets: a range that goes on, as in `a-c-e`, which PostgreSQL refuses."""
REPETITION = 255
STATES = 2_000
"""How many characters a pattern may stand for when its repetitions are written out; PostgreSQL refuses far more."""


def pattern_problem(pattern: str, *, lazy: bool = True) -> str | None:
    """Why a pattern is outside the subset, or None. `lazy`: repetitions of as few as possible (`*?`) are allowed."""
    if len(pattern) > limits.PATTERN_CHARACTERS:
        return f"the pattern has more than {limits.PATTERN_CHARACTERS} characters"
    tokens = TOKEN.findall(pattern)
    for before, token in zip(("", *tokens), tokens, strict=False):
        if not _supported(before, token, lazy):
            return f'"{before}{token}" is not supported in a pattern'
    if any(int(n) > REPETITION for bounds in re.findall(r"\{([\d,]+)\}", pattern) for n in bounds.split(",") if n):
        return f"a repetition may be at most {REPETITION}"
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"the pattern is not valid: {error}"
    if _states(tokens) > STATES:
        return "the repetitions in the pattern multiply to too much"
    return None


def _supported(before: str, token: str, lazy: bool) -> bool:
    """Whether the part of a pattern may stand after the one before it."""
    if any(found["escaped"] not in ESCAPED or not found["escaped"] for found in ESCAPE.finditer(token)):
        return False
    if token[0] == "[":
        inside = token[1:-1].removeprefix("^")
        return "[" not in ESCAPE.sub("", inside) and "&&" not in inside and not JOINED_RANGES.search(inside)
    if token[0] not in QUANTIFIERS:
        return True
    if token == "{" or before in ("", "^", "$", "(", "(?:", "|"):
        return False
    return before[0] not in QUANTIFIERS or (lazy and token == "?" and before != "?")


def _states(tokens: list[str]) -> int:
    """The size of a valid pattern when its repetitions are written out."""
    open_groups: list[list[int]] = [[]]
    for token in tokens:
        if token in ("(", "(?:"):
            open_groups.append([])
        elif token == ")":
            inside = sum(open_groups.pop())
            open_groups[-1].append(inside + 1)
        elif token[0] == "{" and len(token) > 1:
            least, _, most = token[1:-1].partition(",")
            open_groups[-1][-1] *= max(int(least) + 1, int(most or 0))
        elif token in ("*", "+", "?"):
            open_groups[-1][-1] += 1
        else:
            open_groups[-1].append(1)
    return sum(open_groups[0])


def _pattern(c: Builder, args: tuple[Node, ...], *, lazy: bool) -> bool:
    """Whether the pattern is sound; if not, that is noted."""
    problem = pattern_problem(source(args[1]), lazy=lazy)
    if problem:
        c.fail("E209", args[1], problem, SUPPORTED)
    return problem is None


def source(node: Node) -> str:
    """The text of a constant."""
    assert isinstance(node, Literal)
    return str(node.value)


def _read(site: Site, text: Column) -> Column:
    """What a pattern looks at: its cost is bounded, and the database's locale does not matter."""
    if site.lowered[0].digits > limits.FIELD_CHARACTERS:
        text = func.left(text, sql.whole(limits.FIELD_CHARACTERS), type_=Text())
    return sql.collated(text, "C")


def _longer(text: Lowered, most: int) -> Condition | None:
    """Whether the text is longer than that; None where it can not be."""
    return length(text.value) > sql.whole(most) if text.digits > most else None


def _unread(site: Site, text: Column, pattern: Column) -> Condition | None:
    """Whether the text is longer than what a pattern looks at."""
    return _longer(site.lowered[0], limits.FIELD_CHARACTERS)


def _regex(c: Builder, args: tuple[Node, ...]) -> Node:
    return Call(BOOLEAN, "REGEX", args) if _pattern(c, args, lazy=True) else POISON


def _extract(c: Builder, args: tuple[Node, ...]) -> Node:
    return Call(TEXT, "REGEXEXTRACT", args) if _pattern(c, args, lazy=False) else POISON


def _replace(c: Builder, args: tuple[Node, ...]) -> Node:
    return Call(TEXT, "REGEXREPLACE", args) if _pattern(c, args, lazy=False) else POISON


@function(
    "REGEX",
    "text",
    T,
    PATTERN,
    resolve=_regex,
    errors={"LIMIT": _unread},
    aliases=("REGEXMATCH",),
    examples=(r'REGEX("A-12", "[A-Z]-\\d+")', r'NOT REGEX("xA-12", "[A-Z]-\\d+")'),
)
def regex(site: Site, text: Column, pattern: Column) -> Column:
    """Whether the whole text matches the pattern (a constant, in the subset that every engine reads alike)."""
    whole = sql.text(f"^(?:{source(site.args[1])})$")
    return _read(site, text).op("~", precedence=5, is_comparison=True, return_type=Boolean())(whole)


@function(
    "REGEXEXTRACT",
    "text",
    T,
    PATTERN,
    resolve=_extract,
    errors={"LIMIT": _unread},
    examples=(
        r'REGEXEXTRACT("order A-12", "[A-Z]-\\d+") = "A-12"',
        r'REGEXEXTRACT("order A-12", "[A-Z]-(\\d+)") = "12"',
        r'REGEXEXTRACT("order", "\\d") -> NULL',
    ),
)
def regexextract(site: Site, text: Column, pattern: Column) -> Column:
    """The first part of the text that matches the pattern, of it the first group where there is one; blank where
    nothing matches."""
    return sql.or_blank(func.substring(_read(site, text), sql.text(source(site.args[1])), type_=Text()))


@lazy_function(
    "REGEXREPLACE",
    "text",
    T,
    PATTERN,
    NEW,
    resolve=_replace,
    examples=(
        'REGEXREPLACE("tel. 12-34", "[^0-9]", "") = "1234"',
        r'REGEXREPLACE("Doe, Jane", "(\\w+), (\\w+)", "$2 $1") = "Jane Doe"',
    ),
    copies=(1, 3),
)
def regexreplace(site: Site, text: Lowered, pattern: Lowered, new: Lowered) -> Lowered:
    """Every part of the text that matches the pattern replaced; `$1` to `$9` stand for what its groups matched, where
    it has so many. A blank replacement removes the parts."""
    put = filled(new.value, site.args[2])
    most = limits.PATTERN_CHARACTERS
    plain = replaced(func.left(put, sql.whole(most), type_=Text()), sql.text("\\"), sql.text("\\\\"))
    pattern_, every = source(site.args[1]), sql.text("g")
    if groups := min(re.compile(pattern_).groups, 9):
        named = sql.text(rf"\$([1-{groups}])")
        plain = func.regexp_replace(plain, named, sql.text(r"\\\1"), every, type_=Text())
    made = func.regexp_replace(_read(site, text.value), sql.text(pattern_), plain, every, type_=Text())
    # A replacement stands at every place at most; all that one of its `$1` stands for is no longer than the text.
    size = len(put.value) if isinstance(put, sql.Constant) else most
    long = sql.any_of(
        outgrown(text, made, size + 1, size), _longer(text, limits.FIELD_CHARACTERS), _longer(new, most)
    )
    return Lowered(sql.or_blank(made), first(text.guard, new.guard, raises("LIMIT", long)), digits=MAX)
