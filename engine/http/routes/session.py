"""`/{tenant}/api/session`, `/tokens` and `/logins`: signing in, credentials of programs, users' logins."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.db.transaction import in_transaction
from engine.http.call import Call, path_id, peer_of
from engine.http.idempotency import once
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.identity import logins, sessions, tokens
from engine.plan.request import RecordQuery
from engine.records.read import read_record


class LogIn(msgspec.Struct, forbid_unknown_fields=True):
    login: str
    password: str


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    expires_at: datetime | None = None


class NewLogin(msgspec.Struct, forbid_unknown_fields=True):
    user: UUID
    login: str
    roles: list[str]
    password: str | None = None


class LoginPatch(msgspec.Struct, forbid_unknown_fields=True):
    password: str | None = None
    roles: list[str] | None = None
    active: bool | None = None


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    old: str
    new: str


async def log_in(call: Call) -> Reply:
    """A session for a login and a password: `{"token", "expires_at", "user"}`."""
    body = await call.typed(LogIn)
    made = await sessions.log_in(
        call.rt, call.service.limiter, call.release, body.login, body.password, peer_of(call.scope), call.ctx.now
    )
    return json_reply({"token": made.credential, "expires_at": made.expires_at, "user": made.user}, 201)


async def log_out(call: Call) -> Reply:
    await sessions.log_out(call.rt, call.release, call.credential)
    return Reply(None, 204)


async def who_am_i(call: Call) -> Reply:
    """The caller: `{"user": record or id only, "roles", "capabilities", "expires_at", "locale"}`."""
    actor = call.ctx.actor
    user = f'{{"id":"{actor.user}"}}'
    try:
        query = RecordQuery(object="user", single=True)
        user = (await read_record(call.rt, call.ctx, call.release, query, actor.user)).body
    except Refused as refused:
        if refused.kind != "not_found":
            raise
    return json_reply(
        {
            "user": msgspec.Raw(user.encode()),
            "roles": list(actor.roles),
            "capabilities": sorted(call.rt.rights(actor, call.release).capabilities),
            "expires_at": await sessions.session_of(call.rt, call.release, call.credential),
            "locale": call.ctx.locale,
        }
    )


async def change_password(call: Call) -> Reply:
    """Changes the caller's own password; every session of the user ends, this one too."""
    body = await call.typed(PasswordChange)
    peer, user = peer_of(call.scope), call.ctx.actor.user
    await sessions.confirm(call.rt, call.service.limiter, call.release, user, body.old, peer)
    await logins.change_login(call.rt, call.release, call.ctx.actor.user, password=body.new)
    return Reply(None, 204)


async def list_tokens(call: Call) -> Reply:
    return json_reply({"items": await tokens.list_tokens(call.rt, call.release, call.ctx.actor.user)})


async def create_token(call: Call) -> Reply:
    """A named token; its credential is shown in this answer only (a repeated request is answered without it)."""
    body = await call.typed(NewToken)
    expires = body.expires_at
    if expires is not None and expires.tzinfo is None:
        raise Refused("token.invalid", "expires_at needs an offset, such as 2027-01-31T00:00:00Z")

    async def inside(conn: Connection) -> Reply:
        made, credential = await tokens.create_token(
            conn, call.release, call.ctx.actor.user, body.name, expires, call.ctx.now
        )
        return json_reply({**msgspec.to_builtins(made), "token": credential}, 201)

    async def work(conn: Connection | None) -> Reply:
        return await inside(conn) if conn else await in_transaction(call.rt.writes, call.release.role, inside)

    def keep(reply: Reply) -> Reply:
        shown = msgspec.json.decode(reply.body or b"{}")
        return json_reply({**shown, "token": None}, reply.status)

    return await once(call, work, keep=keep)


async def revoke_token(call: Call) -> Reply:
    token = path_id(call.param("id"), "token.unknown", "there is no such token")
    await tokens.revoke_token(call.rt, call.release, call.ctx.actor.user, token)
    return Reply(None, 204)


async def list_logins(call: Call) -> Reply:
    logins.need(call.rt, call.ctx, call.release, "manage_users")
    return json_reply({"items": await logins.list_logins(call.rt, call.release)})


async def create_login(call: Call) -> Reply:
    """A login for a user record, with its roles."""
    logins.need(call.rt, call.ctx, call.release, "manage_users")
    body = await call.typed(NewLogin)

    async def work(conn: Connection | None) -> Reply:
        made = await logins.create_login(call.rt, call.release, body.user, body.login, body.password, body.roles, conn)
        return json_reply(made, 201)

    return await once(call, work)


async def change_login(call: Call) -> Reply:
    """Sets roles or password of a login, or disables it."""
    logins.need(call.rt, call.ctx, call.release, "manage_users")
    body = await call.typed(LoginPatch)
    user = path_id(call.param("user"), "user.unknown", "there is no such login")
    done = await logins.change_login(
        call.rt, call.release, user, password=body.password, roles=body.roles, active=body.active
    )
    return json_reply(done)


RESOURCES = (
    Resource("/{tenant}/api/session", POST=Action(log_in, "anyone"), GET=Action(who_am_i, "user"),
             DELETE=Action(log_out, "user")),
    Resource("/{tenant}/api/session/password", POST=Action(change_password, "user")),
    Resource("/{tenant}/api/tokens", GET=Action(list_tokens, "user"), POST=Action(create_token, "user")),
    Resource("/{tenant}/api/tokens/{id}", DELETE=Action(revoke_token, "user")),
    Resource("/{tenant}/api/logins", GET=Action(list_logins, "user"), POST=Action(create_login, "user")),
    Resource("/{tenant}/api/logins/{user}", PATCH=Action(change_login, "user")),
)  # fmt: skip
