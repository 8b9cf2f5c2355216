"""A small pack that the tests of this room change one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

from engine.lifecycle.apply import apply
from engine.release.release import Release
from engine.runtime import Runtime
from metamodel.load import Loaded
from tests.tenancy import create, load_folder, write_pack

Documents = dict[str, Any]
Edit = Callable[[Documents], object]

BASE: Documents = {
    "pack": {"kind": "pack", "name": "depot", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    "item": {
        "kind": "object",
        "name": "item",
        "title": "name",
        "fields": {
            "name": {"type": "text", "required": True, "max_length": 40},
            "code": {"type": "text", "max_length": 20},
            "amount": {"type": "money", "min": 0, "max": 1000},
            "shade": {"type": "select", "options": "shades"},
            "box": {"type": "lookup", "to": "box", "reverse": "items"},
            "stage": {"type": "stage", "process": "item_life"},
            "twice": {"type": "formula", "formula": "amount * 2"},
        },
        "rules": {
            "small": {
                "valid_when": "ISBLANK(amount) OR amount < 900",
                "on": ["create", "update"],
                "message": "too much",
            }
        },
    },
    "box": {"kind": "object", "name": "box", "title": "name", "fields": {"name": {"type": "text", "required": True}}},
    "shades": {"kind": "value_set", "name": "shades", "options": {"red": {"label": "Red"}, "blue": {"label": "Blue"}}},
    "life": {
        "kind": "process",
        "name": "item_life",
        "object": "item",
        "field": "stage",
        "start": ["new"],
        "stages": {"new": {"category": "open"}, "done": {"category": "won"}},
        "moves": [{"from": "new", "to": "done"}],
    },
    "report": {
        "kind": "report",
        "name": "by_shade",
        "object": "item",
        "group_by": {"shade": "shade"},
        "measures": {"items": "COUNT(rows)", "amount": "SUM(amount)"},
    },
    "keeper": {"kind": "role", "name": "keeper", "objects": {"item": {"read": True}}},
}

ROWS = (
    {"name": "one", "code": "a", "amount": 10, "shade": "red"},
    {"name": "two", "code": "b", "amount": 20, "shade": "blue"},
    {"name": "three"},
)


def changed(folder: Path, edit: Edit | None = None) -> Loaded:
    """The base pack after one edit, loaded."""
    documents = deepcopy(BASE)
    if edit:
        edit(documents)
    return load_folder(write_pack(folder, documents.values()))


async def settle(rt: Runtime, tenant: str, folder: Path) -> tuple[Release, list[UUID]]:
    """The tenant with the base pack and three items: its release and their ids."""
    done = await apply(rt, tenant, changed(folder))
    return done.release, await create(rt, done.release, "item", *ROWS[:2]) + await create(
        rt, done.release, "item", ROWS[2]
    )
