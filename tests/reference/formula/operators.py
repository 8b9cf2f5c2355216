"""What the operators of the language do with values: dates, comparison, arithmetic, canonical text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from tests.reference.formula.static import Static
from tests.reference.formula.values import Fault, Months, Seconds, divide, inexact, steady

if TYPE_CHECKING:
    from tests.reference.formula.core import Evaluator

# -- dates ----------------------------------------------------------------------------------------------------------


def later(value: Any, **by: int) -> Any:
    try:
        return value + timedelta(**by)
    except OverflowError:
        raise Fault("DATE") from None


def months_later(e: Evaluator, d: date, months: int) -> Any:
    """The same day some months later, or the last day of a shorter month; a date-time keeps its local time."""
    at = e.local(d)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise Fault("DATE")
    return e.like(d, at.replace(year=year, month=month + 1, day=min(at.day, days_in(year, month + 1))))


def days_in(year: int, month: int) -> int:
    return 31 if month == 12 else (date(year, month + 1, 1) - date(year, month, 1)).days


# -- comparison -----------------------------------------------------------------------------------------------------


def equal(a: Any, b: Any, static: list[Static]) -> bool:
    """Two blanks are equal, a blank differs from every value."""
    if a is None or b is None:
        return a is b
    return bool(steady(a, static[0].rough) == steady(b, static[1].rough))


def ordered(op: str, a: Any, b: Any, static: list[Static]) -> bool:
    """A blank operand gives FALSE. Python compares texts by code point."""
    if a is None or b is None:
        return False
    return ORDER[op](steady(a, static[0].rough), steady(b, static[1].rough))


ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


# -- arithmetic -----------------------------------------------------------------------------------------------------


def signed(op: str, value: Any) -> Any:
    if value is None or op == "+":
        return value
    if op == "%":
        return value.scaleb(-2)
    return type(value)(-value.value) if isinstance(value, Seconds | Months) else -value


def arithmetic(op: str, a: Decimal, b: Decimal) -> Decimal:
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    return divide(a, b) if op == "/" else power(a, b)


def power(a: Decimal, b: Decimal) -> Decimal:
    """To 18 places; beyond 10^64 out of range. Zero to the power of zero is #NUM!, as Excel has it."""
    if a == 0 and b <= 0:
        raise Fault("NUM") if b == 0 else Fault("NUM", "DIV0")
    if a < 0 and b != b.to_integral_value():
        raise Fault("NUM")
    if a == 0:
        return a
    with localcontext(Context(prec=180)):
        if a == 1 or b == 0:
            return Decimal(1)
        size = b * abs(a).ln() / Decimal(10).ln()
        if size > 66:
            raise Fault("NUM", "OVERFLOW")
        if size < -20:
            return Decimal(0)
        made = a**b
        if abs(made) > Decimal(10) ** 64:
            raise Fault("NUM", "OVERFLOW")
        return inexact(made)


def spans(op: str, a: Any, b: Any) -> Any:
    """Arithmetic with durations."""
    left, right = (x.value if isinstance(x, Seconds) else x for x in (a, b))
    if op == "/":
        made = divide(left, right)
        return made if isinstance(b, Seconds) else Seconds(made)
    return Seconds(arithmetic(op, left, right))


# -- canonical text -------------------------------------------------------------------------------------------------


def shown(e: Evaluator, value: Any) -> str:
    """The canonical text; a blank is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Seconds | Months):
        value = Decimal(value.value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text in ("-0", "") else text
    if isinstance(value, datetime):
        return e.local(value).isoformat(timespec="seconds")
    if isinstance(value, time):
        return value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else str(value)
