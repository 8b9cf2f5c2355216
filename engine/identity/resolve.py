"""A bearer credential -> the actor behind it, remembered for a few seconds and dropped at once when it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Actor, Context
from engine.base.errors import Refused
from engine.base.limits import CREDENTIAL_CACHE_SECONDS
from engine.db import execute
from engine.db.pool import quote_name
from engine.identity.credential import CHANNEL, SESSION, digest, forget, parts
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from engine.sql.statement import Statement
from metamodel.formula.types import Kind

_FIND = """
SELECT l.user_id, l.roles, c.expires_at FROM {schema}.{table} c JOIN {schema}._login l ON l.user_id = c.user_id
WHERE c.token_hash = $1 AND l.active AND (c.expires_at IS NULL OR c.expires_at > $2) {more}
"""
_NUMBERS = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class _Held:
    tenant: str
    actor: Actor
    until: float


async def resolve(rt: Runtime, tenant: str, credential: str) -> Actor:
    """The actor of a credential.

    Raises Refused "auth.required" for one that is unknown, expired, revoked or of a disabled user, and
    "tenant.unknown" for one of another tenant.
    """
    key = digest(credential)
    held = rt.credentials.entries.get(key)
    if held is not None and held.tenant == tenant and time.monotonic() < held.until:
        actor: Actor = held.actor
        return actor
    return await _look_up(rt, tenant, credential, key)


def watch(rt: Runtime) -> None:
    """Subscribes to changes of credentials. To be called before the listener starts."""
    rt.listener.subscribe(CHANNEL, lambda payload: None if payload is None else forget(rt))


async def _look_up(rt: Runtime, tenant: str, credential: str, key: bytes) -> Actor:
    kind, of = parts(credential)
    if of != tenant:
        raise Refused("tenant.unknown", "there is no such tenant")
    entries = rt.credentials.entries
    release = rt.store.ready(tenant) or await rt.store.release(tenant)
    table, more = ("_session", "") if kind == SESSION else ("_token", "AND c.revoked_at IS NULL")
    text = _FIND.format(schema=quote_name(release.schema), table=table, more=more)
    now = rt.clock.now()
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, text, (key, now))
    if not rows:
        raise Refused("auth.required", "the credential is not valid any more")
    user, roles, expires = rows[0]["user_id"], tuple(rows[0]["roles"]), rows[0]["expires_at"]
    user = UUID(int=user.int)
    actor = Actor(user, roles, await attributes(rt, release, user))
    seconds = float(CREDENTIAL_CACHE_SECONDS)
    if expires is not None:
        seconds = min(seconds, (expires - now).total_seconds())
    if len(entries) >= rt.credentials.size:
        entries.pop(next(iter(entries)))
    entries[key] = _Held(tenant, actor, time.monotonic() + seconds)
    return actor


async def attributes(rt: Runtime, release: Release, user: UUID) -> Mapping[str, Any]:
    """The fields of a user's record by name, typed as formulas take them.

    Raises Refused "auth.required" where there is no such record.
    """
    if "user" not in release.model.objects:
        return {}
    zone = release.model.settings.time_zone
    context = Context(Actor(user, (), operator=True), release.tenant, rt.clock.now(), time_zone=zone)
    statement, kinds = rt.statements.get((release, "attributes"), lambda: _statement(rt, context, release))
    args = statement.arguments(context, (), id=user)
    body, _ = await execute.read(rt.reads, release.role, statement.text, args)
    if body is None:
        raise Refused("auth.required", "the user does not exist any more")
    values: dict[str, Any] = _NUMBERS.decode(body)
    return {name: None if value is None else _TYPED.get(kinds[name], _same)(value) for name, value in values.items()}


def _statement(rt: Runtime, ctx: Context, release: Release) -> tuple[Statement, dict[str, Kind]]:
    rights = rt.rights(ctx.actor, release)
    names = rt.names(rights, release)
    plan = plan_read(RecordQuery(object="user", single=True), rights, names, None).plan
    shape = names.schema.object("user")
    assert shape is not None
    kinds = {output.key: shape.fields[output.key].type.kind for output in plan.outputs}
    return read_statement(plan, rt.collation), kinds


def _same(value: Any) -> Any:
    return value


_TYPED: dict[Kind, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "money": Decimal,
    "percent": Decimal,
    "duration": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "reference": UUID,
}
