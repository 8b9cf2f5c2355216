"""Work on a running runtime, and as whom it is done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import structlog
import typer

from engine.base.context import OPERATOR, Actor, Context
from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.db.sqlstate import translate
from engine.identity.logins import list_logins
from engine.identity.resolve import attributes
from engine.release.release import Release
from engine.runtime import Runtime, running

T = TypeVar("T")

AsUser = Annotated[
    str | None, typer.Option("--as", help="Login of the user to act as (default: the operator, who may do everything).")
]


def with_runtime(work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Runs `work` on a runtime that is opened and closed around it. An error of the database is raised as Refused."""
    # A command's output is its answer; what the rooms log goes to the server's logs, warnings excepted.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )

    async def run() -> T:
        async with running(Settings()) as rt:
            return await work(rt)

    try:
        return asyncio.run(run())
    except (Refused, OSError):
        raise
    except Exception as error:
        wanted = translate(error)
        if wanted is error:
            raise
        raise wanted from error


async def acting(rt: Runtime, release: Release, login: str | None, door: str = "cli") -> Context:
    """The context of a command: of the user with that login, else of the operator."""
    settings = release.model.settings
    actor = OPERATOR
    if login is not None:
        known = {entry.login.lower(): entry for entry in await list_logins(rt, release)}
        found = known.get(login.lower())
        if found is None or not found.active:
            raise Refused("user.unknown", f'there is no active login "{login}"')
        actor = Actor(found.user, found.roles, await attributes(rt, release, found.user))
    zone, locale = settings.time_zone, settings.locales[0]
    return Context(actor, release.tenant, rt.clock.now(), time_zone=zone, locale=locale, door=door)
