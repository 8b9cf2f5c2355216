"""A store of parts, and a short way to import a text into it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from engine.base.context import OPERATOR, Actor
from engine.lifecycle.apply import apply
from engine.records.importing import Imported, import_file
from engine.records.mapping import load_mapping
from engine.release.release import Release
from engine.runtime import Runtime
from tests.tenancy import context, create, load_with_settings, opened, read, write_pack

TENANT = "store"
PACK: list[dict[str, Any]] = [
    {"kind": "pack", "name": "store", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    {
        "kind": "object",
        "name": "place",
        "title": "name",
        "fields": {
            "name": {"type": "text", "required": True},
            "code": {"type": "text", "unique": True},
            "shout": {"type": "formula", "formula": "UPPER(name)"},
        },
    },
    {
        "kind": "object",
        "name": "part",
        "title": "sku",
        "fields": {
            "sku": {"type": "text", "required": True, "unique": True, "max_length": 10},
            "name": {"type": "text", "max_length": 100},
            "price": {"type": "money", "min": 0},
            "share": {"type": "percent"},
            "pieces": {"type": "integer", "max": 1000},
            "made_on": {"type": "date"},
            "seen_at": {"type": "datetime"},
            "shade": {"type": "select", "options": "shades"},
            "tags": {"type": "multi_select", "options": "shades"},
            "fragile": {"type": "boolean"},
            "place": {"type": "lookup", "to": "place", "reverse": "parts"},
            "keeper": {"type": "user", "reverse": "parts"},
            "stage": {"type": "stage", "process": "part_life"},
            "worth": {"type": "formula", "formula": "price * pieces"},
        },
        "rules": {
            "fair": {
                "valid_when": "ISBLANK(price) OR price < 1000",
                "on": ["create", "update"],
                "field": "price",
                "message": "too dear",
            },
            "usual": {"valid_when": "ISBLANK(pieces) OR pieces <> 600", "severity": "warning", "message": "so many?"},
        },
    },
    {
        "kind": "object",
        "name": "shift",
        "title": "name",
        "fields": {
            "name": {"type": "text"},
            "starts": {"type": "time"},
            "lasts": {"type": "duration"},
            "place": {"type": "geo"},
            "leader": {"type": "person_name"},
            "words": {"type": "tags"},
            "facts": {"type": "json"},
        },
    },
    {"kind": "value_set", "name": "shades", "options": {"red": {"label": "Red"}, "blue": {"label": "Blue"}}},
    {
        "kind": "process",
        "name": "part_life",
        "object": "part",
        "field": "stage",
        "start": ["draft"],
        "stages": {
            "draft": {"category": "open"},
            "ready": {"category": "open", "required": ["price"]},
            "gone": {"category": "lost", "entry": {"counted": {"valid_when": "pieces = 0", "message": "not empty"}}},
        },
        "moves": [{"from": "draft", "to": "ready"}, {"from": "ready", "to": "gone"}],
    },
    {
        "kind": "role",
        "name": "clerk",
        "objects": {
            "part": {"read": True, "create": {"fields": {"except": ["keeper"]}}, "edit": True, "import": True},
            "place": {"read": {"where": 'code <> "SECRET"'}},
        },
    },
    {"kind": "role", "name": "keeper", "objects": {"part": {"read": True, "create": True, "edit": True}}},
    {
        "kind": "role",
        "name": "archivist",
        "capabilities": ["import_historical"],
        "objects": {
            "part": {"read": True, "create": True, "edit": True, "import": True},
            "place": {"read": True},
            "user": {"read": True},
        },
    },
]


@dataclass(slots=True)
class Store:
    """The tenant in an open runtime, with the folder that files are written to."""

    rt: Runtime
    release: Release
    folder: Path
    actor: Actor = OPERATOR

    async def load(self, mapping: dict[str, Any], text: str | bytes, **more: Any) -> Imported:
        """Imports the text of a CSV by the mapping (`kind`, `name` and `object` are given)."""
        file, data = self.folder / "mapping.yaml", self.folder / "data.csv"
        whole = {"kind": "import", "name": "parts", "object": "part", **mapping}
        file.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), "utf-8")
        data.write_bytes(text.encode() if isinstance(text, str) else text)
        ctx = context(self.release, self.actor, door="import")
        return await import_file(self.rt, ctx, self.release, load_mapping(file), data, **more)

    async def parts(self, *fields: str, **query: Any) -> list[tuple[Any, ...]]:
        rows = await read(self.rt, self.release, "part", *fields, order=("sku",), **query)
        return [tuple(row.values()) for row in rows]

    async def empty(self) -> None:
        async with self.rt.writes.connection() as conn:
            await conn.execute(
                f'DELETE FROM "{self.release.schema}".part; DELETE FROM "{self.release.schema}"._history'
            )


@pytest.fixture(scope="package")
def store_url(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    url = new_database()
    asyncio.run(_furnish(url, tmp_path_factory.mktemp("store")))
    return url


async def _furnish(url: str, folder: Path) -> None:
    pack = write_pack(folder / "store", PACK)
    loaded = load_with_settings(pack, TENANT, {"core": ">=0.1", "store": ">=0.1"}, time_zone="Asia/Shanghai")
    async with opened(url) as rt:
        release = (await apply(rt, TENANT, loaded)).release
        await create(
            rt,
            release,
            "place",
            *(
                {"name": n, "code": c}
                for n, c in (("North", "N"), ("South", "S"), ("Twin", "T1"), ("Twin", "T2"), ("Vault", "SECRET"))
            ),
        )
        await create(rt, release, "user", {"name": "Ann", "email": "ann@store.example"})


@pytest.fixture
async def store(store_url: str, tmp_path: Path) -> Any:
    async with opened(store_url) as rt:
        made = Store(rt, await rt.store.release(TENANT), tmp_path)
        await made.empty()
        yield made


def actor(role: str) -> Actor:
    return Actor(UUID(int=99), (role,), {"id": UUID(int=99)})
