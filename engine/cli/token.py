"""`fieldwright token`: API tokens of users."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from engine.cli.console import out, table
from engine.cli.user import Login, Tenant, login_user
from engine.cli.work import with_runtime
from engine.db.transaction import in_transaction
from engine.identity.tokens import Token, create_token, list_tokens, revoke_token
from engine.runtime import Runtime

app = typer.Typer(help="API tokens.", no_args_is_help=True)


@app.command()
def create(
    tenant: Tenant,
    login: Login,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires (default: never).")] = None,
) -> None:
    """Make an API token; it is printed once and kept only as a hash."""

    async def work(rt: Runtime) -> tuple[Token, str]:
        now = rt.clock.now()
        expires = now + timedelta(days=days) if days else None
        release = await rt.store.release(tenant)
        user = await login_user(rt, release, login)
        return await in_transaction(
            rt.writes, release.role, lambda conn: create_token(conn, release, user, name, expires, now)
        )

    _, secret = with_runtime(work)
    out.print(secret, markup=False)


@app.command("list")
def list_(tenant: Tenant, login: Login) -> None:
    """List the tokens of a login."""

    async def work(rt: Runtime) -> list[list[str]]:
        release = await rt.store.release(tenant)
        found = await list_tokens(rt, release, await login_user(rt, release, login))
        return [[str(t.id), t.name, f"{t.created_at:%Y-%m-%d}", f"{t.expires_at or 'never'}"] for t in found]

    table(["id", "name", "created", "expires"], with_runtime(work))


@app.command()
def revoke(tenant: Tenant, login: Login, token: Annotated[UUID, typer.Argument(help="The token's id.")]) -> None:
    """End a token at once."""

    async def work(rt: Runtime) -> None:
        release = await rt.store.release(tenant)
        await revoke_token(rt, release, await login_user(rt, release, login), token)

    with_runtime(work)
    out.print("revoked", markup=False)
