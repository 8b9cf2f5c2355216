"""The body of a request: read up to a limit, and JSON in it taken exactly (RFC 8259; no NaN, numbers as decimals)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from engine.base.errors import Fault, Refused
from engine.base.limits import BODY_BYTES, JSON_DEPTH

T = TypeVar("T")

JSON_TYPES = frozenset({"application/json"})
MERGE_TYPES = frozenset({"application/json", "application/merge-patch+json"})

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


async def read_body(receive: Receive, length: bytes | None) -> bytes:
    """The whole body. Raises Refused "request.too_large" as soon as it is known to be longer than BODY_BYTES."""
    if length is not None and length.isdigit() and int(length) > BODY_BYTES:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def check_media_type(given: bytes | None, taken: frozenset[str]) -> None:
    """Raises Refused "request.media_type" for a body of another type, or JSON in another encoding than UTF-8."""
    media, _, parameters = (given or b"").decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if media.strip() not in taken or charset not in ("", "utf-8", "utf8"):
        raise Refused("request.media_type", f"the body is taken as {' or '.join(sorted(taken))} in UTF-8")


def decode(body: bytes) -> Any:
    """The JSON value of a body; numbers with a point or exponent are Decimals.

    Raises Refused "request.malformed" for what is not JSON and for what is nested deeper than JSON_DEPTH.
    """
    try:
        value = _DECODER.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused("request.malformed", _said(error)) from error
    _check_depth(value, JSON_DEPTH)
    return value


def typed(body: bytes, type_: type[T]) -> T:
    """The value of a body of a fixed shape. Raises Refused "request.malformed" with the place that does not fit."""
    try:
        return msgspec.convert(decode(body), type_, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        pointer = path.rstrip("`").replace("[", ".").replace("]", "").replace(".", "/")
        raise Refused("request.malformed", text, faults=[Fault("request.malformed", text, pointer)]) from error


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return
    if left == 0:
        raise _too_deep()
    for item in value:
        if isinstance(item, dict | list):
            _check_depth(item, left - 1)


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the body is not valid UTF-8"
    return str(error) or "the body is not valid JSON"


def _too_deep() -> Refused:
    return Refused("request.malformed", f"the body is nested deeper than {JSON_DEPTH} levels")


def _too_large() -> Refused:
    return Refused("request.too_large", f"a body has at most {BODY_BYTES} bytes")
