"""Fields that a stage requires or locks exist, and a person can write them."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_field, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for process in model.processes.values():
        owner = model.objects.get(process.object)
        for stage in process.stages.values() if owner else ():
            for part, names in (
                ("required", stage.required),
                ("read_only", stage.read_only),
            ):
                for index, name in enumerate(names):
                    path = ("process", process.name, "stages", stage.name, part, index)
                    f = find_field(owner, name, path, at, issues) if owner else None
                    if f and (not writable(f) or f.type == "stage"):
                        issues.add(
                            "M212",
                            f"{process.object}.{name} is never written by hand",
                            at.value(*path),
                            "remove it from the list",
                        )
