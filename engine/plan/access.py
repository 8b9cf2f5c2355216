"""What an actor may do in a release: which rows and which fields, per object and verb. Nothing granted is refused.

A cell is readable where one single grant allows both its row and its field. Fields that are computed from others are
readable only where all their sources are (the most restrictive right of the sources).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from engine.base.errors import Refused
from engine.release.release import Release
from metamodel.formula.depends import reads
from metamodel.formula.typed import Aggregate, Call, Field, Literal, Node, children
from metamodel.formula.types import BOOLEAN
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.role import CAPABILITIES
from metamodel.model_schema import ModelSchema
from metamodel.names import did_you_mean

ALWAYS = frozenset({"id", "version"})
HISTORICAL = ("owner", "created_at", "created_by", "modified_at", "modified_by")
"""The system fields that an import in historical mode may give."""
NOTHING = Literal(BOOLEAN, False)


@dataclass(frozen=True, slots=True)
class Granted:
    """One grant path: rows where `rows` is true (None: every row), with these fields."""

    rows: Node | None
    fields: frozenset[str]


@dataclass(frozen=True, eq=False)
class Rights:
    """The rights of a set of roles. Two actors with the same roles share one value."""

    release: Release
    roles: tuple[str, ...]
    everything: bool = False
    _writable: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The named rights beyond objects."""
        if self.everything:
            return frozenset(CAPABILITIES)
        held = (self.release.model.roles[r].capabilities for r in self.roles if r in self.release.model.roles)
        return frozenset().union(*held)

    @cached_property
    def _grants(self) -> Mapping[tuple[str, str], tuple[Granted, ...]]:
        found: dict[tuple[str, str], tuple[Granted, ...]] = {}
        model = self.release.model
        for name in self.roles:
            role = model.roles.get(name)
            for obj, verbs in role.objects.items() if role else ():
                every = frozenset(model.objects[obj].fields)
                for verb, grant in verbs.items():
                    rows = model.typed[grant.where.key] if grant.where else None
                    fields = every if grant.fields is None else grant.fields | ALWAYS
                    found[obj, verb] = (*found.get((obj, verb), ()), Granted(rows, fields))
        return found

    def grants(self, obj: str, verb: str) -> tuple[Granted, ...]:
        """The grant paths of one verb; empty means refused."""
        if self.everything:
            return (Granted(None, frozenset(self.release.model.objects[obj].fields)),)
        return self._grants.get((obj, verb), ())

    def allows(self, obj: str, verb: str) -> bool:
        return bool(self.grants(obj, verb))

    def rows(self, obj: str, verb: str) -> Node | None:
        """The condition on rows for a verb that is granted: any grant path will do; None means every row."""
        return _any(grant.rows for grant in self.grants(obj, verb))

    @cached_property
    def _readable(self) -> Mapping[str, frozenset[str]]:
        """The fields that are readable at all, by object; a computed field needs all that it reads."""
        model = self.release.model
        granted = {
            obj: frozenset().union(*(g.fields for g in self.grants(obj, "read"))) for obj in model.objects
        }
        if self.everything:
            return granted
        schema = ModelSchema(model)
        sources = {
            (o.name, f.name): reads(model.typed[f.formula.key], schema, o.name).fields
            for o in model.objects.values() for f in o.fields.values() if f.formula
        }
        lost = True
        while lost:
            lost = False
            for (obj, name), needs in sources.items():
                if name in granted[obj] and any(field not in granted[of] for of, field in needs):
                    granted[obj] -= {name}
                    lost = True
        return granted

    def readable(self, obj: str) -> frozenset[str]:
        """The fields of an object that this actor may name for any use."""
        return self._readable.get(obj, frozenset())

    def writable(self, obj: str, verb: str) -> frozenset[str]:
        """The fields that the verb (`create` or `edit`) may set on some row."""
        found = self._writable.get((obj, verb))
        if found is None:
            found = self._writable[obj, verb] = frozenset().union(*(g.fields for g in self.grants(obj, verb)))
        return found

    def where_readable(self, obj: str, field: str) -> Node | None:
        """The rows, among the visible ones, in which the field is readable; None means all of them.

        A computed field is readable where all fields of its own row are that it is made of.
        """
        if self.everything:
            return None
        parts = dict.fromkeys(self._narrowing(obj, name, "read") for name in made_of(self.release, obj, [field]))
        found = tuple(part for part in parts if part is not None)
        return found[0] if len(found) == 1 else Call(BOOLEAN, "and", found) if found else None

    def where_writable(self, obj: str, field: str, verb: str) -> Node | None:
        """The rows, among the writable ones, in which the field may be set; None means all of them."""
        return self._narrowing(obj, field, verb)

    def _narrowing(self, obj: str, field: str, verb: str) -> Node | None:
        grants = self.grants(obj, verb)
        if all(field in grant.fields for grant in grants):
            return None
        return _any(grant.rows for grant in grants if field in grant.fields)

    @cached_property
    def schema(self) -> ModelSchema:
        """The objects and fields that a query of this actor may name: the unreadable does not exist."""
        if self.everything:
            return ModelSchema(self.release.model)
        return ModelSchema(self.release.model, readable=lambda obj, field: field.name in self.readable(obj.name))


def allowed(rights: Rights, obj: str, verb: str) -> None:
    """Refuses an object that the actor can not see, and a verb that is not granted."""
    if obj not in rights.release.model.objects or not (rights.allows(obj, "read") or rights.allows(obj, verb)):
        raise Refused("object.unknown", f'there is no object "{obj}"')
    if not rights.allows(obj, verb):
        raise Refused("access.denied", f"your roles do not allow to {verb} records of {obj}")


def refused_field(rights: Rights, obj: str, name: str, verb: str, historical: bool) -> tuple[str, str] | None:
    """Why a field of the body can not be written: (code, detail), or None where it can."""
    declared = rights.release.object(obj).fields.get(name)
    readable = rights.readable(obj)
    writable = rights.writable(obj, verb)
    if declared is None or (name not in readable and name not in writable):
        hint = did_you_mean(name, readable)
        return "record.field_unknown", f'there is no field "{name}"' + (f"; {hint}" if hint else "")
    if historical and name in HISTORICAL:
        return None
    if not FIELD_TYPES[declared.type].writable or (declared.system and name != "owner"):
        return "record.field_read_only", f'"{name}" is computed'
    if name not in writable:
        return "record.field_read_only", f'your roles do not allow to write "{name}"'
    return None


def _any(conditions: Iterable[Node | None]) -> Node | None:
    """One condition that holds where any does: None (every row) where one of them is, nothing where there is none."""
    nodes: list[Node] = []
    for condition in conditions:
        if condition is None:
            return None
        if condition not in nodes:
            nodes.append(condition)
    if not nodes:
        return NOTHING
    return nodes[0] if len(nodes) == 1 else Call(BOOLEAN, "or", tuple(nodes))


def made_of(release: Release, obj: str, fields: Iterable[str]) -> list[str]:
    """The fields and those of the same row that they are computed from, at any depth, each once."""
    names = list(dict.fromkeys(fields))
    for name in names:
        formula = release.object(obj).fields[name].formula
        own = own_names(release.model.typed[formula.key]) if formula else ()
        names += [source for source in dict.fromkeys(own) if source not in names]
    return names


def own_names(node: Node, depth: int = 0) -> Iterator[str]:
    """The fields of the row itself that a typed tree names; depth counts enclosing child sets."""
    if isinstance(node, Field) and node.level == depth:
        yield node.path[0] if node.path else node.name
    if isinstance(node, Aggregate):
        if node.path and depth == 0:
            yield node.path[0]
        depth += 1
    for child in children(node):
        yield from own_names(child, depth)
