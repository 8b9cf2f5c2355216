"""A role grants rights on objects and fields that exist."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.object import Object
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places, find
from metamodel.rules.common import find_field


def check(model: Model, at: Places, issues: Collector) -> None:
    for role in model.roles.values():
        for name, grants in role.objects.items():
            path = ("role", role.name, "objects", name)
            if name not in model.objects:
                if not at.gone("object", name):
                    issues.add(
                        "M202",
                        f'there is no object "{name}"',
                        at.key(*path),
                        did_you_mean(name, model.objects) or "declare it",
                    )
                continue
            for verb in grants:
                _fields(model.objects[name], (*path, verb, "fields"), at, issues)


def _fields(owner: Object, path: tuple[str, ...], at: Places, issues: Collector) -> None:
    """Reads the names as written: the grant itself no longer knows what `except` held."""
    written = find(at.tree, path)
    if written and isinstance(written.value, dict):
        path, written = (*path, "except"), written.value["except"]
    for index, item in enumerate(written.value if written and isinstance(written.value, list) else ()):
        find_field(owner, str(item.value), (*path, index), at, issues)
