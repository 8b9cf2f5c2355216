"""A report counts an object that exists, names each column once, formats numbers only and sorts by its columns."""

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
        for part, named in (("group_by", report.groups), ("measures", report.measures)):
            for column in named.values():
                tree = model.typed.get(column.value.key)
                if column.format and tree and not tree.type.number:
                    place = at.value(*root, part, column.name, "format")
                    issues.add("M302", f"a format is for numbers, the column gives a {tree.type}", place, "remove it")
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
