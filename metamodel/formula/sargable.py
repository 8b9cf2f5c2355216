"""Comparisons turned round so that an index of the column serves them (formula.md 2.11): `TODAY() - due > 30` becomes
`due < TODAY() - 30`.

A rule moves one function from the side of the column to the side that is constant for the statement. Where what comes
out is not exactly the same (the function is an error at the ends of the calendar, months differ in length, a clock is
set back), it is a bound that the rows must meet, and the comparison stays beside it. Only conditions of which nothing
but TRUE counts are touched: a filter's own, and what AND and OR join there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from metamodel.formula.functions.registry import lookup
from metamodel.formula.typed import Call, Field, Literal, Node, Param, System, walk
from metamodel.formula.types import DATE, DATETIME, DECIMAL, INTEGER, TEXT

Comparison: TypeAlias = tuple[str, Node, Node]
"""Operator, operand, constant."""
Turned: TypeAlias = tuple[tuple[Comparison, ...], bool]
"""Comparisons that hold where the one they are made of does, and whether they say the same."""
Rule = Callable[[str, Call, Node], "Turned | None"]
"""(operator, function of the column, constant) -> comparisons of the function's argument."""

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
UPPER, LOWER = frozenset({"<", "<=", "="}), frozenset({">", ">=", "="})
SETBACK = 25 * 3_600
"""Seconds by which local time ever went back, and an hour: 24 hours at Sitka in 1867."""
CENTURIES = 40_000_000_000
SURE_OF_DATES = frozenset({"YEAR", "DATEVALUE", "DATETRUNC"})
"""Functions that are an error of some date-times, but of no date."""
UNIT_MONTHS = {"month": 1, "quarter": 3, "year": 12}
UNIT_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


def sargable(tree: Node, *, fallible: bool = True) -> Node:
    """A condition of which only TRUE counts, with its comparisons turned round.

    Without `fallible`, comparisons that may be an error stay as they are: beside a bound the error would not be seen,
    which matters where something other than a filter asks for it.
    """
    if not isinstance(tree, Call):
        return tree
    if tree.function in ("and", "or"):
        inside = fallible and tree.function == "and"
        return replace(tree, args=tuple(sargable(arg, fallible=inside) for arg in tree.args))
    found = _begins(tree) if tree.function == "BEGINS" else _compared(tree) if tree.function in FLIPPED else None
    if found is None or (not fallible and _may_fail(tree)):
        return tree
    comparisons, exact = found
    made: list[Node] = [Call(tree.type, op, (operand, bound)) for op, operand, bound in comparisons]
    made += [] if exact else [tree]
    return made[0] if len(made) == 1 else Call(tree.type, "and", tuple(made))


def constant(node: Node) -> bool:
    """Whether the node is one value for all rows of the statement, and not blank."""
    if node.type.nullable:
        return False
    if isinstance(node, Call):
        function = lookup(node.function)
        lasting = function is not None and function.volatility not in ("volatile", "window", "relational")
        return lasting and all(map(constant, node.args))
    return isinstance(node, Literal | Param | System)


def _may_fail(tree: Node) -> bool:
    calls = (node for node in walk(tree) if isinstance(node, Call))
    return any(_fallible(call) for call in calls)


def _fallible(call: Call) -> bool:
    function = lookup(call.function)
    sure = call.function in SURE_OF_DATES and call.args[0].type.kind == "date"
    return function is None or (bool(function.errors) and not sure)


def _compared(tree: Call) -> Turned | None:
    op, (a, b) = tree.function, tree.args
    if constant(a):
        op, a, b = FLIPPED[op], b, a
    return _moved(op, a, b) if isinstance(a, Call) and constant(b) else None


def _moved(op: str, operand: Node, bound: Node) -> Turned | None:
    """The comparisons of the bare column that follow, and whether they say the same."""
    if type(operand) is Field:
        return ((op, operand, bound),), True
    rule = RULES.get(operand.function) if isinstance(operand, Call) else None
    found = rule(op, operand, bound) if rule and isinstance(operand, Call) else None
    if found is None:
        return None
    made: list[Comparison] = []
    exact = found[1]
    for comparison in found[0]:
        deeper = _moved(*comparison)
        if deeper is None:
            return None
        made += deeper[0]
        exact = exact and deeper[1]
    return tuple(made), exact


# -- constants ------------------------------------------------------------------------------------------------------


def _value(node: Node) -> Decimal | None:
    """The number of a literal."""
    if isinstance(node, Call) and node.function == "neg":
        value = _value(node.args[0])
        return None if value is None else -value
    held = isinstance(node, Literal) and isinstance(node.value, int | Decimal) and not isinstance(node.value, bool)
    return Decimal(node.value) if held else None  # type: ignore[attr-defined]


def _number(value: Decimal) -> Literal:
    whole = value == value.to_integral_value() and abs(value) < 2**63
    return Literal((INTEGER if whole else DECIMAL).blank(False), int(value) if whole else value)


def _arithmetic(op: str, a: Node, b: Node) -> Node:
    x, y = _value(a), _value(b)
    if x is not None and y is not None and max(len(x.as_tuple().digits), len(y.as_tuple().digits)) < 14:
        return _number(x + y if op == "+" else x - y)
    return Call((INTEGER if a.type.kind == b.type.kind == "integer" else DECIMAL).blank(False), op, (a, b))


def _minus(a: Node) -> Node:
    value = _value(a)
    if value is not None:
        return _number(-value)
    return a.args[0] if isinstance(a, Call) and a.function == "neg" else Call(a.type, "neg", (a,))


def _plus_one(a: Node) -> Node:
    return _arithmetic("+", a, Literal(INTEGER.blank(False), 1))


def _days(day: Node, n: Node | int) -> Node:
    return Call(DATE.blank(False), "days_from", (day, _number(Decimal(n)) if isinstance(n, int) else n))


def _months(day: Node, n: Node | int) -> Node:
    return Call(DATE.blank(False), "months_from", (day, _number(Decimal(n)) if isinstance(n, int) else n))


def _seconds(instant: Node, n: int) -> Node:
    return Call(DATETIME.blank(False), "seconds_from", (instant, _number(Decimal(n))))


def _one_way(op: str, n: Node) -> bool:
    """Whether an operand that is moved by n can not satisfy the comparison and be beyond the calendar."""
    value = _value(n)
    return value is not None and ((value >= 0 and op in UPPER) or (value <= 0 and op in LOWER))


# -- dates ----------------------------------------------------------------------------------------------------------


def _dates_between(op: str, call: Call, bound: Node) -> Turned | None:
    end, start = call.args
    if bound.type.kind != "integer":
        return None
    if constant(end):
        return ((FLIPPED[op], start, _days(end, _minus(bound))),), True
    return (((op, end, _days(start, bound)),), True) if constant(start) else None


def _add_days(op: str, call: Call, bound: Node) -> Turned | None:
    day, n = call.args
    if not constant(n) or n.type.kind != "integer":
        return None
    return ((op, day, _days(bound, _minus(n))),), _one_way(op, n)


def _edate(op: str, call: Call, bound: Node) -> Turned | None:
    day, n = call.args
    if not constant(n) or day.type.kind != "date":
        return None
    back = _months(bound, _minus(n))
    lower: Comparison = (">=", day, back)
    # A day at the end of a longer month comes to the end of a shorter one, up to three days early.
    upper: Comparison = ("<=", day, _days(back, 3))
    return (lower, upper) if op == "=" else (lower,) if op in LOWER else (upper,), False


def _datetimes_between(op: str, call: Call, bound: Node) -> Turned | None:
    end, start = call.args
    span = _value(bound)
    if span is None or span != int(span) or abs(span) > CENTURIES:
        return None
    if constant(end):
        return ((FLIPPED[op], start, _seconds(end, -int(span))),), True
    return (((op, end, _seconds(start, int(span))),), True) if constant(start) else None


def _add_seconds(op: str, call: Call, bound: Node) -> Turned | None:
    instant, n = call.args
    span = _value(n)
    if span is None or span != int(span) or abs(span) > CENTURIES:
        return None
    return ((op, instant, _seconds(bound, -int(span))),), _one_way(op, n)


def _range(op: str, operand: Node, first: Node, following: Node) -> tuple[Comparison, ...]:
    """`part of operand op value`, where the value stands for all from `first` up to, but without, `following`."""
    lower: Comparison = (">=", operand, following if op == ">" else first)
    upper: Comparison = ("<", operand, first if op == "<" else following)
    return (lower, upper) if op == "=" else (lower,) if op in LOWER else (upper,)


def _year(op: str, call: Call, bound: Node) -> Turned | None:
    (day,) = call.args
    if bound.type.kind != "integer" or day.type.kind not in ("date", "datetime"):
        return None
    if day.type.kind == "datetime":
        day = Call(DATE.blank(day.type.nullable), "DATEVALUE", (day,))
    first, following = (Call(DATE.blank(False), "year_start", (year,)) for year in (bound, _plus_one(bound)))
    return _range(op, day, first, following), True


def _datevalue(op: str, call: Call, bound: Node) -> Turned | None:
    (value,) = call.args
    if value.type.kind == "date":
        return ((op, value, bound),), True
    if value.type.kind != "datetime":
        return None
    first, following = (Call(DATETIME.blank(False), "day_start", (day,)) for day in (bound, _days(bound, 1)))
    wide = _range(op, value, first, following)
    return tuple((o, e, _seconds(k, SETBACK if o == "<" else -SETBACK)) for o, e, k in wide), False


def _datetrunc(op: str, call: Call, bound: Node) -> Turned | None:
    value, unit = call.args
    name = unit.value.lower() if isinstance(unit, Literal) and isinstance(unit.value, str) else ""
    if value.type.kind == "date" and name in UNIT_DAYS:
        ahead = _months(bound, UNIT_MONTHS[name]) if name in UNIT_MONTHS else _days(bound, UNIT_DAYS[name])
        lower: Comparison = (">=", value, bound)
        upper: Comparison = ("<", value, ahead)
    elif value.type.kind == "datetime":
        lower = (">=", value, _seconds(bound, -SETBACK))
        upper = ("<", value, _seconds(bound, UNIT_DAYS.get(name, 1) * 86_400 + SETBACK))
    else:
        return None
    return (lower, upper) if op == "=" else (lower,) if op in LOWER else (upper,), False


# -- texts ----------------------------------------------------------------------------------------------------------


def _prefix(text: Node, part: Node) -> tuple[Comparison, ...]:
    """What all texts meet that begin with the part, and no others."""
    return (">=", text, part), ("<", text, Call(TEXT.blank(False), "prefix_end", (part,)))


def _begins(tree: Call) -> Turned | None:
    text, part = tree.args
    return (_prefix(text, part), True) if type(text) is Field and text.type.kind == "text" and constant(part) else None


def _left(op: str, call: Call, bound: Node) -> Turned | None:
    text, count = call.args
    if op != "=" or text.type.kind != "text":
        return None
    length = _value(count)
    if isinstance(bound, Literal) and isinstance(bound.value, str) and length is not None:
        if len(bound.value) < length:
            return (("=", text, bound),), True
        return _prefix(text, bound), len(bound.value) == length
    return _prefix(text, bound), False


# -- numbers --------------------------------------------------------------------------------------------------------


def _exact(*nodes: Node) -> bool:
    return all(node.type.number and not node.type.inexact for node in nodes)


def _against(op: str, operand: Node, bound: Node) -> Turned | None:
    """A comparison with a number; a whole one is compared with a whole one, or its index would not serve."""
    if operand.type.kind != "integer":
        return ((op, operand, bound),), True
    value = _value(bound)
    if value is None or (op == "=" and value != int(value)):
        return None
    rounding = "ROUND_FLOOR" if op in (">", "<=") else "ROUND_CEILING"
    return ((op, operand, _number(value.to_integral_value(rounding))),), True


def _sum(op: str, call: Call, bound: Node) -> Turned | None:
    a, b = call.args
    if constant(a):
        a, b = b, a
    return _against(op, a, _arithmetic("-", bound, b)) if _exact(a, b, bound) and constant(b) else None


def _difference(op: str, call: Call, bound: Node) -> Turned | None:
    a, b = call.args
    if not _exact(a, b, bound):
        return None
    if constant(a):
        return _against(FLIPPED[op], b, _arithmetic("-", a, bound))
    return _against(op, a, _arithmetic("+", bound, b)) if constant(b) else None


def _opposite(op: str, call: Call, bound: Node) -> Turned | None:
    (a,) = call.args
    return _against(FLIPPED[op], a, _minus(bound)) if _exact(a, bound) else None


def _product(op: str, call: Call, bound: Node) -> Turned | None:
    a, factor = call.args
    if constant(a):
        a, factor = factor, a
    if not _exact(a, factor, bound) or not constant(factor):
        return None
    value, product = _value(factor), _value(bound)
    share = _terminating(1 / Fraction(value)) if value else None
    if value and share is not None:
        turned = FLIPPED[op] if value < 0 else op
        if product is not None:
            whole = _terminating(Fraction(product) / Fraction(value))
            return _against(turned, a, _number(whole)) if whole is not None else None
        made = Call(DECIMAL.blank(False), "*", (bound, Literal(DECIMAL.blank(False), share)))
        return _against(turned, a, made)
    if a.type.kind == "integer":
        return None
    return tuple(
        (side, a, Call(DECIMAL.blank(False), name, (bound, factor)))
        for operators, side, name in FACTORS if op in operators
    ), False


FACTORS = (
    (LOWER, ">=", "operand_above_positive"),
    (LOWER, "<=", "operand_below_negative"),
    (UPPER, "<=", "operand_below_positive"),
    (UPPER, ">=", "operand_above_negative"),
)
"""Which bounds an operand meets, by the sign that its factor turns out to have."""


def _terminating(value: Fraction) -> Decimal | None:
    """The fraction as a decimal of at most 18 places, None where it is none."""
    scaled = value * 10**18
    if scaled.denominator != 1 or abs(scaled) >= 10**27:
        return None
    return Decimal(int(scaled)).scaleb(-18).normalize()


RULES: dict[str, Rule] = {
    "dates_between": _dates_between,
    "add_days": _add_days,
    "EDATE": _edate,
    "datetimes_between": _datetimes_between,
    "add_seconds": _add_seconds,
    "YEAR": _year,
    "DATEVALUE": _datevalue,
    "DATETRUNC": _datetrunc,
    "LEFT": _left,
    "+": _sum,
    "-": _difference,
    "neg": _opposite,
    "*": _product,
}
"""By the function that stands around the column."""
