"""Fields that hold several options."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, cast
from sqlalchemy.dialects.postgresql import array

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Builder, Column, Param, Site, function
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN, ERROR, Kind, Type


def _list(c: Builder, args: tuple[Node, ...]) -> Node:
    parts, of = c.join(args)
    if of.kind == "error":
        return Literal(ERROR, None)
    if of.kind in ("list", "set", "period"):
        return c.fail("E112", None, f"a list can not hold a {of}")
    item: Kind = "text" if of.kind == "null" else of.kind
    return Call(Type("list", False, of.inexact, of.of, item), "list", parts)


@function("list", "operators", Param("item", repeat=True, optional=True), resolve=_list, operator=True)
def list_(site: Site, *items: Column) -> Column:
    """The values as a list."""
    of = sql.SQL_TYPES[site.call.type.element.kind]
    return cast(array(items), ARRAY(of))


def _includes(c: Builder, args: tuple[Node, ...]) -> Node:
    holder, option = args
    wanted = Type("select", of=holder.type.of) if holder.type.of not in (None, "text") else Type("text")
    fitted = c.fit(option, wanted)
    if fitted.type.kind not in (wanted.kind, "error"):
        return c.fail("E204", option, f"the list holds {wanted}, this is {option.type}")
    return Literal(ERROR, None) if fitted.type.kind == "error" else Call(BOOLEAN, "INCLUDES", (holder, fitted))


@function("INCLUDES", "list", Param("list", frozenset({"list"})), Param("option"), resolve=_includes)
def includes(site: Site, holder: Column, option: Column) -> Column:
    """Whether the list holds the option."""
    return holder.op("@>", precedence=5, is_comparison=True, return_type=Boolean())(array([option]))
