"""Logic, blanks and errors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, func, or_
from sqlalchemy import null as sql_null

from metamodel.formula.functions import sql
from metamodel.formula.functions.conditions import condition
from metamodel.formula.functions.guard import chosen, first, only, raises
from metamodel.formula.functions.registry import Builder, Condition, Lowered, Param, Site, lazy_function, rewritten
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, ERROR, INTEGER, NULL, TEXT

CONDITION = Param("condition", frozenset({"boolean"}))
POISON = Literal(ERROR, None)


def choose(c: Builder, conditions: tuple[Node, ...], branches: tuple[Node, ...], otherwise: Node | None) -> Node:
    """The typed `if` of alternating conditions and values."""
    plain = tuple(condition(c, cond) for cond in conditions)
    if any(cond.type.kind == "error" for cond in plain):
        return POISON
    joined, of = c.join(branches if otherwise is None else (*branches, otherwise))
    if of.kind == "error":
        return POISON
    if otherwise is None:
        # A condition is never blank: without an else it is FALSE.
        joined = (*joined, Literal(BOOLEAN, False)) if of.kind == "boolean" else joined
        of = of if of.kind == "boolean" else of.blank()
    args: list[Node] = []
    for cond, branch in zip(plain, joined, strict=False):
        args += (cond, branch)
    return Call(of, "if", (*args, *joined[len(plain) :]))


@rewritten(
    "IF",
    "logic",
    CONDITION,
    Param("then"),
    Param("else", optional=True),
    examples=('IF(1 < 2, "a", "b") = "a"', "IF(FALSE, 1) -> NULL", "IF(TRUE, 1, 1/0) = 1"),
)
def if_(c: Builder, args: tuple[Node, ...]) -> Node:
    """One value or the other; only the one chosen is evaluated. Without `else` it is blank."""
    return choose(c, args[:1], args[1:2], args[2] if len(args) == 3 else None)


@rewritten(
    "IFS",
    "logic",
    CONDITION,
    Param("then"),
    Param("more", repeat=True, optional=True),
    examples=('IFS(1 > 2, "a", 2 > 1, "b") = "b"', "IFS(FALSE, 1, 7) = 7"),
)
def ifs(c: Builder, args: tuple[Node, ...]) -> Node:
    """The value after the first condition that holds; a last value without condition is the default."""
    pairs = len(args) // 2 * 2
    return choose(c, args[0:pairs:2], args[1:pairs:2], args[-1] if len(args) % 2 else None)


@rewritten(
    "CASE",
    "logic",
    Param("value"),
    Param("match"),
    Param("then"),
    Param("more", repeat=True, optional=True),
    aliases=("SWITCH",),
    examples=(
        'CASE(2, 1, "a", 2, "b", "c") = "b"',
        'CASE(3, 1, "a", 2, "b") -> NULL',
        'CASE(NULL, NULL, "blank", "other") = "blank"',
    ),
)
def case_(c: Builder, args: tuple[Node, ...]) -> Node:
    """The value after the first match that equals `value`; a last one without match is the default. Blank matches
    blank."""
    value, rest = args[0], args[1:]
    pairs = len(rest) // 2 * 2
    conditions = tuple(c.call("=", value, match) for match in rest[0:pairs:2])
    return choose(c, conditions, rest[1:pairs:2], rest[-1] if len(rest) % 2 else None)


@lazy_function("if", "logic", Param("condition", repeat=True), operator=True, copies=(1, 1))
def choice(site: Site, *parts: Lowered) -> Lowered:
    """Conditions and values in turn; a last value without condition is the default."""
    pairs = [(parts[i], parts[i + 1], site.args[i]) for i in range(0, len(parts) - 1, 2)]
    default = parts[-1] if len(parts) % 2 else None
    whens: list[tuple[Any, Any]] = []
    for cond, branch, node in pairs:
        if node.type.nullable:
            whens.append((cond.value.is_(None), sql_null()))
        whens.append((cond.value, branch.value))
    branches = [branch for _, branch, _ in pairs] + ([default] if default else [])
    return Lowered(
        case(*whens, else_=default.value if default else None),
        chosen(
            ((cond.value, cond.guard, branch.guard) for cond, branch, _ in pairs), default.guard if default else None
        ),
        all(cond.guard is None for cond, _, _ in pairs) and all(b.guard is None or b.nulls for b in branches),
        max(branch.digits for branch in branches),
        max(branch.places for branch in branches),
    )


@rewritten(
    "BETWEEN",
    "logic",
    Param("value"),
    Param("low"),
    Param("high"),
    examples=("BETWEEN(2, 1, 3)", "BETWEEN(3, 1, 3)", "NOT BETWEEN(NULL, 1, 3)"),
)
def between(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the value lies between the two bounds, which count as inside."""
    return c.call("and", c.call(">=", args[0], args[1]), c.call("<=", args[0], args[2]))


@lazy_function(
    "XOR",
    "logic",
    Param("condition", frozenset({"boolean"}), repeat=True),
    returns=BOOLEAN,
    examples=("XOR(TRUE, FALSE)", "NOT XOR(TRUE, TRUE)", "XOR(TRUE, TRUE, TRUE)", "XOR(TRUE, 1/0 = 1) -> #DIV0"),
)
def xor(site: Site, *parts: Lowered) -> Lowered:
    """Whether an odd number of the conditions holds; all are evaluated."""
    value = parts[0].value
    for part in parts[1:]:
        value = value != part.value
    return Lowered(value, first(*(part.guard for part in parts)))


@rewritten(
    "CHOOSE",
    "logic",
    Param("index", frozenset({"integer"})),
    Param("value", repeat=True),
    examples=(
        'CHOOSE(2, "a", "b", "c") = "b"',
        "CHOOSE(1.9, 10, 20) = 10",
        "CHOOSE(2, 1/0, 7) = 7",
        "CHOOSE(3, 1, 2) -> #VALUE",
        "CHOOSE(NULL, 1, 2) -> NULL",
    ),
)
def choose_at(c: Builder, args: tuple[Node, ...]) -> Node:
    """The value at that position, counted from 1; only it is evaluated. An error where there is none, blank (of
    conditions FALSE) where the position is."""
    index, values = args[0], args[1:]
    conditions = [c.call("=", index, Literal(INTEGER.blank(False), n)) for n in range(1, len(values) + 1)]
    nothing = Literal(BOOLEAN, False) if values[0].type.kind == "boolean" else Literal(NULL, None)
    branches = [*values, nothing]
    conditions.append(c.call("ISBLANK", index))
    return choose(c, tuple(conditions), tuple(branches), Call(NULL, "fail", (Literal(TEXT.blank(False), "VALUE"),)))


@lazy_function("fail", "logic", Param("code", frozenset({"text"}), constant=True), returns=NULL, operator=True)
def fail(site: Site, code: Lowered) -> Lowered:
    """The error of that code; of any type."""
    (held,) = site.args
    assert isinstance(held, Literal) and isinstance(held.value, str)
    return Lowered(sql.constant(None, site.call.type), raises(held.value, sql.TRUE), True)


@lazy_function(
    "ERROR",
    "logic",
    Param("text", frozenset({"text"})),
    returns=NULL,
    examples=('ERROR("no price") -> #CUSTOM', 'IF(1 < 2, 5, ERROR("no")) = 5', 'IFERROR(ERROR("no"), 7) = 7'),
)
def error(site: Site, message: Lowered) -> Lowered:
    """An error that the formula raises itself, such as in a branch that must not be taken; it fits any type."""
    guard = first(message.guard, raises("CUSTOM", sql.TRUE))
    return Lowered(sql.constant(None, site.call.type), guard, True)


@lazy_function(
    "ISBLANK",
    "logic",
    Param("value"),
    returns=BOOLEAN,
    aliases=("ISNULL",),
    raw=True,
    examples=("ISBLANK(NULL)", 'ISBLANK("")', "NOT ISBLANK(0)", "NOT ISBLANK(FALSE)", "ISBLANK(1/0) -> error"),
    copies=(2, 1),
)
def isblank(site: Site, a: Lowered) -> Lowered:
    """Whether there is no value: nothing, an empty text or an empty list; never 0 or FALSE."""
    of = site.args[0].type
    if of.kind == "boolean":
        return Lowered(sql.FALSE, a.guard)
    blank = a.value.is_(None)
    if of.kind == "list":
        return Lowered(or_(blank, func.cardinality(a.value) == sql.whole(0)), a.guard)
    return Lowered(blank, a.guard)


def _first_filled(c: Builder, args: tuple[Node, ...]) -> Node:
    # Among conditions NULL would be FALSE, and so the first that is filled.
    joined, of = c.join([arg for arg in args if arg != Literal(NULL, None)] or args)
    if of.kind == "error":
        return POISON
    return Call(of.blank(all(arg.type.nullable for arg in joined)), "BLANKVALUE", joined)


@lazy_function(
    "BLANKVALUE",
    "logic",
    Param("value"),
    Param("otherwise", repeat=True),
    resolve=_first_filled,
    aliases=("COALESCE", "NULLVALUE"),
    raw=True,
    examples=("BLANKVALUE(NULL, 5) = 5", 'BLANKVALUE("", "x") = "x"', "BLANKVALUE(0, 5) = 0"),
    copies=(1, 1),
)
def blankvalue(site: Site, *parts: Lowered) -> Lowered:
    """The first value that is not blank."""
    if site.call.type.kind == "boolean":
        return parts[0]
    guard = parts[0].guard
    seen: Condition = parts[0].value.is_(None)
    for part in parts[1:]:
        guard = first(guard, only(seen, part.guard))
        seen = sql.all_of(seen, part.value.is_(None))
    return Lowered(
        func.coalesce(*(part.value for part in parts), type_=parts[0].value.type),
        guard,
        digits=max(p.digits for p in parts),
        places=max(p.places for p in parts),
    )


@lazy_function(
    "ISERROR",
    "logic",
    Param("value"),
    returns=BOOLEAN,
    examples=("ISERROR(1/0)", "NOT ISERROR(1/1)", "NOT ISERROR(NULL)"),
)
def iserror(site: Site, a: Lowered) -> Lowered:
    """Whether the value can not be computed."""
    return Lowered(sql.FALSE if a.guard is None else a.guard.condition.is_(sql.TRUE))


def _iferror(c: Builder, args: tuple[Node, ...]) -> Node:
    joined, of = c.join(args)
    return POISON if of.kind == "error" else Call(of, "IFERROR", joined)


@lazy_function(
    "IFERROR",
    "logic",
    Param("value"),
    Param("otherwise"),
    resolve=_iferror,
    examples=("IFERROR(1/0, 7) = 7", "IFERROR(1/2, 7) = 0.5", "IFERROR(1/0, 1/0) -> error"),
    copies=(1, 0),
)
def iferror(site: Site, a: Lowered, b: Lowered) -> Lowered:
    """The value, or another one where it can not be computed."""
    if a.guard is None:
        return a
    return Lowered(
        case((a.guard.condition, b.value), else_=a.value),
        only(a.guard.condition, b.guard),
        False,
        max(a.digits, b.digits),
        max(a.places, b.places),
    )


@lazy_function("broken", "logic", operator=True, copies=(0, 1))
def broken(site: Site) -> Lowered:
    """What stands for a formula that calls a function which is not installed: the error REF in every record."""
    return Lowered(sql.constant(None, site.call.type), raises("REF", sql.TRUE), nulls=True)


@lazy_function("settled", "logic", Param("value"), operator=True)
def settled(site: Site, a: Lowered) -> Lowered:
    """The value, NULL where it is an error: one expression wherever the field stands, so that its index serves.

    PostgreSQL takes a condition apart at its ANDs, so a yes or no is closed in a CASE.
    """
    failed = () if a.guard is None else ((a.guard.condition, None),)
    if site.call.type.kind == "boolean":
        return Lowered(case(*failed, (a.value, sql.TRUE), else_=sql.FALSE), a.guard, True)
    value = case(*failed, else_=a.value) if failed else a.value
    return Lowered(value, a.guard, True, a.digits, a.places)
