"""A text is written in the locales that its pack declares, and in no others; both give warnings."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import listed
from metamodel.source import Item

COLLECTIONS = frozenset(
    {
        "fields",
        "rules",
        "stages",
        "group_by",
        "measures",
        "entry",
        "exit",
        "tasks",
        "creates",
        "entries",
        "sets",
        "refs",
        "conversion",
        "duplicate_rule",
        "against",
        "match",
        "objects",
        "options",
        "object",
        "value_set",
        "function",
        "params",
        "process",
        "report",
        "workflow",
        "assignment",
        "role",
        "calendar",
        "packs",
        "set",
        "values",
    }
)


TEXTS = frozenset({"label", "plural", "description", "help", "message", "guidance"})


def check(model: Model, at: Places, issues: Collector) -> None:
    for kind, declarations in at.tree.value.items() if isinstance(at.tree.value, dict) else ():
        if kind != "seed":
            _walk(declarations, kind, at, issues)


def _walk(item: Item, name: str | None, at: Places, issues: Collector) -> None:
    if name in TEXTS and isinstance(item.value, (str, dict)) and not _declarations(item):
        _text(item, at, issues)
    elif isinstance(item.value, dict):
        for key, value in item.value.items():
            if name == "options" and isinstance(value.value, list):
                continue  # options that go with a value of another field
            if name == "holidays" or (name == "options" and not _full_option(value)):
                _text(value, at, issues)
                continue
            # A field, rule or record value may itself be called "label": only the members of a collection are free.
            _walk(value, None if name in COLLECTIONS else key, at, issues)
    elif isinstance(item.value, list):
        for value in item.value:
            _walk(value, None, at, issues)


def _full_option(item: Item) -> bool:
    return isinstance(item.value, dict) and ("label" in item.value or "active" in item.value)


def _declarations(item: Item) -> bool:
    return isinstance(item.value, dict) and any(not isinstance(v.value, str) for v in item.value.values())


def _text(item: Item, at: Places, issues: Collector) -> None:
    if item.mark is None or item.mark.source.file not in at.locales:
        return
    declared = at.locales[item.mark.source.file]
    written = list(item.value) if isinstance(item.value, dict) else ["en"]
    place = (item.key or item.mark).place
    if missing := [locale for locale in declared if locale not in written]:
        issues.warn("M219", f"the text is missing in {listed(missing)}", place, "add it")
    if foreign := [locale for locale in written if locale not in declared]:
        issues.warn(
            "M220",
            f"the locale {listed(foreign)} is not declared",
            place,
            "add it to the pack's locales",
        )
