"""The formulas of a file laid out; everything else of the file stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from metamodel.editing.spots import Spot, spots_of
from metamodel.editing.view import View


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write `text` for text[start:end] of the file."""

    start: int
    end: int
    text: str


def formulas_laid_out(text: str, file: str, view: View) -> tuple[Rewrite, ...]:
    """The changes that lay out each formula of a file; a formula is left alone where its scalar could not hold it."""
    return tuple(
        rewrite
        for spot in spots_of(text, file)
        if (made := view.laid_out(spot)) is not None
        for rewrite in _rewritten(text, spot, made)
    )


def _rewritten(text: str, spot: Spot, made: str) -> Iterator[Rewrite]:
    start, end, style = spot.mark.start, spot.mark.end, spot.mark.style
    if style == "|":
        start = text.find("\n", start) + 1
        body = text[start:end]
        indent = " " * (len(body) - len(body.lstrip(" ")))
        written = "".join(f"{indent}{line}\n" if line else "\n" for line in made.split("\n"))
        end = start + len(body.rstrip("\n ")) + 1
    elif "\n" in made or "\n" in text[start:end] or style == ">":
        return
    else:
        escaped = {"'": made.replace("'", "''"), '"': made.replace("\\", "\\\\").replace('"', '\\"')}.get(style, made)
        written = f"{style}{escaped}{style}"
    rewrite = Rewrite(start, min(end, len(text)), written)
    # The formula must be read from the file as it was laid out: a plain scalar can not hold every text.
    after = text[: rewrite.start] + rewrite.text + text[rewrite.end :]
    read = [inner.text.rstrip("\n") for inner in spots_of(after, spot.mark.source.file) if _same(inner, spot)]
    if read == [made]:
        yield rewrite


def _same(a: Spot, b: Spot) -> bool:
    return (a.kind, a.name, a.path) == (b.kind, b.name, b.path)
