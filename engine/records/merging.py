"""Merging: several records of one thing become one, with all that refers to them, in one transaction.

The master keeps its values; what it has not is taken from the others in their order. Whatever points to them points to
the master then, and they go to the recycle bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused, at
from engine.base.limits import BATCH_MAX
from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import atomic, in_transaction
from engine.plan.access import allowed, refused_field
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.bin import delete_within
from engine.records.notices import Notices
from engine.records.read import read_record
from engine.records.write import invalid, write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import merges
from engine.sql.anchors import lock_statement
from engine.sql.bin import following
from metamodel.build.objects import USER
from metamodel.kinds.field_types import FILES
from metamodel.kinds.object import Field

MOST = 50
"""How many records are merged into one at once."""
DOOR = "merge"
DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the master shall have otherwise: fields whose value one of the records gives (`take`), and given `values`;
    the versions that the others were read at, and the rules whose warnings are acknowledged."""

    take: Mapping[str, UUID] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[UUID, int] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Merged:
    """The master's version, the values that it got, and how many records point to it instead, by object."""

    version: int
    values: Mapping[str, Any]
    moved: Mapping[str, int]
    notices: Notices


class _Tried(Exception):
    """Ends a transaction that is only tried."""

    def __init__(self, merged: Merged) -> None:
        self.merged = merged


async def merge(
    rt: Runtime, ctx: Context, release: Release, obj: str, master: UUID, others: Sequence[UUID],
    choice: Choice | None = None, version: int | None = None, conn: Connection | None = None, dry: bool = False,
) -> Merged:
    """Merges `others` into `master`; with `dry` it is done and undone, so that the answer is what would be.

    What points to the others is changed with all rights and whatever locks it. Raises Refused: `merge.refused`,
    `record.unknown`, `record.stale`, `access.denied`, and like a write of the master or a deletion of the others.
    """
    release = rt.store.binding(release)
    rights = rt.rights(ctx.actor, release)
    for verb in ("read", "edit", "delete"):
        allowed(rights, obj, verb)
    if not others or len({master, *others}) <= len(others) or len(others) > MOST:
        raise Refused("merge.refused", f"name 1 to {MOST} other records, each once")
    if obj == USER:
        raise Refused("merge.refused", "users can not be merged")
    job = _Merging(rt, replace(ctx, door=DOOR), release, obj, master, tuple(others), choice or Choice())

    async def work(inner: Connection) -> Merged:
        async with atomic(inner):
            merged = await job.run(inner, version)
            if dry:
                raise _Tried(merged)
            return merged

    try:
        return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))
    except _Tried as tried:
        return tried.merged


async def merged_into(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> UUID | None:
    """The record that another one was merged into, where the caller may read it."""
    if obj not in release.model.objects:
        return None
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, merges.master(release.schema), (obj, record))
    if not rows:
        return None
    master: UUID = rows[0]["master"]
    try:
        await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), master)
    except Refused:
        return None
    return master


@dataclass(frozen=True, slots=True)
class _Merging:
    rt: Runtime
    ctx: Context
    release: Release
    obj: str
    master: UUID
    others: tuple[UUID, ...]
    choice: Choice

    async def run(self, conn: Connection, version: int | None) -> Merged:
        locked = lock_statement(self.release.table(self.obj))
        await execute.fetch_rows(conn, locked.text, [sorted([self.master, *self.others])])
        values = self.values([await self.read(record, conn) for record in (self.master, *self.others)])
        moved: dict[str, int] = {}
        for other, link in self.links():
            count, own = await self.relink(other, link, conn)
            moved[other] = moved.get(other, 0) + count
            if own:
                values.setdefault(link.name, None)
        for record in self.others:
            versions = [self.choice.versions.get(record)]
            await delete_within(
                self.rt, self.ctx, self.release, self.obj, [record], versions, record, conn, self.choice.acknowledged
            )
        request = RecordWrite(
            object=self.obj, operation="update", rows=(values,), ids=(self.master,), versions=(version,), fields=(),
            acknowledged=(self.choice.acknowledged,),
        )
        written = await write(self.rt, self.ctx, self.release, request, conn)
        told = (self.obj, list(self.others), self.master, self.ctx.now, self.ctx.actor.user)
        await execute.fetch_rows(conn, merges.remember(self.release.schema), told)
        return Merged(written.changed[0][1], values, {k: n for k, n in moved.items() if n}, written.notices)

    async def read(self, record: UUID, conn: Connection) -> Mapping[str, Any]:
        """The values of a record, as the caller may read them; what points to one of the merged ones points nowhere."""
        names = tuple(name for names in self.groups().values() for name in names)
        asked = RecordQuery(object=self.obj, single=True, fields=("id", *names))
        found = await read_record(self.rt, self.ctx, self.release, asked, record, conn)
        row: dict[str, Any] = DECODER.decode(found.body)
        own = {link.name for other, link in self.links() if other == self.obj}
        apart = {str(merged) for merged in (self.master, *self.others)}
        return {name: None if name in own and value in apart else value for name, value in row.items()}

    def groups(self) -> dict[str, list[str]]:
        """The fields that one record may take from another, those that are one thing together: by whole, or name."""
        rights, found = self.rt.rights(self.ctx.actor, self.release), dict[str, list[str]]()
        for f in self.release.stored(self.obj):
            free = not f.system and f.type not in (*FILES, "stage", "auto_number")
            if free and f.name in rights.readable(self.obj):
                found.setdefault(f.whole or f.name, []).append(f.name)
        return {
            name: names for name, names in found.items()
            if all(refused_field(rights, self.obj, part, "edit", False) is None for part in names)
        }

    def values(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What the master gets: of blank fields the first value there is, of those to `take` that of the record, and
        what is given."""
        master, groups, found = rows[0], self.groups(), dict[str, Any]()
        by_id = {UUID(row["id"]): row for row in rows}
        faults = [
            Fault("merge.field", f'"{name}" can not be taken from {record}', f"/take{at(name)}")
            for name, record in self.choice.take.items() if name not in groups or record not in by_id
        ]
        if faults:
            raise invalid(faults)
        given = {name.split(".")[0] for name in self.choice.values}
        for name, parts in groups.items():
            filled = [row for row in rows if any(_value(row, part) is not None for part in parts)]
            if name in self.choice.take:
                source = by_id[self.choice.take[name]]
            else:
                source = filled[0] if filled else master
            if name not in given and source is not master:
                found |= {part: _value(source, part) for part in parts}
        return found | dict(self.choice.values)

    def links(self) -> Iterator[tuple[str, Field]]:
        """The lookups of all objects that may point to the merged ones."""
        for other in sorted(self.release.model.objects):
            for f in self.release.stored(other):
                if f.to == self.obj and not f.system:
                    yield other, f

    async def relink(self, other: str, link: Field, conn: Connection) -> tuple[int, bool]:
        """Lets what points to the merged ones point to the master: how many do, and whether the master itself did."""
        statement = following(self.release.table(other), self.release.column(other, link.name))
        rows = [row["id"] for row in await execute.fetch_rows(conn, statement.text, [list(self.others)])]
        apart = {self.master, *self.others} if other == self.obj else set()
        ids = [record for record in rows if record not in apart]
        follow = replace(self.ctx, actor=replace(self.ctx.actor, operator=True))
        for start in range(0, len(ids), BATCH_MAX):
            part = tuple(ids[start : start + BATCH_MAX])
            request = RecordWrite(
                object=other, operation="update", ids=part, rows=({link.name: str(self.master)},) * len(part),
                fields=(), many=True, unattended=True, relinked=True,
            )
            await write(self.rt, follow, self.release, request, conn)
        return len(ids), self.master in rows and other == self.obj


def _value(row: Mapping[str, Any], name: str) -> Any:
    """The value of a field or a part of one; blank texts and lists are none."""
    value: Any = row.get(name)
    return None if value in ("", []) else value
