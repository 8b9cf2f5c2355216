"""The clock, and dates and times made of numbers, of texts and of each other; results stay in the years 1 to 9999."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Date, Double, Integer, Numeric, Text, Time, case, cast, func, or_

from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import (
    FIRST_INSTANT,
    INSTANT,
    LAST_INSTANT,
    STAMP,
    epoch,
    instant,
    known,
    local,
    no_local,
    plus,
    read,
    unreadable,
    unwritable,
    where_known,
    write,
    zones,
)
from metamodel.formula.functions.moves import FIRST_MONTH, LAST_MONTH
from metamodel.formula.functions.number import blank_flags, with_flags
from metamodel.formula.functions.registry import (
    Builder,
    Column,
    Condition,
    Param,
    Site,
    function,
    numeric,
    rewritten,
)
from metamodel.formula.functions.text import position
from metamodel.formula.typed import Call, Literal, Node, System
from metamodel.formula.types import DATE, DATETIME, DECIMAL, DURATION, TIME, Kind
from metamodel.names import did_you_mean

NUMERIC = Numeric()
WHOLE: frozenset[Kind] = frozenset({"integer"})


@rewritten("TODAY", "date", volatility="stable", examples=("DATEVALUE(NOW()) = TODAY()",))
def today(c: Builder, args: tuple[Node, ...]) -> Node:
    """The current date in the tenant's zone, the same for the whole request."""
    return System(DATE.blank(False), "today")


@rewritten("NOW", "date", volatility="stable", examples=("NOW() - NOW() = 0seconds",))
def now(c: Builder, args: tuple[Node, ...]) -> Node:
    """The current instant, the same for the whole request."""
    return System(DATETIME.blank(False), "now")


@rewritten("TIMENOW", "date", volatility="stable", examples=("TIMENOW() = TIMEVALUE(NOW())",))
def timenow(c: Builder, args: tuple[Node, ...]) -> Node:
    """The current time of day in the tenant's zone, the same for the whole request."""
    return c.call("TIMEVALUE", System(DATETIME.blank(False), "now"))


# -- of numbers -----------------------------------------------------------------------------------------------------


LAST_DAY = (sql.LAST_DAY - sql.FIRST_DAY).days


def _date_months(y: Column, m: Column) -> Column:
    """Months since the first one of the year 1."""
    return sql.num(y) * sql.whole(12) + sql.num(m) - sql.whole(13)


def _date_days(y: Column, m: Column, d: Column) -> Column:
    """Days since the first one of the year 1, the months being held within the calendar."""
    months = func.least(func.greatest(_date_months(y, m), sql.whole(0)), sql.whole(LAST_MONTH - FIRST_MONTH))
    begin = cast(plus(sql.Constant(sql.FIRST_DAY, STAMP), months=cast(months, Integer)), Date())
    return begin.op("-", precedence=7, return_type=Integer())(sql.day(sql.FIRST_DAY)) + sql.num(d) - sql.whole(1)


def _no_date(site: Site, y: Column, m: Column, d: Column) -> Condition:
    months, days = _date_months(y, m), _date_days(y, m, d)
    return or_(
        months < sql.whole(0),
        months > sql.whole(LAST_MONTH - FIRST_MONTH),
        days < sql.whole(0),
        days > sql.whole(LAST_DAY),
    )


@function(
    "DATE",
    "date",
    Param("year", WHOLE),
    Param("month", WHOLE),
    Param("day", WHOLE),
    returns=with_flags(DATE),
    errors={"DATE": where_known(_no_date)},
    examples=(
        "DATE(2024, 2, 29) = @2024-02-29",
        "DATE(2024, 13, 1) = @2025-01-01",
        "DATE(2024, 3, 0) = @2024-02-29",
        "DATE(10000, 1, 1) -> #DATE",
    ),
    copies=(2, 6),
)
def date_(site: Site, y: Column, m: Column, d: Column) -> Column:
    """The date; months and days beyond their range roll over, so DATE(y, m + 1, 0) is the end of the month."""
    held = func.least(func.greatest(_date_days(y, m, d), sql.whole(0)), sql.whole(LAST_DAY), type_=NUMERIC)
    found = sql.day(sql.FIRST_DAY).op("+", precedence=7, return_type=Date())(cast(held, Integer))
    # LEAST and GREATEST skip blanks, so a blank part is put back.
    there = known(site, y, m, d)
    return case((sql.all_of(*there), found)) if there else found


def _seconds(h: Column, m: Column, s: Column) -> Column:
    return sql.num(h) * sql.whole(3_600) + sql.num(m) * sql.whole(60) + sql.num(s)


@function(
    "TIME",
    "date",
    Param("hour", WHOLE),
    Param("minute", WHOLE),
    Param("second", WHOLE),
    returns=with_flags(TIME),
    errors={"NUM": lambda site, h, m, s: _seconds(h, m, s) < sql.whole(0)},
    examples=(
        "TIME(14, 30, 0) = @14:30",
        "TIME(27, 0, 0) = @03:00",
        "TIME(0, 750, 0) = @12:30",
        "TIME(0, 0, -1) -> #NUM",
    ),
)
def time_(site: Site, h: Column, m: Column, s: Column) -> Column:
    """The time of day; parts beyond their range roll over, whole days are left out. Before midnight an error."""
    of_day = func.mod(func.abs(_seconds(h, m, s), type_=NUMERIC), sql.whole(86_400), type_=NUMERIC)
    zeros = [sql.whole(0)] * 6
    start = sql.Constant("00:00:00", Time())
    return start.op("+", precedence=7, return_type=Time())(func.make_interval(*zeros, cast(of_day, Double)))


# -- of texts -------------------------------------------------------------------------------------------------------

# Parts are only cut out of a text that is as the pattern says, ranges included, so that no cast can fail. To look is
# what costs most, so only one part of a date or time is made NULL where the text is not so; the others follow.
LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
YMD = (
    "(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-"
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{LEAP}-02-29)"
)
SECONDS = "(?::[0-5][0-9](?:[.][0-9]{1,6})?)?"
HOUR_24, MINUTE = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
OFFSET = f"[+-]{HOUR_24}:{MINUTE}"
CLOCK = f"(?:(?:[01]?[0-9]|2[0-3]):{MINUTE}{SECONDS}|(?:0?[1-9]|1[0-2]):{MINUTE}{SECONDS} *[AaPp][Mm])"
AT = f"{YMD}(?:[T ]{HOUR_24}:{MINUTE}{SECONDS}(?:Z|{OFFSET})?)?"
PATTERNS = {"DATEVALUE": YMD, "TIMEVALUE": CLOCK, "DATETIMEVALUE": AT}


def _fits(text: Column, pattern: str) -> Column:
    """The trimmed text where it is as the pattern says, else NULL."""
    trimmed = func.btrim(text)
    return case((trimmed.regexp_match(sql.text(f"^{pattern}$")), trimmed))


def _cut(text: Column, start: int, length: int) -> Column:
    return cast(func.substr(text, sql.whole(start), sql.whole(length)), Integer)


def _two(text: Column, at: int) -> Column:
    """The number of two digits. Unlike a cast it can not fail, so the text may be any; nothing counts as 0."""

    def digit(place: int) -> Column:
        found = func.substr(text, sql.whole(place), sql.whole(1), type_=Text())
        return position(sql.text("0123456789"), found) - sql.whole(1)

    return digit(at) * sql.whole(10) + digit(at + 1)


def _date_of(text: Column, pattern: str = YMD) -> Column:
    """The date that a text begins with; NULL where the text is not as the pattern says."""
    year, bare = _cut(_fits(text, pattern), 1, 4), func.btrim(text, type_=Text())
    return func.make_date(year, _two(bare, 6), _two(bare, 9), type_=Date())


def _unread(site: Site, text: Column) -> Condition | None:
    """The error of a text that the function does not read."""
    if site.args[0].type.kind != "text":
        return None
    assert isinstance(site.call, Call)
    return func.btrim(text).regexp_match(sql.text(f"^{PATTERNS[site.call.function]}$")).is_(sql.FALSE)


@function(
    "DATEVALUE",
    "date",
    Param("value", frozenset({"text", "datetime", "date"})),
    volatility="zoned",
    returns=with_flags(DATE),
    errors={"VALUE": _unread, "DATE": no_local},
    nulls=True,
    examples=('DATEVALUE("2024-02-29") = @2024-02-29', 'DATEVALUE("2023-02-29") -> #VALUE', 'DATEVALUE("x") -> #VALUE'),
    copies=(6, 2),
)
def datevalue(site: Site, value: Column) -> Column:
    """The date of a date-time in the tenant's zone, or the date that a text like 2024-01-31 writes."""
    if site.args[0].type.kind == "text":
        return _date_of(value)
    return cast(local(site, value), Date()) if instant(site) else value


def _field(text: Column, separator: str, place: int) -> Column:
    return func.split_part(text, sql.text(separator), sql.whole(place), type_=Text())


def _clock_time(hour: Column, minute: Column, second: Column) -> Column:
    """A time of its parts; no second is 0."""
    seconds = func.coalesce(cast(func.nullif(second, sql.text("")), NUMERIC), sql.whole(0), type_=NUMERIC)
    return func.make_time(hour, minute, cast(seconds, Double), type_=Time())


def _time_of(text: Column) -> Column:
    """The time that a text is; NULL where it is none."""
    fitting, small = _fits(text, CLOCK), func.lower(text, type_=Text())
    digits = func.rtrim(fitting, sql.text(" AaPpMm"), type_=Text())
    hour = cast(_field(digits, ":", 1), Integer)
    half = func.mod(hour, sql.whole(12), type_=Integer())
    of_day = case(
        (small.like(sql.text("%p%")), half + sql.whole(12)), (small.like(sql.text("%a%")), half), else_=hour
    )
    return _clock_time(of_day, _two(_field(text, ":", 2), 1), _field(digits, ":", 3))


@function(
    "TIMEVALUE",
    "date",
    Param("value", frozenset({"text", "datetime", "time"})),
    volatility="zoned",
    returns=with_flags(TIME),
    errors={"VALUE": _unread, "DATE": no_local},
    nulls=True,
    examples=(
        'TIMEVALUE("14:30:59.5") = @14:30:59.5',
        'TIMEVALUE("2:24 PM") = @14:24',
        'TIMEVALUE("24:00") -> #VALUE',
    ),
    copies=(12, 2),
)
def timevalue(site: Site, value: Column) -> Column:
    """The time of day of a date-time in the tenant's zone, or the one that a text like 14:30, 14:30:59.5 or 2:30 PM
    writes."""
    if site.args[0].type.kind == "text":
        return _time_of(value)
    return cast(local(site, value), Time()) if instant(site) else value


def _instant_of(site: Site, text: Column) -> Column:
    """The instant that a text is, also one beyond the calendar; NULL where it is none."""
    fitting, bare = _fits(text, AT), func.btrim(text, type_=Text())
    hour = cast(func.nullif(func.substr(fitting, sql.whole(12), sql.whole(2)), sql.text("")), Integer)
    # Behind the minutes stand the seconds, then the zone.
    behind = func.translate(func.substr(fitting, sql.whole(17)), sql.text("+-"), sql.text("ZZ"))
    time = _clock_time(hour, _two(bare, 15), func.substr(_field(behind, "Z", 1), sql.whole(2)))
    midnight = sql.Constant("00:00:00", Time())
    at = _date_of(text, AT).op("+", precedence=7, return_type=STAMP)(func.coalesce(time, midnight, type_=Time()))
    zone = func.substring(bare, sql.text(f"(?:Z|{OFFSET})$"), type_=Text())
    away = func.nullif(zone, sql.text("Z"), type_=Text())
    minutes = _cut(away, 2, 2) * sql.whole(60) + _cut(away, 5, 2)
    ahead = case((away.like(sql.text("-%")), -minutes), else_=func.coalesce(minutes, sql.whole(0), type_=Integer()))
    moved = at.op("-", precedence=7, return_type=STAMP)(func.make_interval(*[sql.whole(0)] * 5, ahead))
    own = sql.text(site.environment.zone)
    return func.timezone(case((zone.is_(None), own), else_=sql.text("UTC")), moved, type_=INSTANT)


def _no_instant(site: Site, value: Column) -> Condition | None:
    kind = site.args[0].type.kind
    if kind == "date":
        return unwritable(cast(value, STAMP), site.environment.zone)
    if kind != "text":
        return None
    # Only at the ends of the calendar a zone can matter, so mostly the text is not read for that.
    year = func.left(func.btrim(value), sql.whole(4), type_=Text())
    bounds = sql.Constant(FIRST_INSTANT, INSTANT), sql.Constant(LAST_INSTANT, INSTANT)
    return sql.all_of(year.in_([sql.text("0001"), sql.text("9999")]), ~_instant_of(site, value).between(*bounds))


@function(
    "DATETIMEVALUE",
    "date",
    Param("value", frozenset({"text", "date", "datetime"})),
    volatility="zoned",
    returns=with_flags(DATETIME),
    errors={"VALUE": _unread, "DATE": _no_instant},
    examples=(
        "DATETIMEVALUE(@2024-01-31) = @2024-01-31T00:00",
        'DATETIMEVALUE("2024-01-31 14:30:00") = @2024-01-31T14:30',
        'DATETIMEVALUE("2024-01-31T14:30:00+02:00") = @2024-01-31T12:30Z',
        'DATETIMEVALUE("soon") -> #VALUE',
    ),
    copies=(18, 20),
)
def datetimevalue(site: Site, value: Column) -> Column:
    """The midnight that begins a date, or the instant that a text like 2024-01-31 14:30:00 writes, in the tenant's
    zone where the text names none (`Z`, `+01:00`)."""
    kind = site.args[0].type.kind
    if kind == "text":
        return _instant_of(site, value)
    return write(cast(value, STAMP), site.environment.zone) if kind == "date" else value


# -- of instants ----------------------------------------------------------------------------------------------------


def _zone_of(site: Site) -> str:
    node = site.args[1]
    assert isinstance(node, Literal)
    return str(node.value)


def _at_zone(c: Builder, args: tuple[Node, ...]) -> Node:
    zone = args[1]
    assert isinstance(zone, Literal)
    if zone.value not in zones():
        near = did_you_mean(str(zone.value), zones()) or "write a name such as Europe/Berlin or UTC"
        return c.fail("E221", zone, f'there is no time zone "{zone.value}"', near)
    return Call(args[0].type, "ATTIMEZONE", args)


def _no_wall(site: Site, d: Column, zone: Column) -> Condition | None:
    name = _zone_of(site)
    wall = read(d, name)
    return sql.any_of(unreadable(d, name), unwritable(wall, site.environment.zone))


@function(
    "ATTIMEZONE",
    "date",
    Param("datetime", frozenset({"datetime"})),
    Param("zone", frozenset({"text"}), constant=True),
    resolve=_at_zone,
    errors={"DATE": where_known(_no_wall)},
    volatility="zoned",
    examples=(
        'HOUR(ATTIMEZONE(@2024-01-31T12:00Z, "Asia/Tokyo")) = 21',
        'DATEVALUE(ATTIMEZONE(@2024-01-31T20:00Z, "Asia/Tokyo")) = @2024-02-01',
    ),
    copies=(3, 6),
)
def attimezone(site: Site, d: Column, zone: Column) -> Column:
    """The date-time that the tenant reads as what a clock in the other zone shows at that instant, for HOUR, DATEVALUE
    and TEXT; it is another instant than `datetime`. A time that the tenant's clock skips (the start of summer time) is
    moved behind the gap."""
    name = _zone_of(site)
    return write(read(d, name), site.environment.zone)


def _unix(c: Builder, args: tuple[Node, ...]) -> Node:
    (value,) = args
    at = c.call("DATETIMEVALUE", value) if value.type.kind == "date" else value
    return Call(blank_flags(DECIMAL, (at,)), "UNIXTIMESTAMP", (at,))


@function(
    "UNIXTIMESTAMP",
    "date",
    Param("value", frozenset({"datetime", "date", "time"})),
    resolve=_unix,
    volatility="zoned",
    examples=("UNIXTIMESTAMP(@2024-01-01T00:00Z) = 1704067200", "UNIXTIMESTAMP(@01:00) = 3600"),
)
def unixtimestamp(site: Site, value: Column) -> Column:
    """Seconds since 1970-01-01T00:00Z, with fractions; of a date at its midnight in the tenant's zone; of a time since
    midnight."""
    return epoch(value) if instant(site) else sql.part("epoch", value)


@rewritten(
    "FROMUNIXTIME",
    "date",
    Param("seconds", numeric()),
    examples=("FROMUNIXTIME(1704067200) = @2024-01-01T00:00Z", "FROMUNIXTIME(1000000000000) -> #DATE"),
)
def fromunixtime(c: Builder, args: tuple[Node, ...]) -> Node:
    """The instant so many seconds after 1970-01-01T00:00Z, to the microsecond."""
    start = Literal(DATETIME.blank(False), datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    return c.call("+", start, c.call("*", args[0], Literal(DURATION.blank(False), 1)))
