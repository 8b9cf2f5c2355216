"""Reading records: ask -> plan -> SQL -> answer. Python plans; the rows go from PostgreSQL to the socket as text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Refused
from engine.base.signing import open_cursor, seal_cursor
from engine.db import execute
from engine.db.pool import Connection
from engine.plan.read import Planned, plan_read
from engine.plan.request import RecordQuery
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from engine.sql.statement import Statement


@dataclass(frozen=True, slots=True)
class Page:
    """`items` is the JSON text of an array; `next` the cursor of the following page; `total` where it was asked."""

    items: str
    next: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """One record as JSON text, with its version."""

    body: str
    version: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    statement: Statement
    planned: Planned


async def read_record(
    rt: Runtime, ctx: Context, release: Release, query: RecordQuery, record: UUID, conn: Connection | None = None
) -> Found:
    """One record, as the transaction of `conn` sees it where that is given. Raises Refused "record.unknown" for a
    missing and for a hidden one alike."""
    prepared = _prepare(rt, ctx, release, query, None)
    args = prepared.statement.arguments(ctx, prepared.planned.values, id=record)
    text = prepared.statement.text
    if conn is not None:
        body, meta = await execute.fetch_json(conn, text, args)
    else:
        body, meta = await execute.read(rt.reads, release.role, text, args)
    if body is None or meta is None:
        raise Refused("record.unknown", f"there is no such record of {query.object}")
    return Found(body, int(meta))


async def read_page(rt: Runtime, ctx: Context, release: Release, query: RecordQuery) -> Page:
    """A page of records in the asked order; `after` continues behind the last record of a former page."""
    first = query if query.after is None else replace(query, after=None)
    words = rt.prepared.get((first, "words"), lambda: repr(replace(first, count=False, limit=0)))
    scope = (release.tenant, str(ctx.actor.user), words)
    cursor = open_cursor(rt.secret, scope, query.after) if query.after else None
    after = None if cursor is None else tuple(text is None for text in cursor)
    prepared = _prepare(rt, ctx, release, first, after)
    args = prepared.statement.arguments(ctx, prepared.planned.behind(cursor or ()))
    body, meta = await execute.read(rt.reads, release.role, prepared.statement.text, args)
    about = msgspec.json.decode(meta or "{}")
    ends: list[list[str | None]] = about.get("ends") or []
    following = seal_cursor(rt.secret, scope, ends[0]) if len(ends) == 2 else None
    return Page(body or "[]", following, about.get("count"))


def _prepare(
    rt: Runtime, ctx: Context, release: Release, query: RecordQuery, after: tuple[bool, ...] | None
) -> _Prepared:
    """The statement of a query; the same words of the same roles are planned and compiled once."""
    actor = ctx.actor

    def make() -> _Prepared:
        rights = rt.rights(actor, release)
        planned = plan_read(query, rights, rt.names(rights, release), after)
        statement = rt.statements.get((release, planned.plan), lambda: read_statement(planned.plan, rt.collation))
        return _Prepared(statement, planned)

    return rt.prepared.get((release, actor.roles, actor.operator, query, after), make)
