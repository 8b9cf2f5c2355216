"""Short ways for tests that work on a tenant: packs written from plain data, rows in, rows out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import yaml

from engine.base.clock import Clock
from engine.base.context import OPERATOR, Actor, Context
from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.read import read_page
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime, running
from metamodel.load import Loaded, load_packs, load_tenant

ROOT = Path(__file__).resolve().parents[1]
PACKS = ROOT / "tenant_configs"


@asynccontextmanager
async def opened(url: str, pool_size: int = 4) -> AsyncIterator[Runtime]:
    """A runtime on the database."""
    async with running(Settings(database_url=url, pool_size=pool_size)) as rt:
        yield rt


def write_pack(folder: Path, documents: Iterable[Mapping[str, Any]]) -> Path:
    """A pack's folder with one file of declarations beside the manifest; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    by_kind = list(documents)
    for name, chosen in (
        ("pack.yaml", [d for d in by_kind if d["kind"] == "pack"]),
        ("declarations.yaml", [d for d in by_kind if d["kind"] != "pack"]),
    ):
        text = yaml.safe_dump_all(chosen, sort_keys=False, allow_unicode=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def load_folder(folder: Path) -> Loaded:
    """The pack in a folder with what ships."""
    return load_packs([folder], [PACKS])


def load_with_settings(folder: Path, name: str, packs: Mapping[str, str], **settings: Any) -> Loaded:
    """The pack in a folder as a tenant with settings of its own."""
    file = folder.parent / f"{name}.yaml"
    file.write_text(
        yaml.safe_dump({"kind": "tenant", "name": name, "packs": dict(packs), "settings": settings}), "utf-8"
    )
    return load_tenant(file, [folder.parent, PACKS])


def context(release: Release, actor: Actor = OPERATOR, **more: Any) -> Context:
    zone = release.model.settings.time_zone
    return Context(actor, release.tenant, **{"now": Clock().now(), "time_zone": zone, **more})


async def create(
    rt: Runtime, release: Release, obj: str, *rows: Mapping[str, Any], actor: Actor = OPERATOR
) -> list[UUID]:
    """The ids of new records."""
    request = RecordWrite(object=obj, operation="create", rows=rows, many=True)
    return [id_ for id_, _ in (await write(rt, context(release, actor), release, request)).changed]


async def update(
    rt: Runtime,
    release: Release,
    obj: str,
    record: UUID,
    actor: Actor = OPERATOR,
    reason: str | None = None,
    **row: Any,
) -> None:
    request = RecordWrite(
        object=obj, operation="update", rows=(row,), ids=(record,), versions=(None,), reasons=(reason,)
    )
    await write(rt, context(release, actor), release, request)


async def read(
    rt: Runtime, release: Release, obj: str, *fields: str, actor: Actor = OPERATOR, **query: Any
) -> list[dict[str, Any]]:
    """Records as a caller gets them; decimals keep their digits."""
    asked = RecordQuery(object=obj, fields=fields or None, limit=200, **query)
    page = await read_page(rt, context(release, actor), release, asked)
    return list(json.loads(page.items, parse_float=Decimal))


async def sql(url: str, text: str, *args: Any) -> list[Any]:
    """Rows of a statement, past the engine."""
    conn = await asyncpg.connect(url)
    try:
        return list(await conn.fetch(text, *args))
    finally:
        await conn.close()


@contextmanager
def refusing(code: str, text: str = "") -> Iterator[None]:
    """The block is refused for that code, and the detail holds the text."""
    with pytest.raises(Refused) as caught:
        yield
    refused = caught.value
    details = {refused.code: refused.detail, **{fault.code: fault.detail for fault in refused.faults}}
    assert code in details and text in details[code], details
