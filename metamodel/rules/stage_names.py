"""Start stages and moves name stages of the process; a move is listed once and leads elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.issues import Collector
from metamodel.kinds.process import Process
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import find_stage


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        root = ("process", process.name)
        for index, name in enumerate(process.start):
            find_stage(process, name, (*root, "start", index), at, issues)
        seen: set[tuple[str, str]] = set()
        for index, source, target in listed_moves(process, at):
            path = (*root, "moves", index)
            find_stage(process, source, (*path, "from"), at, issues)
            find_stage(process, target, (*path, "to"), at, issues)
            if source == target or (source, target) in seen:
                what = "leads nowhere" if source == target else "is listed twice"
                issues.add(
                    "M224",
                    f"the move from {source} to {target} {what}",
                    at.value(*path, "to"),
                    "remove it",
                )
            seen.add((source, target))


def listed_moves(process: Process, at: Places) -> Iterator[tuple[int, str, str]]:
    """Each move with the index under which the file lists it: one entry may leave several stages."""
    written = find(at.tree, ("process", process.name, "moves"))
    entries = written.plain() if written else []
    moves = iter(process.moves)
    for index, entry in enumerate(entries):
        for _ in [entry["from"]] if isinstance(entry["from"], str) else entry["from"]:
            move = next(moves)
            yield index, move.source, move.target
