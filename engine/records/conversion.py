"""Conversion: one record becomes several, in one transaction, and is converted once whoever asks how often.

The source is locked first. What it remembers (its `refs`) tells that it was converted; then the same is answered again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.plan.computed import fitted, given
from engine.plan.conversion import WHEN, RowsPlan, plan_part, plan_source
from engine.plan.request import RecordQuery
from engine.records.batch import Step, write_batch
from engine.records.read import read_page, read_record
from engine.records.write import INVALID, invalid
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.anchors import lock_statement
from engine.sql.conversion import FAILED, rows_statement
from engine.sql.statement import Statement
from metamodel.kinds.common import in_locale
from metamodel.kinds.conversion import Conversion, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the caller wants otherwise: records to take instead of new ones (`use`), optional parts to `skip`, and
    `values` by part, all by the names of parts; and the rules whose warnings are acknowledged."""

    use: Mapping[str, UUID] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Made:
    """A record of a part, whether it is new, and what is told of it and refused nothing."""

    part: str
    object: str
    record: UUID
    created: bool
    notices: Sequence[Fault] = ()


async def convert(
    rt: Runtime, ctx: Context, release: Release, name: str, record: UUID, wish: Wish | None = None,
    version: int | None = None, conn: Connection | None = None, depth: int = 0, unattended: bool = False,
) -> list[Made]:
    """Converts a record; what was made or taken, part by part. A converted record is answered with what it remembers.
    `unattended`: warnings are told and refuse nothing.

    Raises Refused: `conversion.unknown`, `conversion.not_now` where the source's condition does not hold,
    `conversion.ambiguous` where several records match a part, and like `write_batch`, with pointers such as
    `/values/account/name`.
    """
    conversion = _found(rt, ctx, release, name)
    wanted = wish or Wish()
    _sensible(conversion, wanted)

    async def work(inner: Connection) -> list[Made]:
        return await _Converting(rt, ctx, release, conversion, inner, record).run(wanted, version, depth, unattended)

    return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))


async def preview(rt: Runtime, ctx: Context, release: Release, name: str, record: UUID) -> dict[str, Any]:
    """What a conversion would do: `{"possible", "message", "parts": [{"name", "label", "object", "optional", "rows":
    [values], "matches": [ids]}]}`."""
    conversion = _found(rt, ctx, release, name)
    async with rt.reads.connection(release.role) as conn:
        job = _Converting(rt, ctx, release, conversion, conn, record)
        source = await job.source()
        parts = []
        for part in conversion.creates.values():
            rows = await job.rows(part, {})
            matches = await job.matches(part, rows[0]) if part.match and rows else []
            parts.append({
                "name": part.name, "label": in_locale(part.label, ctx.locale), "object": part.object,
                "optional": part.optional, "rows": rows, "matches": matches,
            })  # fmt: skip
    possible = source.get(f"is {WHEN}", True) is True
    return {
        "possible": possible, "message": "" if possible else in_locale(conversion.message, ctx.locale), "parts": parts,
        "converted": any(source[f"ref {name}"] for name in conversion.refs),
    }  # fmt: skip


def _found(rt: Runtime, ctx: Context, release: Release, name: str) -> Conversion:
    """A conversion of an object that the caller may read."""
    conversion = release.model.conversions.get(name)
    if conversion is None or not rt.rights(ctx.actor, release).allows(conversion.object, "read"):
        raise Refused("conversion.unknown", f'there is no conversion "{name}"')
    return conversion


def _sensible(conversion: Conversion, wish: Wish) -> None:
    """Refuses a wish about what is not a part, or must not be left out."""
    for place, names in (("use", wish.use), ("skip", wish.skip), ("values", wish.values)):
        for name in names:
            part = conversion.creates.get(name)
            if part is None:
                detail = f'{conversion.name} creates no "{name}"'
                raise invalid([Fault("conversion.part", detail, f"/{place}/{name}")])
            if (place == "skip" and not part.optional) or (place == "use" and part.each):
                raise invalid([Fault("conversion.part", f'"{name}" can not be left out', f"/{place}/{name}")])


@dataclass(frozen=True, slots=True)
class _Converting:
    rt: Runtime
    ctx: Context
    release: Release
    conversion: Conversion
    conn: Connection
    record: UUID

    async def run(self, wish: Wish, version: int | None, depth: int, unattended: bool) -> list[Made]:
        lock = lock_statement(self.release.table(self.conversion.object))
        await execute.fetch_rows(self.conn, lock.text, [[self.record]])
        source = await self.source()
        if any(source[f"ref {name}"] for name in self.conversion.refs):
            return self.remembered(source)
        if source.get(f"is {WHEN}", True) is not True:
            message = in_locale(self.conversion.message, self.ctx.locale)
            raise Refused("conversion.not_now", message or "the record can not be converted as it is now")
        steps: list[Step] = []
        places: list[tuple[Part, int | None, UUID | None]] = []
        for part in self.conversion.creates.values():
            for row in [] if part.name in wish.skip else await self.rows(part, wish.values.get(part.name, {})):
                taken = wish.use.get(part.name) or await self.match(part, row)
                places.append((part, None if taken else len(steps), taken))
                if taken is None:
                    steps.append(Step(object=part.object, operation="create", values=row, ref=part.name))
        known = {part.name: str(taken) if taken else {"ref": part.name} for part, _, taken in places}
        steps = [self.linked(step, known) for step in steps]
        values = dict(self.values(source, self.conversion.object, self.conversion.sets))
        values |= {name: known[part] for name, part in self.conversion.refs.items() if part in known}
        steps.append(Step(object=self.conversion.object, operation="update", values=values, record=self.record,
                          version=version))  # fmt: skip
        steps = [replace(step, acknowledged=wish.acknowledged) for step in steps]
        try:
            results = await write_batch(self.rt, self.ctx, self.release, steps, self.conn, depth, unattended)
        except Refused as refused:
            raise _placed(refused, steps) from refused
        return [
            Made(part.name, part.object, taken or self.record, False) if n is None
            else Made(part.name, part.object, results[n].record, True, results[n].notices)
            for part, n, taken in places
        ]

    async def source(self) -> Mapping[str, Any]:
        """The source's own values. Raises Refused "record.unknown"."""
        rows = await self.fetch("source", lambda names: plan_source(self.release, names, self.conversion))
        if not rows:
            only = RecordQuery(object=self.conversion.object, single=True, fields=("id",))
            await read_record(self.rt, self.ctx, self.release, only, self.record)
            raise Refused("record.unknown", f"there is no such record of {self.conversion.object}")
        return rows[0]

    async def rows(self, part: Part, otherwise: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The values of the records that a part makes; the caller's stand before the computed ones."""
        found = await self.fetch(part.name, lambda names: plan_part(self.release, names, self.conversion, part))
        there = [row for row in found if row.get(f"is {WHEN}", True) is True]
        return [dict(self.values(row, part.object, part.values)) | dict(otherwise) for row in there]

    async def fetch(self, key: str, plan: Any) -> Sequence[Mapping[str, Any]]:
        rights = self.rt.rights(self.ctx.actor, self.release)
        actor = self.ctx.actor

        def make() -> Statement:
            planned: RowsPlan = plan(self.rt.names(rights, self.release))
            return rows_statement(planned, self.rt.collation)

        place = (self.release, actor.roles, actor.operator, "conversion", self.conversion.name, key)
        statement: Statement = self.rt.statements.get(place, make)
        found: list[Any] = await execute.fetch_rows(
            self.conn, statement.text, statement.arguments(self.ctx, (), id=self.record)
        )
        return [dict(row) for row in found]

    def values(self, row: Mapping[str, Any], obj: str, names: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """The computed values of a row as the write door takes them; blanks are left out, so that defaults apply."""
        fields = self.release.object(obj).fields
        failed = [name for name in names if row[FAILED + name]]
        if failed:
            raise invalid([Fault("run.value", "the formula is an error in this record", f"/{n}") for n in failed])
        return [(n, given(fitted(fields[n], row[n]))) for n in names if row[n] is not None]

    async def matches(self, part: Part, row: Mapping[str, Any]) -> list[UUID]:
        """The records that the caller may read which have the values of the part's `match` fields; at most two."""
        if any(row.get(name) in (None, "") for name in part.match):
            return []
        equals = tuple((name, str(row[name])) for name in part.match)
        asked = RecordQuery(object=part.object, fields=("id",), equals=equals, limit=2)
        page = await read_page(self.rt, self.ctx, self.release, asked)
        return [item["id"] for item in msgspec.json.decode(page.items, type=list[dict[str, UUID]])]

    async def match(self, part: Part, row: Mapping[str, Any]) -> UUID | None:
        found = await self.matches(part, row) if part.match else []
        if len(found) > 1:
            detail = f"several records of {part.object} match; say which one: use.{part.name}"
            raise Refused("conversion.ambiguous", detail)
        return found[0] if found else None

    def linked(self, step: Step, known: Mapping[str, Any]) -> Step:
        part = self.conversion.creates[step.ref or ""]
        refs = {name: known[target] for name, target in part.refs.items() if target in known}
        ref = None if part.each else step.ref
        return Step(object=step.object, operation="create", values={**step.values, **refs}, ref=ref)

    def remembered(self, source: Mapping[str, Any]) -> list[Made]:
        return [
            Made(part, self.conversion.creates[part].object, UUID(str(source[f"ref {name}"])), False)
            for name, part in self.conversion.refs.items() if source[f"ref {name}"]
        ]


def _placed(refused: Refused, steps: Sequence[Step]) -> Refused:
    """A refused batch with pointers into the wish: what is wrong with a part, or with the source itself."""
    if refused.code not in INVALID:
        return refused
    faults = []
    for fault in refused.faults:
        step = steps[fault.row or 0]
        pointer = f"/values/{step.ref}{fault.pointer}" if step.operation == "create" and step.ref else fault.pointer
        faults.append(replace(fault, pointer=pointer, row=None))
    return Refused(refused.code, refused.detail, faults=faults)
