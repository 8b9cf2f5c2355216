"""API tokens: named credentials that a user makes for programs, with the user's own roles."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from engine.base.errors import Fault, Refused
from engine.base.ids import new_id
from engine.base.limits import TOKEN_NAME_MAX
from engine.db.pool import Connection, quote_name
from engine.db.transaction import in_transaction
from engine.identity.credential import TOKEN, announce, digest, forget, mint
from engine.release.release import Release
from engine.runtime import Runtime


class Token(msgspec.Struct, frozen=True):
    """A token as it may be shown."""

    id: UUID
    name: str
    created_at: datetime
    expires_at: datetime | None


async def create_token(
    conn: Connection, release: Release, user: UUID, name: str, expires_at: datetime | None, now: datetime
) -> tuple[Token, str]:
    """A new token and its credential, which is shown this once. In the transaction of the caller.

    Raises Refused "token.invalid", and "user.unknown" where the user has no login.
    """
    if not 1 <= len(name) <= TOKEN_NAME_MAX or not name.isprintable():
        raise _invalid(f"a name has 1 to {TOKEN_NAME_MAX} printable characters", "/name")
    if expires_at is not None and expires_at <= now:
        raise _invalid("the end lies in the past", "/expires_at")
    schema, credential, token = quote_name(release.schema), mint(TOKEN, release.tenant), new_id()
    done = await conn.fetchval(
        f"INSERT INTO {schema}._token (id, token_hash, user_id, name, created_at, expires_at) "
        f"SELECT $1, $2, user_id, $4, $5, $6 FROM {schema}._login WHERE user_id = $3 AND active RETURNING true",
        token, digest(credential), user, name, now, expires_at,
    )  # fmt: skip
    if not done:
        raise Refused("user.unknown", "the user has no login")
    return Token(token, name, now, expires_at), credential


async def list_tokens(rt: Runtime, release: Release, user: UUID) -> list[Token]:
    """The tokens of a user that are not revoked, newest first."""
    async with rt.reads.connection(release.role) as conn:
        rows = await conn.fetch(
            f"SELECT id, name, created_at, expires_at FROM {quote_name(release.schema)}._token "
            "WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id DESC",
            user,
        )
    return [_token(row) for row in rows]


async def revoke_token(rt: Runtime, release: Release, user: UUID, token: UUID) -> None:
    """Ends a token of a user at once. Raises Refused "token.unknown"."""

    async def work(conn: Connection) -> None:
        done = await conn.fetchval(
            f"UPDATE {quote_name(release.schema)}._token SET revoked_at = now() "
            "WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING true",
            token, user,
        )  # fmt: skip
        if not done:
            raise Refused("token.unknown", "there is no such token")
        await announce(conn, release.tenant)

    await in_transaction(rt.writes, release.role, work)
    forget(rt)


def _token(row: Any) -> Token:
    return Token(UUID(int=row["id"].int), row["name"], row["created_at"], row["expires_at"])


def _invalid(detail: str, pointer: str) -> Refused:
    return Refused("token.invalid", detail, faults=[Fault("token.invalid", detail, pointer)])
