"""The format of an automatic number has one counter, and only the date parts that exist."""

from __future__ import annotations

import re

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places

_FORMAT = re.compile(r"(?:[^{}]|\{(?:YYYY|YY|MM|DD)\})*\{(0{1,12})\}(?:[^{}]|\{(?:YYYY|YY|MM|DD)\})*")


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.format is not None and not _FORMAT.fullmatch(f.format):
                issues.add(
                    "M218",
                    f'"{f.format}" is not a format of an automatic number',
                    at.value("object", owner.name, "fields", f.name, "format"),
                    "write one counter such as {0000}, and {YYYY}, {YY}, {MM} or {DD}",
                )
