"""What a name may be: pattern, length, reserved words, and the nearest name to a misspelt one."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

SYSTEM_FIELDS = ("id", "version", "owner", "created_at", "created_by", "modified_at", "modified_by", "deleted_at")

QUERY_WORDS = frozenset(
    "where order fields limit after count errors q view key each by measures".split()
)
FORMULA_WORDS = frozenset("and or not in true false null this old prior rows".split())
API_ROOTS = frozenset(
    "api records reports aggregate batch upsert imports meta formula openapi docs health session sessions runs".split()
)


def valid(name: str) -> bool:
    """Whether `name` may name an object, field, stage, option or any other declared thing."""
    return NAME.fullmatch(name) is not None


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that `wrong` most likely meant: Damerau-Levenshtein distance at most 2, or a prefix."""
    wrong = wrong.lower()
    limit = 1 if len(wrong) <= 3 else 2
    best: tuple[int, str] | None = None
    for name in known:
        low = name.lower()
        if abs(len(low) - len(wrong)) <= limit:
            distance = _distance(wrong, low)
            if distance <= limit and (best is None or (distance, name) < best):
                best = (distance, name)
    if best:
        return best[1]
    prefixed = sorted(n for n in known if len(wrong) >= 3 and n.lower().startswith(wrong))
    return prefixed[0] if prefixed else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """A hint such as `did you mean "amount"?`, or None where nothing is near."""
    near = nearest(wrong, list(known))
    return f'did you mean "{near}"?' if near else None


def _distance(a: str, b: str) -> int:
    """Damerau-Levenshtein distance with adjacent transpositions (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
