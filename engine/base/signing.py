"""Signed values that leave and come back: cursors and entity tags (HMAC-SHA-256, truncated to 128 bits)."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from uuid import UUID

import msgspec

from engine.base.errors import Refused


def signature(secret: bytes, *parts: str) -> bytes:
    """16 bytes over the parts; no two lists of parts give the same message."""
    message = msgspec.json.encode(parts)
    return hmac.digest(secret, message, "sha256")[:16]


def etag(secret: bytes, tenant: str, record: UUID | str, version: int) -> str:
    """The entity tag of a record's version, in its quotes."""
    message = f"{tenant}/{record}/{version}".encode()
    return f'"{version}-{hmac.digest(secret, message, "sha256").hex()[:16]}"'


def version_of(secret: bytes, tenant: str, record: UUID | str, tag: str) -> int | None:
    """The version in an If-Match header; None for `*`. Raises Refused "record.stale" for a tag that is not ours."""
    if tag.strip() == "*":
        return None
    number = tag.strip().removeprefix("W/").strip('"').partition("-")[0]
    plain = number.isascii() and number.isdigit() and len(number) < 19
    if plain and hmac.compare_digest(etag(secret, tenant, record, int(number)), tag.strip()):
        return int(number)
    raise Refused("record.stale", "the entity tag in If-Match is not one of this record")


def seal_cursor(secret: bytes, scope: Sequence[str], keys: Sequence[str | None]) -> str:
    """A cursor that holds sort keys and is good for this scope (tenant, user, query) only."""
    text = msgspec.json.encode(keys).decode()
    return base64.urlsafe_b64encode(signature(secret, *scope, text) + text.encode()).decode().rstrip("=")


def open_cursor(secret: bytes, scope: Sequence[str], cursor: str) -> list[str | None]:
    """The sort keys in a cursor. Raises Refused "query.cursor" for one that was not made for this scope."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = raw[16:].decode()
    except (binascii.Error, ValueError) as error:
        raise Refused("query.cursor") from error
    if not hmac.compare_digest(raw[:16], signature(secret, *scope, text)):
        raise Refused("query.cursor")
    keys: list[str | None] = json.loads(text)
    return keys
