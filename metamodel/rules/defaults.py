"""A default is made of what the writer of a new record gives: fields written by hand that have no default themselves,
and through its lookups whatever the records have that they name."""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.formula.typed import Aggregate, Node, Property, children
from metamodel.formula.typed import Field as Read
from metamodel.issues import Collector
from metamodel.kinds.object import Object
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            tree = model.typed.get(f.default.key) if f.default else None
            for what, hint in dict.fromkeys(_wrong(owner, tree) if tree else ()):
                issues.add("M254", what, at.value("object", owner.name, "fields", f.name, "default"), hint)


def _wrong(owner: Object, tree: Node) -> Iterator[tuple[str, str]]:
    for node in _of_record(tree):
        if isinstance(node, Aggregate):
            yield "a new record has no child records", "name fields of the record"
        elif isinstance(node, Property):
            yield "a new record is not in a stage yet", "name other fields"
        elif isinstance(node, Read):
            name = node.path[0].rstrip("!") if node.path else node.name
            named = owner.fields.get(name)
            if named is None or name == "id":
                continue
            if not writable(named) or named.type in ("stage", "auto_number"):
                yield f"{name} has no value yet when defaults are made", "name fields that are written by hand"
            elif named.default:
                yield f"{name} has a default itself", "write out what it is made of"


def _of_record(node: Node, depth: int = 0) -> Iterator[Node]:
    """What is read of the new record itself: its fields, also from within sets of rows, its stage, its child sets."""
    if isinstance(node, Read) and node.level == depth:
        yield node
    elif isinstance(node, Property) and not node.field.path and node.field.level == depth:
        yield node
        return
    elif isinstance(node, Aggregate) and node.relation and not node.path and depth == 0:
        yield node
    for part in children(node):
        yield from _of_record(part, depth + isinstance(node, Aggregate))
