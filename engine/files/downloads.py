"""Downloads: a file is as readable as the field of the record that holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Refused
from engine.db import execute
from engine.files.contents import PICTURES, thumbnail
from engine.files.store import get, key, put, stream
from engine.plan.request import RecordQuery
from engine.records.read import read_record
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import files
from metamodel.kinds.field_types import FILES

SIZES = (64, 128, 256, 512, 1024)
"""The sizes of small pictures, in pixels; another one is raised to the next."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it was uploaded."""

    sha256: str
    size: int
    type: str
    name: str
    uploaded_at: datetime


async def find(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, field: str, file: UUID | None
) -> Stored:
    """The file `file` (None: the first) of a field. Raises Refused "file.unknown" where the caller may not read the
    record or the field, and where the field does not hold the file."""
    fields = release.model.objects[obj].fields if obj in release.model.objects else {}
    missing = Refused("file.unknown", "there is no such file")
    if field not in fields or fields[field].type not in FILES:
        raise missing
    try:
        found = await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=(field,)), record)
    except Refused as refused:
        if refused.kind in ("not_found", "malformed"):
            raise missing from None
        raise
    held: Any = msgspec.json.decode(found.body)[field] or []
    ids = [UUID(one["id"]) for one in ([held] if isinstance(held, dict) else held)]
    chosen = file if file in ids else ids[0] if ids and file is None else None
    if chosen is None:
        raise missing
    async with rt.reads.connection(release.role) as conn:
        (row,) = await execute.fetch_rows(conn, files.find(release.schema), [chosen])
    return Stored(*row)


def content(rt: Runtime, release: Release, file: Stored, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of the file from `start` up to, without, `end`."""
    return stream(rt, key(release.tenant, file.sha256), start, end)


async def small(rt: Runtime, release: Release, file: Stored, size: int) -> bytes:
    """The picture in small as WebP, made once and kept. Raises Refused "file.no_picture"."""
    size = next((known for known in SIZES if known >= size), SIZES[-1])
    if file.type not in PICTURES.values():
        raise Refused("file.no_picture", f"a file of type {file.type} can not be shown in small")
    place = key(release.tenant, file.sha256, f"-{size}.webp")
    kept = await get(rt, place)
    if kept is None:
        whole = await get(rt, key(release.tenant, file.sha256))
        kept = await asyncio.to_thread(thumbnail, whole or b"", size)
        if kept is None:
            raise Refused("file.no_picture", "the picture can not be read")
        await put(rt, place, kept)
    return kept
