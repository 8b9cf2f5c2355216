"""Where the bytes of files lie: a folder below `home`, or the store of objects that `FIELDWRIGHT_FILES_URL` names.

Everything here raises Refused "file.store" where the store can not be reached; the log says why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.runtime import Runtime

if TYPE_CHECKING:
    from obstore.store import RetryConfig

CHUNK = 256 * 1024
RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
"""How often and long a request to a store is tried again, in a call that somebody waits for; else it is minutes."""

log = structlog.get_logger("fieldwright")


def store_of(rt: Runtime) -> ObjectStore:
    """The store of this process; credentials of clouds come from their own environment variables."""
    found: ObjectStore = rt.prepared.get("files", lambda: open_store(rt.settings))
    return found


def open_store(settings: Settings) -> ObjectStore:
    if settings.files_url:
        with _reached(settings.files_url):
            # No `client_options`: with any of them those of the environment (AWS_ALLOW_HTTP ...) are not read.
            remote = not settings.files_url.startswith("file:")
            return from_url(settings.files_url, retry_config=RETRIES if remote else None)
    return LocalStore(settings.home.absolute() / "files", mkdir=True)


def key(tenant: str, sha256: str, suffix: str = "") -> str:
    """The place of the bytes with that hash, the same for all uploads of a tenant, and of what is made of them."""
    return f"{tenant}/{sha256[:2]}/{sha256}{suffix}"


async def put(rt: Runtime, place: str, content: IO[bytes] | bytes) -> None:
    with _reached(place):
        await obstore.put_async(store_of(rt), place, content)


async def get(rt: Runtime, place: str) -> bytes | None:
    """All bytes at a place, None where there is nothing."""
    try:
        with _reached(place):
            return bytes(await (await obstore.get_async(store_of(rt), place)).bytes_async())
    except FileNotFoundError:
        return None


async def stream(rt: Runtime, place: str, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `start` up to, without, `end`. Raises FileNotFoundError."""
    if start >= end:
        return
    with _reached(place):
        found = await obstore.get_async(store_of(rt), place, options={"range": (start, end)})
        async for chunk in found.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)


async def remove(rt: Runtime, places: list[str]) -> None:
    """Removes what lies there; what does not is no error."""
    for place in places:
        try:
            with _reached(place):
                await obstore.delete_async(store_of(rt), place)
        except FileNotFoundError:
            continue


@contextmanager
def _reached(place: str) -> Iterator[None]:
    """What fails inside is told as `file.store`, but a file that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError, ValueError) as error:
        log.error("file_store_failed", place=place, reason=str(error).split("\n")[0])
        raise Refused("file.store", "the store of files can not be reached; try again later") from error
