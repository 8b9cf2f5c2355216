"""Moves and workflows name roles that exist."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import find_role


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        written = find(at.tree, ("process", process.name, "moves"))
        for index, entry in enumerate(written.plain() if written else ()):
            for place, name in enumerate(entry.get("by", ())):
                find_role(
                    model,
                    name,
                    ("process", process.name, "moves", index, "by", place),
                    at,
                    issues,
                )
    for workflow in model.workflows.values():
        if workflow.run_as != "initiator":
            find_role(
                model,
                workflow.run_as,
                ("workflow", workflow.name, "run_as"),
                at,
                issues,
            )
