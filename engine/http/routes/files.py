"""`/{tenant}/api/files`: uploads; and the files of a record, with ranges and pictures in small."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import UUID

from starlette.requests import ClientDisconnect

from engine.files.downloads import content, find, small
from engine.files.uploads import upload
from engine.http import query
from engine.http.call import Call, path_id
from engine.http.reply import Header, Reply, json_reply
from engine.http.resource import Action, Resource

ROOT = "/{tenant}/api/records/{object}/{id}/files/{field}"
_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")
PRIVATE: Header = (b"cache-control", b"private, no-cache")
"""A browser may keep a file, and asks each time whether it may still show it."""


async def post_file(call: Call) -> Reply:
    """Takes the bytes of the body as a file of the caller's; its name is given by `?name=`."""
    found = query.parse(call.query_string)
    query.only(found, "name")
    return json_reply(await upload(call.rt, call.ctx, call.release, found.get("name", ""), _chunks(call)), 201)


async def _chunks(call: Call) -> AsyncIterator[bytes]:
    while True:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect()
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def get_first(call: Call) -> Reply:
    """The first file of a field."""
    return await _file(call, None)


async def get_file(call: Call) -> Reply:
    """One file of a field by its id."""
    return await _file(call, path_id(call.param("file"), "file.unknown", "there is no such file"))


async def _file(call: Call, id_: UUID | None) -> Reply:
    found = query.parse(call.query_string)
    query.only(found, "size")
    size = query.number(found, "size", 0)
    record = path_id(call.param("id"), "file.unknown", "there is no such file")
    file = await find(call.rt, call.ctx, call.release, call.object, record, call.param("field"), id_)
    tag = f'"{file.sha256[:32]}-{size}"'.encode()
    shared: tuple[Header, ...] = ((b"etag", tag), PRIVATE)
    if tag in call.headers.get(b"if-none-match", b""):
        return Reply(None, 304, shared)
    if size:
        return Reply(await small(call.rt, call.release, file, size), headers=shared, media=b"image/webp")
    name = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}".encode()
    shared = (*shared, (b"content-disposition", name), (b"accept-ranges", b"bytes"))
    span = _span(call, file.size, tag)
    if span is None:
        return Reply(None, 416, (*shared, (b"content-range", f"bytes */{file.size}".encode())))
    start, end = span
    part = (start, end) != (0, file.size)
    told = ((b"content-range", f"bytes {start}-{end - 1}/{file.size}".encode()),) if part else ()
    return Reply(
        b"", 206 if part else 200, (*shared, *told), file.type.encode(), length=end - start,
        stream=content(call.rt, call.release, file, start, end),
    )  # fmt: skip


def _span(call: Call, size: int, tag: bytes) -> tuple[int, int] | None:
    """The bytes that are asked for (RFC 9110, 14.2): one range, else the whole; None where it lies behind the end."""
    asked = _RANGE.fullmatch(call.headers.get(b"range", b""))
    if asked is None or asked[0] == b"bytes=-" or call.headers.get(b"if-range", tag) != tag:
        return 0, size
    if not asked[1]:
        last = int(asked[2])
        return (max(0, size - last), size) if last else None
    start = int(asked[1])
    end = min(int(asked[2]) + 1, size) if asked[2] else size
    if asked[2] and int(asked[2]) < start:
        return 0, size
    return (start, end) if start < size else None


RESOURCES = (
    Resource("/{tenant}/api/files", POST=Action(post_file, "user")),
    Resource(ROOT, GET=Action(get_first, "user")),
    Resource(ROOT + "/{file}", GET=Action(get_file, "user")),
)
