"""What a conversion copies, planned over the source as the reader sees it: a hidden cell is blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.read import Output
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Node
from metamodel.kinds.common import Formula
from metamodel.kinds.conversion import Conversion, Part

WHEN = "when"
"""The key of the condition of a part, or of the conversion."""


@dataclass(frozen=True)
class RowsPlan:
    """Values over rows of `table`: the one with an id, or those whose lookup column `via` holds it."""

    zone: str
    table: TableRef
    via: str | None
    visible: Node | None
    outputs: tuple[Output, ...]
    joins: tuple[Join, ...]


def plan_source(release: Release, reader: Names, conversion: Conversion) -> RowsPlan:
    """The values that the source gets itself, whether it can be converted, and what it remembers already."""
    given = {name: reader.tree(release.model.typed[f.key], conversion.object) for name, f in conversion.sets.items()}
    held = {f"ref {name}": reader.field(conversion.object, name) for name in conversion.refs}
    when = _when(release, conversion.object, conversion.when)
    return _rows(release, reader, conversion.object, None, given | held | when)


def plan_part(release: Release, reader: Names, conversion: Conversion, part: Part) -> RowsPlan:
    """The values of a part, over the source or over each row of a child set of it."""
    child = release.model.children[conversion.object][part.each] if part.each else None
    obj = child.object if child else conversion.object
    trees = {name: reader.tree(release.model.typed[f.key], obj) for name, f in part.values.items()}
    return _rows(release, reader, obj, child.via if child else None, trees | _when(release, obj, part.when))


def _when(release: Release, obj: str, when: Formula | None) -> dict[str, Node]:
    """The condition is the system's: what the reader may not see decides too."""
    return {f"is {WHEN}": Names(release, None).tree(release.model.typed[when.key], obj)} if when else {}


def _rows(release: Release, reader: Names, obj: str, via: str | None, trees: Mapping[str, Node]) -> RowsPlan:
    visible, system = reader.visible(obj), Names(release, None)
    own = {key: tree for key, tree in trees.items() if key != f"is {WHEN}"}
    joins = dict.fromkeys((*reader.joins((visible, *own.values()), obj), *system.joins(trees.values(), obj)))
    return RowsPlan(
        zone=release.model.settings.time_zone,
        table=release.table(obj),
        via=release.column(obj, via) if via else None,
        visible=visible,
        outputs=tuple(Output(key, tree) for key, tree in trees.items()),
        joins=tuple(sorted(joins, key=lambda join: len(join.path))),
    )
