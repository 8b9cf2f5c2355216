"""What would mend a formula: a replacement for each problem whose remedy is certain enough to offer it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.parse import ASCII_TWIN


@dataclass(frozen=True, slots=True)
class Fix:
    """Write `text` for what stands from `start` to `end`."""

    title: str
    start: int
    end: int
    text: str


def fixes(source: str, problem: Diagnostic) -> tuple[Fix, ...]:
    """The remedies of one problem; mostly none or one."""
    make = _FIXES.get(problem.code)
    made = make(source, problem) if make else None
    return (made,) if made else ()


def _meant(problem: Diagnostic) -> str | None:
    found = re.search(r'(?:did you mean|write) "([^"]+)"', problem.hint or "")
    return found[1] if found else None


def _name(source: str, problem: Diagnostic) -> Fix | None:
    """The name at the start of the problem's place, changed to the one that is near."""
    name, written = _meant(problem), re.match(r"[\w$.]+", source[problem.start : problem.end])
    if name is None or written is None:
        return None
    return Fix(f'change to "{name}"', problem.start, problem.start + written.end(), name)


def _option(source: str, problem: Diagnostic) -> Fix | None:
    name = _meant(problem)
    quote = source[problem.start : problem.start + 1]
    if name is None or quote not in ('"', "'"):
        return None
    return Fix(f'change to "{name}"', problem.start, problem.end, f"{quote}{name}{quote}")


def _plain(source: str, problem: Diagnostic) -> Fix | None:
    twin = ASCII_TWIN.get(source[problem.start : problem.end])
    return Fix(f"change to {twin}", problem.start, problem.end, twin) if twin else None


def _comma(source: str, problem: Diagnostic) -> Fix:
    return Fix('change to ","', problem.start, problem.end, ",")


def _quote(source: str, problem: Diagnostic) -> Fix:
    end = len(source.rstrip())
    return Fix("close the text", end, end, source[problem.start])


def _bracket(source: str, problem: Diagnostic) -> Fix:
    end = len(source.rstrip())
    return Fix("close the bracket", end, end, {"(": ")", "[": "]"}[source[problem.start]])


_FIXES: dict[str, Callable[[str, Diagnostic], Fix | None]] = {
    "E103": _quote,
    "E105": _plain,
    "E106": _comma,
    "E107": _bracket,
    "E221": _option,
    "E301": _name,
    "E303": _name,
    "E304": _name,
    "E306": _name,
}
