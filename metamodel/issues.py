"""What is wrong with a pack, where, why and what to do: the one shape of every authoring diagnostic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from unicodedata import east_asian_width

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: line and column count from 1, in code points; `length` is the caret's width."""

    file: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Issue:
    """One diagnostic. `code` is stable for ever (`docs/codes.md` lists them all)."""

    code: str
    message: str
    where: Place | None = None
    hint: str | None = None
    severity: Severity = "error"


class PackError(Exception):
    """A pack can not be loaded; `issues` holds every problem found in the run, in file order."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__("; ".join(f"{i.code} {i.message}" for i in self.issues))


@dataclass(slots=True)
class Collector:
    """Gathers issues while a pass goes on, so that one run reports them all."""

    issues: list[Issue] = field(default_factory=list)

    def add(self, code: str, message: str, where: Place | None = None, hint: str | None = None) -> None:
        self.issues.append(Issue(code, message, where, hint))

    def warn(self, code: str, message: str, where: Place | None = None, hint: str | None = None) -> None:
        self.issues.append(Issue(code, message, where, hint, "warning"))

    @property
    def errors(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.severity == "error"]


def render(issue: Issue, sources: Mapping[str, str]) -> str:
    """`file:line:col: CODE message`, then the source line, a caret and the hint.

    `sources` maps a file's name to its whole text; without the text the line and caret are left out.
    """
    place = issue.where
    head = f"{place.file}:{place.line}:{place.column}: " if place else ""
    out = [f"{head}{issue.code} {issue.message}"]
    if place and place.file in sources:
        lines = sources[place.file].splitlines()
        if 0 < place.line <= len(lines):
            line = lines[place.line - 1]
            start = max(0, place.column - 60)
            shown = line[start : start + 120]
            width = max(1, min(place.length, len(shown) - (place.column - 1 - start)))
            out.append(f"  {shown}")
            out.append("  " + " " * _cells(shown[: place.column - 1 - start]) + "^" * width)
    if issue.hint:
        out.append(f"  hint: {issue.hint}")
    return "\n".join(out)


def _cells(text: str) -> int:
    """Terminal cells that `text` takes: East Asian wide characters take two."""
    return sum(2 if east_asian_width(ch) in "WF" else 1 for ch in text)
