"""Which names a declaration writes outside of formulas: one table of the places where each kind names something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metamodel.build.objects import USER
from metamodel.model import Model
from metamodel.overlay import Document
from metamodel.source import Item, Mark

Named = Literal["field", "child", "option", "object", "process", "value_set", "role", "function"]
KEY = "@"
"""Ends a pattern of which the key is meant and not the value."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name as it is written at `mark`. `owner` is the object of a field or child set, the value set of an option,
    the process of a stage (kind "option"), else empty. `declares`: the named thing is made here."""

    kind: Named
    owner: str
    name: str
    mark: Mark
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A declaration or a patch of one, as it is written: `path` leads to the name in question."""

    model: Model
    name: str
    item: Item
    path: tuple[str | int, ...] = ()

    def text(self, *path: str | int) -> str:
        """The text at a path of the declaration, or ""."""
        item: Item | None = self.item
        for step in path:
            item = item.child(step) if item else None
        return item.value if item and isinstance(item.value, str) else ""


Owner = Callable[[Body], str]


def nothing(body: Body) -> str:
    return ""


def itself(body: Body) -> str:
    return body.name


def _target(body: Body) -> str:
    """The object that the lookup with this reverse points to."""
    found = body.model.objects.get(body.name)
    field = found.fields.get(str(body.path[1])) if found else None
    return (field.to if field else body.text("fields", body.path[1], "to")) or USER


def _inline(body: Body) -> str:
    return f"{body.name}.{body.path[1]}"


def _object_of(declared: Callable[[Model], Mapping[str, Any]]) -> Owner:
    """The object that a declaration says it is of."""

    def owner(body: Body) -> str:
        found = declared(body.model).get(body.name)
        return found.object if found else ""

    return owner


_of_process = _object_of(lambda model: model.processes)
_of_workflow = _object_of(lambda model: model.workflows)
_of_conversion = _object_of(lambda model: model.conversions)
_of_duplicate_rule = _object_of(lambda model: model.duplicate_rules)
_of_assignment = _object_of(lambda model: model.assignments)
_of_seed = _object_of(lambda model: model.seeds)


def _created(body: Body) -> str:
    return body.text("actions", body.path[1], "create")


def _made(body: Body) -> str:
    return body.text("creates", body.path[1], "object")


def _looked_through(body: Body) -> str:
    return body.text("against", body.path[1], "object") or _of_duplicate_rule(body)


def _granted(body: Body) -> str:
    return str(body.path[1])


def _entered(body: Body) -> str:
    """The process whose stage the trigger names: that of the object, the one with the stage first."""
    owner = body.model.objects.get(_of_workflow(body))
    governed = [p for f in owner.fields.values() for p in body.model.processes_of(f)] if owner else []
    stage = body.text("trigger", "stage")
    return next((p.name for p in governed if stage in p.stages), governed[0].name if governed else "")


Row = tuple[str, Named, Owner, bool]
_FIELDS_OF_OBJECT: tuple[str, ...] = (
    "title", "rules.*.field", "lock.except.*", "unique.*.*", "unique.*.fields.*", "unique.*.fold.*", "indexes.*.*",
)
PLACES: dict[str, tuple[Row, ...]] = {
    "object": (
        *((pattern, "field", itself, False) for pattern in _FIELDS_OF_OBJECT),
        ("rules.*.except.*", "role", nothing, False),
        ("lock.by.*", "role", nothing, False),
        ("fields.*@", "field", itself, True),
        ("fields.*.to", "object", nothing, False),
        ("fields.*.per", "field", itself, False),
        ("fields.*.depends_on.field", "field", itself, False),
        ("fields.*.to.*", "object", nothing, False),
        ("fields.*.on_delete.*@", "object", nothing, False),
        ("fields.*.process", "process", nothing, False),
        ("fields.*.process.*", "process", nothing, False),
        ("fields.*.options", "value_set", nothing, False),
        ("fields.*.options.*@", "option", _inline, True),
        ("fields.*.reverse", "child", _target, True),
    ),
    "value_set": (("options.*@", "option", itself, True),),
    "process": (
        ("object", "object", nothing, False),
        ("field", "field", _of_process, False),
        ("start.*", "option", itself, False),
        ("stages.*@", "option", itself, True),
        ("stages.*.required.*", "field", _of_process, False),
        ("stages.*.read_only.*", "field", _of_process, False),
        ("stages.*.tasks.*.fill.*", "field", _of_process, False),
        ("stages.*.tasks.*.create", "child", _of_process, False),
        ("moves.*.from", "option", itself, False),
        ("moves.*.from.*", "option", itself, False),
        ("moves.*.to", "option", itself, False),
        ("moves.*.by.*", "role", nothing, False),
        ("moves.*.reason", "value_set", nothing, False),
    ),
    "conversion": (
        ("object", "object", nothing, False),
        ("sets.*@", "field", _of_conversion, False),
        ("refs.*@", "field", _of_conversion, False),
        ("creates.*.object", "object", nothing, False),
        ("creates.*.each", "child", _of_conversion, False),
        ("creates.*.match.*", "field", _made, False),
        ("creates.*.values.*@", "field", _made, False),
        ("creates.*.refs.*@", "field", _made, False),
    ),
    "duplicate_rule": (
        ("object", "object", nothing, False),
        ("against.*.object", "object", nothing, False),
        ("against.*.match.*@", "field", _of_duplicate_rule, False),
        ("against.*.match.*.to", "field", _looked_through, False),
    ),
    "assignment": (
        ("object", "object", nothing, False),
        ("field", "field", _of_assignment, False),
        ("pool.field", "field", _of_assignment, False),
    ),
    "report": (("object", "object", nothing, False),),
    "role": (
        ("objects.*@", "object", nothing, False),
        ("objects.*.*.fields.*", "field", _granted, False),
        ("objects.*.*.fields.except.*", "field", _granted, False),
    ),
    "seed": (
        ("object", "object", nothing, False),
        ("key", "field", _of_seed, False),
        ("records.*.*@", "field", _of_seed, False),
    ),
    "workflow": (
        ("object", "object", nothing, False),
        ("trigger.fields.*", "field", _of_workflow, False),
        ("trigger.field", "field", _of_workflow, False),
        ("trigger.stage", "option", _entered, False),
        ("run_as", "role", nothing, False),
        ("actions.*.create", "object", nothing, False),
        ("actions.*.set.*@", "field", _of_workflow, False),
        ("actions.*.values.*@", "field", _created, False),
    ),
}
DECLARING: dict[str, Named] = {"object": "object", "process": "process", "value_set": "value_set", "role": "role",
                               "function": "function"}  # fmt: skip


def bodies(document: Document, model: Model) -> Iterator[tuple[str, Body]]:
    """The declaration of a document with its kind; of a tenant's file its patches."""
    if document.kind != "tenant":
        yield document.kind, Body(model, document.name, document.item)
        return
    patches = document.item.child("patches")
    for kind, named in patches.value.items() if patches and isinstance(patches.value, dict) else ():
        for name, item in named.value.items() if isinstance(named.value, dict) else ():
            yield kind, Body(model, name, item)


def mentions(documents: Iterable[Document], model: Model) -> Iterator[Mention]:
    """Every name outside of formulas, document by document."""
    for document in documents:
        named = document.item.child("name")
        if document.kind in DECLARING and named and named.mark:
            # Formulas write functions in upper case, also those of packs.
            shown = document.name.upper() if document.kind == "function" else document.name
            yield Mention(DECLARING[document.kind], "", shown, named.mark, True)
        for kind, body in bodies(document, model):
            for pattern, what, owner, declares in PLACES.get(kind, ()):
                for path, item in _matches(body.item, tuple(pattern.removesuffix(KEY).split("."))):
                    mark = item.key if pattern.endswith(KEY) else item.mark
                    name = str(path[-1]) if pattern.endswith(KEY) else item.value
                    if isinstance(name, str) and mark is not None:
                        found = owner(Body(model, body.name, body.item, path))
                        yield Mention(what, found, name, mark, declares)


def _matches(item: Item, pattern: tuple[str, ...]) -> Iterator[tuple[tuple[str | int, ...], Item]]:
    if not pattern:
        yield (), item
        return
    first, rest = pattern[0], pattern[1:]
    for step, inner in _members(item):
        if first in ("*", step):
            for path, found in _matches(inner, rest):
                yield (step, *path), found


def _members(item: Item) -> Iterable[tuple[str | int, Item]]:
    if isinstance(item.value, dict):
        return item.value.items()
    return enumerate(item.value) if isinstance(item.value, list) else ()
