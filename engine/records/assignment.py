"""Assignment: records get the user that an assignment's entries say, each decision is explained and kept.

Whoever assigns records of an object holds its turns until the transaction ends, so that two at once neither double nor
skip anybody and no cap is passed. The user is written through the ordinary door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.base.ids import new_ids
from engine.base.limits import BATCH_MAX, PAGE_DEFAULT, PAGE_MAX
from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.plan.access import allowed
from engine.plan.assignment import AssignmentPlan, plan_assignment, plan_visible
from engine.plan.request import RecordQuery, RecordWrite
from engine.records import notifications
from engine.records.bulk import write_each
from engine.records.read import read_page, read_record
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import assignment as sql
from engine.sql.anchors import lock_statement
from engine.sql.statement import Statement
from metamodel.kinds.assignment import USER, Assignment
from metamodel.kinds.common import in_locale


class Decision(msgspec.Struct, omit_defaults=True):
    """Which `entry` gave a record to whom, in which `place` of those it gave; None where nobody was found. `now` is who
    had it, `missed` are the entries before that fitted and had nobody free. `faults`: why it was not changed."""

    record: UUID
    now: UUID | None
    entry: str | None
    chosen: UUID | None
    place: int | None
    missed: list[str]
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()


class Considered(msgspec.Struct):
    """A user whom an entry considered: `out` says why he got nothing (inactive, absent, weight, open, per_day), the
    numbers are those before the entry gave anything."""

    user: UUID
    out: str | None
    opened: int
    today: int
    weight: float | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """The decisions in the order of the records' ids, and by entry who was considered."""

    decisions: Sequence[Decision]
    considered: Mapping[str, Sequence[Considered]]


_DECISIONS = msgspec.json.Decoder(list[Decision])
_CONSIDERED = msgspec.json.Decoder(dict[str, list[Considered]])


async def assign(
    rt: Runtime, ctx: Context, release: Release, name: str, records: Sequence[UUID], *, dry: bool = False,
    conn: Connection | None = None, depth: int = 0, unattended: bool = False,
) -> Assigned:
    """Assigns those of the records that the assignment is for and the caller sees; `dry` only says what would happen.
    A record that can not be changed stays as it is and tells its faults; `unattended` raises them instead, and warnings
    refuse nothing.

    Raises Refused "assignment.unknown", "access.denied" for who may not edit the object, "request.too_large".
    """
    assignment = found(rt, ctx, release, name)
    allowed(rt.rights(ctx.actor, release), assignment.object, "edit")
    if len(records) > BATCH_MAX:
        raise Refused("request.too_large", f"at most {BATCH_MAX} records are assigned at once")

    async def work(inner: Connection) -> Assigned:
        job = _Assigning(rt, ctx, release, assignment, inner, depth, unattended)
        return await (job.tried(records) if dry else job.run(records))

    if conn is not None:
        return await work(conn)
    if dry:
        async with rt.reads.connection(release.role) as reading:
            return await work(reading)
    return await in_transaction(rt.writes, release.role, work)


def found(rt: Runtime, ctx: Context, release: Release, name: str) -> Assignment:
    """An assignment of an object that the caller may read. Raises Refused "assignment.unknown"."""
    assignment = release.model.assignments.get(name)
    if assignment is None or not rt.rights(ctx.actor, release).allows(assignment.object, "read"):
        raise Refused("assignment.unknown", f'there is no assignment "{name}"')
    return assignment


async def matching(
    rt: Runtime, ctx: Context, release: Release, obj: str, where: str, after: str | None
) -> tuple[list[UUID], str | None]:
    """The ids of at most as many records as are assigned at once, and the cursor behind them."""
    ids: list[UUID] = []
    while len(ids) + PAGE_MAX <= BATCH_MAX:
        query = RecordQuery(object=obj, fields=("id",), where=where, order=("id",), limit=PAGE_MAX, after=after)
        page = await read_page(rt, ctx, release, query)
        ids += [row["id"] for row in msgspec.json.decode(page.items, type=list[dict[str, UUID]])]
        after = page.next
        if after is None:
            break
    return ids, after


@dataclass(frozen=True, slots=True)
class _Assigning:
    rt: Runtime
    ctx: Context
    release: Release
    assignment: Assignment
    conn: Connection
    depth: int
    unattended: bool

    async def tried(self, records: Sequence[UUID]) -> Assigned:
        turns = await self.conn.fetchval(sql.seen(self.release.schema), self.assignment.object)
        decisions, considered, _ = await self.decided(records, own(self.assignment, turns))
        return Assigned(_DECISIONS.decode(decisions), _CONSIDERED.decode(considered))

    async def run(self, records: Sequence[UUID]) -> Assigned:
        turns = own(self.assignment, await hold(self.release, self.assignment.object, self.conn))
        lock = lock_statement(self.release.table(self.assignment.object))
        await execute.fetch_rows(self.conn, lock.text, [list(records)])
        text, considered, after = await self.decided(records, turns)
        decisions = await self.written(_DECISIONS.decode(text))
        await self.told(decisions)
        await self.logged(decisions, turns, considered, after)
        return Assigned(decisions, _CONSIDERED.decode(considered))

    async def decided(self, records: Sequence[UUID], turns: str) -> tuple[str, str, str]:
        """The decisions, who was considered and the turns after them, as JSON texts."""
        plan, facts = self.planned()
        args = facts.arguments(self.ctx, (), ids=list(records))
        row = await execute.fetch_row(self.conn, facts.text, args)
        names, strategies = [e.name for e in plan.entries], [e.strategy for e in plan.entries]
        text = self.rt.statements.get(("decision", tuple(strategies)), lambda: sql.decision(strategies))
        args = [row["records"], row["people"], names, turns, strategies]
        done = await execute.fetch_row(self.conn, text, args)
        return done["decisions"], done["considered"], done["turns"]

    def planned(self) -> tuple[AssignmentPlan, Statement]:
        actor = self.ctx.actor

        def make() -> tuple[AssignmentPlan, Statement]:
            names = self.rt.names(self.rt.rights(actor, self.release), self.release)
            plan = plan_assignment(self.release, names, self.assignment)
            return plan, sql.facts_statement(plan, self.rt.collation)

        key = (self.release, actor.roles, actor.operator, "assignment", self.assignment.name)
        return self.rt.statements.get(key, make)

    async def written(self, decisions: list[Decision]) -> list[Decision]:
        """Writes who is another one than before; who has the record already keeps it without a write."""
        places = [n for n, d in enumerate(decisions) if d.chosen is not None and d.chosen != d.now]
        if not places:
            return decisions
        request = RecordWrite(
            object=self.assignment.object, operation="update", many=True, fields=("id",),
            rows=tuple({self.assignment.field: str(decisions[n].chosen)} for n in places),
            ids=tuple(decisions[n].record for n in places), versions=(None,) * len(places), depth=self.depth,
            unattended=self.unattended,
        )  # fmt: skip
        if self.unattended:
            told = (await write(self.rt, self.ctx, self.release, request, self.conn)).notices
            for place, n in enumerate(places):
                decisions[n].notices = tuple(told.get(place, ()))
            return decisions
        for n, outcome in zip(
            places, await write_each(self.rt, self.ctx, self.release, request, self.conn), strict=True
        ):
            if outcome and isinstance(outcome[0], Fault):
                decisions[n].faults = tuple(fault for fault in outcome if isinstance(fault, Fault))
            else:
                decisions[n].notices = tuple(outcome[2]) if len(outcome) == 3 else ()  # type: ignore[arg-type]
        return decisions

    async def told(self, decisions: Sequence[Decision]) -> None:
        """Tells who got a record. To be told is nobody's right to give: the rows are written with all rights."""
        wanted = [
            (d.chosen, self.assignment.object, d.record) for d in decisions
            if d.chosen is not None and d.chosen != d.now and not d.faults
        ]  # fmt: skip
        if not self.assignment.message or not wanted:
            return
        rows = await notifications.messages(self.release, self.conn, self.assignment.message, wanted)
        request = RecordWrite(
            object=notifications.OBJECT, operation="create", rows=tuple(rows), many=True, fields=("id",),
            depth=self.depth, unattended=True,
        )  # fmt: skip
        trusted = replace(self.ctx, actor=replace(self.ctx.actor, operator=True))
        await write(self.rt, trusted, self.release, request, self.conn)

    async def logged(self, decisions: Sequence[Decision], turns: str, considered: str, after: str) -> None:
        if not decisions:
            return
        await log(self.ctx, self.release, self.assignment, decisions, turns, considered, after, self.conn)


def own(assignment: Assignment, turns: str | None) -> str:
    """The turns of one of the object's assignments, by entry."""
    known = msgspec.json.decode(turns or "{}", type=dict[str, msgspec.Raw])
    return bytes(known.get(assignment.name, msgspec.Raw(b"{}"))).decode()


async def hold(release: Release, obj: str, conn: Connection) -> str:
    """The turns of the object's assignments, which are this transaction's from now on."""
    rows = await execute.fetch_rows(conn, sql.held(release.schema), [obj])
    if not rows:
        await execute.fetch_rows(conn, sql.begun(release.schema), [obj])
        rows = await execute.fetch_rows(conn, sql.held(release.schema), [obj])
    return str(rows[0][0])


async def log(
    ctx: Context, release: Release, assignment: Assignment, decisions: Sequence[Decision], turns: str, considered: str,
    after: str, conn: Connection,
) -> None:
    """Writes decisions down, with the turns before and `after` them, as JSON texts."""
    rows = [
        {
            "record": d.record, "entry": d.entry, "chosen": d.chosen, "former": d.now, "place": d.place,
            "missed": d.missed,
            "refused": [{"code": f.code, "detail": f.detail, "rule": f.rule} for f in d.faults] or None,
        }
        for d in decisions
    ]  # fmt: skip
    (run,) = new_ids(1, ctx.now.timestamp())
    args = (
        run, assignment.name, assignment.object, ctx.now, ctx.actor.user, ctx.door, ctx.request_id, turns, considered,
        msgspec.json.encode(rows).decode(), after,
    )  # fmt: skip
    await execute.fetch_rows(conn, sql.logged(release.schema), args)


async def assignments_of(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID
) -> list[dict[str, Any]]:
    """What assignments decided about a record, the newest first; of users only those whom the caller sees.

    Raises Refused "record.unknown".
    """
    await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, sql.told(release.schema), [obj, record, PAGE_DEFAULT])
        readable, found = rt.rights(ctx.actor, release).readable(obj), []
        for row in rows:
            assignment = release.model.assignments.get(row["assignment"])
            if assignment is None or assignment.field in readable:
                found.append((row, assignment, _CONSIDERED.decode(row["considered"] or "{}")))
        users = {row[name] for row, _, _ in found for name in ("chosen", "former", "actor")}
        users |= {c.user for _, _, considered in found for people in considered.values() for c in people}
        seen = await _seen(rt, ctx, release, conn, [UUID(int=user.int) for user in users if user])
    return [
        {
            "assignment": row["assignment"],
            "label": in_locale(assignment.label, ctx.locale) if assignment else row["assignment"],
            "at": row["at"], "by": _shown(row["actor"], seen), "door": row["door"], "entry": row["entry"],
            "entry_label": entry_label(assignment, row["entry"], ctx.locale),
            "user": _shown(row["chosen"], seen),
            "before": _shown(row["former"], seen), "place": row["place"], "missed": row["missed"],
            "refused": msgspec.json.decode(row["refused"] or "[]"),
            "considered": {
                name: [msgspec.to_builtins(c) for c in people if c.user in seen] for name, people in considered.items()
            },
        }
        for row, assignment, considered in found
    ]  # fmt: skip


def entry_label(assignment: Assignment | None, entry: str | None, locale: str) -> str | None:
    declared = assignment.entries.get(entry or "") if assignment else None
    return in_locale(declared.label, locale) if declared else entry


async def visible_users(rt: Runtime, ctx: Context, release: Release, users: Sequence[UUID]) -> set[UUID]:
    """Those of the users whose records the caller sees."""
    async with rt.reads.connection(release.role) as conn:
        return await _seen(rt, ctx, release, conn, users)


async def _seen(
    rt: Runtime, ctx: Context, release: Release, conn: Connection, users: Sequence[UUID]
) -> set[UUID]:
    actor = ctx.actor

    def make() -> Statement:
        names = rt.names(rt.rights(actor, release), release)
        return sql.visible_statement(plan_visible(release, names, USER), rt.collation)

    statement: Statement = rt.statements.get((release, actor.roles, actor.operator, "visible", USER), make)
    row = await execute.fetch_row(conn, statement.text, statement.arguments(ctx, (), ids=list(users)))
    return {UUID(int=user.int) for user in row[0] or ()}


def _shown(user: Any, seen: set[UUID]) -> UUID | None:
    return UUID(int=user.int) if user is not None and UUID(int=user.int) in seen else None
