"""Finance: the closed forms of Excel. Inside they carry 100 places; the result is rounded once, to 18.

In every function of an annuity rate, payments and values obey

    pv (1 + rate)^nper + pmt (1 + rate type) ((1 + rate)^nper - 1) / rate + fv = 0

or, without interest, pv + pmt nper + fv = 0 (Excel, PV). Money that is paid out is negative.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlalchemy import case, func, not_, or_

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import first, raises
from metamodel.formula.functions.number import NUMERIC, ONE, ZERO, blank_flags
from metamodel.formula.functions.operators import LN_LIMIT as LN_POWER
from metamodel.formula.functions.operators import bounded
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Fails,
    Lowered,
    Param,
    Site,
    function,
    lazy_function,
    numeric,
    rewritten,
)
from metamodel.formula.typed import Call, Node
from metamodel.formula.types import DECIMAL, MONEY, Type

LONG, EXACT = sql.number("0." + "0" * 100), sql.number("1." + "0" * 100)
MINUS = sql.whole(-1)
LN_LIMIT, LN_TINY = sql.number(320), sql.number(-230)
"""Natural logarithms of a growth that is too much for any amount, 10^139, and of one that is nothing, 10^-100."""


def _optional(name: str) -> Param:
    return Param(name, numeric(), optional=True)


RATE, NPER, PMT, PV = (Param(name, numeric()) for name in ("rate", "nper", "pmt", "pv"))
PER = Param("per", numeric())
TYPE = Param("type", frozenset({"integer"}), optional=True)


def _amount(args: tuple[Node, ...]) -> Type:
    """Money where one of the amounts is."""
    return blank_flags(MONEY if any(arg.type.kind == "money" for arg in args) else DECIMAL, args).rough()


def _plain(args: tuple[Node, ...]) -> Type:
    return blank_flags(DECIMAL, args).rough()


def _size(site: Site) -> tuple[int, int]:
    """An amount that has grown, divided by a rate or by growth."""
    return max(part.digits for part in site.lowered) + 2 * limits.POWER_DIGITS + limits.SCALE, limits.SCALE


def _filled(site: Site, columns: tuple[Column, ...]) -> list[Condition]:
    """An error needs all operands; one that is blank makes the result blank."""
    return [a.is_not(None) for a, arg in zip(columns, site.args, strict=True) if arg.type.nullable]


def _fails(condition: Callable[..., Condition]) -> Fails:
    def fails(site: Site, *columns: Column) -> Condition:
        return sql.all_of(condition(*(sql.num(a) for a in columns)), *_filled(site, columns))

    return fails


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


def _over(a: Column, b: Column) -> Column:
    return a * EXACT / func.nullif(b, ZERO, type_=NUMERIC)


def _without(rate: Column, kind: Column | None, plain: Column, grown: Column) -> Column:
    """The form without interest and the one with it, rounded; NULL where the rate or `type` is."""
    return sql.rounded(case((rate == ZERO, plain * _due(rate, kind)), (rate != ZERO, grown)))


def _numbers(*columns: Column | None) -> tuple[Column, ...]:
    return tuple(sql.number(0) if a is None else sql.num(a) for a in columns)


def _no_growth(rate: Column, nper: Column, *rest: Column) -> Condition:
    return _unreal(rate, nper)


# -- annuities ------------------------------------------------------------------------------------------------------


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


def _never_changes(
    rate: Column, nper: Column, pv: Column, fv: Column | None = None, kind: Column | None = None
) -> Condition:
    return or_(_unreal(rate, nper), _useless(rate, nper, kind))


@function(
    "PMT",
    "finance",
    RATE,
    NPER,
    PV,
    _optional("fv"),
    TYPE,
    returns=_amount,
    errors={"NUM": _fails(_never_changes)},
    nulls=True,
    size=_size,
    examples=(
        "ROUND(PMT(8%/12, 10, 10000), 2) = -1037.03",
        "ROUND(PMT(8%/12, 10, 10000, 0, 1), 2) = -1030.16",
        "PMT(0, 4, 1000) = -250",
        "PMT(5%, 0, 1000) -> #NUM",
    ),
    copies=(36, 42),
)
def pmt(
    site: Site, rate: Column, nper: Column, pv: Column, fv: Column | None = None, kind: Column | None = None
) -> Column:
    """The payment of each period that pays off `pv` and leaves `fv` (0), at the end (0) or beginning (1) of periods."""
    rate, nper, pv, fv = _numbers(rate, nper, pv, fv)
    grows, share = _shrinking(rate, nper)
    # Both sides of the equation are divided by growth where it is above 1, which may be as large as it likes.
    worth = case((grows, pv + fv * share), else_=-(pv * share + fv))
    with_interest = _over(worth * rate, _due(rate, kind) * (ONE - share))
    return _without(rate, kind, -_over(pv + fv, nper), -with_interest)


@function(
    "FV",
    "finance",
    RATE,
    NPER,
    PMT,
    _optional("pv"),
    TYPE,
    returns=_amount,
    errors={"NUM": _fails(_no_growth), "OVERFLOW": _fails(lambda rate, nper, *rest: _overgrown(rate, nper))},
    nulls=True,
    size=_size,
    examples=(
        "ROUND(FV(6%/12, 10, -200, -500, 1), 2) = 2581.4",
        "ROUND(FV(12%/12, 12, -1000), 2) = 12682.5",
        "FV(0, 3, -100) = 300",
    ),
    copies=(25, 37),
)
def fv(
    site: Site, rate: Column, nper: Column, pmt: Column, pv: Column | None = None, kind: Column | None = None
) -> Column:
    """What `pv` (0) and a payment each period have grown to after `nper` periods."""
    rate, nper, pmt, pv = _numbers(rate, nper, pmt, pv)
    grown = _grown(rate, nper)
    paid = _over(pmt * _due(rate, kind) * (grown - ONE), rate)
    return _without(rate, kind, -(pv + pmt * nper), -(pv * grown + paid))


def _no_worth(rate: Column, nper: Column, *rest: Column) -> Condition:
    return or_(_unreal(rate, nper), _unreal(rate, -nper))


@function(
    "PV",
    "finance",
    RATE,
    NPER,
    PMT,
    _optional("fv"),
    TYPE,
    returns=_amount,
    errors={"NUM": _fails(_no_worth), "OVERFLOW": _fails(lambda rate, nper, *rest: _overgrown(rate, -nper))},
    nulls=True,
    size=_size,
    examples=("ROUND(PV(8%/12, 12*20, 500), 2) = -59777.15", "PV(0, 3, 100) = -300", "PV(-1, 3, 100) -> #NUM"),
    copies=(25, 37),
)
def pv(
    site: Site, rate: Column, nper: Column, pmt: Column, fv: Column | None = None, kind: Column | None = None
) -> Column:
    """What a payment each period, and `fv` (0) after `nper` periods, are worth today."""
    rate, nper, pmt, fv = _numbers(rate, nper, pmt, fv)
    shrunk = case((_unreal(rate, nper), None), else_=_grown(rate, -nper))
    paid = _over(pmt * _due(rate, kind) * (ONE - shrunk), rate)
    return _without(rate, kind, -(fv + pmt * nper), -(fv * shrunk + paid))


def _paid_ratio(rate: Column, pmt: Column, pv: Column, fv: Column, kind: Column | None) -> Column:
    """(1 + rate)^nper, from the payments."""
    paid = pmt * _due(rate, kind)
    return _over(paid - fv * rate, paid + pv * rate)


def _never_paid(
    rate: Column, pmt: Column, pv: Column, fv: Column | None = None, kind: Column | None = None
) -> Condition:
    ratio = _paid_ratio(rate, pmt, pv, _numbers(fv)[0], kind)
    return or_(rate <= MINUS, sql.all_of(rate != ZERO, func.coalesce(ratio, ZERO, type_=NUMERIC) <= ZERO))


@function(
    "NPER",
    "finance",
    RATE,
    PMT,
    PV,
    _optional("fv"),
    TYPE,
    returns=_plain,
    errors={
        "NUM": _fails(_never_paid),
        "DIV0": _fails(lambda rate, pmt, *rest: sql.all_of(rate == ZERO, pmt == ZERO)),
    },
    nulls=True,
    size=_size,
    examples=(
        "ROUND(NPER(12%/12, -100, -1000, 10000, 1), 4) = 59.6739",
        "NPER(0, -100, 1000) = 10",
        "NPER(10%, -10, 100) -> #NUM",
    ),
    copies=(8, 17),
)
def nper(
    site: Site, rate: Column, pmt: Column, pv: Column, fv: Column | None = None, kind: Column | None = None
) -> Column:
    """How many periods it takes to pay off `pv` and reach `fv` (0)."""
    rate, pmt, pv, fv = _numbers(rate, pmt, pv, fv)
    base = func.nullif(func.nullif(func.greatest(ONE + rate, ZERO, type_=NUMERIC), ZERO), ONE, type_=NUMERIC)
    ratio = func.greatest(_paid_ratio(rate, pmt, pv, fv, kind), ZERO, type_=NUMERIC)
    periods = func.log(base + LONG, func.nullif(ratio, ZERO, type_=NUMERIC), type_=NUMERIC)
    return _without(rate, kind, -_over(pv + fv, pmt), periods)


def _no_period(
    rate: Column,
    per: Column,
    nper: Column,
    pv: Column,
    fv: Column | None = None,
    kind: Column | None = None,
) -> Condition:
    unreal = or_(_unreal(rate, nper), _unreal(rate, per - ONE))
    return or_(per < ONE, per > nper, unreal, _useless(rate, nper, kind))


@function(
    "IPMT",
    "finance",
    RATE,
    PER,
    NPER,
    PV,
    _optional("fv"),
    TYPE,
    returns=_amount,
    errors={
        "NUM": _fails(_no_period),
        "OVERFLOW": _fails(lambda rate, per, nper, *rest: _overgrown(rate, nper)),
    },
    size=_size,
    examples=(
        "ROUND(IPMT(10%/12, 1, 3*12, 8000), 2) = -66.67",
        "ROUND(IPMT(10%, 3, 3, 8000), 2) = -292.45",
        "IPMT(10%, 4, 3, 8000) -> #NUM",
    ),
    copies=(35, 52),
)
def ipmt(
    site: Site,
    rate: Column,
    per: Column,
    nper: Column,
    pv: Column,
    fv: Column | None = None,
    kind: Column | None = None,
) -> Column:
    """The interest in the payment of period `per`, counted from 1."""
    rate, per, nper, pv, fv = _numbers(rate, per, nper, pv, fv)
    grown, before = _grown(rate, nper), _grown(rate, per - ONE)
    paid = _over((pv * grown + fv) * rate, grown - ONE)
    interest = paid * (before - ONE) - pv * before * rate
    if kind is not None:
        # A first payment at the beginning holds no interest.
        free = sql.all_of(kind != ZERO, per == ONE)
        interest = case((free, ZERO * (nper + pv + fv)), else_=_over(interest, _due(rate, kind)))
    return _without(rate, kind, ZERO * (nper + per + pv + fv), interest)


@rewritten(
    "PPMT",
    "finance",
    RATE,
    PER,
    NPER,
    PV,
    _optional("fv"),
    TYPE,
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


# -- others ---------------------------------------------------------------------------------------------------------


@function(
    "SLN",
    "finance",
    Param("cost", numeric()),
    Param("salvage", numeric()),
    Param("life", numeric()),
    returns=_amount,
    errors={"DIV0": _fails(lambda cost, salvage, life: life == ZERO)},
    nulls=True,
    size=lambda site: (max(part.digits for part in site.lowered) + site.lowered[2].places + 1, limits.SCALE),
    examples=("SLN(30000, 7500, 10) = 2250", "SLN(30000, 7500, 0) -> #DIV0"),
    copies=(1, 2),
)
def sln(site: Site, cost: Column, salvage: Column, life: Column) -> Column:
    """The depreciation of each period of a life, the same in all."""
    return sql.quotient(sql.num(cost) - sql.num(salvage), life)


def _sides(a: Column, b: Column) -> Column:
    """1 where both numbers are on the same side of 0, -1 where they are not, 0 where one is 0."""
    return func.sign(a, type_=NUMERIC) * func.sign(b, type_=NUMERIC)


def _growth_of(start: Column, end: Column) -> Column:
    """end / start, at least 10^-100; NULL where it is not above 0."""
    least = func.greatest(_over(end, start), sql.number(Decimal(1).scaleb(-100)), type_=NUMERIC)
    return case((_sides(start, end) > ZERO, least))


def _rate_of_growth(start: Column, end: Column, periods: Column) -> Column:
    """ln(end / start) / periods, about."""
    return func.ln(_growth_of(start, end), type_=NUMERIC) / func.nullif(periods, ZERO, type_=NUMERIC)


def _lost(start: Column, end: Column, periods: Column) -> Condition:
    """All is lost, so nothing is left of each period."""
    return sql.all_of(end == ZERO, start != ZERO, periods > ZERO)


@function(
    "CAGR",
    "finance",
    Param("start", numeric()),
    Param("end", numeric()),
    Param("periods", numeric()),
    returns=_plain,
    errors={
        "DIV0": _fails(
            lambda start, end, periods: or_(start == ZERO, periods == ZERO, sql.all_of(end == ZERO, periods < ZERO))
        ),
        "NUM": _fails(lambda start, end, periods: _sides(start, end) < ZERO),
        "OVERFLOW": _fails(lambda start, end, periods: _rate_of_growth(start, end, periods) > LN_POWER),
    },
    nulls=True,
    size=lambda site: (limits.POWER_DIGITS + 1, limits.SCALE),
    examples=("CAGR(100, 121, 2) = 0.1", "CAGR(100, 0, 2) = -1", "CAGR(0, 10, 2) -> #DIV0", "CAGR(-5, 10, 2) -> #NUM"),
    copies=(9, 7),
)
def cagr(site: Site, start: Column, end: Column, periods: Column) -> Column:
    """The rate by which each period grows, (end / start)^(1 / periods) - 1, where growth is compounded."""
    start, end, periods = _numbers(start, end, periods)
    size = _rate_of_growth(start, end, periods)
    root = case((size.between(LN_TINY, LN_POWER), _over(ONE, periods)), (size < LN_TINY, sql.number(1)))
    base = case((size < LN_TINY, LONG), else_=_growth_of(start, end))
    grown = sql.rounded(func.power(base, root, type_=NUMERIC)) - ONE
    return case((_lost(start, end, periods), sql.number(-1)), else_=grown)


def _npv(c: Builder, args: tuple[Node, ...]) -> Node:
    amounts, of = c.join(args[1:])
    if of.kind == "error":
        return amounts[0]
    kind = MONEY if of.kind == "money" else DECIMAL
    return Call(kind.blank(args[0].type.nullable).rough(), "NPV", (args[0], *amounts))


@lazy_function(
    "NPV",
    "finance",
    RATE,
    Param("value", numeric(), repeat=True),
    resolve=_npv,
    examples=(
        "ROUND(NPV(10%, -10000, 3000, 4200, 6800), 2) = 1188.44",
        "NPV(100%, 8, NULL, 8) = 6",
        "NPV(-1, 100) -> #DIV0",
    ),
    copies=(6, 7),
)
def npv(site: Site, rate: Lowered, *values: Lowered) -> Lowered:
    """What amounts at the ends of coming periods are worth today; a blank is no period."""
    base = ONE + sql.num(rate.value)
    worth: Column = sql.number(0)
    for part, arg in reversed(list(zip(values, site.args[1:], strict=True))):
        value = sql.num(part.value)
        step = base
        if arg.type.nullable:
            step = case((value.is_(None), ONE), else_=base)
            value = func.coalesce(value, ZERO, type_=NUMERIC)
        worth = _over(value + worth, step)
    nothing = raises("DIV0", base == ZERO)
    digits = max(part.digits for part in values) + len(values) * (limits.SCALE + 1)
    guard = first(rate.guard, *(part.guard for part in values), nothing)
    made = sql.rounded(worth)
    if site.args[0].type.nullable:
        made = case((rate.value.is_not(None), made))
    return bounded(Lowered(made, guard, False, digits, limits.SCALE))
