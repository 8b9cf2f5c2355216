"""What all kinds share: labels by locale, and a formula with the place it was written at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from metamodel.formula.checked import Blanks
from metamodel.issues import Place

Text = Mapping[str, str]
"""A text by locale (`{"en": "Account", "zh-CN": "客户"}`); a plain string of a pack is kept under `en`."""


def in_locale(text: Text, locale: str, default: str = "") -> str:
    """`text` in `locale`, else in its language, else in English, else in any locale it has."""
    for key in (locale, locale.split("-")[0], "en"):
        if key in text:
            return text[key]
    return next(iter(text.values()), default)


@dataclass(frozen=True, slots=True)
class TextPlace:
    """Where a text stands in its file: for each piece its first offset in the text and its place."""

    pieces: tuple[tuple[int, Place], ...]

    def place(self, start: int, end: int) -> Place:
        """The place of text[start:end]; offsets count code points."""
        index = max(0, bisect_right([offset for offset, _ in self.pieces], start) - 1)
        offset, first = self.pieces[index]
        return Place(first.file, first.line, first.column + start - offset, max(1, end - start))


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as written. `key` is its address in the model, such as `opportunity.fields.weighted.formula`;
    `blanks` says how a blank number of the record is read."""

    text: str
    key: str
    blanks: Blanks = "blank"
    at: TextPlace | None = field(default=None, compare=False, repr=False)
