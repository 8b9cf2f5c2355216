"""`/{tenant}/api/assignments`: records get their users, and what was decided about a record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.http import query
from engine.http.call import Call
from engine.http.idempotency import once
from engine.http.problems import error_of
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.records.assignment import (
    Assigned,
    Decision,
    assign,
    assignments_of,
    entry_label,
    found,
    matching,
    visible_users,
)
from engine.records.notices import notice_of
from engine.records.pool import claim, give_back
from engine.records.write import Written


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a run: the records by their `ids`, or those that meet the condition `where`, behind a cursor."""

    ids: list[UUID] | None = None
    where: str | None = None
    after: str | None = None


async def run_assignment(call: Call) -> Reply:
    """Assigns records: `{"items", "considered", "next", "dry"}`; with `?dry=true` nothing is written."""
    given = query.parse(call.query_string)
    query.only(given, "dry")
    dry = query.flag(given, "dry")
    body = await call.typed(Run)
    if (body.ids is None) == (body.where is None):
        raise Refused("request.malformed", "say which records: ids or where")
    assignment = found(call.rt, call.ctx, call.release, call.param("name"))

    async def work(conn: Connection | None) -> Reply:
        ids, after = body.ids or [], None
        if body.where is not None:
            ids, after = await matching(call.rt, call.ctx, call.release, assignment.object, body.where, body.after)
        done = await assign(call.rt, call.ctx, call.release, assignment.name, ids, dry=dry, conn=conn)
        seen = await visible_users(call.rt, call.ctx, call.release, list(_users(done)))
        items = [
            _item(d, seen) | {"entry_label": entry_label(assignment, d.entry, call.ctx.locale)} for d in done.decisions
        ]
        considered = {
            name: [msgspec.to_builtins(c) for c in people if c.user in seen] for name, people in done.considered.items()
        }
        return json_reply({"items": items, "considered": considered, "next": after, "dry": dry})

    return await once(call, work, obj=assignment.object)


def _users(done: Assigned) -> set[UUID]:
    named = {user for d in done.decisions for user in (d.chosen, d.now) if user is not None}
    return named | {c.user for people in done.considered.values() for c in people}


def _item(decision: Decision, seen: set[UUID]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": decision.record, "entry": decision.entry, "missed": decision.missed, "place": decision.place,
        "user": decision.chosen if decision.chosen in seen else None,
        "before": decision.now if decision.now in seen else None,
    }
    if decision.faults:
        told["errors"] = [error_of(fault) for fault in decision.faults]
    if decision.notices:
        told["_notices"] = [notice_of(fault) for fault in decision.notices]
    return told


async def list_assignments(call: Call) -> Reply:
    """What assignments decided about a record."""
    items = await assignments_of(call.rt, call.ctx, call.release, call.object, call.record)
    return json_reply({"items": items})


async def claim_record(call: Call) -> Reply:
    """Gives the caller a record of a pool: `{"id", "version"}`."""
    return await _pooled(call, claim)


async def release_record(call: Call) -> Reply:
    """Gives a record back to its pool: `{"id", "version"}`."""
    return await _pooled(call, give_back)


async def _pooled(call: Call, change: Any) -> Reply:
    query.only(query.parse(call.query_string))
    record = call.record

    async def work(conn: Connection | None) -> Reply:
        written: Written = await change(call.rt, call.ctx, call.release, call.object, record, conn)
        version = written.changed[0][1]
        return json_reply({"id": record, "version": version}, 200, (call.etag(record, version),))

    return await once(call, work, obj=call.object)


RESOURCES = (
    Resource("/{tenant}/api/assignments/{name}/run", POST=Action(run_assignment, "user")),
    Resource("/{tenant}/api/records/{object}/{id}/claim", POST=Action(claim_record, "user")),
    Resource("/{tenant}/api/records/{object}/{id}/release", POST=Action(release_record, "user")),
    Resource("/{tenant}/api/records/{object}/{id}/assignments", GET=Action(list_assignments, "user")),
)
