"""A naive evaluator of formulas over one row of plain Python values, written from the language page alone.

It walks the syntax tree and knows nothing of the checker, the typed tree or SQL, so that SQL can be compared with
something independent. Slow and obvious on purpose. Numbers are `Number`, blank is None, an error is `Fault`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

from metamodel.formula import ast

PRECISION = 400
STEP = Decimal(1).scaleb(-18)
GUARD = Decimal(1).scaleb(-12)


class Fault(Exception):
    """The row is in error."""


@dataclass(frozen=True)
class Number:
    """`rough`: made by division, a mean or a root; such a number is rounded to 12 places before it is compared."""

    value: Decimal
    rough: bool = False

    @property
    def steady(self) -> Decimal:
        return rounded(self.value, GUARD) if self.rough else self.value


@dataclass(frozen=True)
class Seconds:
    """A duration."""

    value: Decimal


@dataclass(frozen=True)
class Months:
    """A period."""

    value: int


def rounded(value: Decimal, step: Decimal, how: str = ROUND_HALF_UP) -> Decimal:
    return value.quantize(step, rounding=how)


def plain(value: Any) -> Any:
    """A result as PostgreSQL gives it."""
    return value.value if isinstance(value, Number | Seconds) else value


class Evaluator:
    """Evaluates formulas for one tenant zone and one instant."""

    def __init__(self, zone: str, now: datetime) -> None:
        self.zone = ZoneInfo(zone)
        self.now = now

    def run(self, tree: ast.Node, row: Mapping[str, Any]) -> Any:
        """The value, None for blank; raises `Fault`."""
        with localcontext(Context(prec=PRECISION)):
            return plain(self.eval(tree, row))

    def eval(self, n: ast.Node, row: Mapping[str, Any]) -> Any:
        made = self._eval(n, row)
        return None if made == "" else made

    def _eval(self, n: ast.Node, row: Mapping[str, Any]) -> Any:
        match n:
            case ast.Literal():
                return self.literal(n)
            case ast.Path():
                value = row[n.steps[0].name]
                return (
                    Number(Decimal(value))
                    if isinstance(value, int | Decimal) and not isinstance(value, bool)
                    else value
                )
            case ast.Logic():
                for item in n.items:
                    if self.eval(item, row) is (n.op == "or"):
                        return n.op == "or"
                return n.op == "and"
            case ast.Unary(op="not"):
                return not self.eval(n.operand, row)
            case ast.Unary():
                value = self.eval(n.operand, row)
                if value is None or n.op == "+":
                    return value
                if n.op == "%":
                    return Number(value.value / 100, value.rough)
                return type(value)(-value.value, value.rough) if isinstance(value, Number) else Seconds(-value.value)
            case ast.In():
                value = self.eval(n.operand, row)
                found = [equal(value, self.eval(item, row)) for item in n.items]
                return any(found) is not n.negated
            case ast.Binary():
                return self.binary(n.op, self.eval(n.left, row), self.eval(n.right, row))
            case ast.Call():
                name = n.name.upper()
                if name in LAZY:
                    return LAZY[name](self, n.args, row)
                args = [self.eval(arg, row) for arg in n.args]
                if name in SKIPPING:
                    return SKIPPING[name](self, *args)
                if any(arg is None for arg in args):
                    return False if name in PREDICATES else None
                return STRICT[name](self, *args)
        raise AssertionError(n)

    def literal(self, n: ast.Literal) -> Any:
        if n.kind == "number":
            return Number(Decimal(n.value))  # type: ignore[arg-type]
        if n.kind == "duration":
            return Seconds(Decimal(n.value))  # type: ignore[arg-type]
        if n.kind == "period":
            return Months(int(n.value))  # type: ignore[arg-type]
        if n.kind == "datetime" and isinstance(n.value, datetime) and n.value.tzinfo is None:
            return self.instant(n.value)
        return n.value

    def local(self, value: date) -> datetime:
        """A date or instant as local time."""
        if isinstance(value, datetime):
            return value.astimezone(self.zone).replace(tzinfo=None)
        return datetime.combine(value, time())

    def instant(self, local: datetime) -> datetime:
        """Local time as an instant: the second of two, before a gap's change."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        ambiguous = first.utcoffset() > second.utcoffset()  # type: ignore[operator]
        return (second if ambiguous else first).astimezone(UTC)

    def like(self, sample: date, local: datetime) -> Any:
        return self.instant(local) if isinstance(sample, datetime) else local.date()

    def binary(self, op: str, a: Any, b: Any) -> Any:
        if op in COMPARE:
            return COMPARE[op](a, b)
        if op == "&" or (op == "+" and (isinstance(a, str) or isinstance(b, str))):
            return (show(self, a) or "") + (show(self, b) or "")
        if a is None or b is None:
            return None
        if isinstance(a, date) or isinstance(b, date):
            return self.move(op, a, b)
        if isinstance(a, Seconds) or isinstance(b, Seconds):
            return spans(op, a, b)
        return arithmetic(op, a, b)

    def move(self, op: str, a: Any, b: Any) -> Any:
        if isinstance(a, date) and isinstance(b, date):
            if isinstance(a, datetime):
                return Seconds(Decimal((a - b) // timedelta(microseconds=1)) / 1_000_000)  # type: ignore[operator]
            return Number(Decimal((a - b).days))
        if not isinstance(a, date):
            a, b = b, a
        sign = 1 if op == "+" else -1
        if isinstance(b, Months):
            return edate(self, a, Number(Decimal(b.value * sign)))
        if isinstance(a, datetime):
            seconds = b.value if isinstance(b, Seconds) else b.value * 86_400
            return shifted(a, microseconds=int(rounded(clipped(seconds * sign * 1_000_000), Decimal(1))))
        days = b.value / 86_400 if isinstance(b, Seconds) else (b.steady).to_integral_value(ROUND_DOWN)
        return shifted(a, days=int(clipped(days) * sign))


def clipped(value: Decimal) -> Decimal:
    return max(min(value, Decimal(10) ** 18), -(Decimal(10) ** 18))


def shifted(value: Any, **by: int) -> Any:
    try:
        return value + timedelta(**by)
    except OverflowError:
        raise Fault from None


# -- operators ------------------------------------------------------------------------------------------------------


def steady(value: Any) -> Any:
    return value.steady if isinstance(value, Number) else value.value if isinstance(value, Seconds) else value


def equal(a: Any, b: Any) -> bool:
    return bool(steady(a) == steady(b)) and (a is None) == (b is None)


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: a is not None and b is not None and test(steady(a), steady(b))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": equal,
    "<>": lambda a, b: not equal(a, b),
    "<": _order(lambda a, b: a < b),
    "<=": _order(lambda a, b: a <= b),
    ">": _order(lambda a, b: a > b),
    ">=": _order(lambda a, b: a >= b),
}


def divide(a: Decimal, b: Decimal) -> Decimal:
    if b == 0:
        raise Fault
    return rounded(a / b, STEP)


def arithmetic(op: str, a: Number, b: Number) -> Number:
    rough = a.rough or b.rough
    if op == "+":
        return Number(a.value + b.value, rough)
    if op == "-":
        return Number(a.value - b.value, rough)
    if op == "*":
        return Number(a.value * b.value, rough)
    if op == "/":
        return Number(divide(a.value, b.value), True)
    return Number(power(a.value, b.value), True)


def power(a: Decimal, b: Decimal) -> Decimal:
    if (a == 0 and b < 0) or (a < 0 and b != b.to_integral_value()):
        raise Fault
    if a == 0:
        return Decimal(1 if b == 0 else 0)
    with localcontext(Context(prec=120)):
        size = b * abs(a).ln()
        if size > 64 * Decimal(10).ln():
            raise Fault
        if size < -64 * Decimal(10).ln():
            return Decimal(0)
        return rounded(a**b, STEP)


def spans(op: str, a: Any, b: Any) -> Any:
    if op == "+":
        return Seconds(a.value + b.value)
    if op == "-":
        return Seconds(a.value - b.value)
    if op == "*":
        return Seconds(a.value * b.value)
    made = divide(a.value, b.value)
    return Number(made, True) if isinstance(b, Seconds) else Seconds(made)


# -- functions that do not evaluate everything ----------------------------------------------------------------------


def if_(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    return ifs(e, args, row)


def ifs(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    for i in range(0, len(args) - 1, 2):
        if e.eval(args[i], row):
            return e.eval(args[i + 1], row)
    return e.eval(args[-1], row) if len(args) % 2 else None


def case(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    for i in range(1, len(args) - 1, 2):
        if equal(e.eval(args[0], row), e.eval(args[i], row)):
            return e.eval(args[i + 1], row)
    return e.eval(args[-1], row) if len(args) % 2 == 0 else None


def blankvalue(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    for arg in args:
        if (value := e.eval(arg, row)) is not None:
            return value
    return None


def iserror(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    try:
        e.eval(args[0], row)
    except Fault:
        return True
    return False


def iferror(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    try:
        return e.eval(args[0], row)
    except Fault:
        return e.eval(args[1], row)


def and_(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    return all(e.eval(arg, row) for arg in args)


def or_(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    return any(e.eval(arg, row) for arg in args)


def between(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    value = e.eval(args[0], row)
    return COMPARE[">="](value, e.eval(args[1], row)) and COMPARE["<="](value, e.eval(args[2], row))


def isblank(e: Evaluator, args: Sequence[ast.Node], row: Mapping[str, Any]) -> Any:
    return e.eval(args[0], row) is None


LAZY = {
    "IF": if_,
    "IFS": ifs,
    "CASE": case,
    "BLANKVALUE": blankvalue,
    "ISERROR": iserror,
    "IFERROR": iferror,
    "AND": and_,
    "OR": or_,
    "BETWEEN": between,
    "ISBLANK": isblank,
}


# -- functions that skip blanks -------------------------------------------------------------------------------------


def _filled(args: Sequence[Any]) -> list[Any]:
    return [arg for arg in args if arg is not None]


def total(e: Evaluator, *args: Any) -> Any:
    return Number(sum((a.value for a in _filled(args)), Decimal(0)), any(a.rough for a in _filled(args)))


def average(e: Evaluator, *args: Any) -> Any:
    known = _filled(args)
    return Number(divide(sum((a.value for a in known), Decimal(0)), Decimal(len(known))), True) if known else None


def _pick(choose: Callable[..., Any]) -> Callable[..., Any]:
    def run(e: Evaluator, *args: Any) -> Any:
        known = _filled(args)
        return choose(known, key=lambda a: a.value if isinstance(a, Number) else a) if known else None

    return run


def substitute(e: Evaluator, text: str | None, old: str | None, new: str | None) -> Any:
    return None if text is None or old is None else text.replace(old, new or "")


SKIPPING: dict[str, Callable[..., Any]] = {
    "SUM": total,
    "AVERAGE": average,
    "MIN": _pick(min),
    "MAX": _pick(max),
    "CONCATENATE": lambda e, *args: "".join(show(e, arg) or "" for arg in args),
    "SUBSTITUTE": substitute,
}


# -- strict functions -----------------------------------------------------------------------------------------------


def show(e: Evaluator, value: Any) -> str | None:
    """The canonical text."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Number):
        text = format(value.value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text in ("-0", "") else text
    if isinstance(value, datetime):
        return e.local(value).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return value.isoformat() if isinstance(value, date) else value


def _digits(args: Sequence[Number]) -> Decimal:
    places = int(max(min(args[0].steady.to_integral_value(ROUND_DOWN), Decimal(60)), Decimal(-60))) if args else 0
    return Decimal(1).scaleb(-places)


def _to(how: str, guard: bool) -> Callable[..., Any]:
    def run(e: Evaluator, a: Number, *digits: Number) -> Number:
        step = _digits(digits)
        value = a.steady if guard else a.value
        # A step finer than the number changes nothing.
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        return Number(value if step <= Decimal(1).scaleb(exponent) else (value / step).to_integral_value(how) * step)

    return run


def _multiple(how: str) -> Callable[..., Any]:
    def run(e: Evaluator, a: Number, *step: Number) -> Number:
        if not step:
            return Number(a.steady.to_integral_value(how))
        size = abs(step[0].value)
        return Number(rounded(divide(a.steady, size), GUARD).to_integral_value(how) * size)

    return run


def mod(e: Evaluator, a: Number, b: Number) -> Number:
    if b.value == 0:
        raise Fault
    return Number(a.value - (a.value / b.value).to_integral_value(ROUND_FLOOR) * b.value, a.rough or b.rough)


def quotient(e: Evaluator, a: Number, b: Number) -> Number:
    if b.value == 0:
        raise Fault
    return Number((a.value / b.value).to_integral_value(ROUND_DOWN))


def sqrt(e: Evaluator, a: Number) -> Number:
    if a.value < 0:
        raise Fault
    return Number(rounded(a.value.sqrt(), STEP), True)


def whole(n: Number) -> int:
    return int(clipped(n.steady.to_integral_value(ROUND_DOWN)))


def mid(e: Evaluator, text: str, start: Number, count: Number) -> str:
    begin = max(whole(start), 1) - 1
    return text[begin : begin + max(whole(count), 0)]


def right(e: Evaluator, text: str, count: Number) -> str:
    size = max(whole(count), 0)
    return text[-size:] if size else ""


def find(e: Evaluator, part: str, text: str, *start: Number) -> Number:
    return Number(Decimal(text.find(part, max(whole(start[0]), 1) - 1 if start else 0) + 1))


def value_(e: Evaluator, text: str) -> Number:
    if not re.fullmatch(r"[+-]?([0-9]{1,38}(\.[0-9]{0,18})?|\.[0-9]{1,18})", text.strip(" ")):
        raise Fault
    return Number(Decimal(text.strip(" ")))


def edate(e: Evaluator, d: date, n: Number) -> Any:
    local = e.local(d)
    index = local.year * 12 + local.month - 1 + int(clipped(n.steady.to_integral_value(ROUND_DOWN)))
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        raise Fault
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return e.like(d, local.replace(year=year, month=month + 1, day=day))


def eomonth(e: Evaluator, d: date, n: Number) -> date:
    moved = e.local(edate(e, d, n))
    return date(moved.year, moved.month, calendar.monthrange(moved.year, moved.month)[1])


def date_(e: Evaluator, y: Number, m: Number, d: Number) -> date:
    year, month = divmod(whole(y) * 12 + whole(m) - 1, 12)
    if not 1 <= year <= 9999:
        raise Fault
    return shifted(date(year, month + 1, 1), days=whole(d) - 1)  # type: ignore[no-any-return]


def datevalue(e: Evaluator, value: Any) -> date:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip(" ")):
            raise Fault
        try:
            return date.fromisoformat(value.strip(" "))
        except ValueError:
            raise Fault from None
    return e.local(value).date()


def datetrunc(e: Evaluator, d: date, unit: str) -> Any:
    at = e.local(d)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "year": day.replace(month=1, day=1),
        "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "month": day.replace(day=1),
        "week": day - timedelta(days=day.weekday()),
        "day": day,
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "minute": at.replace(second=0, microsecond=0),
    }
    return e.like(d, starts[unit])


def dateadd(e: Evaluator, d: date, n: Number, unit: str) -> Any:
    count = Number(n.steady.to_integral_value(ROUND_DOWN))
    months = {"year": 12, "quarter": 3, "month": 1}
    if unit in months:
        return edate(e, d, Number(count.value * months[unit]))
    seconds = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60}
    return e.move("+", d, Seconds(count.value * seconds[unit]))


def datedif(e: Evaluator, a: date, b: date, unit: str) -> Number:
    if a > b:
        raise Fault
    if unit == "day":
        return Number(Decimal((b - a).days))
    months = b.year * 12 + b.month - a.year * 12 - a.month - (b.day < a.day)
    return Number(Decimal(months if unit == "month" else months // 12))


def days(e: Evaluator, a: Any, *b: date) -> Number:
    return Number(Decimal((a - b[0]).days)) if b else Number(divide(a.value, Decimal(86_400)), True)


def _part(read: Callable[[datetime], int]) -> Callable[..., Number]:
    return lambda e, d: Number(Decimal(read(e.local(d))))


PREDICATES = {"CONTAINS", "BEGINS", "ENDS", "REGEX"}
STRICT: dict[str, Callable[..., Any]] = {
    "ABS": lambda e, a: Number(abs(a.value), a.rough),
    "SIGN": lambda e, a: Number(Decimal((a.value > 0) - (a.value < 0))),
    "ROUND": _to(ROUND_HALF_UP, False),
    "ROUNDDOWN": _to(ROUND_DOWN, True),
    "TRUNC": _to(ROUND_DOWN, True),
    "ROUNDUP": _to("ROUND_UP", True),
    "INT": _multiple(ROUND_FLOOR),
    "CEILING": _multiple(ROUND_CEILING),
    "FLOOR": _multiple(ROUND_FLOOR),
    "MOD": mod,
    "QUOTIENT": quotient,
    "SQRT": sqrt,
    "POWER": lambda e, a, b: Number(power(a.value, b.value), True),
    "LEN": lambda e, t: Number(Decimal(len(t))),
    "LEFT": lambda e, t, n: t[: max(whole(n), 0)],
    "RIGHT": right,
    "MID": mid,
    "UPPER": lambda e, t: t.upper(),
    "LOWER": lambda e, t: t.lower(),
    "TRIM": lambda e, t: t.strip(" "),
    "FIND": find,
    "CONTAINS": lambda e, t, p: p in t,
    "BEGINS": lambda e, t, p: t.startswith(p),
    "ENDS": lambda e, t, p: t.endswith(p),
    "REGEX": lambda e, t, p: re.fullmatch(p, t) is not None,
    "TEXT": show,
    "VALUE": value_,
    "TODAY": lambda e: e.local(e.now).date(),
    "NOW": lambda e: e.now,
    "DATE": date_,
    "DATEVALUE": datevalue,
    "YEAR": _part(lambda d: d.year),
    "QUARTER": _part(lambda d: (d.month + 2) // 3),
    "MONTH": _part(lambda d: d.month),
    "DAY": _part(lambda d: d.day),
    "HOUR": _part(lambda d: d.hour),
    "WEEKDAY": lambda e, d: Number(Decimal(e.local(d).isoweekday() % 7 + 1)),
    "EDATE": edate,
    "EOMONTH": eomonth,
    "DATEADD": dateadd,
    "DATETRUNC": datetrunc,
    "DATEDIF": datedif,
    "DAYS": days,
    "HOURS": lambda e, s: Number(divide(s.value, Decimal(3_600)), True),
}
