"""Pools: records that wait for somebody who claims them, and go back.

A record belongs to the pool that its lookup names and is in it while its user is the owner of the pool. Whoever claims
or gives back holds the turns of the object's assignments meanwhile, so that no limit is passed and none claims twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Refused
from engine.db import execute
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.plan.assignment import KEEPER, plan_pool
from engine.plan.request import RecordQuery, RecordWrite
from engine.records.assignment import Decision, hold, log, own
from engine.records.read import read_record
from engine.records.write import Written, write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import assignment as sql
from engine.sql.conversion import FAILED, rows_statement
from engine.sql.statement import Statement
from metamodel.kinds.assignment import CLAIM, RELEASE, Assignment


async def claim(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, conn: Connection | None = None
) -> Written:
    """Gives the caller a record that he sees in its pool. Being a member of the pool is all the right it takes.

    Raises Refused "record.unknown", "pool.unknown", "pool.taken", "access.denied" for who is no member, "pool.limit",
    "pool.again", and like `write`.
    """
    job = await _begun(rt, ctx, release, obj, record)

    async def work(inner: Connection) -> Written:
        found = await job.found(inner)
        if found.person != found.keeper:
            raise Refused("pool.taken", "somebody has the record already")
        if found.values["members"] is not True:
            raise Refused("access.denied", "you are no member of this pool")
        args = [obj, ctx.actor.user, release.model.settings.time_zone, ctx.now, record]
        (row,) = await execute.fetch_rows(inner, sql.claimed(release.schema), args)
        most, days = found.values.get("claims_per_day"), found.values.get("reclaim_after")
        if most is not None and row["today"] >= int(most):
            raise Refused("pool.limit", f"{int(most)} records may be claimed on one day")
        if days is not None and row["lost"] is not None and ctx.now < row["lost"] + timedelta(days=float(days)):
            raise Refused("pool.again", f"after {float(days):g} days it can be claimed again")
        return await job.given(inner, found, ctx.actor.user, CLAIM, trusted=True)

    return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))


async def give_back(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, conn: Connection | None = None, depth: int = 0,
    unattended: bool = False,
) -> Written:
    """Gives a record back to its pool: who has it may do so, and who may change its user.

    Raises Refused "record.unknown", "pool.unknown", "pool.there", and like `write`.
    """
    job = await _begun(rt, ctx, release, obj, record, depth, unattended)

    async def work(inner: Connection) -> Written:
        found = await job.found(inner)
        if found.person == found.keeper:
            raise Refused("pool.there", "the record is in its pool")
        return await job.given(inner, found, found.keeper, RELEASE, trusted=found.person == ctx.actor.user)

    return await (work(conn) if conn else in_transaction(rt.writes, release.role, work))


@dataclass(frozen=True, slots=True)
class _Found:
    """Who has the record, who keeps its pool, what the pool's formulas give, and the turns of the assignment."""

    person: UUID | None
    keeper: UUID
    values: Mapping[str, Any]
    turns: str


@dataclass(frozen=True, slots=True)
class _Pooling:
    rt: Runtime
    ctx: Context
    release: Release
    assignment: Assignment
    record: UUID
    depth: int
    unattended: bool

    async def found(self, conn: Connection) -> _Found:
        assignment, release = self.assignment, self.release
        assert assignment.pool is not None
        turns = own(assignment, await hold(release, assignment.object, conn))
        table, link = release.table(assignment.object), release.column(assignment.object, assignment.pool.field)
        text = sql.holding(table, release.column(assignment.object, assignment.field), link)
        rows = await execute.fetch_rows(conn, text, [self.record])
        if not rows:
            raise Refused("record.unknown", f"there is no such record of {assignment.object}")


        def make() -> Statement:
            return rows_statement(plan_pool(release, assignment), self.rt.collation)

        statement: Statement = self.rt.statements.get(("pool", release, assignment.name), make)
        pools = await execute.fetch_rows(conn, statement.text, statement.arguments(self.ctx, (), id=rows[0]["pool"]))
        if not pools:
            raise Refused("pool.unknown", "the record belongs to no pool")
        wrong = [name for name, value in pools[0].items() if name.startswith(FAILED) and value]
        if wrong:
            raise Refused("run.value", f"{wrong[0].removeprefix(FAILED)}: the formula is an error in this pool")
        person = rows[0]["person"]
        return _Found(person and UUID(int=person.int), UUID(int=pools[0][KEEPER].int), dict(pools[0]), turns)

    async def given(self, conn: Connection, found: _Found, user: UUID, how: str, *, trusted: bool) -> Written:
        """Writes the user and notes it. `trusted` writes with all rights, never past a rule."""
        assignment, ctx = self.assignment, self.ctx
        request = RecordWrite(
            object=assignment.object, operation="update", rows=({assignment.field: str(user)},), ids=(self.record,),
            versions=(None,), fields=("id", "version"), depth=self.depth, unattended=self.unattended,
        )
        writing = replace(ctx, actor=replace(ctx.actor, operator=True)) if trusted else ctx
        written = await write(self.rt, writing, self.release, request, conn)
        made = Decision(self.record, found.person, how, user, None, [])
        await log(ctx, self.release, assignment, [made], found.turns, "{}", found.turns, conn)
        return written


async def _begun(
    rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID, depth: int = 0, unattended: bool = False
) -> _Pooling:
    """Raises Refused "record.unknown" for a record that the caller does not see."""
    await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
    pooled = (a for a in release.model.assignments.values() if a.object == obj and a.pool)
    assignment = next(pooled, None)
    if assignment is None:
        raise Refused("pool.unknown", f"there are no pools for {obj}")
    return _Pooling(rt, ctx, release, assignment, record, depth, unattended)
