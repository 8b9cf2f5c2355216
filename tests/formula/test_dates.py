"""Dates where a line of the corpus says too little: calendars of countries, zones, lists that are no constants."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import holidays
import pytest
from sqlalchemy import literal_column

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.functions import calendars, clock
from metamodel.formula.parse import parse
from tests.formula.shapes import ROW, Columns, sql_of, tree

LAST = date(2050, 12, 31)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


class Dates(Columns):
    """Rows of two dates and a number."""

    def field(self, node: typed.Field) -> Any:
        return literal_column(f"t.{node.name}", super().field(node).type)


def rows(database: Database, formula: str, given: list[tuple[date | None, date | None, int | None]]) -> list[Any]:
    """The formula over `begun`, `due` and `units`; an error is its code."""
    node = tree(formula)
    value, code = sql_of(expression.value(node, Dates())), sql_of(expression.error(node, Dates()))
    columns = "unnest($1::date[], $2::date[], $3::bigint[]) WITH ORDINALITY AS t (begun, due, units, place)"
    found = database.rows(f"SELECT {value} AS value, {code} AS code FROM {columns} ORDER BY t.place", *zip(*given, strict=True))
    return [row["code"] or row["value"] for row in found]


@pytest.mark.parametrize("name", ["DE", "US-CA", "CN", "EG", "NP", "BN", "DZ"])
def test_a_calendar_is_the_working_days_of_the_country(database: Database, name: str) -> None:
    """Weeks of five days, of six, with a gap, changed on the way; and days of the weekend that are worked instead."""
    country, _, part = name.partition("-")
    known = holidays.country_holidays(country, subdiv=part or None, years=range(2000, 2051))
    worked = [day for day in (date(2000, 1, 1) + timedelta(n) for n in range(18_628)) if known.is_working_day(day)]
    draw = random.Random(name)
    given = []
    for _ in range(300):
        begun = date(2000, 1, 1) + timedelta(draw.randrange(18_000))
        given.append((begun, begun + timedelta(draw.randrange(-400, 400)), draw.randrange(1, 300)))
    given = [row for row in given if row[1] <= LAST and row[1] >= date(2000, 1, 1)]
    counts = rows(database, f'NETWORKDAYS(begun, due, "{name}")', given)
    for (begun, due, _), count in zip(given, counts, strict=True):
        low, high = sorted((begun, due))
        assert abs(count) == sum(low <= day <= high for day in worked) and count * (due - begun).days >= 0
    early = [row for row in given if row[0] < date(2048, 1, 1)]
    moved = rows(database, f'WORKDAY(begun, units, "{name}")', early)
    assert moved == [worked[bisect_right(worked, begun) + units - 1] for begun, _, units in early]
    moved = rows(database, f'WORKDAY(begun, -units, "{name}")', late := [r for r in given if r[0] > date(2003, 1, 1)])
    assert moved == [worked[bisect_left(worked, begun) - units] for begun, _, units in late]


def test_holidays_may_be_a_list_that_each_row_makes(database: Database) -> None:
    monday = date(2024, 6, 3)
    given = [(monday, monday + timedelta(4), 1), (monday, None, 1), (None, monday, 1)]
    assert rows(database, "NETWORKDAYS(@2024-06-03, @2024-06-09, [due, begun, begun, @2024-06-08])", given) == [3, 4, 4]
    assert rows(database, "WORKDAY(@2024-05-31, units, [due, begun])", given) == [monday + timedelta(1)] * 3
    empty = "NETWORKDAYS(begun, due, [])"
    assert rows(database, empty, given) == [5, None, None]


def test_dates_that_a_tenant_can_not_read_are_an_error() -> None:
    assert clock.edges("UTC") == clock.Edges((None, None), (None, None))
    east, west = clock.edges("Asia/Shanghai"), clock.edges("America/New_York")
    assert east.read[0] is None and east.write[1] is None and west.read[1] is None and west.write[0] is None
    assert str(east.read[1]) == "9999-12-31 16:00:00+00:00" and str(west.write[1]) == "9999-12-31 19:00:00"


@pytest.mark.parametrize(
    ("formula", "code", "hint"),
    [
        ('NETWORKDAYS(due, begun, "DEE")', "E221", 'did you mean "DE"?'),
        ('NETWORKDAYS(due, begun, "US-CX")', "E221", 'did you mean "US-C'),
        ("NETWORKDAYS(due, begun, name)", "E207", 'such as "DE"'),
        ("WORKDAY(due, 3, [1, 2])", "E204", None),
        ('ATTIMEZONE(seen, "Europe/Berln")', "E221", 'did you mean "Europe/Berlin"?'),
        ("ATTIMEZONE(seen, name)", "E207", None),
        ('DATEADD(due, 1, "hour")', "E202", "use a date-time"),
        ('DURATION(1, "month")', "E204", "one of week, day, hour, minute, second"),
        ("@10:00 + 1hour", "E202", None),
        ("DAYS(seen)", "E204", None),
    ],
)
def test_what_can_not_be_is_said_where_the_formula_is_written(formula: str, code: str, hint: str | None) -> None:
    (found,) = check(parse(formula), ROW).diagnostics
    assert found.code == code and (hint is None or hint in (found.hint or ""))


def test_names_of_calendars_are_in_any_case_and_unknown_ones_are_none() -> None:
    small, large = calendars.workdays("de-by"), calendars.workdays("DE-BY")
    assert small and large and str(small.off) == str(large.off) and small.week == large.week == (0, 1, 2, 3, 4)
    assert calendars.workdays("XX") is calendars.workdays("DE-XX") is calendars.workdays("") is None
