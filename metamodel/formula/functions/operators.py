"""Operators: the typing tables of formula.md 2.4 and their lowerings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal

from sqlalchemy import Numeric, case, func, or_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Lowered,
    Param,
    Site,
    function,
)
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import (
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    INTEGER,
    MONEY,
    NUMBERS,
    PERCENT,
    Kind,
    Type,
)

ANY2 = (Param("left"), Param("right"))
FAMILY: dict[Kind, str] = {**dict.fromkeys(NUMBERS, "number"), "null": "blank"}
REMEDY = {
    ("text", "number"): "convert with VALUE(text) or TEXT(number)",
    ("date", "datetime"): "convert the date-time with DATEVALUE()",
    ("date", "text"): "write dates as @2024-01-31, or convert with DATEVALUE()",
    ("datetime", "text"): "write date-times as @2024-01-31T14:30",
    ("boolean", "number"): "a condition stands alone; as a number it is IF(condition, 1, 0)",
    ("date", "number"): "compare a part of it, such as YEAR(date), or write dates as @2024-01-31",
    ("datetime", "number"): "compare a part of it, such as YEAR(moment), or write @2024-01-31T14:30",
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
        return (
            MONEY
            if "money" in kinds
            else INTEGER
            if kinds == {"integer"}
            else PERCENT
            if kinds == {"percent"}
            else DECIMAL
        )
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
    ("+", "date", "number"): DATE,
    ("-", "date", "number"): DATE,
    ("+", "number", "date"): DATE,
    ("+", "date", "period"): DATE,
    ("-", "date", "period"): DATE,
    ("+", "period", "date"): DATE,
    ("+", "date", "duration"): DATE,
    ("-", "date", "duration"): DATE,
    ("+", "duration", "date"): DATE,
    ("-", "date", "date"): INTEGER,
    ("+", "datetime", "number"): DATETIME,
    ("-", "datetime", "number"): DATETIME,
    ("+", "number", "datetime"): DATETIME,
    ("+", "datetime", "duration"): DATETIME,
    ("-", "datetime", "duration"): DATETIME,
    ("+", "duration", "datetime"): DATETIME,
    ("+", "datetime", "period"): DATETIME,
    ("-", "datetime", "period"): DATETIME,
    ("+", "period", "datetime"): DATETIME,
    ("-", "datetime", "datetime"): DURATION,
    ("+", "duration", "duration"): DURATION,
    ("-", "duration", "duration"): DURATION,
    ("*", "duration", "number"): DURATION,
    ("*", "number", "duration"): DURATION,
    ("/", "duration", "number"): DURATION,
    ("/", "duration", "duration"): DECIMAL,
}
TEMPORAL_NAMES = {"date": "add_days", "datetime": "add_seconds"}


def _filled(c: Builder, op: str, a: Node, b: Node) -> tuple[Node, Node]:
    """The operands, NULL as a number where one may stand beside the other operand, else as of its type."""
    if "null" not in (a.type.kind, b.type.kind):
        return a, b
    kind, other = (arg.type if arg.type.kind != "null" else DECIMAL for arg in (a, b))
    number = kind.number and other.number
    of = DECIMAL if number or (op, family(kind), family(other)) in TEMPORAL else other if kind.number else kind
    return c.fit(a, of), c.fit(b, of)


def _arithmetic(op: str) -> Callable[[Builder, tuple[Node, ...]], Node]:
    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        a, b = _filled(c, op, *args)
        if a.type.number and b.type.number:
            made = _number_kind(op, a.type, b.type)
            if made is None:
                return c.fail(
                    "E202",
                    None,
                    f"{a.type} {op} {b.type} has no meaning",
                    "multiply money by a number" if op == "*" else "divide money by money or by a number",
                )
            return Call(_flags(made, a, b, rough=op in "/^"), op, (a, b))
        made = TEMPORAL.get((op, family(a.type), family(b.type)))
        if made is not None:
            return _temporal(c, op, made, a, b)
        if op == "+" and a.type.kind == b.type.kind == "text":
            return c.call("concat", a, b)
        hint = "join texts with &" if "text" in (a.type.kind, b.type.kind) and op == "+" else remedy(a.type, b.type)
        return c.fail(
            "E202" if "duration" in (a.type.kind, b.type.kind) else "E201",
            None,
            f"{a.type} {op} {b.type} is not possible",
            hint,
        )

    return resolve


def _temporal(c: Builder, op: str, made: Type, a: Node, b: Node) -> Node:
    if made.kind in TEMPORAL_NAMES:
        if a.type.kind != made.kind:
            a, b = b, a
        if b.type.kind == "period":
            months = (
                Literal(INTEGER.blank(False), int(str(b.value)) * (1 if op == "+" else -1))
                if isinstance(b, Literal)
                else b
            )
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


TOP = Decimal(1).scaleb(limits.DIGITS)


def bounded(lowered: Lowered) -> Lowered:
    """A number that may have outgrown the limit: an error then. Left alone where its static size is small."""
    if lowered.digits <= limits.DIGITS:
        return lowered
    return Lowered(
        sql.Below(lowered.value, TOP),
        first(lowered.guard, raises("OVERFLOW", func.abs(lowered.value) >= sql.number(TOP))),
        lowered.nulls or lowered.guard is None,
        limits.DIGITS,
        lowered.places,
    )


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


@function(
    "+",
    "operators",
    *ANY2,
    resolve=_arithmetic("+"),
    size=_size_sum,
    operator=True,
    examples=("1 + 2 = 3", "NULL + 1 -> NULL", '"a" + "b" = "ab"'),
)
def add(site: Site, a: Column, b: Column) -> Column:
    """Sum of numbers; a date or date-time moved by days, a period or a duration; two texts joined."""
    return sql.num(a) + sql.num(b)


@function(
    "-",
    "operators",
    *ANY2,
    resolve=_arithmetic("-"),
    size=_size_sum,
    operator=True,
    examples=("1 - 2 = -1", "@2024-03-01 - @2024-02-28 = 2", "@2024-03-31 - 1month = @2024-02-29"),
)
def subtract(site: Site, a: Column, b: Column) -> Column:
    """Difference of numbers; days between two dates; the duration between two date-times."""
    return sql.num(a) - sql.num(b)


@function(
    "*",
    "operators",
    *ANY2,
    resolve=_arithmetic("*"),
    size=_size_product,
    operator=True,
    examples=("2 * 3 = 6", "0.1 * 3 = 0.3"),
    copies=(1, 2),
)
def multiply(site: Site, a: Column, b: Column) -> Column:
    """Product; exact."""
    return sql.num(a) * sql.num(b)


def _divide_by_zero(site: Site, a: Column, b: Column) -> Condition | None:
    if isinstance(b, sql.Constant) and b.value:
        return None
    # Blank divided by zero is blank: an error needs both operands.
    return sql.all_of(b == sql.whole(0), a.is_not(None)) if site.args[0].type.nullable else b == sql.whole(0)


@function(
    "/",
    "operators",
    *ANY2,
    resolve=_arithmetic("/"),
    errors={"DIV0": _divide_by_zero},
    nulls=True,
    size=_size_quotient,
    operator=True,
    examples=("1 / 4 = 0.25", "1 / 3 * 3 = 1", "1 / 0 -> error", "NULL / 0 -> NULL"),
    copies=(1, 2),
)
def divide(site: Site, a: Column, b: Column) -> Column:
    """Quotient, to 18 places, half away from zero. Division by zero is an error."""
    return sql.quotient(a, b)


EXACT = Context(prec=limits.DIGITS * 2)
"""Python's own context would round a literal to 28 digits."""


def _unary_sign(c: Builder, args: tuple[Node, ...]) -> Node:
    a = c.fit(args[0], DECIMAL)
    if isinstance(a, Literal) and isinstance(a.value, int | Decimal) and not isinstance(a.value, bool):
        return Literal(a.type, -a.value if isinstance(a.value, int) else a.value.copy_negate())
    if a.type.number or a.type.kind == "duration":
        return Call(a.type, "neg", (a,))
    return c.fail("E201", a, f"- can not stand before {a.type}")


@function("neg", "operators", Param("number"), resolve=_unary_sign, operator=True, examples=("-(2) = 0 - 2",))
def negate(site: Site, a: Column) -> Column:
    """The number with the other sign."""
    return -sql.num(a)


def _percent(c: Builder, args: tuple[Node, ...]) -> Node:
    a = c.fit(args[0], DECIMAL)
    if isinstance(a, Literal) and isinstance(a.value, int | Decimal) and not isinstance(a.value, bool):
        return Literal(PERCENT.blank(False), EXACT.divide(Decimal(a.value), Decimal(100)))
    if a.type.number:
        return Call(_flags(DECIMAL, a), "%", (a,))
    return c.fail("E201", a, f"% can not stand after {a.type}")


@function(
    "%",
    "operators",
    Param("number"),
    resolve=_percent,
    operator=True,
    examples=("10% = 0.1", "(5 + 5)% = 0.1"),
    size=lambda site: (site.lowered[0].digits, site.lowered[0].places + 2),
)
def percent(site: Site, a: Column) -> Column:
    """A hundredth of the number before it."""
    return sql.num(a) * sql.number("0.01")


# -- power ----------------------------------------------------------------------------------------------------------

POWER_TOP = Decimal(f"{10**limits.POWER_DIGITS}.{1:0{limits.SCALE}}")
"""The first number above 10^64."""
LN_LIMIT, LN_TINY = sql.number("147.4"), sql.number(-45)
"""Natural logarithms a little above 10^64, and of what rounds to 0."""
LONG = sql.number("0." + "0" * 40)


def _small_power(b: Column) -> int | None:
    """A constant exponent that PostgreSQL multiplies out."""
    fits = isinstance(b, sql.Constant) and b.value is not None and 0 < b.value <= 20 and b.value == int(b.value)
    return int(b.value) if fits else None


def _size_of_power(a: Column, b: Column) -> Column:
    """b * ln|a|, or 0 where a is 0: the natural logarithm of the result's size."""
    size = func.nullif(func.abs(a, type_=Numeric()), sql.whole(0), type_=Numeric())
    return b * func.coalesce(func.ln(size, type_=Numeric()), sql.whole(0), type_=Numeric())


def _real(a: Column, b: Column) -> Condition:
    """Whether the power is a real number."""
    return or_(
        a > sql.whole(0),
        sql.all_of(a < sql.whole(0), b == func.trunc(b)),
        sql.all_of(a == sql.whole(0), b > sql.whole(0)),
    )


def _raised(a: Column, b: Column) -> Column:
    """The power to 18 places; NULL where it is not a real number or far too large."""
    a, b, small = sql.num(a), sql.num(b), _small_power(b)
    if small:
        return sql.rounded(func.power(a + LONG, b, type_=Numeric()))
    size, real = _size_of_power(a, b), _real(a, b)
    # An operand is made NULL, not the call put behind CASE: PostgreSQL may compute early.
    base = case((sql.all_of(real, size.between(LN_TINY, LN_LIMIT)), a + LONG))
    made = sql.rounded(func.power(base, b, type_=Numeric()))
    return case((sql.all_of(real, size < LN_TINY), sql.whole(0)), else_=made)


def _above_top(site: Site, a: Column, b: Column) -> Condition | None:
    high = func.abs(_raised(a, b), type_=Numeric()) >= sql.number(POWER_TOP)
    if small := _small_power(b):
        return None if site.lowered[0].digits * small <= limits.POWER_DIGITS else high
    a, b = sql.num(a), sql.num(b)
    return or_(sql.all_of(_real(a, b), _size_of_power(a, b) > LN_LIMIT), high)


def _not_real(site: Site, a: Column, b: Column) -> Condition | None:
    if _small_power(b):
        return None
    a, b = sql.num(a), sql.num(b)
    return or_(
        sql.all_of(a < sql.whole(0), b != func.trunc(b)), sql.all_of(a == sql.whole(0), b == sql.whole(0))
    )


def _zero_below(site: Site, a: Column, b: Column) -> Condition | None:
    return None if _small_power(b) else sql.all_of(sql.num(a) == sql.whole(0), sql.num(b) < sql.whole(0))


@function(
    "^",
    "operators",
    *ANY2,
    resolve=_arithmetic("^"),
    errors={"DIV0": _zero_below, "NUM": _not_real, "OVERFLOW": _above_top},
    nulls=True,
    size=lambda site: (limits.POWER_DIGITS + 1, limits.SCALE),
    operator=True,
    examples=(
        "2 ^ 10 = 1024",
        "2 ^ 3 ^ 2 = 64",
        "-2 ^ 2 = 4",
        "0 ^ -1 -> #DIV0",
        "0 ^ 0 -> #NUM",
        "(-8) ^ 0.5 -> #NUM",
        "10 ^ 65 -> #OVERFLOW",
    ),
    copies=(9, 17),
)
def power(site: Site, a: Column, b: Column) -> Column:
    """Power, to 18 places; leftmost first. An error where it is not a real number (0 ^ 0 too) or above 10^64."""
    small = _small_power(b)
    made = _raised(a, b)
    return made if small and site.lowered[0].digits * small <= limits.POWER_DIGITS else sql.Below(made, POWER_TOP)
