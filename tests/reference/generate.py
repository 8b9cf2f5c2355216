"""Typed formulas and rows for the comparison: texts of formulas by type, weighted to blanks, ties and month ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

NUMBERS = ("factor", "rate", "count_of", "units", "factor", "units")
TEXTS = ("name", "note")
LITERAL_NUMBERS = ("0", "1", "2", "3", "-1", "7", "0.5", "1.575", "-2.5", "100", "0.1", "12", "1e3", "10%")
LITERAL_TEXTS = ('"a"', '"ab"', '" b "', '"7.50"', '"2024-02-29"', '"x\'y"', '"%(a)s"', r'"\\d"', '"A"', '"ß"', '""')
LITERAL_DATES = ("@2024-02-29", "@2023-12-31", "@2000-01-01", "@0001-01-01", "@9999-12-31", "@2024-03-31")
LITERAL_TIMES = ("@2024-03-31T02:30:00", "@2024-10-27T02:30:00", "@2024-10-27T00:30:00Z", "@2023-12-31T23:59:59.999999")
PARTS = ("YEAR", "QUARTER", "MONTH", "DAY", "WEEKDAY")
ROUNDERS = ("ROUND", "ROUNDUP", "ROUNDDOWN", "TRUNC")
SPANS = ("36hours", "90minutes", "1month", "0.5")
PATTERNS = (r'"[a-z]+"', r'"a.*"', r'"(?:a|b)?c{0,2}"', r'"\\d+\\.?\\d*"')


class Formulas:
    """Random formulas; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def any(self, depth: int) -> str:
        """A formula of any type."""
        return self.of(
            self.random.choice(("number", "number", "text", "boolean", "boolean", "date", "datetime")), depth
        )

    def of(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.12:
            return self.random.choice(LEAVES[kind])
        if self.random.random() < 0.25:
            return self.shared(kind, depth - 1)
        return self.random.choice(MAKERS[kind])(self, depth - 1)

    def shared(self, kind: str, depth: int) -> str:
        """What every type can be made of."""
        a, b, c = (self.of(kind, depth) for _ in range(3))
        test = self.of("boolean", depth)
        choices = [
            f"IF({test}, {a}, {b})",
            f"IFERROR({a}, {b})",
            f"IFS({test}, {a}, {self.of('boolean', depth)}, {b}, {c})",
            f"CASE({self.of('number', depth)}, 1, {a}, {self.of('number', depth)}, {b}, {c})",
        ]
        if kind != "boolean":
            choices += [f"BLANKVALUE({a}, {b})", f"IF({test}, {a})", f"BLANKVALUE({a}, {b}, {c})"]
        if kind in ("number", "date", "text"):
            choices += [f"MIN({a}, {b})", f"MAX({a}, {b}, {c})"]
        return self.random.choice(choices)


def _two(kind: str, *shapes: str) -> Callable[[Formulas, int], str]:
    return lambda f, d: f.random.choice(shapes).format(a=f.of(kind, d), b=f.of(kind, d), c=f.of(kind, d))


def _compare(f: Formulas, d: int) -> str:
    kind = f.random.choice(("number", "number", "text", "date", "datetime"))
    op = f.random.choice(("=", "<>", "<", "<=", ">", ">="))
    return f"({f.of(kind, d)} {op} {f.of(kind, d)})"


def _in(f: Formulas, d: int) -> str:
    kind = f.random.choice(("number", "text", "date"))
    items = ", ".join(f.of(kind, d - 1) for _ in range(f.random.randint(0, 3)))
    return f"({f.of(kind, d)} {f.random.choice(('IN', 'NOT IN'))} ({items}))"


def _blank(f: Formulas, d: int) -> str:
    kind = f.random.choice(tuple(LEAVES))
    return f"{f.random.choice(('ISBLANK', 'ISERROR'))}({f.of(kind, d)})"


LEAVES: dict[str, tuple[str, ...]] = {
    "number": (*NUMBERS, *NUMBERS, *LITERAL_NUMBERS),
    "text": (*TEXTS * 4, *LITERAL_TEXTS),
    "boolean": (
        "active",
        "urgent",
        "TRUE",
        "FALSE",
        "(factor > 0)",
        '(stage = "won")',
        '(stage <> "open")',
        "ISBLANK(note)",
    ),
    "date": ("due", "begun", "due", "begun", *LITERAL_DATES, "TODAY()"),
    "datetime": ("seen", "ended", "seen", *LITERAL_TIMES, "NOW()"),
}

MAKERS: dict[str, tuple[Callable[[Formulas, int], str], ...]] = {
    "number": (
        _two("number", "({a} + {b})", "({a} - {b})", "({a} * {b})"),
        _two("number", "({a} / {b})", "({a} / {b} * {b})"),
        _two("number", "-{a}", "({a})%", "ABS({a})", "SIGN({a})", "INT({a})", "CEILING({a})", "FLOOR({a})"),
        lambda f, d: f"{f.random.choice(ROUNDERS)}({f.of('number', d)}, {f.random.randint(-2, 4)})",
        _two("number", "CEILING({a}, {b})", "FLOOR({a}, {b})", "MOD({a}, {b})", "QUOTIENT({a}, {b})"),
        _two("number", "SUM({a}, {b}, {c})", "AVERAGE({a}, {b})", "SQRT({a})", "({a} ^ 2)"),
        lambda f, d: (
            f"POWER({f.of('number', d - 1)}, {f.random.choice(('2', '-1', '0.5', '3', 'units', '0', '-0.5'))})"
        ),
        _two("text", "LEN({a})", "FIND({a}, {b})", "FIND({a}, {b}, 2)", "VALUE({a})", "VALUE(TRIM({a}))"),
        lambda f, d: f"{f.random.choice(PARTS)}({f.of(f.random.choice(('date', 'datetime')), d)})",
        _two("date", "({a} - {b})", 'DATEDIF({a}, {b}, "month")', 'DATEDIF({a}, {b}, "year")', "DAYS({a}, {b})"),
        _two("datetime", "HOURS({a} - {b})", "HOUR({a})", "DAYS({a} - {b})"),
        lambda f, d: f"VALUE(TEXT({f.of('number', d)}))",
    ),
    "text": (
        _two("text", "({a} & {b})", "({a} + {b})", "CONCATENATE({a}, {b})", "SUBSTITUTE({a}, {b}, {c})"),
        _two("text", "UPPER({a})", "LOWER({a})", "TRIM({a})"),
        lambda f, d: f"{f.random.choice(('LEFT', 'RIGHT'))}({f.of('text', d)}, {f.random.randint(-1, 3)})",
        lambda f, d: f"LEFT({f.of('text', d)}, {f.of('number', d)})",
        lambda f, d: f"MID({f.of('text', d)}, {f.random.randint(-1, 3)}, {f.random.randint(0, 3)})",
        lambda f, d: f"({f.of('text', d)} & {f.of(f.random.choice(('number', 'date', 'boolean', 'datetime')), d)})",
        lambda f, d: f"TEXT({f.of(f.random.choice(('number', 'date', 'boolean')), d)})",
    ),
    "boolean": (
        _compare,
        _compare,
        _in,
        _blank,
        _two(
            "boolean", "({a} AND {b})", "({a} OR {b})", "(NOT {a})", "AND({a}, {b}, {c})", "OR({a}, {b})", "({a} = {b})"
        ),
        _two("boolean", "(NOT ({a} AND {b}))", "(NOT ({a} OR {b}))", "({a} OR {b} AND {c})"),
        _two("text", "CONTAINS({a}, {b})", "BEGINS({a}, {b})", "ENDS({a}, {b})"),
        lambda f, d: f"REGEX({f.of('text', d)}, {f.random.choice(PATTERNS)})",
        _two("number", "BETWEEN({a}, {b}, {c})"),
    ),
    "date": (
        lambda f, d: (
            f"({f.of('date', d)} {f.random.choice('+-')} {f.random.choice(('1', '30', '3days', '1month', '1year'))})"
        ),
        lambda f, d: f"({f.of('date', d)} {f.random.choice('+-')} {f.of('number', d)})",
        lambda f, d: f"EDATE({f.of('date', d)}, {f.of('number', d)})",
        lambda f, d: f"EOMONTH({f.of('date', d)}, {f.random.choice(('0', '1', '-1', 'units'))})",
        _two("number", "DATE(2024, {a}, {b})", "DATE({a}, {b}, 1)"),
        lambda f, d: f'DATETRUNC({f.of("date", d)}, "{f.random.choice(("year", "quarter", "month", "week"))}")',
        lambda f, d: f'DATEADD({f.of("date", d)}, {f.of("number", d)}, "{f.random.choice(("week", "month", "year"))}")',
        _two("datetime", "DATEVALUE({a})"),
        _two("text", "DATEVALUE({a})"),
    ),
    "datetime": (
        lambda f, d: f"({f.of('datetime', d)} {f.random.choice('+-')} {f.random.choice(SPANS)})",
        lambda f, d: f"({f.of('datetime', d)} + {f.of('number', d)})",
        lambda f, d: f'DATETRUNC({f.of("datetime", d)}, "{f.random.choice(("month", "week", "day", "hour"))}")',
        lambda f, d: (
            f'DATEADD({f.of("datetime", d)}, {f.of("number", d)}, "{f.random.choice(("hour", "month", "day"))}")'
        ),
        lambda f, d: f"EDATE({f.of('datetime', d)}, {f.random.choice(('1', '-12', 'units'))})",
    ),
}

VALUES: dict[str, tuple[Any, ...]] = {
    "number": tuple(
        map(Decimal, ("0", "1", "-1", "2.50", "-2.5", "0.1", "1.575", "1000000", "0.0001", "33.33", "-7", "9"))
    ),
    "integer": (0, 1, 2, 3, -1, -7, 12, 100, 2_000_000_000, 9_000_000_000_000_000_000),
    "text": (
        "a",
        "ab",
        "abc",
        " b ",
        "7.50",
        "-3",
        "2024-02-29",
        "2023-02-29",
        "x'y",
        "ABC",
        "Straße",
        "日本",
        "a\\d%",
        "1e5",
    ),
    "date": (
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2023, 12, 31),
        date(2000, 2, 28),
        date(2024, 3, 31),
        date(1, 1, 1),
        date(9999, 12, 31),
        date(2024, 10, 27),
    ),
    "datetime": tuple(
        datetime(2024, 3, 31, 0, 30, tzinfo=UTC) + timedelta(minutes=m)
        for m in (0, 30, 59, 60, 90, 525_600, 302_400, 302_460, -129_600)
    ),
    "boolean": (True, False),
}
COLUMNS = {
    "name": "text",
    "note": "text",
    "factor": "number",
    "rate": "number",
    "count_of": "integer",
    "units": "integer",
    "due": "date",
    "begun": "date",
    "seen": "datetime",
    "ended": "datetime",
    "active": "boolean",
    "urgent": "boolean",
    "stage": "stage",
}
VALUES["stage"] = ("open", "won", "lost")


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of the table, a fifth of the values blank; the first one all blank."""
    chance = random.Random(seed)

    def value(kind: str, blank: bool) -> Any:
        return None if blank and kind != "boolean" else chance.choice(VALUES[kind])

    return [
        {name: value(kind, i == 0 or chance.random() < 0.2) for name, kind in COLUMNS.items()} for i in range(count)
    ]
