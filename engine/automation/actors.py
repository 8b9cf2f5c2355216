"""Whose rights a run has, and whose name its formulas see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from engine.base.context import OPERATOR, SYSTEM_USER, Actor, Context
from engine.base.errors import Refused
from engine.db import execute
from engine.db.pool import Connection
from engine.identity.resolve import attributes
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql import runs
from metamodel.automatic_moves import PROCESS
from metamodel.kinds.workflow import Workflow

INITIATOR = "initiator"
DOOR = "workflow"


def context(release: Release, actor: Actor, now: datetime, request_id: str) -> Context:
    """A context of automatic work in a tenant."""
    settings = release.model.settings
    zone, locale = settings.time_zone, settings.locales[0]
    return Context(actor, release.tenant, now, time_zone=zone, locale=locale, request_id=request_id, door=DOOR)


async def known(rt: Runtime, release: Release, user: UUID) -> Actor:
    """The user as formulas see `$user`, without any right; the fields of one who was deleted are blank."""
    user = UUID(int=user.int)
    try:
        return Actor(user, (), await attributes(rt, release, user))
    except Refused as error:
        if error.code != "auth.required":
            raise
        return Actor(user, ())


async def acting(
    conn: Connection, release: Release, workflow: Workflow, cause: Actor, door: str, roles: Sequence[str] | None
) -> Actor:
    """The actor that the actions are written as.

    `cause` is who made the event, `door` the way in that it took, and `roles` those of the run that made it, if one
    did (None: all rights). Raises Refused "run.initiator" for a user who may not sign in any more.
    """
    if workflow.run_as == PROCESS:
        return OPERATOR
    if workflow.run_as != INITIATOR:
        return Actor(SYSTEM_USER, (workflow.run_as,))
    if cause.user == SYSTEM_USER:
        return OPERATOR if door != DOOR or roles is None else Actor(SYSTEM_USER, tuple(roles))
    found = await execute.fetch_rows(conn, runs.login(release.schema), [cause.user])
    if not found or not found[0]["active"]:
        raise Refused("run.initiator", "the user who caused the run has no active login")
    return replace(cause, roles=tuple(found[0]["roles"]))
