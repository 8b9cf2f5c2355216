"""Typed tree -> SQLAlchemy Core: the one walker that lowers the formula language.

A part becomes a value and a guard (`Lowered`): the value never raises, the guard is TRUE where the part is an error.
What a function means in SQL stands with its declaration in `metamodel/formula/functions/`; here is what depends on
where an expression stands: comparisons are two-valued wherever their value can be seen and bare where only TRUE
counts, so that indexes serve them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any, Protocol, TypeAlias, runtime_checkable

import structlog
from sqlalchemy import Boolean, DateTime, Text, and_, case, func, not_, or_
from sqlalchemy.sql.elements import Grouping, UnaryExpression

from engine.plan.planned import Computed, three_valued, written
from metamodel.formula import limits, typed
from metamodel.formula.functions import clock, sql
from metamodel.formula.functions.guard import Guard, first, held, only, raises
from metamodel.formula.functions.operators import bounded
from metamodel.formula.functions.registry import (
    BrokenPlugin,
    Column,
    Condition,
    Environment,
    Function,
    Lowered,
    Over,
    Site,
    lookup,
)
from metamodel.formula.functions.registry import aggregate as aggregation
from metamodel.formula.types import Type

__all__ = [
    "Environment",
    "Lowered",
    "Row",
    "aggregate",
    "condition",
    "error",
    "failed",
    "grants",
    "lower",
    "outcome",
    "settled",
    "three_valued",
    "value",
    "violated",
]

CONNECTIVES = frozenset({"and", "or", "not"})
Lowering: TypeAlias = Callable[..., Lowered]
log = structlog.get_logger("fieldwright.formula")


class Row(Protocol):
    """Where the leaves of an expression come from: the columns, parameters and aggregates of one statement."""

    @property
    def environment(self) -> Environment: ...
    def field(self, node: typed.Field) -> Column: ...
    def property(self, node: typed.Property) -> Column: ...
    def system(self, node: typed.System) -> Column: ...
    def param(self, node: typed.Param) -> Column: ...
    def aggregate(self, node: typed.Aggregate) -> Lowered: ...


@runtime_checkable
class Layered(Protocol):
    """A row that has some formula fields as columns."""

    def computed(self, node: Computed) -> Lowered | None: ...


# -- the ways to use an expression ----------------------------------------------------------------------------------


def value(node: typed.Node, row: Row) -> Column:
    """The expression as a column; where it is an error it is NULL."""
    return settled(lower(node, row))


def condition(node: typed.Node, row: Row) -> Condition:
    """The condition for WHERE, FILTER or ON: TRUE where it holds, anything else where it does not or is an error."""
    found = _truth(node, row)
    return (
        found.value if found.guard is None or found.nulls else and_(found.value, found.guard.condition.is_not(sql.TRUE))
    )


def grants(node: typed.Node, row: Row) -> Condition:
    """The condition of row access: a comparison with a blank operand is unknown, its negation too; only TRUE grants."""
    return condition(three_valued(node), row)


def violated(node: typed.Node, row: Row) -> Condition:
    """TRUE where the condition does not hold or is an error, else FALSE."""
    return condition(node, row).is_not(sql.TRUE)


def failed(node: typed.Node, row: Row) -> Condition:
    """TRUE where the expression is an error, else FALSE."""
    guard = lower(node, row).guard
    return sql.FALSE if guard is None else guard.condition.is_(sql.TRUE)


def error(node: typed.Node, row: Row) -> Column:
    """The code of the expression's error, NULL where it is none."""
    return _code(lower(node, row))


def outcome(node: typed.Node, row: Row) -> tuple[Column, Column]:
    """`value` and `error` of one walk."""
    found = lower(node, row)
    return settled(found), _code(found)


def _unbroken(lowering: Lowering) -> Lowering:
    """The lowering of one call; where the Python of a plug-in fails it is the error REF, as if it were missing."""

    @wraps(lowering)
    def call(node: Any, *given: Any, **how: Any) -> Lowered:
        try:
            return lowering(node, *given, **how)
        except BrokenPlugin as error:
            log.error("plugin_failed", function=node.function, reason=str(error))
            return Lowered(sql.constant(None, node.type), raises("REF", sql.TRUE), nulls=True)

    return call


@_unbroken
def aggregate(node: typed.Aggregate, inner: Row) -> Lowered:
    """The SQL aggregate expression over the rows `inner` (level 0); the caller builds the rows around it.

    An error in any row that counts makes the aggregate an error.
    """
    found = aggregation(node.function)
    assert found is not None
    where = _truth(node.where, inner) if node.where is not None else None
    meets = condition(node.where, inner) if node.where is not None else None
    inside = tuple(lower(part, inner) for part in node.values)
    identity = typed.Field(Type("reference", nullable=False, of=node.object), (), node.object, "id")
    row = inner.field(identity)
    named = [part for tree in (node.where, *node.values) if tree for part in typed.walk(tree)]
    alone = node.relation is None and not any(isinstance(part, typed.Field) for part in named)
    if alone or any(getattr(part, "level", 0) for part in named):
        # PostgreSQL takes an aggregate that names only the row around for one of the query around, and one that names
        # no row at all for one of whatever SELECT a function puts around it.
        here = row.is_not(None)
        meets = here if meets is None else and_(meets, here)
    else:
        here = None
    over = Over(tuple(map(settled, inside)), meets, row)
    site = Site(inner.environment, node, node.values, inside)
    guard = first(*(part.guard for part in inside))
    own = (raises(code, fails(site, over)) for code, fails in found.errors.items())
    guards = (_any_row(where.guard, here) if where else None, _any_row(guard, meets), *own)
    # A number is no longer for the text that its row is found by.
    sized = [
        part
        for part, value in zip(inside, node.values, strict=True)
        if value.type.kind != "text" or not node.type.number
    ]
    digits = found.power * max((part.digits for part in sized), default=0) + limits.SUM_DIGITS
    places = max((found.power * part.places for part in sized), default=0)
    lowered = Lowered(found.sql(site, over), first(*guards), False, digits, max(places, limits.SCALE))
    return bounded(lowered) if node.type.number else lowered


def _any_row(guard: Guard | None, meets: Condition | None) -> Guard | None:
    """An error of any row that counts; of several the first by name."""
    if guard is None:
        return None
    codes: Any = func.min(guard.code, type_=Text())
    return held(codes if meets is None else codes.filter(meets))


# -- the walk -------------------------------------------------------------------------------------------------------


def lower(node: typed.Node, row: Row) -> Lowered:
    """The expression's value and guard. A condition is two-valued, unless its type says that it may be unknown."""
    if node.type.kind == "boolean":
        return _truth(node, row, total=True)
    return _part(node, row)


def settled(found: Lowered) -> Column:
    """The value, NULL where it is an error."""
    return found.value if found.guard is None or found.nulls else case((found.guard.condition, None), else_=found.value)


def _code(found: Lowered) -> Column:
    return sql.Constant(None, Text()) if found.guard is None else found.guard.code


def _truth(node: typed.Node, row: Row, *, total: bool = False) -> Lowered:
    """A condition. Unless `total`, only TRUE is exact: FALSE may come out as NULL."""
    if isinstance(node, typed.Call):
        if node.function in CONNECTIVES:
            return CONNECT[node.function](node, row, total)
        function = _function(node)
        if function.lazy is None:
            return _predicate(node, function, row, total)
        return _lazy(node, function, row, total)
    if isinstance(node, Computed) and _layer(node, row) is None:
        return _truth(written(node), row, total=total)
    found = _part(node, row)
    unsure = (isinstance(node, typed.Field) and (node.path or node.image == "old")) or isinstance(
        node, typed.System | typed.Property | typed.Aggregate
    )
    return _held(found, node) if total and unsure else found


def _held(found: Lowered, node: typed.Node) -> Lowered:
    """The condition with unknown as FALSE, unless it may stay unknown."""
    if node.type.nullable:
        return found
    return replace(found, value=func.coalesce(found.value, sql.FALSE, type_=Boolean()), nulls=False)


def _literal(node: typed.Literal, row: Row) -> Lowered:
    if isinstance(node.value, datetime) and node.value.tzinfo is None:
        zone = row.environment.zone
        instant = clock.write(sql.Constant(node.value, DateTime()), zone)
        return Lowered(instant, None if clock.exists(node.value, zone) else raises("DATE", sql.TRUE))
    value = sql.constant(node.value, node.type)
    if node.type.number and node.value is not None:
        digits, places = node.size
        return Lowered(value, digits=digits, places=places)
    return Lowered(value, digits=max(len(node.value), 1) if isinstance(node.value, str) else limits.FIELD_DIGITS)


def _leaf(column: Column, of: Type, row: Row) -> Lowered:
    known = row.environment
    return Lowered(column, digits=limits.FIELD_CHARACTERS if of.kind == "text" else known.digits, places=known.places)


LEAVES: dict[type[typed.Node], Callable[[Any, Row], Lowered]] = {
    typed.Literal: _literal,
    typed.Field: lambda node, row: _leaf(row.field(node), node.type, row),
    typed.Property: lambda node, row: _leaf(row.property(node), node.type, row),
    typed.System: lambda node, row: _leaf(row.system(node), node.type, row),
    typed.Param: lambda node, row: _leaf(row.param(node), node.type, row),
    typed.Aggregate: lambda node, row: row.aggregate(node),
    typed.Call: lambda node, row: _call(node, row),
    Computed: lambda node, row: _layer(node, row) or lower(written(node), row),
}


def _layer(node: Computed, row: Row) -> Lowered | None:
    return row.computed(node) if isinstance(row, Layered) else None


def _part(node: typed.Node, row: Row) -> Lowered:
    """The lowering of the node's own kind; planned nodes are of a kind derived from the language's."""
    return next(LEAVES[kind] for kind in type(node).__mro__ if kind in LEAVES)(node, row)


def _function(node: typed.Call) -> Function:
    found = lookup(node.function)
    assert found is not None, node.function
    return found


def _call(node: typed.Call, row: Row) -> Lowered:
    function = _function(node)
    return _strict(node, function, row) if function.lazy is None else _lazy(node, function, row, True)


@_unbroken
def _strict(node: typed.Call, function: Function, row: Row, *, total: bool = False) -> Lowered:
    """A call that is blank where an operand is, and an error where an operand is; `total` looks at blanks."""
    args = tuple(lower(arg, row) for arg in node.args)
    site = Site(row.environment, node, node.args, args)
    columns = [arg.value for arg in args]
    own = first(*(raises(code, fails(site, *columns)) for code, fails in function.errors.items()))
    absorbed = [function.absorbs or function.param(i).blanks for i in range(len(args))]
    known = all(arg.guard is None or (arg.nulls and not absorbs) for arg, absorbs in zip(args, absorbed, strict=True))
    nulls = (own is None or function.nulls) and known
    digits, places = function.size(site) if function.size else _size(node, args)
    write = function.total if total else function.sql
    assert write is not None
    guard = first(*(arg.guard for arg in args), own)
    made = Lowered(write(site, *columns), guard, nulls and not total, digits, places)
    return bounded(made) if node.type.number else made


def _size(node: typed.Call, args: tuple[Lowered, ...]) -> tuple[int, int]:
    if node.type.kind == "text":
        return sum(arg.digits for arg in args), 0
    numbers = [
        arg for arg, made in zip(args, node.args, strict=True) if made.type.number or made.type.kind == "duration"
    ]
    if not numbers or not node.type.number:
        return limits.FIELD_DIGITS, limits.SCALE
    digits, places = (arg.digits for arg in numbers), (arg.places for arg in numbers)
    return max(limits.FIELD_DIGITS, *digits) + 1, max(limits.SCALE, *places)


@_unbroken
def _lazy(node: typed.Call, function: Function, row: Row, total: bool) -> Lowered:
    assert function.lazy is not None
    choosing = node.function == "if"
    args = tuple(
        _truth(arg, row, total=total or not choosing)
        if arg.type.kind == "boolean" and not _asked(node, i)
        else _truth(arg, row)
        if arg.type.kind == "boolean"
        else lower(arg, row)
        for i, arg in enumerate(node.args)
    )
    return function.lazy(Site(row.environment, node, node.args, args), *args)


def _asked(node: typed.Call, index: int) -> bool:
    """Whether an argument is a condition that an `if` only asks for TRUE."""
    return (
        node.function == "if" and index % 2 == 0 and index + 1 < len(node.args) and not node.args[index].type.nullable
    )


def _predicate(node: typed.Call, function: Function, row: Row, total: bool) -> Lowered:
    """A comparison or another strict condition: bare where it may be, two-valued where its blanks can be seen."""
    blanks = sum(arg.type.nullable for arg in node.args)
    if node.type.nullable or not blanks:
        return _strict(node, function, row)
    if function.total is not None and (total or blanks > 1 or node.function == "<>" or _holds_blank(node)):
        return _strict(node, function, row, total=True)
    found = _strict(node, function, row)
    return _held(found, node) if total else found


def _holds_blank(node: typed.Call) -> bool:
    return any(isinstance(arg, typed.Literal) and arg.value is None for arg in node.args)


# -- and, or, not ---------------------------------------------------------------------------------------------------


def _and(node: typed.Call, row: Row, total: bool) -> Lowered:
    parts = [_truth(arg, row, total=total) for arg in node.args]
    return Lowered(
        and_(*(part.value for part in parts)),
        _sequence(parts, lambda part: part.value),
        all(part.guard is None or part.nulls for part in parts) and not total,
    )


def _or(node: typed.Call, row: Row, total: bool) -> Lowered:
    parts = [_truth(arg, row, total=total) for arg in node.args]
    return Lowered(
        or_(*(part.value for part in parts)),
        _sequence(parts, lambda part: part.value.is_not(sql.TRUE)),
        all(part.guard is None for part in parts),
    )


def _not(node: typed.Call, row: Row, total: bool) -> Lowered:
    (arg,) = node.args
    if isinstance(arg, typed.Call) and arg.function in OPPOSITE:
        return _truth(replace(arg, function=OPPOSITE[arg.function]), row, total=total)
    inner = _truth(arg, row, total=True)
    made = not_(inner.value)
    # SQLAlchemy writes NOT a IS NOT true without the brackets that PostgreSQL needs.
    return Lowered(Grouping(made) if isinstance(made, UnaryExpression) else made, inner.guard)


OPPOSITE = {"=": "<>", "<>": "="}
CONNECT: dict[str, Callable[[typed.Call, Row, bool], Lowered]] = {"and": _and, "or": _or, "not": _not}


def _sequence(parts: list[Lowered], goes_on: Callable[[Lowered], Condition]) -> Guard | None:
    """The guard of conditions that are looked at from left to right while `goes_on`."""
    guard: Guard | None = None
    for part in reversed(parts):
        guard = first(part.guard, only(goes_on(part), guard))
    return guard
