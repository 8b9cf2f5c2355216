"""Moves and workflows name roles that exist; a user has a manager where moves are for managers."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.process import OWNER, OWNER_MANAGER
from metamodel.model import Model
from metamodel.overlay import Places, find
from metamodel.rules.common import find_field, find_role


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        written = find(at.tree, ("process", process.name, "moves"))
        for index, entry in enumerate(written.plain() if written else ()):
            for place, name in enumerate(entry.get("by", ())):
                path = ("process", process.name, "moves", index, "by", place)
                if name == OWNER_MANAGER and (people := model.objects.get("user")):
                    find_field(people, "manager", path, at, issues)
                elif name not in (OWNER, OWNER_MANAGER):
                    find_role(model, name, path, at, issues)
    for workflow in model.workflows.values():
        if workflow.run_as != "initiator":
            find_role(
                model,
                workflow.run_as,
                ("workflow", workflow.name, "run_as"),
                at,
                issues,
            )
