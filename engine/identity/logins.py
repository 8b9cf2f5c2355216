"""Logins: how a user record signs in, and with which roles. Out of every formula's reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db.pool import Connection, quote_name
from engine.db.transaction import in_transaction
from engine.identity.credential import announce, forget
from engine.identity.passwords import hash_password
from engine.release.release import Release
from engine.runtime import Runtime
from metamodel.names import did_you_mean

LOGIN_MAX = 254


class Login(msgspec.Struct, frozen=True):
    """A login as it may be shown."""

    user: UUID
    login: str
    roles: tuple[str, ...]
    active: bool


async def create_login(
    rt: Runtime, release: Release, user: UUID, login: str, password: str | None, roles: Iterable[str],
    conn: Connection | None = None,
) -> Login:  # fmt: skip
    """A login for a user record; without a password only tokens sign in. In the transaction of `conn` if given.

    Raises Refused "user.unknown", "user.exists", "user.login", "user.password", "role.unknown".
    """
    login, held = _checked_login(login), _checked_roles(release, roles)
    hashed = await hash_password(password) if password is not None else None
    schema = quote_name(release.schema)
    table = release.table("user")

    async def work(inner: Connection) -> Login:
        found = await inner.fetchval(
            f"SELECT true FROM {schema}.{quote_name(table.name)} WHERE id = $1 AND deleted_at IS NULL", user
        )
        if not found:
            raise Refused("user.unknown", "there is no such user")
        done = await inner.fetchval(
            f"INSERT INTO {schema}._login (user_id, login, password_hash, roles) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT DO NOTHING RETURNING true",
            user, login, hashed, held,
        )  # fmt: skip
        if not done:
            detail = "the user has a login already, or the login is taken"
            raise Refused("user.exists", detail, faults=[Fault("user.exists", detail, "/login")])
        await announce(inner, release.tenant)
        return Login(user, login, tuple(held), True)

    return await work(conn) if conn else await in_transaction(rt.writes, release.role, work)


async def change_login(
    rt: Runtime, release: Release, user: UUID, *, password: str | None = None, roles: Iterable[str] | None = None,
    active: bool | None = None,
) -> Login:  # fmt: skip
    """Changes what is given. A new password or a disabled login ends the user's sessions.

    Raises Refused "user.unknown", "user.password", "role.unknown".
    """
    held = None if roles is None else _checked_roles(release, roles)
    hashed = await hash_password(password) if password is not None else None
    schema = quote_name(release.schema)

    async def work(conn: Connection) -> Login:
        row = await conn.fetchrow(
            f"UPDATE {schema}._login SET password_hash = coalesce($2, password_hash), roles = coalesce($3, roles), "
            "active = coalesce($4, active), epoch = epoch + 1 WHERE user_id = $1 "
            "RETURNING user_id, login, roles, active",
            user, hashed, held, active,
        )  # fmt: skip
        if row is None:
            raise Refused("user.unknown", "there is no such login")
        if hashed is not None or active is False:
            await conn.execute(f"DELETE FROM {schema}._session WHERE user_id = $1", user)
        await announce(conn, release.tenant)
        return _login(row)

    done = await in_transaction(rt.writes, release.role, work)
    forget(rt)
    return done


async def list_logins(rt: Runtime, release: Release) -> list[Login]:
    """All logins by name."""
    async with rt.reads.connection(release.role) as conn:
        rows = await conn.fetch(
            f"SELECT user_id, login, roles, active FROM {quote_name(release.schema)}._login ORDER BY lower(login)"
        )
    return [_login(row) for row in rows]


def need(rt: Runtime, ctx: Context, release: Release, capability: str) -> None:
    """Raises Refused "access.denied" where none of the actor's roles has the capability."""
    if capability not in rt.rights(ctx.actor, release).capabilities:
        raise Refused("access.denied", f"the capability {capability} is needed")


def _login(row: Any) -> Login:
    return Login(UUID(int=row["user_id"].int), row["login"], tuple(row["roles"]), row["active"])


def _checked_login(login: str) -> str:
    if not 1 <= len(login) <= LOGIN_MAX or not login.isprintable() or login != login.strip():
        detail = f"a login has 1 to {LOGIN_MAX} characters and no space at its ends"
        raise Refused("user.login", detail, faults=[Fault("user.login", detail, "/login")])
    return login


def _checked_roles(release: Release, roles: Iterable[str]) -> list[str]:
    held = list(dict.fromkeys(roles))
    for role in held:
        if role not in release.model.roles:
            near = did_you_mean(role, release.model.roles)
            detail = f'there is no role "{role}"' + (f"; {near}" if near else "")
            raise Refused("role.unknown", detail, faults=[Fault("role.unknown", detail, "/roles")])
    return held
