"""Aggregates over child records or a measure's rows. Blanks are left out; an error in any row is an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Integer, Numeric, Text, case, func, literal_column, or_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.registry import (
    AGGREGATES,
    ANY,
    Builder,
    Column,
    Lowered,
    Over,
    Param,
    Site,
    aggregation,
    lazy_function,
    numeric,
)
from metamodel.formula.typed import Aggregate, Node
from metamodel.formula.types import BOOLEAN, DECIMAL, INTEGER, TEXT, Kind, Type

ORDERED = numeric("date", "datetime", "time", "duration", "text")
PLAIN = numeric("date", "datetime", "time", "duration", "text", "boolean", "select", "reference")
NUMERIC = Numeric()
SET = Param("set", of="set")


def row(name: str = "value", kinds: frozenset[Kind] = ANY, *, optional: bool = False) -> Param:
    """A parameter that is written over the rows of the set."""
    return Param(name, kinds, optional=optional, of="row")


def same(args: tuple[Node, ...]) -> Type:
    """The type of the value; blank where there is no row, a condition FALSE."""
    return args[0].type.blank(args[0].type.kind != "boolean")


def mean(of: Type) -> Type:
    """The type of a mean of such values."""
    return (DECIMAL if of.kind == "integer" else of.blank()).rough()


def averaged(args: tuple[Node, ...]) -> Type:
    """The type of a mean of the value."""
    return mean(args[0].type)


def listed(args: tuple[Node, ...]) -> Type:
    """A list of the value."""
    of = args[0].type
    return Type("list", True, of.inexact, of.of, of.kind)


Finish: TypeAlias = Callable[[Builder, Aggregate, "tuple[Node, ...]"], Node]


def finish(name: str) -> Finish:
    """What an aggregate is whose result a function makes of what it collects and of the plain values."""
    return lambda c, made, values: c.call(name, made, *values)


def _count(args: tuple[Node, ...]) -> Type:
    return INTEGER.blank(False)


def _size(over: Over, *also: Any) -> Column:
    return over.rows(func.count(literal_column("*"), type_=sql.SQL_TYPES["integer"]), *also)


@aggregation(
    "COUNT",
    SET,
    row(optional=True),
    returns=_count,
    power=0,
    examples=("COUNT(lines)", "COUNT(lines[amount > 10])", "COUNT(lines.amount)"),
)
def count(site: Site, over: Over) -> Column:
    """The number of rows; with a value, of the rows where it is not blank."""
    return over.rows(func.count(over.values[0], type_=sql.SQL_TYPES["integer"])) if over.values else _size(over)


@aggregation("COUNTDISTINCT", SET, row(), returns=_count, power=0, examples=("COUNTDISTINCT(lines.product)",))
def countdistinct(site: Site, over: Over) -> Column:
    """The number of different values."""
    value = sql.steady(over.values[0], site.args[0].type)
    return over.rows(func.count(value.distinct(), type_=sql.SQL_TYPES["integer"]))


CONDITION = row("condition", frozenset({"boolean"}))


@aggregation(
    "EXISTS",
    SET,
    replace(CONDITION, optional=True),
    returns=lambda args: BOOLEAN,
    examples=("EXISTS(lines[amount > 10])", "EXISTS(lines, amount > 10)"),
)
def exists(site: Site, over: Over) -> Column:
    """Whether there is a row, for which the condition holds where one is given."""
    return _size(over, *over.values) > sql.whole(0)


@aggregation("ALL", SET, CONDITION, returns=lambda args: BOOLEAN, examples=("ALL(lines, amount > 10)",))
def all_(site: Site, over: Over) -> Column:
    """Whether the condition holds for every row; where there is none, it does."""
    return _size(over, over.values[0].is_not(sql.TRUE)) == sql.whole(0)


@aggregation(
    "SUM",
    SET,
    row("value", numeric("duration")),
    returns=lambda args: same(args).blank(False),
    examples=("SUM(lines.amount)", "SUM(lines, price * quantity)"),
)
def sum_(site: Site, over: Over) -> Column:
    """The sum; of nothing it is 0."""
    return func.coalesce(over.rows(func.sum(over.values[0], type_=NUMERIC)), sql.whole(0), type_=NUMERIC)


@aggregation(
    "AVERAGE",
    SET,
    row("value", numeric("duration")),
    returns=averaged,
    examples=("AVERAGE(lines.amount)",),
    copies=2,
)
def average(site: Site, over: Over) -> Column:
    """The mean; of nothing it is blank."""
    (value,) = over.values
    return sql.quotient(over.rows(func.sum(value, type_=NUMERIC)), over.rows(func.count(value)))


def _extreme(name: str, pick: Callable[..., Any], doc: str) -> None:
    def lower(site: Site, over: Over) -> Column:
        (value,) = over.values
        return over.rows(pick(sql.ordered(value, site.args[0].type), type_=value.type))

    lower.__doc__ = doc
    aggregation(name, SET, row("value", ORDERED), returns=same, examples=(f"{name}(lines.amount)",))(lower)


_extreme("MIN", func.min, "The smallest value; of nothing it is blank.")
_extreme("MAX", func.max, "The largest value; of nothing it is blank.")


# -- the row at an end ----------------------------------------------------------------------------------------------


def collected(over: Over, value: Column, *order: Any, known: bool = True) -> Column:
    """The values as an array in that order, then by id; blank ones are left out where only `known` ones are wanted."""
    found = func.array_agg(aggregate_order_by(value, *order, over.id))
    return over.rows(found, value.is_not(None)) if known else over.rows(found)


def _end(name: str, param: Param, doc: str, example: str, *, last: bool, sure: bool) -> None:
    """`last`: the row of the greatest order, else of the least; `sure`: only rows whose order is known count."""

    def lower(site: Site, over: Over) -> Column:
        value, by = over.values
        by = sql.ordered(by, site.args[1].type)
        order = [by.desc().nulls_last() if last else by.asc().nulls_last()]
        order.append(over.id.desc() if last and not sure else over.id.asc())
        every = func.array_agg(aggregate_order_by(value, *order))
        return sql.Element(over.rows(every, *((by.is_not(None),) if sure else ())), sql.whole(1), value.type)

    lower.__doc__ = doc
    params = (SET, row("value", PLAIN), param)
    aggregation(name, *params, returns=same, examples=(example,), copies=2)(lower)


BY = row("by", PLAIN)
for _name, _last, _doc in (
    ("FIRST", False, "The value of the first row in the order given; rows of blank order come last."),
    ("LAST", True, "The value of the last row in the order given; rows of blank order come before all others."),
):
    _end(_name, BY, _doc, f"{_name}(lines.amount, number)", last=_last, sure=False)
for _name, _last, _word in (("ARGMAX", True, "greatest"), ("ARGMIN", False, "least")):
    _doc = f"The value of the row in which another one is {_word}; of several such rows the one made first."
    _end(_name, row("of", ORDERED), _doc, f"{_name}(lines.label, amount)", last=_last, sure=True)


# -- lists ----------------------------------------------------------------------------------------------------------

ORDER = row("by", PLAIN, optional=True)


def _in_order(site: Site, over: Over) -> Column:
    order = [sql.ordered(over.values[1], site.args[1].type).asc().nulls_last()] if len(over.values) == 2 else []
    return collected(over, sql.num(over.values[0]) if site.args[0].type.number else over.values[0], *order)


@aggregation(
    "COLLECT",
    SET,
    row("value", PLAIN),
    ORDER,
    returns=listed,
    examples=("COLLECT(lines.label)", "COLLECT(lines.label, number)"),
    copies=2,
)
def collect(site: Site, over: Over) -> Column:
    """The values as a list, in the order given or that of making; of nothing it is blank."""
    return _in_order(site, over)


@aggregation(
    "TEXTJOIN",
    Param("separator", frozenset({"text"})),
    SET,
    row("value", frozenset({"text"})),
    ORDER,
    returns=listed,
    resolve=finish("joined"),
    shown=True,
    examples=('TEXTJOIN(", ", lines.label)', 'TEXTJOIN(", ", lines, label & 1, number)'),
    copies=2,
)
def textjoin(site: Site, over: Over) -> Column:
    """The values as texts, one after the other with the separator between them, in the order given or that of making;
    of nothing it is blank."""
    return _in_order(site, over)


@lazy_function(
    "joined",
    "list",
    Param("list", frozenset({"list"})),
    Param("separator", frozenset({"text"})),
    returns=lambda args: TEXT,
    operator=True,
    copies=(5, 3),
)
def joined(site: Site, texts: Lowered, separator: Lowered) -> Lowered:
    """The texts of a list with the separator between them."""
    most, between = sql.whole(limits.TEXT_CHARACTERS), sql.filled(separator.value, True)
    spaced = sql.num(func.cardinality(texts.value, type_=Integer())) * sql.num(func.length(between, type_=Integer()))
    wide = spaced > most
    made = func.array_to_string(texts.value, case((wide, sql.text("")), else_=between), type_=Text())
    long = or_(wide, func.length(made) > most)
    guard = first(texts.guard, separator.guard, raises("LIMIT", long))
    return Lowered(case((long, None), else_=made), guard, digits=limits.TEXT_CHARACTERS)


def _product(c: Builder, made: Aggregate, values: tuple[Node, ...]) -> Node:
    product = c.call("*", *made.values)
    if product.type.kind == "error":
        return product
    total = AGGREGATES["SUM"]
    return replace(made, type=total.returns((product,)), function=total.name, value=product, by=None)


@aggregation(
    "SUMPRODUCT",
    SET,
    row("value", numeric("duration")),
    row("factor", numeric()),
    returns=same,
    resolve=_product,
    examples=("SUMPRODUCT(lines.price, quantity)", "SUMPRODUCT(lines, price, quantity)"),
)
def sumproduct(site: Site, over: Over) -> Column:
    """The sum of the products of two values of each row; rows where one is blank add nothing."""
    raise AssertionError("it is a SUM")
