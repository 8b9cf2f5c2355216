"""Fields that a stage requires or locks exist, and a person can write them. A task is done in one way. The calendar of
a limit exists."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_calendar, find_field, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        owner = model.objects.get(process.object)
        for stage in process.stages.values() if owner else ():
            if stage.limit_calendar:
                limit = ("process", process.name, "stages", stage.name, "limit", "calendar")
                find_calendar(model, stage.limit_calendar, limit, at, issues)
            for task in stage.tasks.values():
                if task.fields and task.done_when:
                    issues.add(
                        "M232",
                        f'the task "{task.name}" is to fill fields and something else',
                        at.key("process", process.name, "stages", stage.name, "tasks", task.name),
                        "divide it into two tasks, or write one condition in `done_when`",
                    )
            filled: list[tuple[Path, tuple[str, ...]]] = [
                (("tasks", task.name, "fill"), task.fields) for task in stage.tasks.values()
            ]
            for part, names in ((("required",), stage.required), (("read_only",), stage.read_only), *filled):
                for index, name in enumerate(names):
                    path = ("process", process.name, "stages", stage.name, *part, index)
                    f = find_field(owner, name, path, at, issues) if owner else None
                    if f and (not writable(f) or f.type == "stage"):
                        issues.add(
                            "M212",
                            f"{process.object}.{name} is never written by hand",
                            at.value(*path),
                            "remove it from the list",
                        )
