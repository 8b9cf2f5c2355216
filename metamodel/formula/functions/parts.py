"""Parts of dates and times as numbers; a date-time is read in the tenant's zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Numeric, case, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import D, local, no_local, where_known
from metamodel.formula.functions.number import whole
from metamodel.formula.functions.registry import Builder, Column, Condition, Param, Site, function, rewritten
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import PERIOD

NUMERIC = Numeric()
CLOCK = Param("time", frozenset({"datetime", "time"}))
PART: dict[str, Any] = {"returns": whole, "errors": {"DATE": no_local}, "nulls": True, "volatility": "zoned"}


def _part(name: str, field: str, doc: str, *examples: str, takes: Param = D) -> None:
    def lower(site: Site, d: Column) -> Column:
        found = sql.part(field, local(site, d))
        return func.floor(found, type_=NUMERIC) if field == "second" else found

    lower.__doc__ = doc
    function(name, "date", takes, examples=examples, copies=(3, 2), **PART)(lower)


_part("YEAR", "year", "The year.", "YEAR(@2024-05-31) = 2024")
_part("QUARTER", "quarter", "The quarter of the calendar year, 1 to 4.", "QUARTER(@2024-05-31) = 2")
_part("MONTH", "month", "The month, 1 to 12.", "MONTH(@2024-05-31) = 5")
_part("DAY", "day", "The day of the month.", "DAY(@2024-05-31) = 31")
_part("DAYOFYEAR", "doy", "The day of the year, 1 to 366.", "DAYOFYEAR(@2024-12-31) = 366")
_part(
    "ISOYEAR",
    "isoyear",
    "The year that the week belongs to (ISO 8601): that of the week's Thursday.",
    "ISOYEAR(@2024-12-30) = 2025",
    "ISOYEAR(@2021-01-03) = 2020",
)
_part(
    "ISOWEEKNUM",
    "week",
    "The week of its `ISOYEAR`, 1 to 53; weeks begin on Monday, the first one holds January 4 (ISO 8601).",
    "ISOWEEKNUM(@2024-12-30) = 1",
    "ISOWEEKNUM(@2021-01-03) = 53",
)
_part("HOUR", "hour", "The hour, 0 to 23.", "HOUR(@14:30) = 14", takes=CLOCK)
_part("MINUTE", "minute", "The minute, 0 to 59.", "MINUTE(@14:30) = 30", takes=CLOCK)
_part("SECOND", "second", "The whole second, 0 to 59.", "SECOND(@14:30:59.9) = 59", takes=CLOCK)


# -- a way of counting that is chosen by a number -------------------------------------------------------------------

Ways = Mapping[int, Callable[[], Column]]


def chosen(way: Column | None, ways: Ways) -> Column:
    """The value of that way, the first one where none is asked for; NULL where there is no such way."""
    if way is None:
        return next(iter(ways.values()))()
    if isinstance(way, sql.Constant):
        return ways[way.value]() if way.value in ways else sql.Constant(None, NUMERIC)
    return case(*((way == sql.whole(number), made()) for number, made in ways.items()))


def no_way(way: Column | None, ways: Ways | tuple[int, ...]) -> Condition | None:
    """Whether that is none of the ways; None where it can not be."""
    if way is None or (isinstance(way, sql.Constant) and way.value in ways):
        return None
    return way.not_in([sql.whole(number) for number in ways])


def _weekday(name: str, ways: Callable[[Column], Ways], known: tuple[int, ...], doc: str, *examples: str) -> None:
    def lower(site: Site, d: Column, first: Column | None = None) -> Column:
        return chosen(first, ways(local(site, d)))

    lower.__doc__ = doc
    function(
        name,
        "date",
        D,
        Param("first", frozenset({"integer"}), optional=True),
        returns=whole,
        volatility="zoned",
        errors={
            "DATE": where_known(no_local),
            "NUM": where_known(lambda site, d, first=None: no_way(first, known)),
        },
        nulls=True,
        examples=examples,
        copies=(10, 6),
    )(lower)


def _weekdays(day: Column) -> Ways:
    return {
        1: lambda: sql.part("dow", day) + sql.whole(1),
        2: lambda: sql.part("isodow", day),
        3: lambda: sql.part("isodow", day) - sql.whole(1),
    }


def _weeks(day: Column) -> Ways:
    def week(weekday: Column) -> Column:
        # A week begins where the weekday is 0; those that began in this year before the day, and the day's own one.
        return func.div(sql.part("doy", day) + sql.whole(12) - weekday, sql.whole(7), type_=NUMERIC)

    return {
        1: lambda: week(sql.part("dow", day)),
        2: lambda: week(sql.part("isodow", day) - sql.whole(1)),
        21: lambda: sql.part("week", day),
    }


_weekday(
    "WEEKDAY",
    _weekdays,
    (1, 2, 3),
    "The day of the week: 1 Sunday to 7 Saturday; with 2: 1 Monday to 7 Sunday; with 3: 0 Monday to 6 Sunday.",
    "WEEKDAY(@2024-06-02) = 1",
    "WEEKDAY(@2024-06-02, 2) = 7",
    "WEEKDAY(@2024-06-02, 3) = 6",
    "WEEKDAY(@2024-06-02, 4) -> #NUM",
)
_weekday(
    "WEEKNUM",
    _weeks,
    (1, 2, 21),
    "The week of the year, January 1 being in week 1. Weeks begin on Sunday; with 2: on Monday; 21: as `ISOWEEKNUM`.",
    "WEEKNUM(@2012-03-09) = 10",
    "WEEKNUM(@2012-03-09, 2) = 11",
    "WEEKNUM(@2021-01-03, 21) = 53",
)


# -- the fiscal year ------------------------------------------------------------------------------------------------


def _fiscal(name: str, of: Callable[[Column], Column], doc: str) -> None:
    def lower(site: Site, d: Column, shift: Column) -> Column:
        return of(sql.month_index(local(site, d)) + shift)

    inner = name.lower()
    function(inner, "date", D, Param("shift", frozenset({"period"})), operator=True, copies=(6, 2), **PART)(lower)

    def resolve(c: Builder, args: tuple[Node, ...]) -> Node:
        # A period stays in the tree also where literals are lifted out of it, because the tenant decides it.
        shift = Literal(PERIOD, (13 - c.scope.schema.organisation.fiscal_year_start) % 12)
        return Call(whole(args), inner, (args[0], shift))

    resolve.__doc__ = doc
    rewritten(name, "date", D, volatility="zoned", examples=(EXAMPLES[name],))(resolve)


EXAMPLES = {
    "FISCALYEAR": "FISCALYEAR(@2024-05-31) = 2024",
    "FISCALQUARTER": "FISCALQUARTER(@2024-05-31) = 2",
    "FISCALMONTH": "FISCALMONTH(@2024-05-31) = 5",
}
"""Where the fiscal year begins in January."""
_fiscal(
    "FISCALYEAR",
    lambda months: func.div(months, sql.whole(12), type_=NUMERIC),
    "The fiscal year, named by the calendar year that it ends in. It begins with the month `fiscal_year_start` of the "
    "tenant's settings.",
)
_fiscal(
    "FISCALQUARTER",
    lambda months: func.div(func.mod(months, sql.whole(12)), sql.whole(3), type_=NUMERIC) + sql.whole(1),
    "The quarter of the fiscal year, 1 to 4.",
)
_fiscal(
    "FISCALMONTH",
    lambda months: func.mod(months, sql.whole(12), type_=NUMERIC) + sql.whole(1),
    "The month of the fiscal year, 1 to 12.",
)
