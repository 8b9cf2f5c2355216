"""Several writes over several objects in one transaction: later ones may refer to what earlier ones make.

Rows of one object that are written alike go together, in the order that their references ask for; what reads other
objects of the batch is judged at its end. All is written, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.base.ids import new_ids
from engine.base.limits import BATCH_MAX
from engine.db.pool import Connection
from engine.db.transaction import atomic, in_transaction
from engine.plan.access import allowed
from engine.plan.request import RecordWrite
from engine.records.bin import delete_within
from engine.records.lookup import ids_by_key
from engine.records.notices import Notices
from engine.records.write import BATCH_FIELDS, INVALID, Pending, invalid, settle_all, write
from engine.release.release import Release
from engine.runtime import Runtime

REF = "ref"
UPSERT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write of a batch. A create may have a name, `ref`, by which lookups of other steps mean it: `{"ref": name}`.

    An update or deletion names its `record`, with the `version` it was read at (None: whatever it is now). An upsert
    changes the record whose field `key` has the value that it gives, or creates it.
    """

    object: str
    operation: Literal["create", "update", "upsert", "delete"]
    values: Mapping[str, Any] = field(default_factory=dict)
    ref: str | None = None
    record: UUID | None = None
    version: int | None = None
    key: str | None = None
    reason: str | None = None
    done: Mapping[str, bool] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What a step has come to: the record, its version (None where it was deleted), whether it was created, and what is
    told of it and refused nothing."""

    record: UUID
    version: int | None
    created: bool
    notices: Sequence[Fault] = ()


async def write_batch(
    rt: Runtime, ctx: Context, release: Release, steps: Sequence[Step], conn: Connection | None = None, depth: int = 0,
    unattended: bool = False,
) -> list[Result]:
    """Does all steps, in the transaction of `conn` where it is given; the result of each in its place. `unattended`:
    warnings are told and refuse nothing.

    Raises Refused like `write`, the faults of a step with its place as their row.
    """
    if len(steps) > BATCH_MAX:
        raise Refused("request.too_large", f"at most {BATCH_MAX} records are written at once")
    for step in steps:
        for verb in {"create": ("create",), "update": ("edit",), "upsert": ("create", "edit")}.get(
            step.operation, ("delete",)
        ):
            allowed(rt.rights(ctx.actor, release), step.object, verb)

    async def work(inner: Connection) -> list[Result]:
        async with atomic(inner):
            return await _Batch(rt, ctx, release, inner, depth, unattended).run(steps)

    for attempt in range(UPSERT_ATTEMPTS):
        try:
            return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))
        except Refused as refused:
            # Who was created by someone else meanwhile is found now, and changed.
            taken = "record.unique" in (refused.code, *(fault.code for fault in refused.faults))
            upserts = any(step.operation == "upsert" for step in steps)
            if not (taken and upserts) or attempt == UPSERT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _Batch:
    rt: Runtime
    ctx: Context
    release: Release
    conn: Connection
    depth: int
    unattended: bool

    async def run(self, steps: Sequence[Step]) -> list[Result]:
        known = await self.known(steps)
        ids = new_ids(len(steps), self.ctx.now.timestamp())
        created = [s.operation == "create" or (s.operation == "upsert" and n not in known) for n, s in enumerate(steps)]
        records = [step.record or known.get(n) or ids[n] for n, step in enumerate(steps)]
        named = {step.ref: n for n, step in enumerate(steps) if step.ref}
        levels, rows = _levels(steps, named), [_row(n, step, named, records) for n, step in enumerate(steps)]
        versions: dict[int, int | None] = {}
        notices: list[tuple[Sequence[int], Notices]] = []
        faults: list[Fault] = []
        pending: list[Pending] = []
        level = 0
        for members in _groups(steps, levels, created):
            if faults and levels[members[0]] > level:
                break  # what refers to something that is not there would tell nothing of its own
            level = levels[members[0]]
            left: list[Pending] = []
            try:
                async with atomic(self.conn):
                    versions |= await self.group(steps, members, rows, records, created[members[0]], left, notices)
            except Refused as refused:
                faults += _placed(refused, members)
            pending += (replace(p, places=tuple(members[n] for n in p.places or range(len(p.ids)))) for p in left)
        if not faults:
            faults = await settle_all(self.rt, self.ctx, self.release, pending, self.conn)
        if faults:
            raise invalid(sorted(faults, key=lambda fault: fault.row or 0))
        told = {members[n]: found for members, noted in notices for n, found in noted.items()}
        return [Result(records[n], versions[n], created[n], told.get(n, ())) for n in range(len(steps))]

    async def known(self, steps: Sequence[Step]) -> dict[int, UUID]:
        """The records that upserts find, by the places of their steps."""
        asked: dict[tuple[str, str], list[int]] = {}
        for n, step in enumerate(steps):
            if step.operation == "upsert" and step.key:
                asked.setdefault((step.object, step.key), []).append(n)
        found: dict[int, UUID] = {}
        for (obj, key), places in asked.items():
            if not _single(self.release, obj, key):
                detail = f'"{key}" is no field whose values are unique'
                raise invalid([Fault("record.key", detail, row=places[0])])
            texts = {n: str(steps[n].values.get(key) or "") for n in places}
            there = await ids_by_key(self.rt, self.ctx, self.release, obj, key, set(texts.values()), self.conn)
            for n, text in texts.items():
                if not text or len(there.get(text, ())) > 1:
                    detail = "several records have this key" if text else "an upsert needs a value of its key"
                    raise invalid([Fault("record.key", detail, f"/{key}", row=n)])
                if there.get(text):
                    found[n] = there[text][0]
        return found

    async def group(
        self, steps: Sequence[Step], members: Sequence[int], rows: Sequence[Mapping[str, Any]],
        records: Sequence[UUID], created: bool, left: list[Pending],
        notices: list[tuple[Sequence[int], Notices]],
    ) -> dict[int, int | None]:
        """Writes the steps of one object that are alike; the versions by the places of the steps."""
        first = steps[members[0]]
        if first.operation == "delete":
            for n in members:
                versions, batch = [steps[n].version], records[n]
                await delete_within(
                    self.rt, self.ctx, self.release, first.object, [batch], versions, batch, self.conn,
                    steps[n].acknowledged, self.unattended,
                )
            return dict.fromkeys(members)
        request = RecordWrite(
            object=first.object, operation="create" if created else "update", rows=tuple(rows[n] for n in members),
            ids=tuple(records[n] for n in members), versions=tuple(steps[n].version for n in members),
            reasons=tuple(steps[n].reason for n in members), done=tuple(steps[n].done for n in members),
            fields=BATCH_FIELDS, many=True, together=frozenset(step.object for step in steps) - {first.object},
            depth=self.depth, acknowledged=tuple(steps[n].acknowledged for n in members), unattended=self.unattended,
        )
        written = await write(self.rt, self.ctx, self.release, request, self.conn, left)
        notices.append((members, written.notices))
        return dict(zip(members, (version for _, version in written.changed), strict=True))


def _single(release: Release, obj: str, key: str) -> bool:
    """Whether no two records share a value of the field."""
    declared = release.object(obj)
    keys = [one.fields for one in declared.unique.values() if one.plain]
    return key in declared.fields and (declared.fields[key].unique or (key,) in keys)


def _row(n: int, step: Step, named: Mapping[str, int], records: Sequence[UUID]) -> dict[str, Any]:
    """The values of a step with references replaced by ids."""
    row = dict(step.values)
    for name, value in step.values.items():
        if ref := _ref(value):
            if ref not in named:
                raise invalid([Fault("record.reference", f'no step is named "{ref}"', f"/{name}", row=n)])
            row[name] = str(records[named[ref]])
    return row


def _ref(value: Any) -> str | None:
    """The name of the step that a value means."""
    ref = value.get(REF) if isinstance(value, Mapping) and len(value) == 1 else None
    return ref if isinstance(ref, str) else None


def _levels(steps: Sequence[Step], named: Mapping[str, int]) -> list[int]:
    """How many steps have to come before each; deletions come last. Raises Refused where references go in a circle."""
    levels = [0] * len(steps)
    for _ in range(len(steps) + 1):
        before = list(levels)
        for n, step in enumerate(steps):
            needs = (named[ref] for value in step.values.values() if (ref := _ref(value)) in named and ref)
            levels[n] = 1 + max((levels[need] for need in needs), default=-1)
        if levels == before:
            last = max(levels, default=0) + 1
            return [last if step.operation == "delete" else level for step, level in zip(steps, levels, strict=True)]
    n = levels.index(max(levels))
    raise invalid([Fault("record.reference", "the steps refer to each other in a circle", row=n)])


def _groups(steps: Sequence[Step], levels: Sequence[int], created: Sequence[bool]) -> list[list[int]]:
    """The places of steps that are written by one statement, those first that others refer to. A record that several
    steps change is in a group for each."""
    groups: dict[tuple[int, str, str, bool, int], list[int]] = {}
    seen: dict[tuple[str, UUID | None], int] = {}
    for n, step in enumerate(steps):
        again = seen.get((step.object, step.record), 0) if step.record else 0
        seen[step.object, step.record] = again + 1
        kind = "delete" if step.operation == "delete" else "write"
        groups.setdefault((levels[n], step.object, kind, created[n], again), []).append(n)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], key[4], key[1], not key[3]))]


def _placed(refused: Refused, members: Sequence[int]) -> list[Fault]:
    """The faults of a group with the places of its steps. What is not the fault of a row is raised as it is."""
    if refused.code not in (*INVALID, "record.in_use"):
        raise refused
    return [replace(fault, row=members[fault.row or 0]) for fault in refused.faults]
