"""Uploads: the bytes are counted, hashed and looked at as they come, then kept under their hash."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from engine.base.context import Context
from engine.base.errors import Refused
from engine.base.ids import new_id
from engine.base.limits import FILE_BYTES
from engine.db.transaction import atomic
from engine.files.contents import HEAD, described, media_type
from engine.files.store import key, put
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import files

MEMORY = 1024 * 1024
NAME_LENGTH = 255
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|\u202a-\u202e\u2066-\u2069]+')


async def upload(
    rt: Runtime, ctx: Context, release: Release, name: str, chunks: AsyncIterator[bytes]
) -> dict[str, Any]:
    """Keeps a file: its `id, name, type, size, sha256` and the facts of a picture. It belongs to the caller until a
    record takes it, and is forgotten after a day without one.

    Raises Refused `request.too_large` as soon as there are more than FILE_BYTES, `request.malformed` where there are
    none or the name says nothing.
    """
    name = _UNSAFE.sub("_", name).strip(" ._")[-NAME_LENGTH:]
    if not name:
        raise Refused("request.malformed", "give the file a name, such as ?name=photo.jpg")
    hashed, head, size = hashlib.sha256(), b"", 0
    with tempfile.SpooledTemporaryFile(max_size=MEMORY) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > FILE_BYTES:
                raise Refused("request.too_large", f"a file has at most {FILE_BYTES} bytes")
            head = head if len(head) >= HEAD else (head + chunk)[:HEAD]
            hashed.update(chunk)
            file.write(chunk)
        if not size:
            raise Refused("request.malformed", "the file is empty")
        type_, facts = await asyncio.to_thread(described, file, media_type(head, name))
        id_, sha256 = new_id(ctx.now.timestamp()), hashed.hexdigest()
        # The row comes first, so that the collection of unused bytes sees it; an id without bytes is never told.
        async with rt.writes.connection(release.role) as conn, atomic(conn):
            await conn.execute(files.LOCK.format(shared="_shared"), release.tenant)
            told = msgspec.json.encode(facts).decode()
            await conn.execute(
                files.add(release.schema), id_, sha256, size, type_, name, told, ctx.actor.user
            )
        file.seek(0)
        await put(rt, key(release.tenant, sha256), file)
    return {"id": id_, "name": name, "type": type_, "size": size, "sha256": sha256, **facts}
