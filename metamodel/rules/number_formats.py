"""The format of an automatic number has one counter and only parts that exist, and tells what is counted apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metamodel.issues import Collector
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_field

_FORMAT = re.compile(r"(?:[^{}]|\{(?:YYYY|YY|MM|DD|PER)\})*\{(0{1,12})\}(?:[^{}]|\{(?:YYYY|YY|MM|DD|PER)\})*")
PERIODS = {"yearly": ("YY",), "monthly": ("YY", "MM"), "daily": ("YY", "MM", "DD")}
"""What a format says of the period in which numbers are counted."""
TOLD = ("select", "text")
"""The types of fields whose values a number can show."""


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.format is None:
                continue
            place = at.value("object", owner.name, "fields", f.name, "format")
            if not _FORMAT.fullmatch(f.format):
                issues.add(
                    "M218",
                    f'"{f.format}" is not a format of an automatic number',
                    place,
                    "write one counter such as {0000}, and {YYYY}, {YY}, {MM}, {DD} or {PER}",
                )
            elif missing := list(_missing(f)):
                issues.add(
                    "M218", f"two records could get the same number: it does not tell the {missing[0]}", place,
                    f"add {missing[1]} to the format",
                )
            if f.per is not None:
                _per(owner, f, at, issues)


def _missing(f: Field) -> Iterator[str]:
    """What is counted apart and not told apart, and what would tell it."""
    form = f.format or ""
    for part in PERIODS.get(f.reset or "", ()):
        if f"{{{part}}}" not in form and f"{{{part * 2}}}" not in form:
            yield from ("period", f"{{{part}}}")
    if f.per and "{PER}" not in form:
        yield from (f"value of {f.per}", "{PER}")


def _per(owner: Object, f: Field, at: Places, issues: Collector) -> None:
    path = ("object", owner.name, "fields", f.name, "per")
    found = find_field(owner, f.per or "", path, at, issues)
    if found and (found.type not in TOLD or not found.required):
        issues.add(
            "M218", f"{owner.name}.{found.name} can not be counted by", at.value(*path),
            "name a required field of type select or text",
        )
