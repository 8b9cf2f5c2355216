"""The moves that a process makes by itself, as the workflows that make them."""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.kinds.process import Process
from metamodel.kinds.workflow import AGED, AUTOMATIC, MakeMove, Trigger, Workflow

PROCESS = "$process"
"""Whom such a workflow runs as: nobody, the process itself allows the move."""


def automatic_moves(process: Process) -> Iterator[Workflow]:
    """One workflow for each automatic move, which looks at what is written; where the move waits for a time in the
    stage another one, which looks when that is over."""
    for move in process.moves:
        if not move.automatic:
            continue
        for event in (AUTOMATIC, AGED) if move.after_days else (AUTOMATIC,):
            name = f"{process.name}.{move.source}.{move.target}"
            yield Workflow(
                name=name if event == AUTOMATIC else f"{name}.{AGED}",
                label=process.label,
                object=process.object,
                trigger=Trigger(
                    event=event, fields=(), stage=move.source, process=process.name, days=move.after_days
                ),
                when=move.when,
                run_as=PROCESS,
                actions=(MakeMove(field=process.field, source=move.source, target=move.target),),
            )
