"""Dates and times: what a date-time shows is read in the tenant's zone; months clamp; Excel decides (2.10, 2.13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference.formula.core import Site, known
from tests.reference.formula.operators import days_in, later, months_later
from tests.reference.formula.static import DATE, DATETIME, DURATION, NUMBER, ROUGH, TIME, first
from tests.reference.formula.values import Fault, Seconds, Unknown, divide, half_up

MONTHS = {"year": 12, "quarter": 3, "month": 1}
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


@known("TODAY", returns=DATE)
def today(c: Site) -> Any:
    return c.e.local(c.e.now).date()


@known("NOW", returns=DATETIME)
def now(c: Site) -> Any:
    return c.e.now


@known("TIMENOW", returns=TIME)
def timenow(c: Site) -> Any:
    return c.e.local(c.e.now).time()


# -- making ---------------------------------------------------------------------------------------------------------


@known("DATE", returns=DATE)
def date_(c: Site, year: Decimal, month: Decimal, day: Decimal) -> Any:
    """Months and days beyond their range roll over."""
    years, months = divmod(c.whole(0, year) * 12 + c.whole(1, month) - 1, 12)
    if not 1 <= years <= 9999:
        raise Fault("DATE")
    return later(date(years, months + 1, 1), days=c.whole(2, day) - 1)


@known("TIME", returns=TIME)
def time_(c: Site, hour: Decimal, minute: Decimal, second: Decimal) -> Any:
    """Excel TIME: minutes and seconds roll over, whole days fall away; a negative time is #NUM!."""
    total = c.whole(0, hour) * 3_600 + c.whole(1, minute) * 60 + c.whole(2, second)
    if total < 0:
        raise Fault("NUM", "DATE")
    return (datetime(2000, 1, 1) + timedelta(seconds=total % 86_400)).time()


@known("DATEVALUE", returns=DATE)
def datevalue(c: Site, value: Any) -> Any:
    if not isinstance(value, str):
        return c.e.local(value).date()
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip(" ")):
        raise Fault("VALUE", "DATE")
    try:
        return date.fromisoformat(value.strip(" "))
    except ValueError:
        raise Fault("VALUE", "DATE") from None


CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,6})?))? *([AaPp][Mm])?")
MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


@known("DATETIMEVALUE", returns=DATETIME)
def datetimevalue(c: Site, value: Any) -> Any:
    """A text like 2024-01-31T14:30 or 2024-01-31 14:30:00Z, or the beginning of a date, in the tenant's zone."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return c.e.instant(datetime.combine(value, time()))
    found = MOMENT.fullmatch(value.strip(" "))
    try:
        if found is None:
            raise ValueError(value)
        at = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}{found[3] or ''}")
    except ValueError:
        raise Fault("VALUE", "DATE") from None
    try:
        return c.e.instant(at) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise Fault("VALUE", "DATE") from None


@known("TIMEVALUE", returns=TIME)
def timevalue(c: Site, value: Any) -> Any:
    if isinstance(value, date):
        return c.e.local(value).time()
    found = CLOCK.fullmatch(value.strip(" "))
    try:
        if found is None:
            raise ValueError(value)
        hour, half = int(found[1]), (found[4] or "").upper()
        if half and not 1 <= hour <= 12:
            raise ValueError(value)
        hour = hour % 12 + 12 * (half == "PM") if half else hour
        rest = Decimal(found[3] or 0)
        return time(hour, int(found[2]), int(rest), int(rest % 1 * 1_000_000))
    except ValueError:
        raise Fault("VALUE", "DATE") from None


# -- parts ----------------------------------------------------------------------------------------------------------


def _part(read: Callable[[datetime], int]) -> Callable[..., Any]:
    return lambda c, date: Decimal(read(c.e.local(date)))


for _name, _read in {
    "YEAR": lambda d: d.year,
    "QUARTER": lambda d: (d.month + 2) // 3,
    "MONTH": lambda d: d.month,
    "DAY": lambda d: d.day,
    "DAYOFYEAR": lambda d: d.timetuple().tm_yday,
    "ISOYEAR": lambda d: d.isocalendar().year,
    "ISOWEEKNUM": lambda d: d.isocalendar().week,
}.items():
    known(_name, returns=NUMBER)(_part(_read))


def _clock(read: Callable[[time], int]) -> Callable[..., Any]:
    return lambda c, value: Decimal(read(value if isinstance(value, time) else c.e.local(value).time()))


known("HOUR", returns=NUMBER)(_clock(lambda t: t.hour))
known("MINUTE", returns=NUMBER)(_clock(lambda t: t.minute))
known("SECOND", returns=NUMBER)(_clock(lambda t: t.second))


@known("WEEKDAY", returns=NUMBER)
def weekday(c: Site, day: date, *kind: Decimal) -> Any:
    """Excel WEEKDAY: 1 counts from Sunday 1, 2 from Monday 1, 3 from Monday 0; others are #NUM!."""
    iso, how = c.e.local(day).isoweekday(), c.whole(1, kind[0]) if kind else 1
    if how not in (1, 2, 3):
        raise Fault("NUM")
    return Decimal({1: iso % 7 + 1, 2: iso, 3: iso - 1}[how])


@known("WEEKNUM", returns=NUMBER)
def weeknum(c: Site, day: date, *kind: Decimal) -> Any:
    """Excel WEEKNUM: week 1 holds 1 January; weeks begin on Sunday (1) or Monday (2); 21 is the ISO week."""
    at, how = c.e.local(day), c.whole(1, kind[0]) if kind else 1
    if how not in (1, 2, 21):
        raise Fault("NUM")
    if how == 21:
        return Decimal(at.isocalendar().week)
    begin = datetime(at.year, 1, 1)
    before = begin.isoweekday() % 7 if how == 1 else begin.weekday()
    return Decimal((at.timetuple().tm_yday - 1 + before) // 7 + 1)


# -- moving ---------------------------------------------------------------------------------------------------------


@known("EDATE", returns=first)
def edate(c: Site, day: date, months: Decimal) -> Any:
    return months_later(c.e, day, c.whole(1, months))


@known("ADDMONTHS", returns=first)
def addmonths(c: Site, day: date, months: Decimal) -> Any:
    """As EDATE, but the last day of a month stays the last one (Salesforce ADDMONTHS)."""
    at = c.e.local(day)
    moved = c.e.local(months_later(c.e, day, c.whole(1, months)))
    if at.day == days_in(at.year, at.month):
        moved = moved.replace(day=days_in(moved.year, moved.month))
    return c.e.like(day, moved)


@known("EOMONTH", returns=DATE)
def eomonth(c: Site, day: date, months: Decimal) -> Any:
    moved = c.e.local(months_later(c.e, day, c.whole(1, months)))
    return date(moved.year, moved.month, days_in(moved.year, moved.month))


@known("DATEADD", returns=first)
def dateadd(c: Site, day: date, count: Decimal, unit: str) -> Any:
    amount, unit = c.whole(1, count), unit.lower()
    if unit in MONTHS:
        return months_later(c.e, day, amount * MONTHS[unit])
    if isinstance(day, datetime):
        return later(day, seconds=amount * SECONDS[unit])
    return later(day, days=int(amount * SECONDS[unit] / Decimal(86_400)))


def _begin(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "year": lambda: day.replace(month=1, day=1),
        "quarter": lambda: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "month": lambda: day.replace(day=1),
        "week": lambda: later(day, days=-day.weekday()),
        "day": lambda: day,
        "hour": lambda: at.replace(minute=0, second=0, microsecond=0),
        "minute": lambda: at.replace(second=0, microsecond=0),
        "second": lambda: at.replace(microsecond=0),
    }[unit]()


@known("DATETRUNC", returns=first)
def datetrunc(c: Site, day: date, unit: str) -> Any:
    """The beginning of the unit; of an hour or less what has passed of it before the instant."""
    local, unit = c.e.local(day), unit.lower()
    begin = _begin(local, unit)
    found = c.e.like(day, begin)
    return day - (local - begin) if isinstance(day, datetime) and unit in ("hour", "minute", "second") else found


@known("STARTOF", returns=DATE)
def startof(c: Site, day: date, unit: str) -> Any:
    """The first day of the unit."""
    return _begin(c.e.local(day), unit.lower()).date()


@known("ENDOF", returns=DATE)
def endof(c: Site, day: date, unit: str) -> Any:
    """The last day of the unit."""
    start, unit = _begin(c.e.local(day), unit.lower()), unit.lower()
    if unit in MONTHS:
        year, month = divmod(start.year * 12 + start.month - 1 + MONTHS[unit] - 1, 12)
        return date(year, month + 1, days_in(year, month + 1))
    return later(start.date(), days=6 if unit == "week" else 0)


# -- between --------------------------------------------------------------------------------------------------------


def _months_between(a: date, b: date) -> int:
    return b.year * 12 + b.month - a.year * 12 - a.month - (b.day < a.day)


@known("DATEDIF", returns=NUMBER)
def datedif(c: Site, start: date, end: date, unit: str) -> Any:
    """Excel DATEDIF: complete units; #NUM! where the end comes first."""
    if start > end:
        raise Fault("NUM")
    unit = {"y": "year", "m": "month", "d": "day"}.get(unit.lower(), unit.lower())
    months = _months_between(start, end)
    if unit == "md":
        return Decimal((end - months_later(c.e, start, months)).days)
    if unit == "ym":
        return Decimal(months % 12)
    if unit == "yd":
        return Decimal((end - months_later(c.e, start, months // 12 * 12)).days)
    length = (end - start).days
    return Decimal({"day": length, "week": length // 7, "month": months, "quarter": months // 3, "year": months // 12}[unit])


@known("AGE", returns=NUMBER)
def age(c: Site, birth: date, *at: date) -> Any:
    return datedif(c, birth, at[0] if at else today(c), "year")


@known("DAYS", returns=lambda parts: ROUGH if parts[0].kind == "duration" else NUMBER)
def days(c: Site, end: Any, *start: date) -> Any:
    if isinstance(end, Seconds):
        return divide(end.value, Decimal(86_400))
    return Decimal((end - start[0]).days)


@known("DAYS360", returns=NUMBER)
def days360(c: Site, start: date, end: date, *european: bool) -> Any:
    """Excel DAYS360 (the NASD method as Excel has it): thirty days to the month."""
    a, b = start.day, end.day
    if european and european[0]:
        a, b = min(a, 30), min(b, 30)
    else:
        if start.day == days_in(start.year, start.month) and (start.month == 2 or start.day == 31):
            a = 30
        if b == 31 and a >= 30:
            b = 30
    return Decimal((end.year - start.year) * 360 + (end.month - start.month) * 30 + b - a)


@known("YEARFRAC", returns=ROUGH)
def yearfrac(c: Site, start: date, end: date, *basis: Decimal) -> Any:
    """Excel YEARFRAC: 0 is 30/360 of the NASD, 1 actual/actual, 3 actual/365."""
    how = c.whole(2, basis[0]) if basis else 0
    if how not in (0, 1, 2, 3, 4):
        raise Fault("NUM")
    a, b = sorted((start, end))
    length = (b - a).days
    if how == 2:
        return divide(Decimal(length), Decimal(360))
    if how == 3:
        return divide(Decimal(length), Decimal(365))
    if how == 4:
        return divide(days360(c, a, b, True), Decimal(360))
    return divide(_thirty(a, b), Decimal(360)) if how == 0 else divide(Decimal(length), _mean_year(a, b))


def _thirty(a: date, b: date) -> Decimal:
    """30/360 US (NASD) as Excel has it: a 31st stays where the beginning is the end of a February."""
    def last(d: date) -> bool:
        return d.month == 2 and d.day == days_in(d.year, 2)

    x, y = a.day, b.day
    if x == 31 or (x == 30 and y == 31):
        x, y = 30, min(y, 30)
    elif last(a) and last(b):
        x, y = 30, 30
    elif last(a):
        x = 30
    return Decimal((b.year - a.year) * 360 + (b.month - a.month) * 30 + y - x)


def _mean_year(a: date, b: date) -> Decimal:
    """The length of a year between two dates: up to a year apart by whether 29 February lies there, else the mean."""
    def leap(year: int) -> bool:
        return days_in(year, 2) == 29

    within = a.year == b.year or (b.year == a.year + 1 and (a.month, a.day) >= (b.month, b.day))
    if not within:
        years = range(a.year, b.year + 1)
        return Decimal(sum(366 if leap(y) else 365 for y in years)) / len(years)
    if a.year == b.year:
        return Decimal(366 if leap(a.year) else 365)
    between = (leap(a.year) and (a.month, a.day) <= (2, 29)) or (leap(b.year) and (b.month, b.day) >= (2, 29))
    return Decimal(366 if between else 365)


@known("NETWORKDAYS", returns=NUMBER)
def networkdays(c: Site, start: date, end: date, *holidays: Any) -> Any:
    """Excel NETWORKDAYS: both days count; negative where the end comes first. Weekends and the given days are free."""
    a, b = sorted((start, end))
    weeks, rest = divmod((b - a).days + 1, 7)
    count = weeks * 5 + sum(date.fromordinal(b.toordinal() - i).weekday() < 5 for i in range(rest))
    count -= sum(a <= day <= b for day in _free(holidays))
    return Decimal(count if start <= end else -count)


def _free(holidays: tuple[Any, ...]) -> set[date]:
    """The holidays that no weekend holds."""
    if holidays and isinstance(holidays[0], str):
        raise Unknown("the calendars of countries")
    return {day for day in (holidays[0] if holidays else ()) if day is not None and day.weekday() < 5}


@known("WORKDAY", returns=DATE)
def workday(c: Site, start: date, count: Decimal, *holidays: Any) -> Any:
    """Excel WORKDAY: the working day that many working days later, the start itself not counted."""
    steps, free = c.whole(1, count), _free(holidays)
    if abs(steps) > 4_000_000:
        raise Fault("DATE")
    day, side = start, 1 if steps > 0 else -1
    while steps:
        # A week without holidays is five working days, from whatever day of a working week on.
        weeks = 0 if free or day.weekday() >= 5 else abs(steps) // 5
        day = later(day, days=side * (7 * weeks or 1))
        steps -= side * (weeks * 5 or (day.weekday() < 5 and day not in free))
    return day


# -- fiscal year ----------------------------------------------------------------------------------------------------


def _fiscal(c: Site, day: date) -> tuple[int, int]:
    """The fiscal year, named after the calendar year it ends in, and the month in it, from 0."""
    at, begin = c.e.local(day), c.e.fiscal_start
    return at.year + (begin > 1 and at.month >= begin), (at.month - begin) % 12


@known("FISCALYEAR", returns=NUMBER)
def fiscalyear(c: Site, day: date) -> Any:
    return Decimal(_fiscal(c, day)[0])


@known("FISCALQUARTER", returns=NUMBER)
def fiscalquarter(c: Site, day: date) -> Any:
    return Decimal(_fiscal(c, day)[1] // 3 + 1)


@known("FISCALMONTH", returns=NUMBER)
def fiscalmonth(c: Site, day: date) -> Any:
    return Decimal(_fiscal(c, day)[1] + 1)


# -- durations and instants -----------------------------------------------------------------------------------------


@known("DURATION", returns=DURATION)
def duration(c: Site, count: Decimal, unit: str) -> Any:
    return Seconds(count * SECONDS[unit.lower()])


def _length(unit: str) -> Callable[..., Any]:
    return lambda c, duration: divide(duration.value, Decimal(SECONDS[unit]))


for _name, _unit in {"DAYSOF": "day", "HOURS": "hour", "MINUTES": "minute"}.items():
    known(_name, returns=ROUGH)(_length(_unit))


@known("SECONDS", returns=NUMBER)
def seconds(c: Site, duration: Any) -> Any:
    return duration.value


@known("ATTIMEZONE", returns=DATETIME)
def attimezone(c: Site, at: datetime, zone: str) -> Any:
    """The instant at which the tenant's clock shows what a clock of that zone shows at the given one."""
    try:
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except OverflowError:
        raise Fault("DATE") from None
    return c.e.instant(local)


@known("UNIXTIMESTAMP", returns=NUMBER)
def unixtimestamp(c: Site, at: Any) -> Any:
    """Of a date at its local midnight; of a time since midnight."""
    if isinstance(at, time):
        return Decimal(at.hour * 3_600 + at.minute * 60 + at.second) + Decimal(at.microsecond) / 1_000_000
    if not isinstance(at, datetime):
        at = c.e.instant(c.e.local(at))
    return Decimal((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)) / 1_000_000


@known("FROMUNIXTIME", returns=DATETIME)
def fromunixtime(c: Site, seconds: Decimal) -> Any:
    return later(datetime(1970, 1, 1, tzinfo=UTC), microseconds=int(half_up(seconds * 1_000_000, 0)))
