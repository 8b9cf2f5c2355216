"""What is told of a written record and refuses nothing: the `_notices` beside its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from engine.base.errors import Fault

Notices: TypeAlias = "dict[int, list[Fault]]"
"""What is told of rows, by their places."""


def with_notices(body: str, notices: Notices) -> str:
    """The JSON text of a record, or of an array of them, with the notices in each record that has some."""
    if not notices:
        return body
    if not body.startswith("["):
        return _with_notices(body, notices[0])
    rows = enumerate(msgspec.json.decode(body, type=list[msgspec.Raw]))
    return f"[{','.join(_with_notices(bytes(row).decode(), notices.get(n, ())) for n, row in rows)}]"


def notice_of(fault: Fault) -> dict[str, Any]:
    """`{"rule", "field", "detail"}`, as answers show it."""
    return {"rule": fault.rule, "field": fault.pointer[1:].replace("/", ".") or None, "detail": fault.detail}


def _with_notices(record: str, faults: Sequence[Fault]) -> str:
    if not faults:
        return record
    told = msgspec.json.encode([notice_of(fault) for fault in faults]).decode()
    return f'{record.rstrip()[:-1]}{"," if record.strip() != "{}" else ""}"_notices":{told}}}'
