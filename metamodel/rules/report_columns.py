"""A report counts an object that exists, names each column once and sorts by its columns."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places
from metamodel.rules.common import find_object, listed


def check(model: Model, at: Places, issues: Collector) -> None:
    for report in model.reports.values():
        root: tuple[str, ...] = ("report", report.name)
        find_object(model, report.object, (*root, "object"), at, issues)
        for name in report.measures:
            if name in report.groups:
                issues.add(
                    "M101",
                    f'there is already a group named "{name}"',
                    at.key(*root, "measures", name),
                    "rename the measure",
                )
        columns = (*report.groups, *report.measures)
        for index, (name, _) in enumerate(report.sort):
            gone = at.gone(*root, "measures", name) or at.gone(*root, "group_by", name)
            if name not in columns and not gone:
                issues.add(
                    "M222",
                    f'the report has no group or measure "{name}"',
                    at.value(*root, "sort", index),
                    did_you_mean(name, columns) or f"it has {listed(columns)}",
                )
