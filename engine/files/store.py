"""Where the bytes of files lie: a folder below `home`, or the store of objects that `FIELDWRIGHT_FILES_URL` names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import IO

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from engine.base.settings import Settings
from engine.runtime import Runtime

CHUNK = 256 * 1024


def store_of(rt: Runtime) -> ObjectStore:
    """The store of this process; credentials of clouds come from their own environment variables."""
    found: ObjectStore = rt.prepared.get("files", lambda: open_store(rt.settings))
    return found


def open_store(settings: Settings) -> ObjectStore:
    if settings.files_url:
        return from_url(settings.files_url)
    return LocalStore(settings.home.absolute() / "files", mkdir=True)


def key(tenant: str, sha256: str, suffix: str = "") -> str:
    """The place of the bytes with that hash, the same for all uploads of a tenant, and of what is made of them."""
    return f"{tenant}/{sha256[:2]}/{sha256}{suffix}"


async def put(rt: Runtime, place: str, content: IO[bytes] | bytes) -> None:
    await obstore.put_async(store_of(rt), place, content)


async def get(rt: Runtime, place: str) -> bytes | None:
    """All bytes at a place, None where there is nothing."""
    try:
        return bytes(await (await obstore.get_async(store_of(rt), place)).bytes_async())
    except FileNotFoundError:
        return None


async def stream(rt: Runtime, place: str, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `start` up to, without, `end`. Raises FileNotFoundError."""
    if start >= end:
        return
    found = await obstore.get_async(store_of(rt), place, options={"range": (start, end)})
    async for chunk in found.stream(min_chunk_size=CHUNK):
        yield bytes(chunk)


async def remove(rt: Runtime, places: list[str]) -> None:
    """Removes what lies there; what does not is no error."""
    for place in places:
        try:
            await obstore.delete_async(store_of(rt), place)
        except FileNotFoundError:
            continue
