"""What the declarations of every kind are made of: texts by locale, numbers, days, formulas with their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from metamodel.formula.checked import Blanks
from metamodel.kinds.common import Formula, Text, TextPlace

Data = Mapping[str, Any]
At = Callable[[tuple[str | int, ...]], TextPlace | None]
"""Where the text at a path of the merged tree stands; None where the data does not come from files."""


def text(value: Any, name: str = "") -> Text:
    """A text by locale; where it is missing, made from `name` (`close_date` -> "Close date")."""
    if value is None:
        return {"en": name.replace("_", " ").capitalize()} if name else {}
    return {"en": value} if isinstance(value, str) else dict(value)


def plural(label: Text) -> Text:
    """The label for several records: English rules for `en`, the label itself elsewhere."""
    return {locale: _plural(word) if locale == "en" else word for locale, word in label.items()}


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1].lower() not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def number(value: Any) -> Decimal | None:
    """A number of the metadata; `10%` is 0.10."""
    if value is None:
        return None
    written = str(value)
    return Decimal(written[:-1]) / 100 if written.endswith("%") else Decimal(written)


def size(value: str | None) -> int | None:
    """`10 MB` in bytes; a KB is 1,024 of them."""
    if value is None:
        return None
    count, unit = value.split()
    return int(count) * {"KB": 1024, "MB": 1024 * 1024}[unit]


def days(value: str | None) -> int | None:
    """`14 days` -> 14."""
    return int(value.split()[0]) if value else None


def day(value: str | None) -> date | None:
    """`2026-01-31`; None for a day that there is not, which a rule of meaning tells."""
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        return None


def formula(value: Any, at: At, path: tuple[str | int, ...], blanks: Blanks = "blank") -> Formula:
    """The formula at `path` of the tree (`object.opportunity.fields...`); its key leaves out the kind."""
    written = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return Formula(written, ".".join(str(step) for step in path[1:]), blanks, at(path))


def maybe(value: Any, at: At, path: tuple[str | int, ...], blanks: Blanks = "blank") -> Formula | None:
    return None if value is None else formula(value, at, path, blanks)


def formulas(data: Data, at: At, path: tuple[str | int, ...]) -> dict[str, Formula]:
    return {key: formula(value, at, (*path, key)) for key, value in data.items()}


def names(value: Any) -> tuple[str, ...]:
    """A name, or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)
