"""Errors as RFC 9457 problem documents: the only place with status codes."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.base.errors import Fault, Kind, Refused
from engine.http.reply import Reply

PROBLEM = b"application/problem+json"
TYPE = "/docs/codes#"

STATUS: dict[Kind, int] = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method": 405,
    "conflict": 409,
    "stale": 412,
    "too_large": 413,
    "media_type": 415,
    "invalid": 422,
    "precondition": 428,
    "limited": 429,
    "internal": 500,
    "busy": 503,
    "unavailable": 503,
}
_SILENT = frozenset({"internal", "unavailable"})
"""Kinds whose details are of the operator's concern: the caller gets the title only."""


def problem(refused: Refused, request_id: str) -> Reply:
    """The answer to a refused request."""
    status = STATUS[refused.kind]
    document: dict[str, Any] = {
        "type": TYPE + refused.code,
        "title": refused.title,
        "status": status,
        "code": refused.code,
    }
    if refused.detail and refused.kind not in _SILENT:
        document["detail"] = refused.detail
    if refused.faults:
        document["errors"] = [error_of(fault) for fault in refused.faults]
    document["request_id"] = request_id
    headers: list[tuple[bytes, bytes]] = []
    if refused.kind == "unauthenticated":
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (429, 503):
        headers.append((b"retry-after", str(refused.retry_after or 1).encode()))
    return Reply(msgspec.json.encode(document), status, tuple(headers), PROBLEM)


def error_of(fault: Fault) -> dict[str, Any]:
    """One thing wrong, as a problem document and a batch show it."""
    error: dict[str, Any] = {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
    if fault.rule is not None:
        error["rule"] = fault.rule
    if fault.row is not None:
        error["row"] = fault.row
    if fault.severity != "error":
        error["severity"] = fault.severity
    if fault.about:
        error["about"] = fault.about
    return error
