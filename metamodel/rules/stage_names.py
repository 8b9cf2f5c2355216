"""Start stages and moves name stages of the process; a move leads elsewhere, and again only for other roles.

The first listing that is open to a role decides, so one that leaves nobody over would never count.
"""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.issues import Collector
from metamodel.kinds.process import Process
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import find_stage

EVERYBODY = "*"


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        root = ("process", process.name)
        for index, name in enumerate(process.start):
            find_stage(process, name, (*root, "start", index), at, issues)
        taken: dict[tuple[str, str], set[str]] = {}
        for index, source, target, by in listed_moves(process, at):
            path = (*root, "moves", index)
            find_stage(process, source, (*path, "from"), at, issues)
            find_stage(process, target, (*path, "to"), at, issues)
            before = taken.setdefault((source, target), set())
            if source == target or EVERYBODY in before or (by and before >= by):
                what = "leads nowhere" if source == target else "is listed twice"
                issues.add(
                    "M224",
                    f"the move from {source} to {target} {what}",
                    at.value(*path, "to"),
                    "remove it",
                )
            before |= by or {EVERYBODY}


def listed_moves(process: Process, at: Places) -> Iterator[tuple[int, str, str, frozenset[str]]]:
    """Each move and for whom it is with the index under which the file lists it: one entry may leave several stages."""
    written = find(at.tree, ("process", process.name, "moves"))
    entries = written.plain() if written else []
    moves = iter(process.moves)
    for index, entry in enumerate(entries):
        for _ in [entry["from"]] if isinstance(entry["from"], str) else entry["from"]:
            move = next(moves)
            yield index, move.source, move.target, frozenset((*move.by, move.who.text) if move.who else move.by)
