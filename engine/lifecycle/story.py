"""Demo data as a story: steps in time order, written through the ordinary door under the clock of each step.

A pack tells it in `demo/story.py`: `story(seed, today, scale=...)` yields steps with `at` (UTC), `object`, `operation`
("create" or "update") and `rows`. A row carries API values and `_key`, the story's own name of the record; a move also
`_reason`, and `_done`, the tasks that somebody says are done, where the process asks for them. A reference to another
record is a value with the attribute `key`. `logins()` names the people who may sign in as (login, role, key).
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from uuid import UUID

from engine.base.context import OPERATOR, Context
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime


class Step(Protocol):
    """Rows of one object that are written at one moment; all rows give the same fields."""

    at: datetime
    object: str
    operation: str
    rows: list[dict[str, Any]]


@dataclass(slots=True)
class Told:
    """What was written so far: the id of each key, and how many rows."""

    ids: dict[str, UUID] = field(default_factory=dict)
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def story_of(pack: Path) -> ModuleType:
    """The story module of a pack. Raises FileNotFoundError where the pack tells none."""
    path = pack / "demo" / "story.py"
    spec = importlib.util.spec_from_file_location(f"fieldwright_story_{pack.name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def tell(
    rt: Runtime, release: Release, steps: Iterable[Step], progress: Callable[[Told, datetime], None] | None = None
) -> Told:
    """Writes the steps in order. Raises Refused for the first step that breaks a rule; the former ones stay."""
    told = Told()
    for step in steps:
        ctx = Context(
            OPERATOR, release.tenant, now=step.at, time_zone=release.model.settings.time_zone, door="demo"
        )
        keys = [row["_key"] for row in step.rows]
        rows = tuple(_row(row, told.ids) for row in step.rows)
        request = RecordWrite(
            object=step.object, operation="create" if step.operation == "create" else "update", rows=rows, many=True,
            ids=() if step.operation == "create" else tuple(told.ids[key] for key in keys),
            reasons=tuple(row.get("_reason") for row in step.rows),
            done=tuple(dict.fromkeys(row.get("_done", ()), True) for row in step.rows), fields=(), unattended=True,
        )
        written = await write(rt, ctx, release, request)
        if step.operation == "create":
            told.ids.update((key, id_) for key, (id_, _) in zip(keys, written.changed, strict=True))
        told.rows += len(rows)
        await _analyze_grown(rt, release, step.object, told.counts, len(rows))
        if progress:
            progress(told, step.at)
    return told


async def forget_jobs(rt: Runtime, release: Release, before: datetime) -> None:
    """Takes back the workflow jobs of a told past: what happened before that moment is not handled again today."""
    async with rt.writes.connection() as conn:
        first = await conn.fetchval(f'SELECT min(id) FROM "{release.schema}"._event WHERE at >= $1', before)
        await conn.execute(
            "DELETE FROM fieldwright.pgqueuer AS job WHERE job.entrypoint = 'dispatch' "
            "AND convert_from(job.payload, 'UTF8')::jsonb ->> 'tenant' = $1 "
            "AND ($2::bigint IS NULL OR (convert_from(job.payload, 'UTF8')::jsonb -> 'events' ->> -1)::bigint < $2)",
            release.tenant, first,
        )  # fmt: skip


async def _analyze_grown(rt: Runtime, release: Release, obj: str, counts: Counter[str], more: int) -> None:
    """Counts the rows and, each time an object has doubled, renews the statistics: plans made for an empty table
    would be kept while it fills."""
    before, counts[obj] = counts[obj], counts[obj] + more
    if before.bit_length() == counts[obj].bit_length() or counts[obj] < 128:
        return
    refs = (release.table(obj), release.system("_stage_history"))
    async with rt.writes.connection() as conn:
        for ref in refs:
            await conn.execute(f'ANALYZE "{ref.schema}"."{ref.name}"')


def _row(row: Mapping[str, Any], ids: Mapping[str, UUID]) -> dict[str, Any]:
    return {
        name: str(ids[value.key]) if hasattr(value, "key") else value
        for name, value in row.items() if not name.startswith("_")
    }
