"""A naive evaluator of formulas over plain Python records, written from the specification alone.

It walks the syntax tree and knows nothing of the checker, the typed tree or SQL, so that SQL can be compared with
something independent. Slow and obvious on purpose. Functions stand by group in the modules beside; each is put into
`CALLS` (`known`) or `FOLDS` (`fold`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any, Literal
from zoneinfo import ZoneInfo

from metamodel.formula import ast
from tests.reference.formula.operators import (
    ORDER,
    arithmetic,
    equal,
    later,
    months_later,
    ordered,
    shown,
    signed,
    spans,
)
from tests.reference.formula.static import BOOLEAN, Objects, Returns, Shapes, Static, Typing
from tests.reference.formula.values import (
    GUARD,
    Fault,
    Months,
    Record,
    Seconds,
    divide,
    half_up,
    plain,
    sized,
    steady,
    whole,
)

PRECISION = 6_000
"""Digits that are never reached: sums, differences and products are exact."""

Mode = Literal["strict", "sees", "lazy"]


@dataclass(frozen=True)
class Known:
    """A function. `strict`: blank where an argument is (a condition: FALSE); `sees`: it is given blanks;
    `lazy`: it is given what was written. `raw`: fields that are its arguments stay blank under `blanks: zero`."""

    run: Callable[..., Any]
    returns: Returns
    mode: Mode
    raw: bool


@dataclass(frozen=True)
class Fold:
    """An aggregate. `run(site, rows)` is given a list of the values of each row, then the arguments of the record
    around, of which there are `outer` at the end. `before` arguments stand before the set."""

    run: Callable[..., Any]
    returns: Returns
    outer: int
    before: int


CALLS: dict[str, Known] = {}
FOLDS: dict[str, Fold] = {}


def known(*names: str, returns: Returns, mode: Mode = "strict", raw: bool = False) -> Callable[..., Any]:
    """Declare a function under its name and aliases."""

    def declare(run: Callable[..., Any]) -> Callable[..., Any]:
        CALLS.update(dict.fromkeys(names, Known(run, returns, mode, raw)))
        return run

    return declare


def fold(*names: str, returns: Returns, outer: int = 0, before: int = 0) -> Callable[..., Any]:
    """Declare an aggregate."""

    def declare(run: Callable[..., Any]) -> Callable[..., Any]:
        FOLDS.update(dict.fromkeys(names, Fold(run, returns, outer, before)))
        return run

    return declare


@dataclass(frozen=True)
class Rows:
    """The records around an expression, innermost first, and what they are records of."""

    records: tuple[Record, ...]
    objects: Objects

    def inside(self, record: Record, name: str) -> Rows:
        return Rows((record, *self.records), (name, *self.objects))


@dataclass(frozen=True)
class Site:
    """A call: the evaluator, and the static types of the arguments."""

    e: Evaluator
    static: list[Static]

    def steady(self, at: int, value: Any) -> Any:
        """Argument `at` as it is compared, floored or cut."""
        return steady(value, self.static[at].rough)

    def near(self, at: int, value: Decimal, places: int) -> Decimal:
        """Argument `at` as it is rounded to so many places: at the guard digits first, unless more are wanted."""
        return half_up(value, max(GUARD, places)) if self.static[at].rough else value

    def whole(self, at: int, value: Decimal) -> int:
        """Argument `at` as a count."""
        return whole(value, self.static[at].rough)


class Evaluator:
    """Evaluates formulas of one tenant: its zone, one instant, its fiscal year, who asks."""

    def __init__(
        self,
        zone: str = "UTC",
        now: datetime = datetime(2024, 1, 1, tzinfo=UTC),
        shapes: Shapes | None = None,
        *,
        fiscal_start: int = 1,
        user: Record | None = None,
    ) -> None:
        self.zone, self.now, self.fiscal_start = ZoneInfo(zone), now.astimezone(UTC), fiscal_start
        self.shapes, self.user = shapes or {"row": {}}, user
        self.typing = Typing(self.shapes, CALLS, FOLDS)
        self.zero = False

    def run(self, tree: ast.Node, record: Record, of: str = "row", *, blanks: str = "blank") -> Any:
        """The value for a record of that object, None for blank. Raises `Fault`.

        A measure has a record whose only name is the set `rows`.
        """
        self.zero = blanks == "zero"
        if "rows" in self.shapes[of]:
            tree = over_rows(tree)
        with localcontext(Context(prec=PRECISION)):
            return plain(self.eval(tree, Rows((record,), (of,))))

    def eval(self, n: ast.Node, rows: Rows, *, raw: bool = False) -> Any:
        return sized(self._eval(n, rows, raw))

    def _eval(self, n: ast.Node, rows: Rows, raw: bool) -> Any:
        match n:
            case ast.Literal():
                return self.literal(n)
            case ast.List():
                return tuple(self.eval(item, rows) for item in n.items) or None
            case ast.Path():
                return self.path(n, rows, raw)
            case ast.Logic():
                for item in n.items:
                    if self.truth(item, rows) is (n.op == "or"):
                        return n.op == "or"
                return n.op == "and"
            case ast.Unary(op="not"):
                return not self.truth(n.operand, rows)
            case ast.Unary():
                return signed(n.op, self.eval(n.operand, rows))
            case ast.In():
                return self.contained(n, rows) is not n.negated
            case ast.Binary():
                a, b = self.eval(n.left, rows), self.eval(n.right, rows)
                return self.binary(n.op, a, b, [self.static(n.left, rows), self.static(n.right, rows)])
            case ast.Call():
                made = self.call(n, rows)
                return False if made is None and self.static(n, rows).kind == "boolean" else made
        raise AssertionError(n)

    def static(self, n: ast.Node, rows: Rows) -> Static:
        return self.typing.of(n, rows.objects)

    def truth(self, n: ast.Node, rows: Rows) -> bool:
        """A condition; it is never blank."""
        return self.eval(n, rows) is True

    def literal(self, n: ast.Literal) -> Any:
        if n.kind == "number":
            return Decimal(n.value)  # type: ignore[arg-type]
        if n.kind == "duration":
            return Seconds(Decimal(n.value))  # type: ignore[arg-type]
        if n.kind == "period":
            return Months(int(n.value))  # type: ignore[arg-type]
        if n.kind == "datetime":
            assert isinstance(n.value, datetime)
            return self.instant(n.value) if n.value.tzinfo is None else n.value.astimezone(UTC)
        return n.value

    def path(self, n: ast.Path, rows: Rows, raw: bool) -> Any:
        here: Any = rows.records[0]
        names = [step.name.lower() for step in n.steps]
        if names[0] == "$user":
            here, names = self.user, names[1:]
        if names[0] in ("this", "old") and names[0] not in self.shapes[rows.objects[0]]:
            here, names = rows.records[-1] if names[0] == "this" else rows.records[-1].get("old", {}), names[1:]
        for at in range(len(names)):
            if here is None or ".".join(names[at:]) in here:
                here = None if here is None else here[".".join(names[at:])]
                break
            here = here[names[at]]
        kind = self.static(n, rows).kind
        if here is None and kind == "boolean":
            return False
        if kind == "number" and here is None:
            return Decimal(0) if self.zero and not raw and len(rows.records) == 1 else None
        return Decimal(here) if kind == "number" else tuple(here) or None if isinstance(here, list) else here

    def contained(self, n: ast.In, rows: Rows) -> bool:
        value, of = self.eval(n.operand, rows), self.static(n.operand, rows)
        kinds = [self.static(item, rows) for item in n.items]
        if len(kinds) == 1 and kinds[0].kind == "list" and of.kind != "list":
            items = self.eval(n.items[0], rows) or ()
            return value is not None and value in items
        found = [equal(value, self.eval(item, rows), [of, kind]) for item, kind in zip(n.items, kinds, strict=True)]
        return any(found)

    # -- calls --

    def call(self, n: ast.Call, rows: Rows) -> Any:
        name = n.name.upper()
        over = FOLDS.get(name)
        if over is not None and len(n.args) > over.before:
            target = self.typing.child(n.args[over.before], rows.objects)
            if target is not None:
                return self.fold(over, n, rows, target)
        made = CALLS[name]
        if made.mode == "lazy":
            return made.run(self, n, rows)
        args = self.arguments(made, n)
        values = [self.eval(arg, rows, raw=made.raw) for arg in args]
        static = [self.static(arg, rows) for arg in args]
        if made.mode == "strict" and None in values:
            return False if made.returns is BOOLEAN else None
        return made.run(Site(self, static), *values)

    def arguments(self, made: Known, n: ast.Call) -> Sequence[ast.Node]:
        """The arguments, named ones in the place of the parameter of that name."""
        if not n.named:
            return n.args
        names = list(inspect.signature(made.run).parameters)[1:]
        places = {names.index(name.lower()): value for name, value in n.named}
        return [*n.args, *(places[i] for i in range(len(n.args), len(n.args) + len(places)))]

    def fold(self, over: Fold, n: ast.Call, rows: Rows, target: str) -> Any:
        """An aggregate; an error of any row that counts, or of the filter, is its error."""
        path = n.args[over.before]
        assert isinstance(path, ast.Path)
        records, step = self.children(path, rows)
        rest = self.typing.rest(path, rows.objects)
        inner_args: list[ast.Node] = [ast.Path(steps=rest)] if rest else []
        inner_args += n.args[over.before + 1 : len(n.args) - over.outer]
        outside = [*n.args[: over.before], *n.args[len(n.args) - over.outer :]]
        table, wrong = [], set()
        for record in records:
            inner = rows.inside(record, target)
            try:
                if step.filter is None or self.truth(step.filter, inner):
                    table.append([self.eval(arg, inner) for arg in inner_args] + [record])
            except Fault as fault:
                wrong |= fault.codes
        if wrong:
            raise Fault(*wrong)
        inside = rows.inside({}, target)
        static = [self.static(arg, inside) for arg in inner_args] + [self.static(arg, rows) for arg in outside]
        return over.run(Site(self, static), table, *(self.eval(arg, rows) for arg in outside))

    def children(self, path: ast.Path, rows: Rows) -> tuple[list[Record], ast.Step]:
        """The records that a path reaches, and the step that names them."""
        steps = path.steps
        here: Any = rows.records[0]
        if steps[0].name.lower() == "this":
            here, steps = rows.records[-1], steps[1:]
        for step in steps:
            here = here.get(step.name.lower()) if here is not None else None
            if isinstance(here, list):
                return here, step
            if here is None:
                return [], next(s for s in steps if s.filter is not None or s is steps[-1])
        raise AssertionError(path)

    # -- time --

    def local(self, value: date) -> datetime:
        """A date or instant as local time."""
        if isinstance(value, datetime):
            try:
                return value.astimezone(self.zone).replace(tzinfo=None)
            except (OverflowError, ValueError):
                raise Fault("DATE") from None
        return datetime.combine(value, time())

    def instant(self, local: datetime, zone: ZoneInfo | None = None) -> datetime:
        """Local time as an instant: the second of two, before a gap's change."""
        first, second = (local.replace(tzinfo=zone or self.zone, fold=fold) for fold in (0, 1))
        ambiguous = first.utcoffset() > second.utcoffset()  # type: ignore[operator]
        try:
            return (second if ambiguous else first).astimezone(UTC)
        except (OverflowError, ValueError):
            raise Fault("DATE") from None

    def like(self, sample: date, local: datetime) -> Any:
        """Local time as what the sample is."""
        return self.instant(local) if isinstance(sample, datetime) else local.date()

    # -- operators --

    def binary(self, op: str, a: Any, b: Any, static: list[Static]) -> Any:
        if op in ("=", "<>"):
            return equal(a, b, static) is (op == "=")
        if op in ORDER:
            return ordered(op, a, b, static)
        if op == "&" or (op == "+" and "text" in (static[0].kind, static[1].kind)):
            return shown(self, a) + shown(self, b)
        if a is None or b is None:
            return None
        if isinstance(a, date) or isinstance(b, date):
            return self.move(op, a, b, static)
        if isinstance(a, Months) and isinstance(b, Months):
            return Months(a.value + b.value if op == "+" else a.value - b.value)
        if isinstance(a, Seconds) or isinstance(b, Seconds):
            return spans(op, a, b)
        return arithmetic(op, a, b)

    def move(self, op: str, a: Any, b: Any, static: list[Static]) -> Any:
        if isinstance(a, date) and isinstance(b, date):
            if isinstance(a, datetime) and isinstance(b, datetime):
                return Seconds(Decimal((a - b) // timedelta(microseconds=1)) / 1_000_000)
            return Decimal((a - b).days)
        if not isinstance(a, date):
            a, b, static = b, a, static[::-1]
        sign = 1 if op == "+" else -1
        if isinstance(b, Months):
            return months_later(self, a, b.value * sign)
        if isinstance(a, datetime):
            seconds = b.value if isinstance(b, Seconds) else b * 86_400
            return later(a, microseconds=int(half_up(seconds * sign * 1_000_000, 0)))
        return later(a, days=sign * (int(divide(b.value, Decimal(86_400))) if isinstance(b, Seconds) else whole(b, static[1].rough)))


def over_rows(n: ast.Node) -> ast.Node:
    """A measure with its set written out: `SUM(amount)` is `SUM(rows, amount)`, where no set is named."""
    if isinstance(n, ast.Call) and n.name.upper() in FOLDS and n.args:
        at = FOLDS[n.name.upper()].before
        first = n.args[at] if at < len(n.args) else None
        if isinstance(first, ast.Path) and first.steps[0].name.lower() == "rows":
            return n
        if len(n.args) == 1 or n.name.upper() not in CALLS:
            return replace(n, args=(ast.Path(steps=(ast.Step(name="rows"),)), *n.args))
    return within(n, over_rows)


def within(n: ast.Node, change: Callable[[ast.Node], ast.Node]) -> ast.Node:
    """The node with every direct part changed."""
    made: dict[str, Any] = {}
    for each in fields(n):
        value = getattr(n, each.name)
        if isinstance(value, ast.Node):
            made[each.name] = change(value)
        elif isinstance(value, tuple):
            made[each.name] = tuple(change(item) if isinstance(item, ast.Node) else item for item in value)
    return replace(n, **made)
