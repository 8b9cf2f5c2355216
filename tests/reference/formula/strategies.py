"""Hypothesis strategies for typed formulas, as text. What is simplest stands first, so that failures shrink to it.

A template is a formula with places: `{N}` is any number, `{T}` text, `{B}` condition, `{D}` date, `{I}` date-time
(instant), `{C}` time of day, `{U}` duration, `{L}` list; `{line.N}` the same over the rows of a child set, `{row.N}`
over those of a measure; `{n}` a small whole number, `{d}` digits, `{s}` a factor, `{p}` a pattern, `{day}` a unit of
days, `{unit}` any unit, `{set}` a child set.
"""

from __future__ import annotations

import re
from functools import cache

from hypothesis import strategies as st

from metamodel.formula.check import check
from metamodel.formula.functions.registry import AGGREGATES, lookup
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from tests.reference.formula import CALLS, FOLDS, world

KINDS = {"N": "number", "T": "text", "B": "boolean", "D": "date", "I": "datetime", "C": "time", "U": "duration", "L": "list"}
PLACE = re.compile(r"\{(?:(line|row)\.)?([A-Za-z]+)\}")

SMALL: dict[str, tuple[str, ...]] = {
    "n": ("1", "0", "2", "-1", "3", "5", "12", "units", "2.9", "1e30", "-1e30", "NULL"),
    "d": ("0", "1", "2", "-1", "-2", "4", "12", "18", "30", "-40", "units"),
    "s": ("2", "0.1", "0.25", "-2", "1", "100", "3", "0", "0.000001", "factor"),
    "p": (r'"[a-z]+"', r'"a.*"', r'"(?:a|b)?c{0,2}"', r'"\\d+\\.?\\d*"', r'"[^a]"', r'"ab?"'),
    "day": ('"month"', '"year"', '"quarter"', '"week"', '"day"'),
    "unit": ('"month"', '"year"', '"quarter"', '"week"', '"day"', '"hour"', '"minute"', '"second"'),
    "span": ('"hour"', '"day"', '"minute"', '"second"', '"week"'),
    "zone": ('"UTC"', '"America/New_York"', '"Asia/Kolkata"'),
    "rate": ("0.05", "0", "0.01", "rate", "-0.5", "0.1 / 12", "-1", "-2"),
    "term": ("12", "1", "0", "360", "-5", "2.5", "-60", "0.5"),
    "angle": ("0", "1", "0.5", "-1", "1.5", "rate", "tiny"),
    "f": ("factor", "due", "name", "units", "stage"),
    "set": ("lines", "lines", "client.orders"),
}

LEAVES: dict[str, dict[str, tuple[str, ...]]] = {
    "project": {
        "N": (
            *("0", "1", "2", "factor", "units", "tiny", "rate", "count_of", "amount * 1", "-1", "0.5", "factor", "units"),
            *("7", "1.575", "-2.5", "100", "0.1", "1e3", "10%", "(NULL + 1)", "client.size", "stage.probability", "tiny"),
            *("$user.quota", "$user.bonus", "old.factor", "1e-18", "0.000000000001", "98765432109876543210987654321098765432", "factor"),
        ),
        "T": (
            *('"a"', '""', "name", "note", '"ab"', "name", "note", '" b "', '"7.50"', '"2024-02-29"', "name"),
            *('"x\'y"', r'"\\d"', '"A"', '"ß"', '"SS"', '","', '"\U0001f600"', '"%(a)s"', "client.region", "TEXT(stage)"),
            *('"14:30:05"', '"2024-03-31T02:30"', "old.name", r'"a\nb"', "$user.region", "$user.team"),
        ),
        "B": (
            *("TRUE", "FALSE", "active", "urgent", "(factor > 0)", '(stage = "won")', '(stage <> "open")', "ISBLANK(note)"),
            *("client.vip", '(stage.category = "closed")', '(stage IN ("won", "lost"))', '(old.stage = "open")', "(tiny < 1)"),
            *("$user.trusted", "($user.region = name)"),
        ),
        "D": (
            *("@2024-02-29", "due", "begun", "@2024-01-31", "due", "begun", "@2023-12-31", "@2000-01-01", "@0001-01-01"),
            *("@9999-12-31", "@2024-03-31", "TODAY()", "client.since", "old.due", "DATEVALUE(seen)", "$user.since"),
        ),
        "I": (
            *("@2024-10-27T00:30:00Z", "seen", "ended", "seen", "@2024-03-31T02:30:00", "@2024-10-27T02:30:00", "NOW()"),
            *("@2023-12-31T23:59:59.999999", "ended", "@2024-02-29T12:00+05:30"),
        ),
        "C": ("@14:30", "opens", "@00:00", "@23:59:59.999999", "opens"),
        "U": ("1hours", "36hours", "90minutes", "(ended - seen)", "0.5days", "(seen - ended)"),
        "L": ('["a", "b"]', '["a", "a"]', '[name, "x"]', "[name, note, name]"),
    },
    "line": {
        "N": ("1", "price", "quantity", "number", "price", "0", "2", "0.1", "(price + this.factor)", "(quantity - this.units)", "1.005", "$user.quota"),
        "T": ("label", '"a"', "label", "(label & this.name)", '""'),
        "B": ("TRUE", "done", "(quantity > 0)", "(price > this.factor)", "FALSE", "(done AND this.active)", "ISBLANK(day)", "(price > $user.quota)"),
        "D": ("day", "@2024-02-29", "MIN(day, this.due)"),
        "I": ("@2024-10-27T00:30:00Z", "IF(done, this.seen, this.ended)"),
        "C": ("@14:30", "IF(done, this.opens, @00:00)"),
        "U": ("1hours", "36hours"),
        "L": ('["a", "b"]',),
    },
}

SHARED = (
    "IF({B}, {K}, {K})",
    "IFERROR({K}, {K})",
    "IFS({B}, {K}, {B}, {K}, {K})",
    "CASE({N}, 1, {K}, {N}, {K}, {K})",
    "CASE({T}, {T}, {K}, {K})",
    "CHOOSE({n}, {K}, {K}, {K})",
    "IF({B}, {K})",
)
NULLABLE = ("BLANKVALUE({K}, {K})", "BLANKVALUE({K}, {K}, {K})", "IF({B}, {K}, NULL)", "IF({B}, {K}, ERROR({T}))")
ORDERED = ("MIN({K}, {K})", "MAX({K}, {K}, {K})")

TEMPLATES: dict[str, tuple[str, ...]] = {
    "N": (
        *("({N} + {N})", "({N} - {N})", "({N} * {N})", "({N} / {N})", "({N} / {N} * {N})", "({N} / {s})"),
        *("-{N}", "({N})%", "ABS({N})", "SIGN({N})", "INT({N})", "CEILING({N})", "FLOOR({N})", "(FLOOR({N} / 9 * 9))"),
        *("ROUND({N}, {d})", "ROUNDUP({N}, {d})", "ROUNDDOWN({N}, {d})", "TRUNC({N}, {d})", "ROUNDEVEN({N}, {d})"),
        *("ROUND({N})", "TRUNC({N})", "CEILING({N}, {s})", "FLOOR({N}, {s})", "CEILING({N}, {N})", "FLOOR({N}, {N})"),
        *("MFLOOR({N})", "MCEILING({N})", "MROUND({N}, {s})", "EVEN({N})", "ODD({N})"),
        *("MOD({N}, {N})", "MOD({N}, {s})", "REM({N}, {N})", "REM({N}, {s})", "QUOTIENT({N}, {N})"),
        *("SUM({N}, {N}, {N})", "AVERAGE({N}, {N})", "PRODUCT({N}, {N})", "CLAMP({N}, {n}, {N})"),
        *("SQRT({N})", "({N} ^ 2)", "POWER({N}, {n})", "POWER({N}, 0.5)", "({s} ^ {N})", "POWER({N}, {N})"),
        *("EXP({s})", "EXP({N})", "LN({N})", "LOG({N})", "LOG({N}, {s})", "LOG10({N})"),
        *("PI()", "GCD({N}, {n})", "LCM({n}, {n})", "FACT({n})", "COMBIN({n}, {n})", "GCD({n}, {n}, {n})"),
        *("SIN({angle})", "COS({angle})", "TAN({angle})", "ASIN({angle})", "ACOS({angle})", "ATAN({angle})"),
        *("ATAN2({angle}, {angle})", "DEGREES({angle})", "RADIANS({N})"),
        *("LEN({T})", "FIND({T}, {T})", "FIND({T}, {T}, {n})", "SEARCH({T}, {T})", "SEARCH({T}, {T}, {n})", "CODE({T})"),
        *("VALUE({T})", "VALUE(TRIM({T}))", "VALUE(TEXT({N}))"),
        *("YEAR({D})", "QUARTER({D})", "MONTH({D})", "DAY({D})", "DAYOFYEAR({D})", "ISOYEAR({D})", "ISOWEEKNUM({D})"),
        *("YEAR({I})", "MONTH({I})", "DAY({I})", "WEEKDAY({D})", "WEEKDAY({D}, {n})", "WEEKNUM({D})", "WEEKNUM({D}, {n})"),
        *("WEEKNUM({D}, 21)", "WEEKDAY({I})", "HOUR({I})", "MINUTE({I})", "SECOND({I})", "HOUR({C})", "MINUTE({C})"),
        *("SECOND({C})", "({D} - {D})", 'DATEDIF({D}, {D}, "month")', 'DATEDIF({D}, {D}, "year")'),
        *('DATEDIF({D}, {D}, "day")', "DAYS({D}, {D})", "DAYS360({D}, {D})", "YEARFRAC({D}, {D})"),
        *("YEARFRAC({D}, {D}, 1)", "YEARFRAC({D}, {D}, 3)", "NETWORKDAYS({D}, {D})", "AGE({D}, {D})", "AGE({D})"),
        *("FISCALYEAR({D})", "FISCALQUARTER({D})", "FISCALMONTH({D})", "UNIXTIMESTAMP({I})"),
        *("HOURS({U})", "DAYSOF({U})", "MINUTES({U})", "SECONDS({U})", "({U} / {U})", "DAYS({U})"),
        *("PMT({rate}, {term}, {N})", "PV({rate}, {term}, {N})", "FV({rate}, {term}, {N})", "NPER({rate}, {s}, {N})"),
        *("PMT({rate}, {term}, {N}, {N}, 1)", "FV({rate}, {term}, {N}, {N}, 1)", "PV({rate}, {term}, {N}, {N}, 1)"),
        *("IPMT({rate}, {n}, 12, {N})", "PPMT({rate}, {n}, 12, {N})", "NPV({rate}, {N}, {N})", "HASHBUCKET({T}, {n})"),
        *("NUMBERVALUE({T})", "NUMBERVALUE({T}, {T}, {T})", "NPV({rate}, {set}.price, day)", "DATEDIF({D}, {D}, \"yd\")"),
        *("CAGR({N}, {N}, {term})", "SLN({N}, {N}, {term})", "LISTSIZE({L})", "LISTSIZE(tags)"),
        *('DISTANCE(GEOLOCATION({angle}, {n}), GEOLOCATION({n}, {angle}), "km")', "PRIORVALUE(factor)"),
        *("COUNT({set})", "COUNT({set}[{line.B}])", "COUNT({set}.price)", "SUM({set}.price)", "SUM({set}[{line.B}].price)"),
        *("SUM({set}, {line.N})", "SUM({set}[{line.B}], {line.N})", "AVERAGE({set}, {line.N})", "MIN({set}, {line.N})"),
        *("MAX({set}[{line.B}], {line.N})", "MEDIAN({set}.price)", "MEDIAN({set}, {line.N})", "COUNTDISTINCT({set}, {line.N})"),
        *("COUNTDISTINCT({set}.label)", "FIRST({set}.price, number)", "LAST({set}.price, number)", "FIRST({set}, {line.N}, day)"),
        *("ARGMAX({set}.price, quantity)", "ARGMIN({set}.price, quantity)", "PERCENTILE({set}.price, {s})"),
        *("PERCENTILE_EXC({set}.price, 0.5)", "QUARTILE({set}.price, {n})", "LARGE({set}.price, {n})", "SMALL({set}.price, {n})"),
        *("MODE({set}.quantity)", "STDEV({set}.price)", "STDEVP({set}, {line.N})", "VAR({set}.price)", "VARP({set}.price)"),
        *("WEIGHTEDAVG({set}, price, quantity)", "SUMPRODUCT({set}, price, quantity)", "CORREL({set}, price, quantity)"),
        *("SLOPE({set}, price, quantity)", "INTERCEPT({set}, price, quantity)", "GEOMEAN({set}, ABS(price))"),
        *("GEOMEAN({set}.price)", "LISTAT([{N}, {N}], {n})", "LISTAT(COLLECT({set}, {line.N}, day), {n})"),
    ),
    "T": (
        *("({T} & {T})", "({T} + {T})", "({T} & {N})", "({T} & {D})", "({T} & {B})", "({T} & {I})", "({T} & {C})"),
        *("CONCATENATE({T}, {N})", "TEXT({N})", "TEXT({D})", "TEXT({B})", "TEXT({I})", "TEXT({C})", "UPPER({T})", "LOWER({T})"),
        *("PROPER({T})", "TRIM({T})", "TRIMALL({T})", "REVERSE({T})", "CLEAN({T})", "LEFT({T}, {n})", "RIGHT({T}, {n})"),
        *("LEFT({T}, {N})", "MID({T}, {n}, {n})", "LPAD({T}, {n})", "RPAD({T}, {n}, {T})", "LPAD({T}, {n}, {T})"),
        *("REPT({T}, {n})", "SUBSTITUTE({T}, {T}, {T})", "SUBSTITUTE({T}, {T}, {T}, {n})", "REPLACE({T}, {n}, {n}, {T})"),
        *('TEXTJOIN({T}, TRUE, {T}, {T})', "TEXTJOIN({T}, {B}, {T}, {T}, {T})", "TEXTJOIN({T}, TRUE, {L})"),
        *("TEXTBEFORE({T}, {T})", "TEXTAFTER({T}, {T})", "CHAR({n})", "CHAR(CODE({T}))", "REGEXEXTRACT({T}, {p})"),
        *("REGEXREPLACE({T}, {p}, {T})", "URLENCODE({T})", "HTMLENCODE({T})", "MD5({T})", "SHA256({T})", "FIXED({N}, 2)"),
        *("FORMATDURATION({U})", "FORMATDURATION({N}, {B})", 'FORMATCURRENCY("EUR", {N})', "FORMATCURRENCY({T}, {N})"),
        *('TEXT({N}, "#,##0.00")', 'TEXT({N}, "0.0%")', 'TEXT({D}, "ddd d mmm yyyy")', 'TEXT({I}, "h:mm:ss AM/PM")'),
        *("TEXTJOIN(\",\", {set}, {line.T}, day)",),
        *("FIXED({N})", "LISTAT({L}, {n})", "MIN({set}.label)", "MAX({set}, {line.T})", "FIRST({set}.label, number)"),
        *("LAST({set}.label, number)", 'TEXTJOIN(",", {set}, {line.T})'),
    ),
    "B": (
        *("({N} = {N})", "({N} < {N})", "({N} <= {N})", "({N} > {N})", "({N} >= {N})", "({N} <> {N})", "({T} = {T})"),
        *("({T} < {T})", "({T} <> {T})", "({D} = {D})", "({D} < {D})", "({D} >= {D})", "({I} = {I})", "({I} < {I})"),
        *("(units / 7 * 7 > units)", "(factor / 3 * 3 = factor)", "({n} / 9 * 9 >= {n})", "(rate / {s} < {n} / 3 * 3)"),
        *("({C} < {C})", "({U} > {U})", "({C} = {C})", "({U} = {U})", "({B} = {B})", "({B} <> {B})"),
        *("({N} IN ({N}, {N}))", "({T} NOT IN ({T}, {T}))", "({D} IN ({D}))", "({N} IN ())", "(NOT {B})"),
        *("({B} AND {B})", "({B} OR {B})", "AND({B}, {B}, {B})", "OR({B}, {B})", "(NOT ({B} AND {B}))", "XOR({B}, {B})"),
        *("(NOT ({B} OR {B}))", "({B} OR {B} AND {B})", "BETWEEN({N}, {N}, {N})", "BETWEEN({D}, {D}, {D})"),
        *("ISBLANK({N})", "ISBLANK({T})", "ISBLANK({D})", "ISERROR({N})", "ISERROR({T})", "ISERROR({D})", "ISERROR({I})"),
        *("ISBLANK({L})", "ISBLANK(tags)", "ISBLANK(factor)", "ISNUMBER({T})", "CONTAINS({T}, {T})", "ICONTAINS({T}, {T})"),
        *("BEGINS({T}, {T})", "ENDS({T}, {T})", "REGEX({T}, {p})", "EXACT({T}, {T})", "IEQUALS({T}, {T})"),
        *('INCLUDES(tags, "red")', 'EXCLUDES(tags, "red")', "INCLUDES({L}, {T})", "ISNEW()", "ISCHANGED({f})"),
        *("INCLUDES([{N}, {N}], {N})", "({N} IN COLLECT({set}, {line.N}))", "([{N}] = [{N}])"),
        *("EXISTS({set})", "EXISTS({set}[{line.B}])", "ALL({set}, {line.B})", "ALL({set}[{line.B}], {line.B})"),
        *('ISPICKVAL(stage, "won")', "EXACT({T}, UPPER({T}))"),
    ),
    "D": (
        *("({D} + {n})", "({D} - {n})", "({D} + {N})", "({D} + 3days)", "({D} + 1month)", "({D} - 1year)", "EDATE({D}, {n})"),
        *("EDATE({D}, {N})", "ADDMONTHS({D}, {n})", "EOMONTH({D}, {n})", "EOMONTH({I}, {n})", "DATE({n}, {n}, {n})"),
        *("DATE(2024, {N}, {n})", "DATE({N}, 2, 29)", "DATE(YEAR({D}), MONTH({D}) + 1, 0)", "DATETRUNC({D}, {day})"),
        *("DATEADD({D}, {n}, {day})", "DATEADD({D}, {N}, {day})", "ENDOF({D}, {day})", "STARTOF({D}, {day})"),
        *("DATEVALUE({I})", "DATEVALUE({T})", "WORKDAY({D}, {n})", "MIN({set}.day)", "MAX({set}[{line.B}].day)"),
        *("FIRST({set}.day, number)",),
    ),
    "I": (
        *("({I} + {n})", "({I} - {s})", "({I} + {N})", "({I} + 36hours)", "({I} - 90minutes)", "({I} + 1month)", "({I} + {U})"),
        *("EDATE({I}, {n})", "ADDMONTHS({I}, {n})", "DATETRUNC({I}, {unit})", "DATEADD({I}, {n}, {unit})"),
        *("DATEADD({I}, {N}, {unit})", "DATETIMEVALUE({D})", "DATETIMEVALUE({T})", "FROMUNIXTIME({N})", "ATTIMEZONE({I}, {zone})"),
    ),
    "C": ("TIME({n}, {n}, {n})", "TIMEVALUE({I})", "TIMEVALUE({T})"),
    "U": ("({I} - {I})", "({U} + {U})", "({U} - {U})", "({U} * {N})", "({U} / {N})", "-{U}", "DURATION({N}, {span})"),
    "L": ("SPLIT({T}, {T})", "UNIQUE([{T}, {T}, {T}])", "UNIQUE({L})", "COLLECT({set}.label)", "[{T}, {T}]", "UNIQUE(SPLIT({T}, {T}))"),
}


SAME = {"price": "factor", "quantity": "units", "number": "count_of", "label": "name", "day": "due", "{line.": "{row."}
"""What a measure's rows have in the place of a child set's."""
SCOPES: dict[str, tuple[Scope, str]] = {
    "project": (world.SCOPE, "{}"),
    "line": (world.SCOPE, "COUNT(lines, {})"),
    "row": (world.MEASURE, "COUNT(rows, {})"),
    "measure": (world.MEASURE, "{}"),
}
"""Where a formula may stand: what is known there, and a formula that holds it."""
LEAVES["row"] = {kind: tuple(leaf for leaf in found if "old." not in leaf) for kind, found in LEAVES["project"].items()}
LEAVES["measure"] = {
    "N": ("1", "SUM(units)", "COUNT(rows)", "AVERAGE(factor)", "MAX(tiny)", "0", "2.5", "$user.quota", "SUM(rows[active].amount) * 1"),
    "T": ('"a"', "MIN(name)", "MAX(rows, note)", "$user.region", '""'),
    "B": ("TRUE", "EXISTS(rows[urgent])", "ALL(rows, active)", "FALSE", "(COUNT(rows) > 5)", "$user.trusted"),
    "D": ("@2024-02-29", "MIN(due)", "MAX(rows, begun)", "TODAY()", "$user.since"),
    "I": ("@2024-10-27T00:30:00Z", "MIN(seen)", "MAX(ended)"),
    "C": ("@14:30", "MIN(opens)"),
    "U": ("1hours", "(MAX(ended) - MIN(seen))"),
    "L": ('["a", "b"]', "COLLECT(rows.name)"),
}


def _all(kind: str, scope: str) -> tuple[str, ...]:
    shared = list(SHARED)
    shared += NULLABLE if kind != "B" else ()
    shared += ORDERED if kind in "NTDI" else ()
    found = (*TEMPLATES[kind], *(text.replace("{K}", "{" + kind + "}") for text in shared))
    return tuple(map(_over_rows, found)) if scope == "measure" else found


def _over_rows(text: str) -> str:
    """The template of a measure: the rows in the place of a child set, not written where they need not be."""
    if "{set}" not in text:
        return text
    for old, new in SAME.items():
        text = re.sub(rf"(?<!\w){re.escape(old)}" + r"\b" * old.isalpha(), new, text)
    bare = re.sub(r"\{set\}, (?=\{row\.\w\}\)$)", "", text)
    return (bare if "," not in bare else text).replace("{set}", "rows")


def calls(text: str) -> set[str]:
    """The functions that a template calls."""
    return set(re.findall(r"([A-Z][A-Z0-9_]*)\(", text)) - {"IN", "NOT", "AND", "OR"}


def registered(name: str) -> bool:
    return name in AGGREGATES or lookup(name) is not None


@cache
def small(name: str, scope: str) -> tuple[str, ...]:
    """What stands in a small place: in sets and measures no field of the project."""
    return tuple(x for x in SMALL[name] if scope in ("project", "row") or x not in world.PROJECT)


def _simplest(text: str, scope: str) -> str:
    def fill(place: re.Match[str]) -> str:
        inner, name = place[1] or scope, place[2]
        return (LEAVES[inner][name] if name in KINDS else SMALL[name])[0]

    return PLACE.sub(fill, text)


@cache
def usable(kind: str, scope: str = "project") -> tuple[str, ...]:
    """The templates of a kind that may stand there and whose functions both sides know."""
    known, around = SCOPES[scope]
    return tuple(
        text
        for text in _all(kind, scope)
        if all(registered(name) and (name in CALLS or name in FOLDS) for name in calls(text))
        and check(parse(around.replace("{}", _simplest(text, scope))), known).tree is not None
    )


@st.composite
def formula(draw: st.DrawFn, kind: str, depth: int, scope: str = "project") -> str:
    """A formula of that kind (a letter of `KINDS`)."""
    templates = usable(kind, scope)
    if depth <= 0 or not templates or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(LEAVES[scope][kind]))
    return draw(filled(draw(st.sampled_from(templates)), depth - 1, scope))


@st.composite
def filled(draw: st.DrawFn, template: str, depth: int, scope: str = "project") -> str:
    """A template with formulas of that depth in its places."""

    def fill(place: re.Match[str]) -> str:
        name = place[2]
        if name in KINDS:
            return draw(formula(name, min(depth, 1) if place[1] else depth, place[1] or scope))
        return draw(st.sampled_from(small(name, scope)))

    return PLACE.sub(fill, template)


@st.composite
def one_of(draw: st.DrawFn, templates: list[str], depth: int) -> str:
    """One of the templates, filled."""
    return draw(filled(draw(st.sampled_from(templates)), depth))
