"""A batch in which each row stands for itself: what can be written is written, the rest is answered with its faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime


async def write_each(rt: Runtime, ctx: Context, release: Release, request: RecordWrite) -> list[dict[str, Any]]:
    """For each row `{"id", "version"}`, or `{"errors": [{"pointer", "code", "detail", "rule"}]}`.

    Rows go together in one statement; those that are refused are taken out and the others tried again. Raises Refused
    for what is wrong with the request as a whole.
    """
    results: list[dict[str, Any]] = [{} for _ in request.rows]
    pending = list(range(len(request.rows)))
    while pending:
        part = replace(
            request, many=True, rows=_pick(request.rows, pending), ids=_pick(request.ids, pending),
            versions=_pick(request.versions, pending), reasons=_pick(request.reasons, pending),
        )  # fmt: skip
        try:
            written = await write(rt, ctx, release, part)
        except Refused as refused:
            faults = [fault for fault in refused.faults if fault.row is not None]
            if not faults:
                raise
            for fault in faults:
                results[pending[fault.row or 0]].setdefault("errors", []).append(_error(fault))
            pending = [row for row in pending if not results[row]]
        else:
            for row, (record, version) in zip(pending, written.changed, strict=True):
                results[row] = {"id": record, "version": version}
            break
    return results


def _pick(values: tuple[Any, ...], rows: list[int]) -> tuple[Any, ...]:
    return tuple(values[row] for row in rows) if values else ()


def _error(fault: Fault) -> dict[str, Any]:
    error: dict[str, Any] = {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
    if fault.rule is not None:
        error["rule"] = fault.rule
    return error
