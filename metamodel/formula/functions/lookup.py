"""Values of other records found by a key, and amounts in other currencies by dated rates."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func

from metamodel.formula.functions import sql
from metamodel.formula.functions.aggregate import PLAIN, SET, row
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Over,
    Param,
    Site,
    aggregation,
    function,
    rewritten,
)
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DATE, DECIMAL, ERROR, TEXT

RATES, CURRENCY, FROM, RATE = "exchange_rate", "currency", "valid_from", "rate"
"""The object of dated rates and its fields: so many units of `currency` are worth one of the organisation's."""
MONEY_PARAM = Param("amount", frozenset({"money", "integer", "decimal"}))


def _lookup(c: Builder, made: Aggregate, values: tuple[Node, ...]) -> Node:
    field, value = made.values
    (key,) = values
    if not isinstance(field, Field) or field.path or field.level or field.name not in _keys(c, made):
        hint = f"declare it unique, or write FIRST({made.relation or made.object}[...], value, order)"
        return c.fail("E225", field, "several records may have the same key", hint)
    wanted = c.outward(key)
    if wanted.type.kind == "error":
        return wanted
    # A record without a key is never the one that is looked for, so a blank on the other side finds nothing.
    found = c.call("=", replace(field, type=field.type.blank(False)), wanted)
    if found.type.kind == "error":
        return found
    where = found if made.where is None else Call(BOOLEAN, "and", (made.where, found))
    return replace(made, type=value.type.blank(value.type.kind != "boolean"), where=where, value=value, by=None)


def _keys(c: Builder, made: Aggregate) -> frozenset[str]:
    """The fields of which no two rows of the set share a value."""
    shape = c.scope.schema.object(made.object)
    assert shape is not None
    found = {"id", *(name for name in shape.fields if shape.fields[name].unique)}
    back = shape.fields.get(made.via or "")
    owner = c.scope.schema.object(back.target) if back and back.target else None
    child = owner.children.get(made.relation or "") if owner else None
    found |= child.keys if child else set()
    return frozenset(found)


@aggregation(
    "LOOKUP",
    SET,
    row("field", PLAIN),
    Param("key"),
    row("value", PLAIN),
    returns=lambda args: ERROR,
    resolve=_lookup,
    whole=True,
    aliases=("VLOOKUP",),
    examples=('LOOKUP(user.id, owner, name)', "LOOKUP(lines.number, 1, amount)"),
)
def lookup(site: Site, over: Over) -> Column:
    """The value of the one row whose field equals the key, blank where there is none. The set is one of child records
    or the name of an object, which stands for all its records that the reader may see. The field must be unique."""
    (value,) = over.values
    return sql.Element(over.rows(func.array_agg(value)), sql.whole(1), value.type)


@rewritten("CURRENCYCODE", "lookup", Param("amount", frozenset({"money"})), uses=('CURRENCYCODE(amount) = "EUR"',))
def currencycode(c: Builder, args: tuple[Node, ...]) -> Node:
    """The code of the currency that amounts are kept in."""
    return Literal(TEXT.blank(False), c.scope.schema.organisation.currency)


@function(
    "converted",
    "lookup",
    MONEY_PARAM,
    Param("currency"),
    Param("date"),
    Param("rate"),
    returns=lambda args: DECIMAL.blank().rough(args[0].type.inexact or args[3].type.inexact),
    size=lambda site: (
        site.lowered[0].digits + site.lowered[3].digits,
        site.lowered[0].places + site.lowered[3].places,
    ),
    errors={
        "REF": lambda site, amount, currency, date, rate: sql.all_of(
            rate.is_(None), amount.is_not(None), currency.is_not(None), date.is_not(None)
        )
    },
    nulls=True,
    operator=True,
)
def converted(site: Site, amount: Column, currency: Column, date: Column, rate: Column) -> Column:
    """The amount at a rate; an error where there is none."""
    return sql.num(amount) * sql.num(rate)


@rewritten(
    "CONVERTCURRENCY",
    "lookup",
    MONEY_PARAM,
    Param("currency", frozenset({"text"})),
    Param("date", frozenset({"date"}), optional=True),
    volatility="relational",
    uses=('CONVERTCURRENCY(amount, "USD")', 'ROUND(CONVERTCURRENCY(amount, "USD", @2024-01-31), 2)'),
)
def convertcurrency(c: Builder, args: tuple[Node, ...]) -> Node:
    """An amount of the organisation's currency in another one, at the last rate that is valid on the date (today). It
    is not rounded. An error where the currency has no rate yet."""
    amount, currency = args[:2]
    date = args[2] if len(args) > 2 else System(DATE.blank(False), "today")
    own = c.scope.schema.organisation.currency
    if isinstance(currency, Literal) and currency.value == own:
        return Call(DECIMAL.blank(amount.type.nullable).rough(amount.type.inexact), "+", (amount, _zero()))
    rate = _rate(c, currency, date)
    if rate.type.kind == "error":
        return rate
    if not isinstance(currency, Literal):
        same = c.call("=", currency, Literal(TEXT.blank(False), own))
        rate = c.call("IF", same, Literal(DECIMAL.blank(False), 1), rate)
    return c.call("converted", amount, currency, date, rate)


def _zero() -> Literal:
    return Literal(DECIMAL.blank(False), 0)


def _rate(c: Builder, currency: Node, date: Node) -> Node:
    """The rate of the currency that was the last to begin by the date."""
    shape = c.scope.schema.object(RATES)
    if shape is None or any(name not in shape.fields for name in (CURRENCY, FROM, RATE)):
        return c.fail("E302", None, f'there is no object "{RATES}"', "exchange rates are kept in the pack core")
    code = c.outward(currency)
    day = c.outward(date) if code.type.kind != "error" else code
    if day.type.kind == "error":
        return day
    fields = (Field(shape.fields[name].type.blank(False), (), RATES, name) for name in (CURRENCY, FROM, RATE))
    known, begins, rate = fields
    where = c.call("and", c.call("=", known, code), c.call("<=", begins, day))
    return Aggregate(DECIMAL, "LAST", (), None, RATES, None, where, rate, begins, True)
