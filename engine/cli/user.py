"""`fieldwright user`: logins of users. A user's record is ordinary data; the login, password and roles are not."""

from __future__ import annotations

import getpass
import secrets
import sys
from typing import Annotated, Any
from uuid import UUID

import typer

from engine.base.context import OPERATOR, Context
from engine.base.errors import Refused
from engine.cli.console import err, out, table
from engine.cli.work import with_runtime
from engine.identity.logins import change_login, create_login, list_logins
from engine.plan.request import RecordWrite
from engine.records.lookup import ids_by_key
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime

app = typer.Typer(help="Users and their logins.", no_args_is_help=True)
Tenant = Annotated[str, typer.Argument(help="The tenant.")]
Login = Annotated[str, typer.Argument(help="The login, usually an e-mail address.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="A role; may be given several times.")]
Password = Annotated[bool, typer.Option("--password", help="Ask for a password (on a pipe: read one line).")]


@app.command("list")
def list_(tenant: Tenant) -> None:
    """List the logins of a tenant."""

    async def work(rt: Runtime) -> list[list[str]]:
        logins = await list_logins(rt, await rt.store.release(tenant))
        return [[entry.login, ", ".join(entry.roles), "yes" if entry.active else "no"] for entry in logins]

    table(["login", "roles", "active"], with_runtime(work))


@app.command()
def add(
    tenant: Tenant,
    login: Login,
    name: Annotated[str | None, typer.Option(help="The person's name, where there is no user record yet.")] = None,
    role: Roles = None,
    password: Password = False,
) -> None:
    """Give a person a login. Without --password one is made and printed once."""
    given = _asked() if password else None
    secret = given or secrets.token_urlsafe(12)

    async def work(rt: Runtime) -> None:
        release = await rt.store.release(tenant)
        await create_login(rt, release, await user_record(rt, release, login, name), login, secret, role or ())

    with_runtime(work)
    out.print(f"{login} may sign in" + ("" if given else f" with the password {secret}"), markup=False)


@app.command()
def change(
    tenant: Tenant,
    login: Login,
    role: Roles = None,
    password: Password = False,
    disable: Annotated[bool, typer.Option(help="The login works no more, its sessions and tokens end.")] = False,
    enable: Annotated[bool, typer.Option(help="The login works again.")] = False,
) -> None:
    """Change a login's roles, password or state."""
    secret = _asked() if password else None

    async def work(rt: Runtime) -> None:
        release = await rt.store.release(tenant)
        user = await login_user(rt, release, login)
        active = False if disable else True if enable else None
        await change_login(rt, release, user, password=secret, roles=role, active=active)

    with_runtime(work)
    out.print(f"{login} is changed", markup=False)


async def login_user(rt: Runtime, release: Release, login: str) -> UUID:
    """The user behind a login. Raises Refused "user.unknown"."""
    for entry in await list_logins(rt, release):
        if entry.login.lower() == login.lower():
            return entry.user
    raise Refused("user.unknown", f'there is no login "{login}"')


async def user_record(rt: Runtime, release: Release, email: str, name: str | None) -> UUID:
    """The user record with that e-mail address; made with that name where there is none."""
    ctx = Context(OPERATOR, release.tenant, rt.clock.now(), time_zone=release.model.settings.time_zone, door="cli")
    if "user" not in release.model.objects or "email" not in release.object("user").fields:
        raise Refused("user.unknown", "the tenant has no object user with an email: it needs the pack core")
    found = (await ids_by_key(rt, ctx, release, "user", "email", [email])).get(email)
    if found:
        return found[0]
    if name is None:
        raise Refused("user.unknown", f'no user record has the email "{email}"', hint="give the person's --name")
    row: dict[str, Any] = {"name": name, "email": email}
    written = await write(rt, ctx, release, RecordWrite(object="user", operation="create", rows=(row,)))
    return written.changed[0][0]


def _asked() -> str:
    secret = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not secret:
        err.print("no password was given", markup=False)
        raise typer.Exit(1)
    return secret
