"""Comparison and logic: two-valued, blanks included (formula.md 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import ARRAY, Boolean, Numeric, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.operators import ANY2, family, remedy
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Function,
    Lowered,
    Param,
    Site,
    function,
    register,
)
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, ERROR, Type

ORDERED = frozenset({"number", "text", "date", "datetime", "time", "duration", "blank"})


def _compared(c: Builder, a: Node, b: Node, op: str) -> tuple[Node, Node] | None:
    """The two operands, literals fitted to the other side; None where they can not be compared (noted)."""
    a, b = c.fit(a, b.type.blank()), c.fit(b, a.type.blank())
    if "error" in (a.type.kind, b.type.kind):
        return None
    one, two = family(a.type), family(b.type)
    if one == "blank" == two:
        return a, b
    same_of = a.type.of == b.type.of or one not in ("select", "reference", "list")
    if one == two == "list":
        a, b = _filled_as(a, b.type), _filled_as(b, a.type)
        of, other = a.type.element, b.type.element
        same_of = same_of and (of.kind == other.kind or (of.number and other.number))
    if one != two or not same_of or one in ("period", "set"):
        units = {one, two} == {"duration", "number"}
        hint = _number_in_quotes(a, b) or remedy(a.type, b.type)
        c.fail("E202" if units else "E201", None, f"{a.type} {op} {b.type} can not be compared", hint)
        return None
    return a, b


def _filled_as(a: Node, other: Type) -> Node:
    """An empty list as one of the other's type."""
    empty = isinstance(a, Call) and a.function == "list" and not a.args
    return replace(a, type=other.blank(False)) if empty else a


def _number_in_quotes(a: Node, b: Node) -> str | None:
    for number, quoted in ((a, b), (b, a)):
        if number.type.number and isinstance(quoted, Literal) and isinstance(quoted.value, str):
            return f"write the number without quotes: {quoted.value}" if quoted.value.isdecimal() else None
    return None


def _equality(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        found = _compared(c, args[0], args[1], op)
        return Call(BOOLEAN, op, found) if found else Literal(ERROR, None)

    return resolve


def _order(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        found = _compared(c, args[0], args[1], op)
        if found is None:
            return Literal(ERROR, None)
        if family(found[0].type) not in ORDERED:
            return c.fail("E201", None, f"{found[0].type} has no order", "only = and <> apply")
        return Call(BOOLEAN, op, found)

    return resolve


def _steady(site: Site, *columns: Column) -> tuple[Column, ...]:
    """The operands as they are compared: inexact numbers at the guard digits, lists of numbers of one type."""
    if len({arg.type.element.kind for arg in site.args if arg.type.kind == "list"}) > 1:
        return tuple(cast(column, ARRAY(Numeric())) for column in columns)
    return tuple(sql.steady(column, arg.type) for column, arg in zip(columns, site.args, strict=True))


def _is_null_literal(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _total_equal(site: Site, a: Column, b: Column) -> Column:
    a, b = _steady(site, a, b)
    if _is_null_literal(site.args[1]):
        return a.is_(None)
    if _is_null_literal(site.args[0]):
        return b.is_(None)
    return a.is_not_distinct_from(b)


def _total_unequal(site: Site, a: Column, b: Column) -> Column:
    a, b = _steady(site, a, b)
    if _is_null_literal(site.args[1]):
        return a.is_not(None)
    if _is_null_literal(site.args[0]):
        return b.is_not(None)
    return a.is_distinct_from(b)


@function(
    "=",
    "operators",
    *ANY2,
    resolve=_equality("="),
    total=_total_equal,
    returns=BOOLEAN,
    operator=True,
    aliases=("==",),
    examples=("1 = 1.0", "NULL = NULL", "(NULL = 1) = FALSE", '("a" = "A") = FALSE'),
)
def equal(site: Site, a: Column, b: Column) -> Column:
    """Equal; two blanks are equal. Texts by code point, so the case of letters matters."""
    a, b = _steady(site, a, b)
    return a == b


@function(
    "<>",
    "operators",
    *ANY2,
    resolve=_equality("<>"),
    total=_total_unequal,
    returns=BOOLEAN,
    operator=True,
    aliases=("!=",),
    examples=("1 <> 2", "NULL <> 1", "(NULL <> NULL) = FALSE"),
)
def unequal(site: Site, a: Column, b: Column) -> Column:
    """Not equal; a blank differs from every value."""
    a, b = _steady(site, a, b)
    return a != b


def _declare_order(op: str, doc: str, examples: tuple[str, ...]) -> None:
    def lower(site: Site, a: Column, b: Column) -> Column:
        a, b = _steady(site, a, b)
        return sql.ordered(a, site.args[0].type).op(op, precedence=5, is_comparison=True, return_type=Boolean())(b)

    lower.__doc__ = doc
    function(op, "operators", *ANY2, resolve=_order(op), returns=BOOLEAN, operator=True, examples=examples)(lower)


_declare_order("<", "Less; a blank operand gives FALSE.", ("1 < 2", "(NULL < 1) = FALSE", '"Z" < "a"'))
_declare_order("<=", "Less or equal; a blank operand gives FALSE.", ("2 <= 2", "(NULL <= NULL) = FALSE"))
_declare_order(">", "Greater; a blank operand gives FALSE.", ("3 > 2", "@2024-02-01 > @2024-01-31"))
_declare_order(">=", "Greater or equal; a blank operand gives FALSE.", ("2 >= 2", "2days >= 48hours"))


def _in(c: Builder, args: tuple[Node, ...]) -> Node:
    operand, items = args[0], args[1:]
    if len(items) == 1 and items[0].type.kind == "list" and operand.type.kind != "list":
        return c.call("among", operand, items[0])
    if operand.type.kind == "null":
        operand = c.fit(operand, next((item.type.blank() for item in items if item.type.kind != "null"), operand.type))
    pairs = [_compared(c, operand, item, "IN") for item in items]
    if any(pair is None for pair in pairs):
        return Literal(ERROR, None)
    return Call(BOOLEAN, "in", (pairs[0][0] if pairs and pairs[0] else operand, *(p[1] for p in pairs if p)))


def _total_in(site: Site, a: Column, *items: Column) -> Column:
    if not items:
        return sql.FALSE
    a, *others = _steady(site, a, *items)
    inside: Column = a.in_(others)
    unknown = [item.is_(None) for item, arg in zip(others, site.args[1:], strict=True) if arg.type.nullable]
    blank = site.args[0].type.nullable
    found = func.coalesce(inside, sql.FALSE, type_=Boolean()) if blank or unknown else inside
    return or_(found, sql.all_of(a.is_(None), or_(*unknown))) if blank and unknown else found


@function(
    "in",
    "operators",
    Param("value"),
    Param("items", repeat=True, optional=True, blanks=True),
    resolve=_in,
    total=_total_in,
    returns=BOOLEAN,
    operator=True,
    examples=("2 IN (1, 2)", "NULL IN (1, NULL)", "NOT (2 IN ())", '"a" NOT IN ["b", "c"]'),
    copies=(2, 1),
)
def is_in(site: Site, a: Column, *items: Column) -> Column:
    """Whether the value equals one of the items."""
    if not items:
        # An error of the value is none of the list's.
        return sql.FALSE if site.lowered[0].guard is None else case((a.is_not(None), sql.FALSE))
    a, *others = _steady(site, a, *items)
    return a.in_(others)


# -- logic: lowered by the walker, which knows where a condition stands


def condition(c: Builder, arg: Node) -> Node:
    """The argument where it is a condition; noted and poisoned where it is not."""
    fitted = c.fit(arg, BOOLEAN)
    if fitted.type.kind in ("boolean", "error"):
        return fitted
    return c.fail("E201", arg, f"a condition is needed here, this is {arg.type}", "compare it with something")


def _logic(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        fitted = tuple(condition(c, arg) for arg in args)
        if any(arg.type.kind == "error" for arg in fitted):
            return Literal(ERROR, None)
        flat = [
            part
            for arg in fitted
            for part in (arg.args if op != "not" and isinstance(arg, Call) and arg.function == op else (arg,))
        ]
        return Call(BOOLEAN, op, tuple(flat))

    return resolve


def _walker_only(site: Site, *args: Lowered) -> Lowered:
    raise AssertionError("conditions are lowered by the walker")


for _name, _doc, _params, _examples in (
    (
        "and",
        "All conditions hold; evaluated left to right, the rest is not looked at after a FALSE.",
        (Param("condition", repeat=True),),
        ("TRUE AND 1 < 2", "AND(TRUE, TRUE)", "NOT (FALSE AND 1/0 = 1)"),
    ),
    (
        "or",
        "One of the conditions holds; evaluated left to right, the rest is not looked at after a TRUE.",
        (Param("condition", repeat=True),),
        ("FALSE OR TRUE", "OR(TRUE, 1/0 = 1)", "1/0 = 1 OR TRUE -> error"),
    ),
    ("not", "The opposite of a condition.", (Param("condition"),), ("NOT FALSE", "NOT 1 = 2", "!FALSE")),
):
    register(
        Function(
            name=_name,
            group="operators",
            params=_params,
            doc=_doc,
            lazy=_walker_only,
            resolve=_logic(_name),
            returns=BOOLEAN,
            aliases=() if _name == "not" else (_name.upper(),),
            operator=True,
            examples=_examples,
        )
    )
