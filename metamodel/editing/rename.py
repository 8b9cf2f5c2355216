"""A field gets another name, in every file that names it; nothing else of a file changes."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from metamodel.editing.edits import Edit, apply, by_file
from metamodel.editing.mentions import mentions
from metamodel.editing.spots import Spot, formulas, place, written
from metamodel.formula.service import names
from metamodel.issues import Issue, Place
from metamodel.load import NO_TEXTS, Surveyed, Texts
from metamodel.model import Model
from metamodel.model_schema import ModelSchema
from metamodel.names import did_you_mean, valid
from metamodel.source import Mark

Look = Callable[[Texts], Surveyed]
"""Reads packs again with these texts for their files."""


INSTALLED = Path(sysconfig.get_path("purelib")).resolve()
"""Where packages lie, which an update replaces."""


class CannotRename(Exception):
    """The name can not be changed; `issues` says what would be wrong with the packs (or is already)."""

    def __init__(self, message: str, issues: tuple[Issue, ...] = ()) -> None:
        self.issues = issues
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Renamed:
    """The edits, and the whole text of each changed file after them."""

    edits: tuple[Edit, ...]
    texts: Texts


def rename(look: Look, obj: str, field: str, new: str, texts: Texts = NO_TEXTS) -> Renamed:
    """The edits that give a field of `obj` another name, proven by reading the packs with them. Raises CannotRename."""
    found = look(texts)
    if found.model is None or not found.right:
        raise CannotRename("the packs have errors; correct them first", found.issues)
    refuse(found.model, obj, field, new)
    edits = tuple(sorted(set(_edits(found, found.model, obj, field, new))))
    changed = {Path(name).resolve(): apply(found.sources[name], part) for name, part in by_file(edits).items()}
    if foreign := next((file for file in changed if file.is_relative_to(INSTALLED)), None):
        raise CannotRename(f"{foreign} belongs to an installed package; copy the pack beside the tenant to change it")
    after = look({**texts, **changed})
    if not after.right:
        raise CannotRename(f'"{new}" does not fit here', after.issues)
    return Renamed(edits, changed)


def refuse(model: Model, obj: str, field: str, new: str = "") -> None:
    """Raises CannotRename where there is no such field, it is the system's, or `new` is taken."""
    owner = model.objects.get(obj)
    if owner is None:
        raise CannotRename(f'there is no object "{obj}"{_hint(did_you_mean(obj, model.objects))}')
    if field not in owner.fields:
        raise CannotRename(f'{obj} has no field "{field}"{_hint(did_you_mean(field, owner.fields))}')
    if owner.fields[field].system:
        raise CannotRename(f"every object has the field {field}; it can not be renamed")
    if new and not valid(new):
        raise CannotRename(f'"{new}" is not a name: small letters, digits and _; begins with a letter')
    if new in owner.fields or new in model.children[obj]:
        raise CannotRename(f'{obj} has a {"field" if new in owner.fields else "child set"} "{new}" already')


def _hint(hint: str | None) -> str:
    return f"; {hint}" if hint else ""


def _edits(found: Surveyed, model: Model, obj: str, field: str, new: str) -> Iterator[Edit]:
    for mention in mentions(found.documents, model):
        if (mention.kind, mention.owner, mention.name) == ("field", obj, field):
            yield Edit(name_place(mention.mark, field), new)
    for spot, start, end in uses(found, model, obj, field):
        yield Edit(_checked(place(spot, start, end), spot.mark, field), new)


def uses(found: Surveyed, model: Model, obj: str, field: str) -> Iterator[tuple[Spot, int, int]]:
    """Where formulas name a field, those too that a patch has replaced: the pack alone must stay right."""
    known, schema = formulas(model), ModelSchema(model)
    user = "user" if "user" in model.objects else None
    for document in found.documents:
        for spot in written(document):
            task = known.get(spot.formula)
            if task is None or field not in spot.text.lower():
                continue
            for ref in names(spot.text, task.scope(schema, user)):
                if (ref.kind, ref.owner, ref.name) == ("field", obj, field):
                    yield spot, ref.start, ref.end


def name_place(mark: Mark, name: str) -> Place:
    """The place of a name alone, without quotes around it."""
    inner = 1 if mark.style in ("'", '"') else 0
    return _checked(Place(mark.source.file, mark.line, mark.column + inner, len(name)), mark, name)


def _checked(at: Place, mark: Mark, name: str) -> Place:
    line = mark.source.text.split("\n")[at.line - 1]
    if line[at.column - 1 : at.column - 1 + at.length].lower() != name:
        raise CannotRename(f'"{name}" is written with escapes at {at.file}:{at.line}:{at.column}; write it plainly')
    return at
