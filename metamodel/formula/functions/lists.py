"""Lists: fields that hold several options, lists that a formula writes, and those that functions make."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Integer, any_, cast, func
from sqlalchemy.dialects.postgresql import aggregate_order_by, array

from metamodel.formula import limits
from metamodel.formula.functions import sql
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
from metamodel.formula.types import BOOLEAN, ERROR, INTEGER, Kind, Type

LIST = Param("list", frozenset({"list"}))


def _list(c: Builder, args: tuple[Node, ...]) -> Node:
    parts, of = c.join(args)
    if of.kind == "error":
        return Literal(ERROR, None)
    if of.kind in ("list", "set", "period", "geo", "json"):
        return c.fail("E112", None, f"a list can not hold a {of}")
    item: Kind = "text" if of.kind == "null" else of.kind
    return Call(Type("list", False, of.inexact, of.of, item), "list", parts)


@function("list", "operators", Param("item", repeat=True, optional=True, blanks=True), resolve=_list, operator=True)
def list_(site: Site, *items: Column) -> Column:
    """The values as a list."""
    return cast(array(items), sql.type_of(site.call.type))


def _includes(c: Builder, args: tuple[Node, ...]) -> Node:
    made = _fitted(c, *args)
    return made if made.type.kind == "error" else Call(BOOLEAN, "INCLUDES", (args[0], made))


def _among(c: Builder, args: tuple[Node, ...]) -> Node:
    made = _fitted(c, args[1], args[0])
    return made if made.type.kind == "error" else Call(BOOLEAN, "among", (made, args[1]))


def _fitted(c: Builder, holder: Node, option: Node) -> Node:
    """The value as an element of the list."""
    wanted = holder.type.element
    fitted = c.fit(option, wanted)
    same = fitted.type.kind == wanted.kind or (fitted.type.number and wanted.number)
    if fitted.type.kind == "error":
        return fitted
    if not same or (wanted.of and fitted.type.of != wanted.of):
        return c.fail("E204", option, f"the list holds {wanted}, this is {option.type}")
    return fitted


@function(
    "INCLUDES",
    "list",
    LIST,
    Param("value"),
    resolve=_includes,
    absorbs=True,
    examples=("INCLUDES([1, 2], 2)", 'NOT INCLUDES(["a", "b"], "c")', "NOT INCLUDES([1, 2], NULL)", "2 IN ([1, 2])"),
)
def includes(site: Site, holder: Column, value: Column) -> Column:
    """Whether the list holds the value; a blank one it never holds. `value IN list` is the same."""
    return _held(site.args[0].type, holder, value)


@function(
    "among", "operators", Param("value"), LIST, resolve=_among, absorbs=True, operator=True, examples=("2 IN [1, 2]",)
)
def among(site: Site, value: Column, holder: Column) -> Column:
    """`value IN list`: INCLUDES with the value, and its error, first."""
    return _held(site.args[1].type, holder, value)


def _held(of: Type, holder: Column, value: Column) -> Column:
    if of.element.number:
        # Numbers compare with their fraction: 2.5 is in no list of whole numbers.
        held = sql.num(value) == any_(cast(holder, ARRAY(sql.SQL_TYPES["decimal"])))
        # Beside a blank element it would be unknown.
        return func.coalesce(held, sql.FALSE, type_=Boolean())
    # This form is the one that an index on the list serves.
    return holder.op("@>", precedence=5, is_comparison=True, return_type=Boolean())(
        cast(array([value]), sql.type_of(of))
    )


@rewritten(
    "EXCLUDES",
    "list",
    LIST,
    Param("value"),
    examples=("EXCLUDES([1, 2], 3)", 'NOT EXCLUDES(["a", "b"], "a")', "EXCLUDES([1, 2], NULL)"),
)
def excludes(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the list does not hold the value."""
    return c.call("not", c.call("INCLUDES", *args))


@lazy_function(
    "LISTSIZE",
    "list",
    LIST,
    returns=INTEGER.blank(False),
    raw=True,
    examples=("LISTSIZE([1, 2, 2]) = 3", "LISTSIZE([]) = 0"),
)
def listsize(site: Site, holder: Lowered) -> Lowered:
    """How many elements the list has; a blank one has none."""
    size = func.coalesce(func.cardinality(holder.value, type_=Integer()), sql.whole(0), type_=Integer())
    return Lowered(size, holder.guard, digits=10)


def _of_field(site: Site) -> tuple[int, int]:
    text = site.call.type.kind == "text"
    return (limits.FIELD_CHARACTERS, 0) if text else (site.environment.digits, site.environment.places)


@function(
    "LISTAT",
    "list",
    LIST,
    Param("position", frozenset({"integer"})),
    returns=lambda args: args[0].type.element.blank(args[0].type.element.kind != "boolean"),
    size=_of_field,
    examples=('LISTAT(["a", "b"], 2) = "b"', "LISTAT([1, 2], 3) -> NULL", "LISTAT([1, 2], 0) -> NULL"),
    absorbs=True,
    copies=(3, 0),
)
def listat(site: Site, holder: Column, position: Column) -> Column:
    """The element at that position, counted from 1; blank where there is none, of conditions FALSE."""
    of = site.args[0].type.element
    found = sql.Element(holder, sql.small_int(position, 0, 2**31 - 1), sql.SQL_TYPES[of.kind])
    return func.coalesce(found, sql.FALSE, type_=Boolean()) if of.kind == "boolean" else found


@function(
    "UNIQUE",
    "list",
    LIST,
    returns=lambda args: args[0].type,
    volatility="relational",
    examples=("LISTSIZE(UNIQUE([3, 1, 3])) = 2", "LISTAT(UNIQUE([3, 1, 3]), 2) = 1"),
)
def unique(site: Site, holder: Column) -> Column:
    """Each element once, where it first stands."""
    of = sql.SQL_TYPES[site.args[0].type.element.kind]
    every = func.array_agg(aggregate_order_by(sql.element(of), sql.POSITION))
    return sql.OfElements(holder, every, ARRAY(of), once=True)
