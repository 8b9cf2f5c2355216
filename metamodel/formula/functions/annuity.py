"""Annuities: the closed forms of Excel. Inside they carry 100 places; the result is rounded once, to 18.

In every function rate, payments and values obey

    pv (1 + rate)^nper + pmt (1 + rate type) ((1 + rate)^nper - 1) / rate + fv = 0

or, without interest, pv + pmt nper + fv = 0 (Excel, PV). Money that is paid out is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import case, func, not_, or_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.finance import LN_TINY, LONG, RATE, amount, fails, numbers, over
from metamodel.formula.functions.number import NUMERIC, ONE, ZERO, rough
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Function,
    Param,
    Site,
    function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import Node
from metamodel.formula.types import Type

PER, NPER, PMT, PV, FV = (Param(name, numeric()) for name in ("per", "nper", "pmt", "pv", "fv"))
TYPE = Param("type", frozenset({"integer"}), optional=True)
MINUS = sql.whole(-1)
LN_LIMIT = sql.number(320)
"""The natural logarithm of a growth that is too much for any amount, 10^139."""


def _params(*params: Param) -> tuple[Param, ...]:
    """The parameters of an annuity: the rate, these, the last of which may be left out, and `type`."""
    return (RATE, *params[:-1], replace(params[-1], optional=True), TYPE)


def _size(site: Site) -> tuple[int, int]:
    """An amount that has grown, divided by a rate or by growth."""
    return max(part.digits for part in site.lowered) + 2 * limits.POWER_DIGITS + limits.SCALE, limits.SCALE


def _annuity(
    name: str,
    *params: Param,
    errors: Mapping[str, Callable[..., Condition]],
    returns: Callable[[tuple[Node, ...]], Type] = amount,
    **declared: Any,
) -> Callable[[Callable[..., Column]], Function]:
    """Declare a function of an annuity by its form over numbers. The conditions of its errors take the same ones."""
    params = _params(*params)

    def operands(columns: tuple[Column, ...]) -> list[Column | None]:
        """All of them: an amount that is left out is 0, `type` None."""
        left_out: tuple[Column | None, ...] = (sql.number(0), None)
        given = columns + left_out[len(columns) - len(params) + 2 :]
        return [*numbers(given[:-1]), given[-1]]

    def declare(form: Callable[..., Column]) -> Function:
        def lower(site: Site, *columns: Column) -> Column:
            return form(*operands(columns))

        lower.__doc__ = form.__doc__
        own = {code: fails(condition, operands) for code, condition in errors.items()}
        return function(name, "finance", *params, returns=returns, errors=own, size=_size, **declared)(lower)

    return declare


# -- parts of the closed forms --------------------------------------------------------------------------------------


def _log_of_growth(rate: Column, periods: Column) -> Column:
    """ln |1 + rate|^periods, about; 0 where the rate is -100 %."""
    base = func.nullif(func.abs(ONE + rate, type_=NUMERIC), ZERO, type_=NUMERIC)
    return periods * func.coalesce(func.ln(base, type_=NUMERIC), ZERO, type_=NUMERIC)


def _unreal(rate: Column, periods: Column) -> Condition:
    """Whether growth has no value: below -100 % it has one after whole periods only, at -100 % not before the start."""
    return sql.all_of(rate <= MINUS, or_(periods != func.trunc(periods), sql.all_of(rate == MINUS, periods < ZERO)))


def _grown(rate: Column, periods: Column) -> Column:
    """(1 + rate)^periods to 100 places; NULL where it is above 10^139 or has no value."""
    size, real = _log_of_growth(rate, periods), not_(_unreal(rate, periods))
    # The exponent is made NULL, not the call put behind CASE: PostgreSQL may compute early.
    held = case((sql.all_of(real, size.between(LN_TINY, LN_LIMIT)), periods))
    made = func.power(ONE + rate + LONG, held, type_=NUMERIC)
    return case((sql.all_of(real, size < LN_TINY), ZERO), else_=made)


def _overgrown(rate: Column, periods: Column) -> Condition:
    return sql.all_of(not_(_unreal(rate, periods)), _log_of_growth(rate, periods) > LN_LIMIT)


def _due(rate: Column, kind: Column | None) -> Column:
    """1 + rate where payments are due at the beginning of a period, else 1."""
    return ONE if kind is None else case((kind == ZERO, ONE), (kind != ZERO, ONE + rate))


def _without(rate: Column, kind: Column | None, plain: Column, grown: Column) -> Column:
    """The form without interest and the one with it, rounded; NULL where the rate or `type` is."""
    return sql.rounded(case((rate == ZERO, plain * _due(rate, kind)), (rate != ZERO, grown)))


def _shrinking(rate: Column, nper: Column) -> tuple[Condition, Column]:
    """Whether growth is above 1, and growth or, then, its inverse."""
    size, unreal = _log_of_growth(rate, nper), _unreal(rate, nper)
    far = func.abs(size, type_=NUMERIC) > -LN_TINY
    held = case((or_(unreal, far), None), (size > ZERO, -nper), else_=nper)
    share = func.power(ONE + rate + LONG, held, type_=NUMERIC)
    return size > ZERO, case((sql.all_of(far, not_(unreal)), ZERO), else_=share)


def _useless(rate: Column, nper: Column, kind: Column | None) -> Condition:
    """Whether a payment changes nothing: growth is 1, or what is paid first is lost at once."""
    mirrored = sql.all_of(rate == sql.whole(-2), func.mod(nper, sql.whole(2)) == ZERO)
    lost = () if kind is None else (sql.all_of(rate == MINUS, kind != ZERO),)
    return or_(nper == ZERO, mirrored, *lost)


def _never_changes(rate: Column, nper: Column, pv: Column, fv: Column, kind: Column | None) -> Condition:
    return or_(_unreal(rate, nper), _useless(rate, nper, kind))


# -- the functions --------------------------------------------------------------------------------------------------


@_annuity(
    "PMT",
    NPER,
    PV,
    FV,
    errors={"NUM": _never_changes},
    nulls=True,
    examples=(
        "ROUND(PMT(8%/12, 10, 10000), 2) = -1037.03",
        "ROUND(PMT(8%/12, 10, 10000, 0, 1), 2) = -1030.16",
        "PMT(0, 4, 1000) = -250",
        "PMT(5%, 0, 1000) -> #NUM",
    ),
    copies=(35, 41),
)
def pmt(rate: Column, nper: Column, pv: Column, fv: Column, kind: Column | None) -> Column:
    """The payment of each period that pays off `pv` and leaves `fv` (0), at the end (0) or beginning (1) of periods."""
    grows, share = _shrinking(rate, nper)
    # Both sides of the equation are divided by growth where it is above 1, which may be as large as it likes.
    worth = case((grows, pv + fv * share), else_=-(pv * share + fv))
    with_interest = over(worth * rate, _due(rate, kind) * (ONE - share))
    return _without(rate, kind, -over(pv + fv, nper), -with_interest)


@_annuity(
    "FV",
    NPER,
    PMT,
    PV,
    errors={
        "NUM": lambda rate, nper, pmt, pv, kind: _unreal(rate, nper),
        "OVERFLOW": lambda rate, nper, pmt, pv, kind: _overgrown(rate, nper),
    },
    nulls=True,
    examples=(
        "ROUND(FV(6%/12, 10, -200, -500, 1), 2) = 2581.4",
        "ROUND(FV(12%/12, 12, -1000), 2) = 12682.5",
        "FV(0, 3, -100) = 300",
    ),
    copies=(19, 28),
)
def fv(rate: Column, nper: Column, pmt: Column, pv: Column, kind: Column | None) -> Column:
    """What `pv` (0) and a payment each period have grown to after `nper` periods."""
    grown = _grown(rate, nper)
    paid = over(pmt * _due(rate, kind) * (grown - ONE), rate)
    return _without(rate, kind, -(pv + pmt * nper), -(pv * grown + paid))


@_annuity(
    "PV",
    NPER,
    PMT,
    FV,
    errors={
        "NUM": lambda rate, nper, pmt, fv, kind: or_(_unreal(rate, nper), _unreal(rate, -nper)),
        "OVERFLOW": lambda rate, nper, pmt, fv, kind: _overgrown(rate, -nper),
    },
    nulls=True,
    examples=("ROUND(PV(8%/12, 12*20, 500), 2) = -59777.15", "PV(0, 3, 100) = -300", "PV(-1, 3, 100) -> #NUM"),
    copies=(25, 37),
)
def pv(rate: Column, nper: Column, pmt: Column, fv: Column, kind: Column | None) -> Column:
    """What a payment each period, and `fv` (0) after `nper` periods, are worth today."""
    shrunk = case((_unreal(rate, nper), None), else_=_grown(rate, -nper))
    paid = over(pmt * _due(rate, kind) * (ONE - shrunk), rate)
    return _without(rate, kind, -(fv + pmt * nper), -(fv * shrunk + paid))


def _paid_ratio(rate: Column, pmt: Column, pv: Column, fv: Column, kind: Column | None) -> Column:
    """(1 + rate)^nper, from the payments."""
    paid = pmt * _due(rate, kind)
    return over(paid - fv * rate, paid + pv * rate)


def _never_paid(rate: Column, pmt: Column, pv: Column, fv: Column, kind: Column | None) -> Condition:
    ratio = _paid_ratio(rate, pmt, pv, fv, kind)
    return or_(rate <= MINUS, sql.all_of(rate != ZERO, func.coalesce(ratio, ZERO, type_=NUMERIC) <= ZERO))


@_annuity(
    "NPER",
    PMT,
    PV,
    FV,
    returns=rough,
    errors={
        "NUM": _never_paid,
        "DIV0": lambda rate, pmt, pv, fv, kind: sql.all_of(rate == ZERO, pmt == ZERO),
    },
    nulls=True,
    examples=(
        "ROUND(NPER(12%/12, -100, -1000, 10000, 1), 4) = 59.6739",
        "NPER(0, -100, 1000) = 10",
        "NPER(10%, -10, 100) -> #NUM",
    ),
    copies=(8, 17),
)
def nper(rate: Column, pmt: Column, pv: Column, fv: Column, kind: Column | None) -> Column:
    """How many periods it takes to pay off `pv` and reach `fv` (0)."""
    base = func.nullif(func.nullif(func.greatest(ONE + rate, ZERO, type_=NUMERIC), ZERO), ONE, type_=NUMERIC)
    ratio = func.greatest(_paid_ratio(rate, pmt, pv, fv, kind), ZERO, type_=NUMERIC)
    periods = func.log(base + LONG, func.nullif(ratio, ZERO, type_=NUMERIC), type_=NUMERIC)
    return _without(rate, kind, -over(pv + fv, pmt), periods)


def _no_period(rate: Column, per: Column, nper: Column, pv: Column, fv: Column, kind: Column | None) -> Condition:
    unreal = or_(_unreal(rate, nper), _unreal(rate, per - ONE))
    return or_(per < ONE, per > nper, unreal, _useless(rate, nper, kind))


@_annuity(
    "IPMT",
    PER,
    NPER,
    PV,
    FV,
    errors={
        "NUM": _no_period,
        "OVERFLOW": lambda rate, per, nper, pv, fv, kind: _overgrown(rate, nper),
    },
    examples=(
        "ROUND(IPMT(10%/12, 1, 3*12, 8000), 2) = -66.67",
        "ROUND(IPMT(10%, 3, 3, 8000), 2) = -292.45",
        "IPMT(10%, 4, 3, 8000) -> #NUM",
    ),
    copies=(34, 45),
)
def ipmt(rate: Column, per: Column, nper: Column, pv: Column, fv: Column, kind: Column | None) -> Column:
    """The interest in the payment of period `per`, counted from 1."""
    grown, before = _grown(rate, nper), _grown(rate, per - ONE)
    paid = over((pv * grown + fv) * rate, grown - ONE)
    interest = paid * (before - ONE) - pv * before * rate
    if kind is not None:
        # A first payment at the beginning holds no interest.
        free = sql.all_of(kind != ZERO, per == ONE)
        interest = case((free, ZERO * (nper + pv + fv)), else_=over(interest, _due(rate, kind)))
    return _without(rate, kind, ZERO * (nper + per + pv + fv), interest)


@rewritten(
    "PPMT",
    "finance",
    *_params(PER, NPER, PV, FV),
    examples=(
        "ROUND(PPMT(10%/12, 1, 2*12, 2000), 2) = -75.62",
        "ROUND(PPMT(8%, 10, 10, 200000), 2) = -27598.05",
        "PPMT(10%, 1, 3, 8000) + IPMT(10%, 1, 3, 8000) = PMT(10%, 3, 8000)",
    ),
)
def ppmt(c: Builder, args: tuple[Node, ...]) -> Node:
    """What the payment of period `per`, counted from 1, pays off beside the interest."""
    interest = c.call("IPMT", *args)
    made = c.call("-", c.call("PMT", args[0], *args[2:]), interest)
    # The payment does not know the period, and would be an error where a blank one makes the whole blank.
    return c.call("IF", c.call("ISBLANK", args[1]), interest, made) if args[1].type.nullable else made
