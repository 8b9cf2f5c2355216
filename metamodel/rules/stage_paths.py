"""Every stage can be reached from a start stage; an open stage without a way out gives a warning."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        if at.blind or any(part[:2] == ("process", process.name) for part in at.broken):
            continue
        reached = set(process.start)
        waiting = list(process.start)
        while waiting:
            here = waiting.pop()
            ahead = {move.target for move in process.moves if move.source == here} - reached
            reached |= ahead
            waiting += ahead
        for stage in process.stages.values():
            place = at.key("process", process.name, "stages", stage.name)
            if stage.name not in reached:
                issues.add(
                    "M210",
                    f'the stage "{stage.name}" can not be reached',
                    place,
                    "add a move to it, or list it under start",
                )
            elif stage.category == "open" and not any(move.source == stage.name for move in process.moves):
                issues.warn(
                    "M211",
                    f'no move leads out of the open stage "{stage.name}"',
                    place,
                    "add a move, or give the stage a closing category",
                )
