"""Aggregates over a set of records. Blanks are skipped; of nothing SUM is 0, COUNT 0, and the others are blank."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, TypeAlias

from tests.reference.formula.core import Site, fold
from tests.reference.formula.operators import shown
from tests.reference.formula.static import BOOLEAN, NUMBER, ROUGH, TEXT, Static, first, numeric
from tests.reference.formula.values import Fault, divide, floor, inexact, root

Table: TypeAlias = "list[list[Any]]"
"""The rows: the values of the arguments, then the record itself."""


def _values(rows: Table) -> list[Any]:
    return [row[0] for row in rows if row[0] is not None]


def _pairs(rows: Table) -> list[tuple[Fraction, Fraction]]:
    """Rows where neither of the two values is blank."""
    return [(Fraction(row[0]), Fraction(row[1])) for row in rows if row[0] is not None and row[1] is not None]


@fold("COUNT", returns=NUMBER)
def count(c: Site, rows: Table) -> Any:
    """Rows; with a value, those where it is not blank."""
    return Decimal(len(_values(rows)) if c.static else len(rows))


@fold("COUNTDISTINCT", returns=NUMBER)
def countdistinct(c: Site, rows: Table) -> Any:
    return Decimal(len({c.steady(0, value) for value in _values(rows)}))


@fold("SUM", returns=numeric)
def total(c: Site, rows: Table) -> Any:
    return sum(_values(rows), Decimal(0))


@fold("AVERAGE", "AVG", returns=ROUGH)
def average(c: Site, rows: Table) -> Any:
    found = _values(rows)
    return divide(sum(found, Decimal(0)), Decimal(len(found))) if found else None


@fold("MIN", returns=first)
def smallest(c: Site, rows: Table) -> Any:
    return min(_values(rows), default=None)


@fold("MAX", returns=first)
def largest(c: Site, rows: Table) -> Any:
    return max(_values(rows), default=None)


@fold("EXISTS", returns=BOOLEAN)
def exists(c: Site, rows: Table) -> Any:
    return any(row[0] is True for row in rows) if c.static else bool(rows)


@fold("ALL", returns=BOOLEAN)
def every(c: Site, rows: Table) -> Any:
    """Whether the condition holds for every row; of no rows it does."""
    return all(row[0] is True for row in rows)


# -- by an order ----------------------------------------------------------------------------------------------------


def _end(rows: Table, last: bool) -> list[Any] | None:
    """The row that comes first (last) by the second value; rows where it is blank come behind all others, and the
    record's id decides between equals."""
    known = [row for row in rows if row[1] is not None] or rows
    blank = known and known[0][1] is None
    order: Callable[[list[Any]], Any] = lambda row: (0 if blank else row[1], row[-1]["id"])  # noqa: E731
    if not known:
        return None
    return max(known, key=order) if last else min(known, key=order)


@fold("FIRST", returns=first)
def first_(c: Site, rows: Table) -> Any:
    row = _end(rows, False)
    return row and row[0]


@fold("LAST", returns=first)
def last_(c: Site, rows: Table) -> Any:
    row = _end(rows, True)
    return row and row[0]


def _extreme(rows: Table, pick: Callable[..., Any]) -> Any:
    """The value of the row where the second one is largest (smallest); of several the one with the smallest id."""
    found = [row for row in rows if row[1] is not None]
    best = pick((row[1] for row in found), default=None)
    return min(((row[-1]["id"], row[0]) for row in found if row[1] == best), default=(None, None))[1]


@fold("ARGMAX", returns=first)
def argmax(c: Site, rows: Table) -> Any:
    return _extreme(rows, max)


@fold("ARGMIN", returns=first)
def argmin(c: Site, rows: Table) -> Any:
    return _extreme(rows, min)


# -- by rank --------------------------------------------------------------------------------------------------------


def _ranked(values: list[Decimal], at: Fraction) -> Decimal:
    """Between the neighbours of a rank that is counted from 0 (Excel PERCENTILE interpolates)."""
    low = int(floor(at))
    high = min(low + 1, len(values) - 1)
    share = at - low
    return inexact(Fraction(values[low]) + share * (Fraction(values[high]) - Fraction(values[low])))


@fold("MEDIAN", returns=ROUGH)
def median(c: Site, rows: Table) -> Any:
    found = sorted(_values(rows))
    return _ranked(found, Fraction(len(found) - 1, 2)) if found else None


@fold("PERCENTILE", returns=ROUGH, outer=1)
def percentile(c: Site, rows: Table, share: Decimal | None) -> Any:
    """Excel PERCENTILE.INC; a share outside 0 to 1 is #NUM!."""
    found = sorted(_values(rows))
    if share is None or not found:
        return None
    if not 0 <= share <= 1:
        raise Fault("NUM")
    return _ranked(found, Fraction(share) * (len(found) - 1))


@fold("PERCENTILE_EXC", returns=ROUGH, outer=1)
def percentile_exc(c: Site, rows: Table, share: Decimal | None) -> Any:
    """Excel PERCENTILE.EXC; #NUM! where the rank lies outside the values."""
    found = sorted(_values(rows))
    if share is None or not found:
        return None
    at = Fraction(share) * (len(found) + 1) - 1
    if not 0 < share < 1 or not 0 <= at <= len(found) - 1:
        raise Fault("NUM")
    return _ranked(found, at)


@fold("QUARTILE", returns=ROUGH, outer=1)
def quartile(c: Site, rows: Table, quarter: Decimal | None) -> Any:
    found = sorted(_values(rows))
    if quarter is None or not found:
        return None
    at = c.whole(1, quarter)
    if not 0 <= at <= 4:
        raise Fault("NUM")
    return _ranked(found, Fraction(at, 4) * (len(found) - 1))


def _nth(c: Site, rows: Table, place: Decimal | None, descending: bool) -> Any:
    found = sorted(_values(rows), reverse=descending)
    if place is None or not found:
        return None
    at = c.whole(1, place)
    if not 1 <= at <= len(found):
        raise Fault("NUM")
    return found[at - 1]


@fold("LARGE", returns=first, outer=1)
def large(c: Site, rows: Table, place: Decimal | None) -> Any:
    """Excel LARGE: #NUM! where there are not so many values."""
    return _nth(c, rows, place, True)


@fold("SMALL", returns=first, outer=1)
def small(c: Site, rows: Table, place: Decimal | None) -> Any:
    return _nth(c, rows, place, False)


@fold("MODE", returns=first)
def mode(c: Site, rows: Table) -> Any:
    """The most frequent value, of several the smallest."""
    found = _values(rows)
    return min(found, key=lambda value: (-found.count(value), value)) if found else None


# -- spread ---------------------------------------------------------------------------------------------------------


def _spread(values: list[Decimal], sample: bool) -> Fraction | None:
    exact = [Fraction(value) for value in values]
    n = len(exact)
    if n == 0:
        return None
    if n == 1 and sample:
        raise Fault("DIV0")
    mean = sum(exact) / n
    return sum((x - mean) ** 2 for x in exact) / (n - 1 if sample else n)


def _statistic(sample: bool, rooted: bool) -> Callable[..., Any]:
    def run(c: Site, rows: Table) -> Any:
        found = _spread(_values(rows), sample)
        return None if found is None else root(found) if rooted else inexact(found)

    return run


fold("STDEV", returns=ROUGH)(_statistic(True, True))
fold("STDEVP", returns=ROUGH)(_statistic(False, True))
fold("VAR", returns=ROUGH)(_statistic(True, False))
fold("VARP", returns=ROUGH)(_statistic(False, False))


@fold("GEOMEAN", returns=ROUGH)
def geomean(c: Site, rows: Table) -> Any:
    """Excel GEOMEAN: a value that is not positive is #NUM!."""
    found = _values(rows)
    if any(value <= 0 for value in found):
        raise Fault("NUM")
    if not found:
        return None
    with localcontext(Context(prec=180)):
        logs = [value.ln() for value in found]
        return inexact((sum(logs, Decimal(0)) / len(logs)).exp())


# -- two values -----------------------------------------------------------------------------------------------------


@fold("WEIGHTEDAVG", returns=ROUGH)
def weightedavg(c: Site, rows: Table) -> Any:
    pairs = _pairs(rows)
    if not pairs:
        return None
    weight = sum(w for _, w in pairs)
    if weight == 0:
        raise Fault("DIV0")
    return inexact(Fraction(sum(v * w for v, w in pairs)) / weight)


@fold("SUMPRODUCT", returns=numeric)
def sumproduct(c: Site, rows: Table) -> Any:
    return sum((row[0] * row[1] for row in rows if row[0] is not None and row[1] is not None), Decimal(0))


def _sums(pairs: list[tuple[Fraction, Fraction]]) -> tuple[Fraction, Fraction, Fraction]:
    """n Σxy − Σx Σy, n Σx² − (Σx)², n Σy² − (Σy)²."""
    n, x, y = len(pairs), sum(a for a, _ in pairs), sum(b for _, b in pairs)
    both = n * sum(a * b for a, b in pairs) - x * y
    return Fraction(both), Fraction(n * sum(a * a for a, _ in pairs) - x * x), Fraction(n * sum(b * b for _, b in pairs) - y * y)


@fold("CORREL", returns=ROUGH)
def correl(c: Site, rows: Table) -> Any:
    pairs = _pairs(rows)
    if not pairs:
        return None
    both, x, y = _sums(pairs)
    if x == 0 or y == 0:
        raise Fault("DIV0")
    share = both * both / (x * y)
    made = root(share)
    return -made if both < 0 else made


def _slope(pairs: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Of the line of least squares through (x, y)."""
    both, x, _ = _sums(pairs)
    if x == 0:
        raise Fault("DIV0")
    return both / x


@fold("SLOPE", returns=ROUGH)
def slope(c: Site, rows: Table) -> Any:
    """Excel SLOPE(known_y, known_x)."""
    pairs = [(x, y) for y, x in _pairs(rows)]
    return inexact(_slope(pairs)) if pairs else None


@fold("INTERCEPT", returns=ROUGH)
def intercept(c: Site, rows: Table) -> Any:
    """Excel INTERCEPT(known_y, known_x)."""
    pairs = [(x, y) for y, x in _pairs(rows)]
    if not pairs:
        return None
    return inexact((sum(y for _, y in pairs) - _slope(pairs) * sum(x for x, _ in pairs)) / len(pairs))


# -- texts and lists ------------------------------------------------------------------------------------------------


def _in_order(rows: Table) -> Table:
    """The rows whose value is not blank by the second value, blank ones last, or as they were made."""
    found = [row for row in rows if row[0] is not None]
    if found and len(found[0]) == 2:
        return sorted(found, key=lambda row: row[-1]["id"])
    return sorted(found, key=lambda row: (row[1] is None, 0 if row[1] is None else row[1], row[-1]["id"]))


@fold("TEXTJOIN", returns=TEXT, before=1)
def textjoin(c: Site, rows: Table, separator: str | None) -> Any:
    """Blanks are left out."""
    return (separator or "").join(shown(c.e, row[0]) for row in _in_order(rows)) or None


@fold("COLLECT", returns=lambda parts: Static("list", parts[0].rough, parts[0].kind))
def collect(c: Site, rows: Table) -> Any:
    return tuple(row[0] for row in _in_order(rows)) or None
