"""Finance: the closed forms of Excel, computed exactly and rounded once to 18 places."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.reference.formula.core import Site, fold, known
from tests.reference.formula.static import ROUGH
from tests.reference.formula.values import Fault, inexact

ZERO = Decimal(0)


def _due(c: Site, at: int, kind: Decimal) -> int:
    """Excel's `type`: 0 at the end of a period, anything else at its beginning."""
    return int(kind != 0)


def _growth(rate: Decimal, periods: Decimal) -> Fraction:
    """(1 + rate)^periods, as exact as 180 digits are; beyond e^±2000 it changes no result that is not too large."""
    base, whole = 1 + rate, periods == periods.to_integral_value()
    if periods == 0:
        return Fraction(1)
    if base <= 0 and not whole:
        raise Fault("NUM", "DIV0")
    if base == 0 and periods < 0:
        raise Fault("DIV0", "NUM")
    if base == 0:
        return Fraction(0)
    if whole and abs(periods) <= 1_000:
        return Fraction(base) ** int(periods)
    with localcontext(Context(prec=180)):
        size = Fraction(min(max(periods * abs(base).ln(), Decimal(-2_000)), Decimal(2_000)).exp())
    return -size if base < 0 and periods % 2 else size


def _over(above: Fraction, below: Fraction) -> Decimal:
    if below == 0:
        raise Fault("DIV0", "NUM")
    return inexact(above / below)


@known("PMT", returns=ROUGH)
def pmt(c: Site, rate: Decimal, periods: Decimal, present: Decimal, future: Decimal = ZERO, kind: Decimal = ZERO) -> Any:
    """Excel PMT: pv (1+r)^n + pmt (1 + r type) ((1+r)^n - 1) / r + fv = 0; without interest pv + pmt n + fv = 0."""
    return inexact(_payment(c, rate, periods, present, future, kind))


def _payment(c: Site, rate: Decimal, periods: Decimal, present: Decimal, future: Decimal, kind: Decimal) -> Fraction:
    if rate == 0:
        above, below = -Fraction(present + future), Fraction(periods)
    else:
        grown, r = _growth(rate, periods), Fraction(rate)
        above = -(Fraction(present) * grown + Fraction(future)) * r
        below = (1 + r * _due(c, 4, kind)) * (grown - 1)
    if below == 0:
        raise Fault("DIV0", "NUM")
    return above / below


LARGEST = Fraction(Decimal(320).exp(Context(prec=60)))


def _grown(rate: Decimal, periods: Decimal) -> Fraction:
    """A growth that is computed itself: one beyond e^320 is too large, whatever it is multiplied by."""
    found = _growth(rate, periods)
    if abs(found) > LARGEST:
        raise Fault("OVERFLOW")
    return found


@known("FV", returns=ROUGH)
def fv(c: Site, rate: Decimal, periods: Decimal, payment: Decimal, present: Decimal = ZERO, kind: Decimal = ZERO) -> Any:
    if rate == 0:
        return inexact(-(present + payment * periods))
    grown, r = _grown(rate, periods), Fraction(rate)
    return inexact(-(Fraction(present) * grown + Fraction(payment) * (1 + r * _due(c, 4, kind)) * (grown - 1) / r))


@known("PV", returns=ROUGH)
def pv(c: Site, rate: Decimal, periods: Decimal, payment: Decimal, future: Decimal = ZERO, kind: Decimal = ZERO) -> Any:
    if rate == 0:
        return inexact(-(future + payment * periods))
    shrunk, r = _grown(rate, -periods), Fraction(rate)
    if shrunk == 0:
        raise Fault("DIV0", "NUM")
    grown = 1 / shrunk
    return _over(-(Fraction(future) + Fraction(payment) * (1 + r * _due(c, 4, kind)) * (grown - 1) / r), grown)


@known("NPER", returns=ROUGH)
def nper(c: Site, rate: Decimal, payment: Decimal, present: Decimal, future: Decimal = ZERO, kind: Decimal = ZERO) -> Any:
    if rate == 0:
        return _over(-Fraction(present + future), Fraction(payment))
    r = Fraction(rate)
    paid = Fraction(payment) * (1 + r * _due(c, 4, kind))
    above, below = paid - Fraction(future) * r, paid + Fraction(present) * r
    if below == 0 or above / below <= 0 or rate <= -1:
        raise Fault("NUM", "DIV0")
    with localcontext(Context(prec=180)):
        ratio = above / below
        logs = (Decimal(ratio.numerator) / Decimal(ratio.denominator)).ln(), (1 + rate).ln()
    return inexact(Fraction(logs[0]) / Fraction(logs[1]))


@known("CAGR", returns=ROUGH)
def cagr(c: Site, start: Decimal, end: Decimal, periods: Decimal) -> Any:
    """(end / start)^(1 / periods) - 1."""
    if start == 0 or periods == 0:
        raise Fault("DIV0", "NUM")
    ratio = Fraction(end) / Fraction(start)
    if ratio < 0:
        raise Fault("NUM")
    if ratio == 0:
        if periods < 0:
            raise Fault("NUM", "DIV0")
        return Decimal(-1)
    with localcontext(Context(prec=180)):
        size = (Decimal(ratio.numerator) / Decimal(ratio.denominator)).ln() / periods
        if size > 147:
            raise Fault("NUM", "OVERFLOW")
        return inexact(size.exp() - 1)


@known("IPMT", returns=ROUGH)
def ipmt(
    c: Site, rate: Decimal, per: Decimal, nper: Decimal, pv: Decimal, fv: Decimal = ZERO, type: Decimal = ZERO
) -> Any:
    """Excel IPMT: the interest on what is owed before the payment of that period."""
    if per < 1 or per > nper:
        raise Fault("NUM")
    return _interest(c, rate, per, nper, pv, fv, type)


def _interest(c: Site, rate: Decimal, per: Decimal, nper: Decimal, pv: Decimal, fv: Decimal, kind: Decimal) -> Decimal:
    paid = Fraction(_payment(c, rate, nper, pv, fv, kind))
    _grown(rate, nper)
    if rate == 0:
        return Decimal(0)
    r, start = Fraction(rate), _due(c, 4, kind)
    if start and per == 1:
        return Decimal(0)
    grown = Fraction(_growth(rate, per - 1))
    owed = Fraction(pv) * grown + paid * (1 + r * start) * (grown - 1) / r
    return inexact(-owed * r / (1 + r) if start else -owed * r)


@known("PPMT", returns=ROUGH)
def ppmt(
    c: Site, rate: Decimal, per: Decimal, nper: Decimal, pv: Decimal, fv: Decimal = ZERO, type: Decimal = ZERO
) -> Any:
    """Excel PPMT: the payment without the interest in it."""
    return inexact(Fraction(pmt(c, rate, nper, pv, fv, type)) - Fraction(ipmt(c, rate, per, nper, pv, fv, type)))


@known("SLN", returns=ROUGH)
def sln(c: Site, cost: Decimal, salvage: Decimal, life: Decimal) -> Any:
    return _over(Fraction(cost - salvage), Fraction(life))


@fold("NPV", returns=ROUGH, before=1)
def npv(c: Site, rows: list[list[Any]], rate: Decimal | None) -> Any:
    """Excel NPV: the first value is a period away, blank ones take no period. The rows by the second value."""
    ordered = sorted(rows, key=lambda row: (row[1] is None, 0 if row[1] is None else row[1], row[-1]["id"]))
    return _npv(rate, [row[0] for row in ordered if row[0] is not None])


@known("NPV", returns=ROUGH, mode="sees")
def npv_of(c: Site, rate: Decimal | None, *values: Decimal | None) -> Any:
    return _npv(rate, [value for value in values if value is not None])


def _npv(rate: Decimal | None, values: list[Decimal]) -> Any:
    if rate is None:
        return None
    if rate == -1:
        raise Fault("DIV0", "NUM")
    return inexact(sum((Fraction(v) / Fraction(1 + rate) ** (i + 1) for i, v in enumerate(values)), Fraction(0)))
