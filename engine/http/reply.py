"""What a route answers: bytes, a status and a few headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
CSV = b"text/csv; charset=utf-8"
MARKDOWN = b"text/markdown; charset=utf-8"

ENCODER = msgspec.json.Encoder(decimal_format="number")
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `media` is its content type; a body of None stands for no content at all. A `stream` of `length`
    bytes is sent in place of the body."""

    body: bytes | None = None
    status: int = 200
    headers: tuple[Header, ...] = ()
    media: bytes = JSON
    length: int | None = None
    stream: AsyncIterator[bytes] | None = None


def json_reply(value: Any, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """An answer of a plain value."""
    return Reply(ENCODER.encode(value), status, headers)
