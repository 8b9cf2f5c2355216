"""Sessions: a password log-in gives an opaque credential, of which the server keeps the hash and the end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from engine.base.errors import Refused
from engine.base.limits import SESSION_HOURS
from engine.db import execute
from engine.db.pool import Connection, quote_name
from engine.db.transaction import in_transaction
from engine.identity.credential import SESSION, announce, digest, forget, mint, parts
from engine.identity.limiter import Limiter
from engine.identity.passwords import verify
from engine.release.release import Release
from engine.runtime import Runtime


class Session(NamedTuple):
    """A new session; `credential` is shown this once."""

    credential: str
    expires_at: datetime
    user: UUID


async def log_in(
    rt: Runtime, limiter: Limiter, release: Release, login: str, password: str, peer: str, now: datetime
) -> Session:
    """A session of SESSION_HOURS.

    Raises Refused "auth.limited" after too many attempts, and "auth.failed" alike, and after the same work, for an
    unknown login, a wrong password, a login without password and a disabled one.
    """
    limiter.attempt(release.tenant, login, peer)
    schema = quote_name(release.schema)
    find = f"SELECT user_id, password_hash, epoch FROM {schema}._login WHERE lower(login) = lower($1) AND active"
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, find, (login,)) if "\0" not in login else []
    row = rows[0] if rows else None
    if not await verify(password, row["password_hash"] if row else None) or row is None:
        raise Refused("auth.failed", "the login or the password is wrong")
    limiter.succeeded(release.tenant, login, peer)
    credential, expires = mint(SESSION, release.tenant), now + timedelta(hours=SESSION_HOURS)

    async def work(conn: Connection) -> None:
        # The login is read again: it may have been disabled, or got another password, while the hash was computed.
        done = await conn.fetchval(
            f"INSERT INTO {schema}._session (token_hash, user_id, created_at, expires_at) "
            f"SELECT $1, user_id, $2, $3 FROM {schema}._login WHERE user_id = $4 AND active AND epoch = $5 "
            "RETURNING true",
            digest(credential), now, expires, row["user_id"], row["epoch"],
        )  # fmt: skip
        if not done:
            raise Refused("auth.failed", "the login or the password is wrong")
        stale = f"DELETE FROM {schema}._session WHERE user_id = $1 AND expires_at <= $2"
        await conn.execute(stale, row["user_id"], now)

    await in_transaction(rt.writes, release.role, work)
    return Session(credential, expires, UUID(int=row["user_id"].int))


async def confirm(rt: Runtime, limiter: Limiter, release: Release, user: UUID, password: str, peer: str) -> None:
    """Raises Refused "auth.failed" where it is not the user's password, "auth.limited" after too many attempts."""
    limiter.attempt(release.tenant, str(user), peer)
    async with rt.reads.connection(release.role) as conn:
        text = f"SELECT password_hash FROM {quote_name(release.schema)}._login WHERE user_id = $1"
        rows = await execute.fetch_rows(conn, text, (user,))
    if not await verify(password, rows[0]["password_hash"] if rows else None):
        raise Refused("auth.failed", "the password is wrong")
    limiter.succeeded(release.tenant, str(user), peer)


async def log_out(rt: Runtime, release: Release, credential: str) -> None:
    """Ends the session of a credential. Raises Refused "access.denied" for an API token: that is revoked by its id."""
    if parts(credential).kind != SESSION:
        raise Refused("access.denied", "an API token is revoked by its id, it has no session to end")

    async def work(conn: Connection) -> None:
        await conn.execute(
            f"DELETE FROM {quote_name(release.schema)}._session WHERE token_hash = $1", digest(credential)
        )
        await announce(conn, release.tenant)

    await in_transaction(rt.writes, release.role, work)
    forget(rt)


async def session_of(rt: Runtime, release: Release, credential: str) -> datetime | None:
    """When the session of a credential ends; None for one that is an API token."""
    if parts(credential).kind != SESSION:
        return None
    async with rt.reads.connection(release.role) as conn:
        text = f"SELECT expires_at FROM {quote_name(release.schema)}._session WHERE token_hash = $1"
        rows = await execute.fetch_rows(conn, text, (digest(credential),))
    return rows[0]["expires_at"] if rows else None
