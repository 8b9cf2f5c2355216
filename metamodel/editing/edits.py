"""Changes of files' texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metamodel.issues import Place

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Write `text` for what stands at `place`."""

    place: Place
    text: str


def by_file(edits: Iterable[Edit]) -> Mapping[str, tuple[Edit, ...]]:
    """The edits of each file in their order, each once."""
    found: dict[str, tuple[Edit, ...]] = {}
    for edit in sorted(set(edits)):
        found[edit.place.file] = (*found.get(edit.place.file, ()), edit)
    return found


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text of a file after edits that do not overlap; line ends and a byte order mark stay as they are."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = _LINES.findall(text[len(mark) :])
    for edit in sorted(edits, reverse=True):
        line, start = lines[edit.place.line - 1], edit.place.column - 1
        lines[edit.place.line - 1] = line[:start] + edit.text + line[start + edit.place.length :]
    return mark + "".join(lines)
