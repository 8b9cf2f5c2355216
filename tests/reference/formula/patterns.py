"""TEXT with a format: Excel's number format codes, as far as the language knows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from tests.reference.formula.core import Evaluator
from tests.reference.formula.values import half_up

PIECE = re.compile(r'"([^"]*)"|\\(.)|([0#])|([.,%])|(.)', re.DOTALL)


def number(near: Callable[[int], Decimal], pattern: str) -> str:
    """The number that `near` gives for so many places. `0` always shows a digit, `#` where there is one; what stands between digits stays where it is."""
    pieces = [(m[1] if m[1] is not None else m[2] if m[2] is not None else m[5] or "", m[3] or "", m[4] or "") for m in PIECE.finditer(pattern)]
    digits = [at for at, piece in enumerate(pieces) if piece[1]]
    point = next((at for at, piece in enumerate(pieces) if piece[2] == "."), len(pieces))
    before = [at for at in digits if at < point]
    behind = [at for at in digits if at > point]
    last = before[-1] if before else -1
    # Commas right behind the last digit before the point scale by thousands, others between digits group.
    scaling: set[int] = set()
    for end in {last, digits[-1] if digits else -1} - {-1}:
        at = end + 1
        while at < len(pieces) and pieces[at][2] == ",":
            scaling.add(at)
            at += 1
    commas = {at for at, piece in enumerate(pieces) if piece[2] == "," and at not in scaling}
    grouped = any(before and before[0] < at < last for at in commas)
    percents = sum(piece[2] == "%" for piece in pieces)
    shift = 2 * percents - 3 * len(scaling)
    rounded = half_up(near(len(behind) + shift).scaleb(shift), len(behind))
    whole, _, part = format(abs(rounded), "f").partition(".")
    whole = whole.lstrip("0")
    out: dict[int, str] = {}
    # Digits from the right; what is left stands before the first place.
    rest, count = whole, 0
    for at in reversed(before):
        digit, rest = (rest[-1], rest[:-1]) if rest else ("0" if pieces[at][1] == "0" else "", "")
        out[at] = digit + ("," if digit and grouped and count and count % 3 == 0 else "")
        count += bool(digit)
        if at == before[0]:
            for more in reversed(rest):
                out[at] = more + ("," if grouped and count % 3 == 0 else "") + out[at]
                count += 1
    shown = part.rstrip("0")
    for place, at in enumerate(behind):
        out[at] = part[place] if pieces[at][1] == "0" or place < len(shown) else ""
    kept = max((i for i, at in enumerate(behind) if pieces[at][1] == "0"), default=-1)
    for place, at in enumerate(behind):
        if place <= max(kept, len(shown) - 1):
            out[at] = part[place] if pieces[at][1] == "0" or place < len(shown) or place < kept else ""
    text = "".join(
        out[at] if at in out else "" if at in scaling or at in commas else piece[0] or piece[2] for at, piece in enumerate(pieces)
    )
    if before == [] and whole and point < len(pieces):
        text = text.replace(".", f"{whole}.", 1)
    return f"-{text}" if rounded < 0 else text


MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MARK = re.compile(r'"([^"]*)"|\\(.)|(AM/PM)|(yyyy|yy|y|mmmm|mmm|mm|m|dddd|ddd|dd|d|hh|h|ss|s)|(.)', re.DOTALL | re.IGNORECASE)


def moment(e: Evaluator, value: Any, pattern: str) -> str:
    """Parts of a date or time; `m` next to hours or seconds is minutes."""
    at = datetime.combine(date(2000, 1, 1), value) if isinstance(value, time) else e.local(value)
    pieces = list(MARK.finditer(pattern))
    marks = [piece[4].lower() for piece in pieces if piece[4]]
    half = any(piece[3] for piece in pieces)
    hour = (at.hour % 12 or 12) if half else at.hour
    out, place = [], -1
    for piece in pieces:
        if piece[4]:
            place += 1
            near = (marks[place - 1][0] if place else "", marks[place + 1][0] if place + 1 < len(marks) else "")
            mark = marks[place]
            if mark in ("m", "mm") and (near[0] == "h" or near[1] == "s"):
                mark = mark.replace("m", "n")
            out.append(_mark(at, hour, mark))
        elif piece[3]:
            out.append("AM" if at.hour < 12 else "PM")
        else:
            out.append(next(x for x in (piece[1], piece[2], piece[5]) if x is not None))
    return "".join(out)


def _mark(at: datetime, hour: int, mark: str) -> str:
    month, day = MONTHS[at.month - 1], DAYS[at.weekday()]
    return {
        "yyyy": f"{at.year:04}",
        "yy": f"{at.year % 100:02}",
        "mmmm": month,
        "mmm": month[:3],
        "mm": f"{at.month:02}",
        "m": str(at.month),
        "dddd": day,
        "ddd": day[:3],
        "dd": f"{at.day:02}",
        "d": str(at.day),
        "hh": f"{hour:02}",
        "h": str(hour),
        "nn": f"{at.minute:02}",
        "n": str(at.minute),
        "ss": f"{at.second:02}",
        "s": str(at.second),
    }[mark]
