"""What a typed tree reads: fields and child sets by object. Static, so branches that are never taken count too."""

from __future__ import annotations

from dataclasses import dataclass

from metamodel.formula import typed
from metamodel.formula.scope import Schema


@dataclass(frozen=True, slots=True)
class Reads:
    """`fields` holds (object, field), the lookups of paths and of child sets included; `relations` holds
    (object, child set); `system` the names of context values."""

    fields: frozenset[tuple[str, str]] = frozenset()
    relations: frozenset[tuple[str, str]] = frozenset()
    system: frozenset[str] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        return Reads(self.fields | other.fields, self.relations | other.relations, self.system | other.system)


def reads(tree: typed.Node, schema: Schema, row: str | None) -> Reads:
    """Everything that the tree reads, written over a record of `row` (None for a measure)."""
    return _reads(tree, schema, (row,) if row else ())


def _reads(node: typed.Node, schema: Schema, rows: tuple[str, ...]) -> Reads:
    match node:
        case typed.Field():
            hops, _ = _hops(schema, rows[node.level] if node.level < len(rows) else None, node.path)
            return Reads(hops | {(node.object, node.name)})
        case typed.System():
            return Reads(system=frozenset({node.name}))
        case typed.Aggregate():
            found, at = _hops(schema, rows[0] if rows else None, node.path)
            if node.relation is not None and node.via is not None and at is not None:
                found |= {(node.object, node.via)}
                relations = frozenset({(at, node.relation)})
            else:
                relations = frozenset()
            inner = (node.object, *rows)
            made = Reads(found, relations)
            for part in typed.children(node):
                made |= _reads(part, schema, inner)
            return made
    made = Reads()
    for part in typed.children(node):
        made |= _reads(part, schema, rows)
    return made


def _hops(schema: Schema, start: str | None, path: tuple[str, ...]) -> tuple[frozenset[tuple[str, str]], str | None]:
    """The lookups that a path goes over, and the object where it ends."""
    found: set[tuple[str, str]] = set()
    for name in path:
        if start is None:
            break
        found.add((start, name))
        shape = schema.object(start)
        start = shape.fields[name].target if shape and name in shape.fields else None
    return frozenset(found), start
