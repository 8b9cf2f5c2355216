"""Operators: the typing tables of formula.md 2.4 and their lowerings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, DateTime, Double, Integer, Numeric, case, cast, func

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import (
    Builder, Column, Condition, Function, Lowered, Param, Site, function, lazy_function, register,
)
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import (
    BOOLEAN, DATE, DATETIME, DECIMAL, DURATION, ERROR, INTEGER, MONEY, NUMBERS, PERCENT, TEXT, Kind, Type,
)

ANY2 = (Param("left"), Param("right"))
FAMILY: dict[Kind, str] = {**dict.fromkeys(NUMBERS, "number"), "null": "blank"}
ORDERED = frozenset({"number", "text", "date", "datetime", "time", "duration", "blank"})
REMEDY = {
    ("text", "number"): "convert with VALUE(text) or TEXT(number)",
    ("date", "datetime"): "convert the date-time with DATEVALUE()",
    ("date", "text"): "write dates as @2024-01-31, or convert with DATEVALUE()",
    ("datetime", "text"): "write date-times as @2024-01-31T14:30",
    ("boolean", "number"): "use IF(condition, 1, 0)",
    ("boolean", "text"): "use TRUE and FALSE without quotes",
    ("select", "text"): "compare with an option, or convert with TEXT()",
    ("duration", "number"): "write 48hours, or convert with HOURS() or DAYS()",
}


def family(of: Type) -> str:
    """Types of one family can be compared."""
    return FAMILY.get(of.kind, of.kind)


def remedy(a: Type, b: Type) -> str | None:
    """Which function would bring the two together."""
    return REMEDY.get((family(a), family(b))) or REMEDY.get((family(b), family(a)))


def _flags(of: Type, *args: Node, rough: bool = False) -> Type:
    inexact = of.number and (rough or any(a.type.inexact for a in args))
    return of.blank(any(a.type.nullable for a in args)).rough(inexact)


# -- arithmetic -----------------------------------------------------------------------------------------------------

def _number_kind(op: str, a: Type, b: Type) -> Type | None:
    kinds = {a.kind, b.kind}
    if op in "+-":
        return MONEY if "money" in kinds else INTEGER if kinds == {"integer"} else PERCENT if kinds == {"percent"} else DECIMAL
    if op == "*":
        if kinds == {"money"}:
            return None
        return MONEY if "money" in kinds else INTEGER if kinds == {"integer"} else DECIMAL
    if op == "/":
        if b.kind == "money":
            return DECIMAL if a.kind == "money" else None
        return MONEY if a.kind == "money" else DECIMAL
    return DECIMAL


TEMPORAL: dict[tuple[str, str, str], Type] = {
    ("+", "date", "number"): DATE, ("-", "date", "number"): DATE, ("+", "number", "date"): DATE,
    ("+", "date", "period"): DATE, ("-", "date", "period"): DATE, ("+", "period", "date"): DATE,
    ("+", "date", "duration"): DATE, ("-", "date", "duration"): DATE, ("+", "duration", "date"): DATE,
    ("-", "date", "date"): INTEGER,
    ("+", "datetime", "number"): DATETIME, ("-", "datetime", "number"): DATETIME, ("+", "number", "datetime"): DATETIME,
    ("+", "datetime", "duration"): DATETIME, ("-", "datetime", "duration"): DATETIME,
    ("+", "duration", "datetime"): DATETIME,
    ("+", "datetime", "period"): DATETIME, ("-", "datetime", "period"): DATETIME, ("+", "period", "datetime"): DATETIME,
    ("-", "datetime", "datetime"): DURATION,
    ("+", "duration", "duration"): DURATION, ("-", "duration", "duration"): DURATION,
    ("*", "duration", "number"): DURATION, ("*", "number", "duration"): DURATION,
    ("/", "duration", "number"): DURATION, ("/", "duration", "duration"): DECIMAL,
}
TEMPORAL_NAMES = {"date": "add_days", "datetime": "add_seconds"}


def _arithmetic(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        a, b = (c.fit(arg, DECIMAL) if arg.type.kind == "null" else arg for arg in args)
        if a.type.number and b.type.number:
            made = _number_kind(op, a.type, b.type)
            if made is None:
                return c.fail("E202", None, f"{a.type} {op} {b.type} has no meaning",
                              "multiply money by a number" if op == "*" else "divide money by money or by a number")
            return Call(_flags(made, a, b, rough=op in "/^"), op, (a, b))
        made = TEMPORAL.get((op, family(a.type), family(b.type)))
        if made is not None:
            return _temporal(c, op, made, a, b)
        if op == "+" and a.type.kind == b.type.kind == "text":
            return c.call("concat", a, b)
        hint = "join texts with &" if "text" in (a.type.kind, b.type.kind) and op == "+" else remedy(a.type, b.type)
        return c.fail("E202" if "duration" in (a.type.kind, b.type.kind) else "E201", None,
                      f"{a.type} {op} {b.type} is not possible", hint)

    return resolve


def _temporal(c: Builder, op: str, made: Type, a: Node, b: Node) -> Node:
    if made.kind in TEMPORAL_NAMES:
        if a.type.kind != made.kind:
            a, b = b, a
        if b.type.kind == "period":
            months = Literal(INTEGER.blank(False), int(str(b.value)) * (1 if op == "+" else -1)) if isinstance(b, Literal) else b
            return Call(_flags(made, a), "EDATE", (a, months))
        if made.kind == "date" and b.type.kind == "duration":
            if not isinstance(b, Literal) or Decimal(str(b.value)) % 86_400:
                return c.fail("E202", b, "a date moves by whole days", "write 30days, or use a date-time")
            b = Literal(INTEGER.blank(False), int(Decimal(str(b.value)) // 86_400))
        elif made.kind == "date" and b.type.kind != "integer":
            b = Call(INTEGER.blank(b.type.nullable), "TRUNC", (b,))
        elif made.kind == "datetime" and b.type.number:
            b = Call(DURATION.blank(b.type.nullable), "*", (b, Literal(DECIMAL.blank(False), 86_400)))
        if op == "-":
            b = Call(b.type, "neg", (b,))
        return Call(_flags(made, a, b), TEMPORAL_NAMES[made.kind], (a, b))
    if op == "-" and a.type.kind in ("date", "datetime"):
        return Call(_flags(made, a, b), f"{a.type.kind}s_between", (a, b))
    return Call(_flags(made, a, b, rough=op == "/"), op, (a, b))


def _too_big(value: Column) -> Condition:
    return func.abs(value) >= sql.number(Decimal(10) ** limits.DIGITS)


def bounded(lowered: Lowered) -> Lowered:
    """A number that may have outgrown the limit: an error then. Left alone where its static size is small."""
    if lowered.digits <= limits.DIGITS:
        return lowered
    big = _too_big(lowered.value)
    return Lowered(case((big, None), else_=lowered.value), sql.any_of(lowered.guard, big), lowered.nulls
                   or lowered.guard is None, limits.DIGITS, lowered.places)


def _sizes(site: Site) -> tuple[Lowered, Lowered]:
    return site.lowered[0], site.lowered[1]


def _size_sum(site: Site) -> tuple[int, int]:
    a, b = _sizes(site)
    return max(a.digits, b.digits) + 1, max(a.places, b.places)


def _size_product(site: Site) -> tuple[int, int]:
    a, b = _sizes(site)
    return a.digits + b.digits, a.places + b.places


def _size_quotient(site: Site) -> tuple[int, int]:
    a, b = _sizes(site)
    return a.digits + b.places, limits.SCALE


@function("+", "operators", *ANY2, resolve=_arithmetic("+"), size=_size_sum, operator=True,
          examples=("1 + 2 = 3", "NULL + 1 -> NULL", '"a" + "b" = "ab"'))
def add(site: Site, a: Column, b: Column) -> Column:
    """Sum of numbers; a date or date-time moved by days, a period or a duration; two texts joined."""
    return sql.num(a) + sql.num(b)


@function("-", "operators", *ANY2, resolve=_arithmetic("-"), size=_size_sum, operator=True,
          examples=("1 - 2 = -1", "@2024-03-01 - @2024-02-28 = 2", "@2024-03-31 - 1month = @2024-02-29"))
def subtract(site: Site, a: Column, b: Column) -> Column:
    """Difference of numbers; days between two dates; the duration between two date-times."""
    return sql.num(a) - sql.num(b)


@function("*", "operators", *ANY2, resolve=_arithmetic("*"), size=_size_product, operator=True,
          examples=("2 * 3 = 6", "0.1 * 3 = 0.3"))
def multiply(site: Site, a: Column, b: Column) -> Column:
    """Product; exact."""
    return sql.num(a) * sql.num(b)


def _divide_by_zero(site: Site, a: Column, b: Column) -> Condition | None:
    if isinstance(b, sql.Constant) and b.value:
        return None
    # Blank divided by zero is blank: an error needs both operands.
    return sql.all_of(b == sql.whole(0), a.is_not(None)) if site.args[0].type.nullable else b == sql.whole(0)


@function("/", "operators", *ANY2, resolve=_arithmetic("/"), guard=_divide_by_zero, nulls=True, size=_size_quotient,
          operator=True, examples=("1 / 4 = 0.25", "1 / 3 * 3 = 1", "1 / 0 -> error", "NULL / 0 -> NULL"))
def divide(site: Site, a: Column, b: Column) -> Column:
    """Quotient, to 18 places, half away from zero. Division by zero is an error."""
    return sql.quotient(a, b)


def _unary_sign(c: Builder, args: tuple[Node, ...]) -> Node:
    (a,) = args
    if isinstance(a, Literal) and isinstance(a.value, int | Decimal) and not isinstance(a.value, bool):
        return Literal(a.type, -a.value)
    if a.type.number or a.type.kind == "duration":
        return Call(a.type, "neg", (a,))
    return c.fail("E201", a, f"- can not stand before {a.type}")


@function("neg", "operators", Param("number"), resolve=_unary_sign, operator=True, examples=("-(2) = 0 - 2",))
def negate(site: Site, a: Column) -> Column:
    """The number with the other sign."""
    return -sql.num(a)


def _percent(c: Builder, args: tuple[Node, ...]) -> Node:
    (a,) = args
    if isinstance(a, Literal) and isinstance(a.value, int | Decimal) and not isinstance(a.value, bool):
        return Literal(PERCENT.blank(False), Decimal(a.value) / 100)
    if a.type.number:
        return Call(_flags(DECIMAL, a), "%", (a,))
    return c.fail("E201", a, f"% can not stand after {a.type}")


@function("%", "operators", Param("number"), resolve=_percent, operator=True, examples=("10% = 0.1", "(5 + 5)% = 0.1"),
          size=lambda site: (site.lowered[0].digits, site.lowered[0].places + 2))
def percent(site: Site, a: Column) -> Column:
    """A hundredth of the number before it."""
    return sql.num(a) * sql.number("0.01")


# -- text -----------------------------------------------------------------------------------------------------------

def _concat(c: Builder, args: tuple[Node, ...]) -> Node:
    shown: list[Node] = []
    for arg in args:
        if isinstance(arg, Call) and arg.function == "concat":
            shown.extend(arg.args)
        elif arg.type.kind in ("text", "null"):
            shown.append(c.fit(arg, TEXT))
        else:
            shown.append(c.call("TEXT", arg))
    if any(arg.type.kind == "error" for arg in shown):
        return Literal(ERROR, None)
    return Call(TEXT.blank(all(arg.type.nullable for arg in shown)), "concat", tuple(shown))


@lazy_function("concat", "operators", Param("text", repeat=True), resolve=_concat, operator=True,
               examples=('"a" & "b" = "ab"', '"a" & NULL = "a"', '1.50 & "x" = "1.5x"', 'NULL & "" -> NULL'))
def concat(site: Site, *parts: Lowered) -> Lowered:
    """Texts joined; a blank counts as nothing. Numbers, dates and conditions are written as TEXT() writes them."""
    value = sql.filled(parts[0].value, site.args[0].type.nullable)
    for part, arg in zip(parts[1:], site.args[1:], strict=True):
        value = value.concat(sql.filled(part.value, arg.type.nullable))
    length = sum(part.digits for part in parts)
    guard = sql.any_of(*(part.guard for part in parts))
    value = sql.or_blank(value) if site.call.type.nullable else value
    if length > 10 * limits.TEXT_CHARACTERS:
        lengths = [func.coalesce(func.length(part.value), sql.whole(0), type_=Integer()) for part in parts]
        total = sum(lengths[1:], lengths[0])
        long = total > sql.whole(limits.TEXT_CHARACTERS)
        value = case((long, None), else_=value)
        guard = sql.any_of(guard, long)
        length = limits.TEXT_CHARACTERS
    return Lowered(value, guard, digits=length)


# -- comparison -----------------------------------------------------------------------------------------------------

def _compared(c: Builder, a: Node, b: Node, op: str) -> tuple[Node, Node] | None:
    """The two operands, literals fitted to the other side; None where they can not be compared (noted)."""
    a, b = c.fit(a, b.type), c.fit(b, a.type)
    if "error" in (a.type.kind, b.type.kind):
        return None
    one, two = family(a.type), family(b.type)
    if one == "blank" == two:
        return a, b
    same_of = a.type.of == b.type.of or one not in ("select", "reference", "list")
    if one != two or not same_of or one in ("period", "set"):
        c.fail("E201", None, f"{a.type} {op} {b.type} can not be compared", remedy(a.type, b.type))
        return None
    return a, b


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


def _steady(site: Site, a: Column, b: Column) -> tuple[Column, Column]:
    return sql.steady(a, site.args[0].type), sql.steady(b, site.args[1].type)


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


@function("=", "operators", *ANY2, resolve=_equality("="), total=_total_equal, returns=BOOLEAN, operator=True,
          aliases=("==",), examples=("1 = 1.0", "NULL = NULL", "(NULL = 1) = FALSE", '("a" = "A") = FALSE'))
def equal(site: Site, a: Column, b: Column) -> Column:
    """Equal; two blanks are equal. Texts by code point, so the case of letters matters."""
    a, b = _steady(site, a, b)
    return a == b


@function("<>", "operators", *ANY2, resolve=_equality("<>"), total=_total_unequal, returns=BOOLEAN, operator=True,
          aliases=("!=",), examples=("1 <> 2", "NULL <> 1", "(NULL <> NULL) = FALSE"))
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
    pairs = [_compared(c, operand, item, "IN") for item in items]
    if any(pair is None for pair in pairs):
        return Literal(ERROR, None)
    return Call(BOOLEAN, "in", (pairs[0][0] if pairs and pairs[0] else operand, *(p[1] for p in pairs if p)))


def _split(site: Site) -> tuple[list[int], list[int]]:
    """Positions of the items that can not be blank, and of those that can."""
    sure = [i for i, arg in enumerate(site.args) if i and not arg.type.nullable]
    return sure, [i for i, arg in enumerate(site.args) if i and arg.type.nullable]


def _total_in(site: Site, a: Column, *items: Column) -> Column:
    columns = (a, *items)
    sure, maybe = _split(site)
    found = [_equal_at(site, columns, i, total=True) for i in maybe]
    if sure:
        a = sql.steady(a, site.args[0].type)
        inside: Column = a.in_([sql.steady(columns[i], site.args[i].type) for i in sure])
        found.insert(0, func.coalesce(inside, sql.FALSE, type_=Boolean()) if site.args[0].type.nullable else inside)
    return sql.any_of(*found) if found else sql.FALSE  # type: ignore[return-value]


def _equal_at(site: Site, columns: tuple[Column, ...], i: int, *, total: bool) -> Column:
    pair = Site(site.environment, site.call, (site.args[0], site.args[i]))
    return _total_equal(pair, columns[0], columns[i]) if total else equal.sql(pair, columns[0], columns[i])  # type: ignore[misc]


@function("in", "operators", Param("value"), Param("items", repeat=True, optional=True), resolve=_in, total=_total_in,
          returns=BOOLEAN, operator=True,
          examples=("2 IN (1, 2)", "NULL IN (1, NULL)", "NOT (2 IN ())", '"a" NOT IN ["b", "c"]'))
def is_in(site: Site, a: Column, *items: Column) -> Column:
    """Whether the value equals one of the items."""
    if not items:
        return sql.FALSE
    a = sql.steady(a, site.args[0].type)
    return a.in_([sql.steady(item, arg.type) for item, arg in zip(items, site.args[1:], strict=True)])


# -- logic: lowered by the walker, which knows where a condition stands ----------------------------------------------

def condition(c: Builder, arg: Node) -> Node:
    """The argument where it is a condition; noted and poisoned where it is not."""
    if arg.type.kind in ("boolean", "error"):
        return arg
    return c.fail("E201", arg, f"a condition is needed here, this is {arg.type}", "compare it with something")


def _logic(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        fitted = tuple(condition(c, arg) for arg in args)
        if any(arg.type.kind == "error" for arg in fitted):
            return Literal(ERROR, None)
        flat = [part for arg in fitted for part in (
            arg.args if op != "not" and isinstance(arg, Call) and arg.function == op else (arg,))]
        return Call(BOOLEAN, op, tuple(flat))

    return resolve


def _walker_only(site: Site, *args: Lowered) -> Lowered:
    raise AssertionError("conditions are lowered by the walker")


for _name, _doc, _params, _examples in (
    ("and", "All conditions hold; evaluated left to right, the rest is not looked at after a FALSE.",
     (Param("condition", repeat=True),), ("TRUE AND 1 < 2", "AND(TRUE, TRUE)", "NOT (FALSE AND 1/0 = 1)")),
    ("or", "One of the conditions holds; evaluated left to right, the rest is not looked at after a TRUE.",
     (Param("condition", repeat=True),), ("FALSE OR TRUE", "OR(TRUE, 1/0 = 1)", "1/0 = 1 OR TRUE -> error")),
    ("not", "The opposite of a condition.", (Param("condition"),), ("NOT FALSE", "NOT 1 = 2", "!FALSE")),
):
    register(Function(
        name=_name, group="operators", params=_params, doc=_doc, lazy=_walker_only, resolve=_logic(_name),
        returns=BOOLEAN, aliases=() if _name == "not" else (_name.upper(),), operator=True, examples=_examples,
    ))


# -- the moves of dates that + and - stand for ----------------------------------------------------------------------

def add_days_bounds(d: Column, n: Column) -> tuple[Column, Condition]:
    """A date moved by whole days, and the condition that it leaves the years 1 to 9999."""
    low, high = sql.day(sql.FIRST_DAY), sql.day(sql.LAST_DAY)
    if isinstance(n, sql.Constant) and n.value is not None and abs(n.value) < 1_000_000:
        moved: Column = d.op("+", precedence=7, return_type=DATE_SQL)(n)
        return moved, moved > high if n.value >= 0 else moved < low
    down, up = (bound.op("-", precedence=7, return_type=Integer())(d) for bound in (low, high))
    held = func.least(func.greatest(n, down, sql.whole(-3_700_000)), up, sql.whole(3_700_000), type_=Numeric())
    # LEAST and GREATEST skip blanks, so a blank n is put back.
    days = case((n.is_(None), None), else_=cast(func.trunc(held, type_=Numeric()), Integer))
    return d.op("+", precedence=7, return_type=DATE_SQL)(days), sql.any_of(n < down, n > up)  # type: ignore[return-value]


DATE_SQL: Any = sql.SQL_TYPES["date"]


@function("add_days", "operators", *ANY2, operator=True, guard=lambda site, d, n: add_days_bounds(d, n)[1],
          returns=lambda args: DATE)
def add_days(site: Site, d: Column, n: Column) -> Column:
    """A date moved by days."""
    return add_days_bounds(d, n)[0]


def _seconds_guard(site: Site, t: Column, s: Column) -> Condition:
    local = sql.part("epoch", t) + sql.num(s)
    return sql.any_of(local < sql.whole(-62_135_596_800), local >= sql.whole(253_402_300_800))  # type: ignore[return-value]


@function("add_seconds", "operators", *ANY2, operator=True, guard=_seconds_guard, returns=lambda args: DATETIME)
def add_seconds(site: Site, t: Column, s: Column) -> Column:
    """An instant moved by seconds, to the microsecond."""
    low, high = sql.whole(-62_135_596_800), sql.whole(253_402_300_799)
    epoch = sql.part("epoch", t) + sql.num(s)
    held = func.round(case((epoch < low, low), (epoch > high, high), else_=epoch), sql.whole(6), type_=Numeric())
    hours = func.trunc(held / sql.whole(3_600), type_=Numeric())
    # Hours and the rest apart: make_interval takes seconds as a float, which would lose microseconds.
    interval = func.make_interval(
        sql.whole(0), sql.whole(0), sql.whole(0), sql.whole(0), cast(hours, Integer), sql.whole(0),
        cast(held - hours * sql.whole(3_600), Double),
    )
    start = sql.Constant("1970-01-01", DateTime())
    return func.timezone(sql.text("UTC"), start.op("+", precedence=7)(interval), type_=DateTime(timezone=True))


@function("dates_between", "operators", *ANY2, operator=True, returns=lambda args: INTEGER)
def dates_between(site: Site, a: Column, b: Column) -> Column:
    """Days from one date to another."""
    return a.op("-", precedence=7, return_type=Integer())(b)


@function("datetimes_between", "operators", *ANY2, operator=True, returns=lambda args: DURATION)
def datetimes_between(site: Site, a: Column, b: Column) -> Column:
    """Seconds from one instant to another."""
    return sql.part("epoch", a) - sql.part("epoch", b)


# -- power ----------------------------------------------------------------------------------------------------------

def _exponent(a: Column, b: Column) -> Column:
    """b * ln|a|, or 0 where a is 0: the natural logarithm of the result's size."""
    size = func.nullif(func.abs(a, type_=Numeric()), sql.whole(0), type_=Numeric())
    return b * func.coalesce(func.ln(size, type_=Numeric()), sql.whole(0), type_=Numeric())


LN_LIMIT = sql.number("147.36544595161")


def _small_power(b: Column) -> int | None:
    """A constant exponent that PostgreSQL multiplies out."""
    fits = isinstance(b, sql.Constant) and b.value is not None and 0 < b.value <= 20 and b.value == int(b.value)
    return int(b.value) if fits else None  # type: ignore[attr-defined]


def power_guard(site: Site, a: Column, b: Column) -> Condition | None:
    a, small = sql.num(a), _small_power(b)
    if small:
        bound = Decimal(10) ** (Decimal(limits.POWER_DIGITS) / small)
        return None if site.lowered[0].digits * small <= limits.POWER_DIGITS else func.abs(a) > sql.number(bound)
    b = sql.num(b)
    return sql.any_of(  # type: ignore[return-value]
        sql.all_of(a == sql.whole(0), b < sql.whole(0)),
        sql.all_of(a < sql.whole(0), b != func.trunc(b)),
        _exponent(a, b) > LN_LIMIT,
    )


def _size_power(site: Site) -> tuple[int, int]:
    small = _small_power(site.lowered[1].value)
    return max(limits.POWER_DIGITS + 1, site.lowered[0].digits * (small or 0)), limits.SCALE


@function("^", "operators", *ANY2, resolve=_arithmetic("^"), guard=power_guard, size=_size_power, operator=True,
          examples=("2 ^ 10 = 1024", "2 ^ 3 ^ 2 = 64", "-2 ^ 2 = 4", "0 ^ -1 -> error", "10 ^ 100 -> error"))
def power(site: Site, a: Column, b: Column) -> Column:
    """Power, to 18 places; leftmost first. An error where it is not a real number or beyond 10^64."""
    a, zero, one = sql.num(a), sql.number("0." + "0" * 40), sql.number(sql.EXACT)
    if _small_power(b):
        return sql.rounded(func.power(a + zero, sql.num(b), type_=Numeric()))
    b = sql.num(b)
    size = _exponent(a, b)
    sound = sql.all_of(
        size.between(-LN_LIMIT, LN_LIMIT),
        sql.any_of(a > sql.whole(0), b == func.trunc(b)),
        sql.any_of(a != sql.whole(0), b >= sql.whole(0)),
    )
    # Both operands are made harmless, not the call put behind CASE: PostgreSQL may compute early.
    base = case((a.is_(None), None), (sound, a + zero), else_=one)
    exponent = case((b.is_(None), None), (sound, b), else_=zero)
    tiny = size < -LN_LIMIT
    return case((tiny, sql.whole(0)), else_=sql.rounded(func.power(base, exponent, type_=Numeric())))
