"""What is known of packs at one moment, asked by places of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from metamodel.editing.describe import describer
from metamodel.editing.mentions import Mention, mentions
from metamodel.editing.rename import CannotRename, name_place
from metamodel.editing.spots import Spot, formulas, offset_at, place
from metamodel.formula import service
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.format import source as laid_out
from metamodel.formula.scope import Scope
from metamodel.formula.types import Type
from metamodel.issues import Place
from metamodel.load import Surveyed
from metamodel.model import Model
from metamodel.model_schema import ModelSchema
from metamodel.placed import Task
from metamodel.source import Mark

CALLED: dict[str, str] = {"value_set": "value set", "child": "child set"}


@dataclass(frozen=True, slots=True)
class Name:
    """A name at a place, and what it means; see `Mention`. `kind` may be "function" too."""

    kind: str
    owner: str
    name: str
    at: Place


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a part of a file: a title, the type of a part of a formula, and lines of text."""

    at: Place
    title: str
    type: Type | None
    lines: tuple[str, ...]
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A candidate and the place of the file that it replaces, written so that the file stays YAML."""

    candidate: service.Candidate
    at: Place
    text: str


class View:
    """Packs as they were surveyed. Every place counts lines and columns from 1."""

    def __init__(self, found: Surveyed, model: Model) -> None:
        self.found = found
        self.model = model

    @cached_property
    def formulas(self) -> Mapping[str, Task]:
        return formulas(self.model)

    @cached_property
    def schema(self) -> ModelSchema:
        return ModelSchema(self.model)

    @cached_property
    def describe(self) -> service.Describer:
        return describer(self.model)

    @cached_property
    def mentions(self) -> Mapping[str, tuple[Mention, ...]]:
        """The names outside of formulas, by file."""
        by_file: dict[str, list[Mention]] = {}
        for mention in mentions(self.found.documents, self.model):
            by_file.setdefault(mention.mark.source.file, []).append(mention)
        return {name: tuple(found) for name, found in by_file.items()}

    @cached_property
    def declared(self) -> Mapping[tuple[str, str, str], Mark]:
        """Where each thing is declared; a patch of it comes after it."""
        found: dict[tuple[str, str, str], Mark] = {}
        for named in self.mentions.values():
            for mention in named:
                if mention.declares:
                    found.setdefault((mention.kind, mention.owner, mention.name), mention.mark)
        return found

    def scope(self, spot: Spot) -> tuple[Scope, Task] | None:
        """The scope of the formula at a spot; None where it is none."""
        task = None if spot.key else self.formulas.get(spot.formula)
        user = "user" if "user" in self.model.objects else None
        return (task.scope(self.schema, user), task) if task else None

    # -- questions --

    def name(self, spot: Spot, line: int, column: int) -> Name | None:
        """The name at a place, in a formula or outside."""
        asked = self.scope(spot)
        if asked is None:
            for mention in self.mentions.get(spot.mark.source.file, ()):
                at = mention.mark.place
                if at.line == line and at.column <= column <= at.column + at.length:
                    return Name(mention.kind, mention.owner, mention.name, _bare(mention.mark, mention.name))
            return None
        text, offset = offset_at(spot, line, column)
        for ref in service.names(text, asked[0]):
            if ref.start <= offset <= ref.end:
                inner = int(ref.kind == "option" and ref.end - ref.start == len(ref.name) + 2)
                at = place(spot, ref.start + inner, ref.end - inner)
                return Name(ref.kind, ref.owner, ref.name, at)
        return None

    def definition(self, name: Name) -> Place | None:
        """Where a named thing is declared; a field of the system where its object is."""
        mark = self.declared.get((name.kind, name.owner, name.name))
        if mark is None and name.kind == "field":
            mark = self.declared.get(("object", "", name.owner))
        return mark.place if mark else None

    def tell(self, spot: Spot, line: int, column: int) -> Told | None:
        """What is at a place."""
        asked = self.scope(spot)
        if asked is None:
            name = self.name(spot, line, column)
            return self._declaration(name) if name else None
        text, offset = offset_at(spot, line, column)
        found = service.hover(text, offset, asked[0], self.describe, asked[1].formula.blanks)
        if found is None:
            return None
        lines = [*found.doc.split("\n")] if found.doc else []
        if found.reads:
            lines.append(f"reads {', '.join(found.reads)}")
        if found.volatility != "immutable":
            lines.append(found.volatility)
        if found.cost > 1:
            lines.append(f"cost {found.cost}")
        return Told(place(spot, found.start, found.end), found.title, found.type, tuple(lines), found.examples)

    def _declaration(self, name: Name) -> Told:
        said = self.describe(name.kind, name.owner, name.name)
        shape = self.schema.object(name.owner) if name.kind == "field" else None
        of = shape.fields[name.name].type if shape and name.name in shape.fields else None
        title = f"{name.owner}.{name.name}" if name.owner else name.name
        lines = tuple(filter(None, (said.label, said.help)))
        return Told(name.at, title, of, lines or (CALLED.get(name.kind, name.kind),))

    def complete(self, spot: Spot, line: int, column: int) -> tuple[Offered, ...]:
        """What may be written at a place of a formula."""
        asked = self.scope(spot)
        if asked is None:
            return ()
        text, offset = offset_at(spot, line, column)
        scope, task = asked
        found = service.complete(text, offset, scope, task.expect, self.describe)
        here = Place(spot.mark.source.file, line, column)
        return tuple(self._offered(spot, here, text, offset, candidate) for candidate in found)

    def _offered(self, spot: Spot, here: Place, text: str, offset: int, found: service.Candidate) -> Offered:
        before, behind = offset - found.start, max(0, found.end - offset)
        at = replace(here, column=here.column - before, length=before + behind)
        return Offered(found, at, _quoted(spot.mark.style, found.text, first=not text.strip()))

    def signature(self, spot: Spot, line: int, column: int) -> service.Signature | None:
        """The call around a place."""
        asked = self.scope(spot)
        return service.signature(*offset_at(spot, line, column), asked[0]) if asked else None

    def remedies(self, spot: Spot, code: str, line: int, column: int) -> Iterator[tuple[str, Place, str]]:
        """What would mend a problem of the formula: a title, and what to write where."""
        asked = self.scope(spot)
        if asked is None:
            return
        text, offset = offset_at(spot, line, column)
        _, found = service.diagnose(text, asked[0], asked[1].expect, asked[1].formula.blanks)
        for one in found:
            if one.problem.code == code and one.problem.start == offset:
                for fix in one.fixes:
                    at = place(spot, fix.start, fix.end)
                    at = replace(at, length=fix.end - fix.start)
                    yield fix.title, at, _quoted(spot.mark.style, fix.text, first=fix.start == 0)

    def laid_out(self, spot: Spot) -> str | None:
        """The formula at a spot as it should be written; None where there is nothing to change."""
        if self.scope(spot) is None or not isinstance(spot.item.value, str):
            return None
        try:
            made = laid_out(spot.text)
        except FormulaError:
            return None
        return made if made != spot.text.rstrip("\n") else None


def view(found: Surveyed) -> View | None:
    """The view of packs that could be read at all."""
    return View(found, found.model) if found.model else None


def _bare(mark: Mark, name: str) -> Place:
    try:
        return name_place(mark, name)
    except CannotRename:
        return mark.place


def _quoted(style: str, text: str, *, first: bool) -> str:
    """What has to be written into a scalar of a style for `text` to stand in it; `first`: nothing stands there yet."""
    if style == '"':
        return text.replace("\\", "\\\\").replace('"', '\\"')
    if style == "'":
        return text.replace("'", "''")
    if style == "" and first and text.startswith('"'):
        return f"'{text}'"
    # ": " would make a key of a plain text.
    return text.rstrip() if style == "" else text


