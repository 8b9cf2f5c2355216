"""A move that the process makes by itself says when, and needs nobody: no reason, no `old` record, no `$user`."""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.formula.typed import Field, Node, System, walk
from metamodel.issues import Collector
from metamodel.kinds.process import Move
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        seen: set[tuple[str, str]] = set()
        for move in process.moves:
            place = at.key("process", process.name, "moves")
            way = f"the move from {move.source} to {move.target}"
            tree = model.typed.get(move.when.key) if move.when else None
            for what, hint in _wrong(move, tree, (move.source, move.target) in seen):
                issues.add("M253", f"{way} {what}", place, hint)
            if move.automatic:
                seen.add((move.source, move.target))


def _wrong(move: Move, tree: Node | None, again: bool) -> Iterator[tuple[str, str]]:
    if not move.automatic:
        if move.after_days:
            yield "says after which time, but is not automatic", "add `automatic: true`, or use `when`"
        return
    if not (move.when or move.after_days):
        yield "would be made at once, whatever the record is", "say `when` or `after`"
    if move.reason:
        yield "asks for a reason that nobody can give", "list it a second time without `automatic`"
    if again:
        yield "is automatic twice", "join the conditions with OR"
    for node in walk(tree) if tree else ():
        if isinstance(node, Field) and node.image == "old":
            yield "looks at the record as it was, but may be made at any time", "name fields without `old`"
        elif isinstance(node, System) and node.name.startswith("user"):
            yield "looks at $user, but nobody makes it", "name fields of the record"
