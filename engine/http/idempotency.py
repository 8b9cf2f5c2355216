"""`Idempotency-Key`: a repeated POST is answered again and not done again.

The key is kept in the transaction of the effect, so that both are there or none is; refused requests are not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from engine.base.errors import Refused
from engine.base.limits import IDEMPOTENCY_HOURS
from engine.db.pool import Connection, quote_name
from engine.db.transaction import in_transaction
from engine.http.call import Call
from engine.http.reply import Reply

_KEY = re.compile(rb"[\x21-\x7e]{1,200}")
REPLAYED = (b"idempotency-replayed", b"true")

_LOCK = "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))"
_FIND = """
SELECT request_hash, status, body FROM {schema}._idempotency WHERE principal = $1 AND key = $2 AND created_at > $3
"""
_KEEP = """
INSERT INTO {schema}._idempotency (principal, key, request_hash, status, body, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (principal, key) DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status,
    body = excluded.body, created_at = excluded.created_at
"""
_PURGE = """
DELETE FROM {schema}._idempotency WHERE (principal, key) IN (
    SELECT principal, key FROM {schema}._idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT 20
    FOR UPDATE SKIP LOCKED)
"""

Work = Callable[[Connection | None], Awaitable[Reply]]


class _Kept(msgspec.Struct, array_like=True):
    headers: list[tuple[str, str]]
    body: str | None


async def once(
    call: Call, work: Work, *, obj: str | None = None, keep: Callable[[Reply], Reply] = lambda reply: reply
) -> Reply:
    """`work`, or what it answered before under the same key.

    `obj` is the object whose records the answer shows: who may not read it any more gets no old answer either.
    `keep` takes out what may not be stored. Raises Refused "request.idempotency" for a key that was used for another
    request, "request.in_progress" while the first one still runs.
    """
    given = call.headers.get(b"idempotency-key")
    if given is None:
        return await work(None)
    if not _KEY.fullmatch(given):
        raise Refused("request.malformed", "an idempotency key has 1 to 200 visible ASCII characters")
    key, user, now = given.decode(), call.ctx.actor.user, call.ctx.now
    schema, oldest = quote_name(call.release.schema), now - timedelta(hours=IDEMPOTENCY_HOURS)
    fingerprint = await _fingerprint(call)

    async def inside(conn: Connection) -> Reply:
        if not await conn.fetchval(_LOCK, f"{call.release.schema}/{user}/{key}"):
            raise Refused("request.in_progress", "the first request with this key has not been answered yet")
        row = await conn.fetchrow(_FIND.format(schema=schema), user, key, oldest)
        if row is not None:
            if row["request_hash"] != fingerprint:
                raise Refused("request.idempotency", "use a new key for a new request")
            return _replay(call, obj, row["status"], row["body"])
        reply = await work(conn)
        kept = keep(reply)
        body = None if kept.body is None else kept.body.decode()
        saved = _Kept([(name.decode(), value.decode()) for name, value in kept.headers], body)
        text = msgspec.json.encode(saved).decode()
        await conn.execute(_KEEP.format(schema=schema), user, key, fingerprint, reply.status, text, now)
        await conn.execute(_PURGE.format(schema=schema), oldest)
        return reply

    return await in_transaction(call.rt.writes, call.release.role, inside)


def _replay(call: Call, obj: str | None, status: int, body: str) -> Reply:
    if obj is not None and not call.rt.rights(call.ctx.actor, call.release).allows(obj, "read"):
        raise Refused("object.unknown", f'there is no object "{obj}"')
    kept = msgspec.json.decode(body, type=_Kept)
    headers = tuple((name.encode(), value.encode()) for name, value in kept.headers)
    return Reply(kept.body.encode() if kept.body is not None else None, status, (*headers, REPLAYED))


async def _fingerprint(call: Call) -> bytes:
    hashed = hashlib.sha256()
    for part in (call.scope["method"].encode(), call.scope["path"].encode(), call.query_string, await call.body()):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.digest()
