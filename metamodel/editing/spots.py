"""What stands at a place of a file, and between a formula's offsets and places of its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from metamodel.issues import Collector, Place
from metamodel.kinds.common import TextPlace
from metamodel.model import Model
from metamodel.overlay import DECLARED, Document
from metamodel.placed import Task, function_tasks, tasks
from metamodel.source import Item, Mark, parse

PLACEHOLDER = "NULL"
CLOSINGS = ("", '"', "'", '"}', "'}", '"}}', "'}}", "}", "}}", "]", "]}")
"""What may be missing behind a place for the file to be YAML again."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A scalar of a file. `path` leads to it in the declaration `name` of `kind`; `key`: it is the key there."""

    kind: str
    name: str
    path: tuple[str | int, ...]
    item: Item
    mark: Mark
    key: bool = False

    @property
    def formula(self) -> str:
        """The key of the formula here, if it is one."""
        return ".".join(str(step) for step in (self.name, *self.path))

    @property
    def text(self) -> str:
        """The scalar as a formula's text."""
        value = self.item.value
        return ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)


def formulas(model: Model) -> Mapping[str, Task]:
    """Every formula of a model by its key."""
    found = {task.formula.key: task for task in tasks(model)}
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.formula:
                found[f.formula.key] = Task(f.formula, "field", owner.name)
    for function in model.functions.values():
        found |= {task.formula.key: task for task in function_tasks(function)}
    return found


def written(document: Document) -> Iterator[Spot]:
    """Every scalar of a document that is a value of a declaration or of a patch."""
    yield from (spot for spot in _spots(document.item, ()) if not spot.key)


def spots_of(text: str, file: str) -> Iterator[Spot]:
    """Every value of a file's text that is a scalar, as far as the text is YAML."""
    _, items = parse(text.encode("utf-8", "replace"), file, Collector())
    yield from (spot for item in items for spot in _spots(item, ()) if not spot.key)


def spot_at(text: str, file: str, line: int, column: int) -> Spot | None:
    """The scalar at a place of a file's text; line and column count from 1. Text that is not YAML because something is
    left open behind the place is read as if it were closed there."""
    offset = sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1
    for closing in CLOSINGS:
        issues = Collector()
        _, items = parse((text[:offset] + closing + text[offset:]).encode("utf-8", "replace"), file, issues)
        found = _nearest((spot for item in items for spot in _spots(item, ())), text, offset)
        if found is not None and not any(issue.code == "Y104" for issue in issues.issues):
            return found
    return None


def _nearest(spots: Iterable[Spot], text: str, offset: int) -> Spot | None:
    """The scalar around the offset, else the one before it with only spaces between."""
    before: Spot | None = None
    for spot in spots:
        if spot.mark.start <= offset <= spot.mark.end and spot.item.value is not None:
            return spot
        if spot.mark.start <= offset and (spot.mark.end <= offset and not text[spot.mark.end : offset].strip(" ")):
            before = spot
        elif spot.item.value is None and spot.item.key and not text[spot.item.key.end + 1 : offset].strip(" "):
            before = spot if spot.item.key.end < offset else before
    return before


def _spots(item: Item, path: tuple[str | int, ...]) -> Iterator[Spot]:
    head = item.value if isinstance(item.value, dict) else {}
    kind, name = (str(head[part].value) if part in head else "" for part in ("kind", "name"))
    for at, mark, inner, key in _scalars(item, path):
        patched = kind == "tenant" and len(at) > 3 and at[0] == "patches" and at[1] in DECLARED
        if patched:
            yield Spot(str(at[1]), str(at[2]), at[3:], inner, mark, key)
        else:
            yield Spot(kind, name, at, inner, mark, key)


def _scalars(item: Item, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Mark, Item, bool]]:
    if isinstance(item.value, dict):
        for name, inner in item.value.items():
            if inner.key:
                yield (*path, name), inner.key, inner, True
            yield from _scalars(inner, (*path, name))
    elif isinstance(item.value, list):
        for index, inner in enumerate(item.value):
            yield from _scalars(inner, (*path, index))
    elif item.mark is not None:
        yield path, item.mark, item, False


# -- offsets and places ---------------------------------------------------------------------------------------------


def place(spot: Spot, start: int, end: int) -> Place:
    """The place of a formula's text[start:end] in its file."""
    return TextPlace(spot.mark.pieces(spot.text)).place(start, end)


def offset_at(spot: Spot, line: int, column: int) -> tuple[str, int]:
    """The text of a formula and the offset in it of a place in its file; spaces typed behind it are added to it."""
    text = spot.text
    if not text:
        return "", 0
    pieces = spot.mark.pieces(text)
    index = max((n for n, (_, at) in enumerate(pieces) if (at.line, at.column) <= (line, column)), default=-1)
    if index < 0:
        return text, 0
    offset, first = pieces[index]
    limit = pieces[index + 1][0] if index + 1 < len(pieces) else None
    if first.line != line:
        return text, limit if limit is not None else len(text)
    at = offset + column - first.column
    if limit is not None:
        return text, min(at, limit)
    if spot.mark.style in ("'", '"'):
        return text, min(at, len(text))
    behind = text.rstrip("\n")
    return (behind + " " * (at - len(behind)), at) if at > len(behind) else (text, at)
