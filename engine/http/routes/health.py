"""Health of the process, the list of error codes, and the answer to every address that is not there."""

from __future__ import annotations

from html import escape

from starlette.types import Scope

from engine.base.errors import CODES, Refused
from engine.db.migrations import behind
from engine.http.call import Service
from engine.http.problems import STATUS
from engine.http.reply import HTML, Reply, json_reply
from engine.http.resource import Plain


async def live(scope: Scope) -> Reply:
    """The process answers."""
    return json_reply({"status": "ok"})


async def ready(scope: Scope) -> Reply:
    """The database can be reached and its system tables are current; else Refused "database.*"."""
    service: Service = scope["state"]["service"]
    async with service.rt.reads.connection() as conn:
        if await behind(conn):
            raise Refused("database.behind")
    return json_reply({"status": "ok"})


async def codes(scope: Scope) -> Reply:
    """What every `code` of a problem document means."""
    rows = "".join(
        f'<tr id="{escape(code)}"><td><code>{escape(code)}</code><td>{STATUS[meant.kind]}<td>{escape(meant.title)}'
        for code, meant in CODES.items()
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Error codes</title>'
        "<style>body{font:16px system-ui;margin:2rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}"
        "tr:target{background:#ffd}</style><h1>Error codes</h1>"
        f"<table><tr><th>code<th>status<th>meaning{rows}</table></html>"
    )
    return Reply(page.encode(), media=HTML)


async def missing(scope: Scope) -> Reply:
    raise Refused("request.unknown", "there is no such address")


RESOURCES = (Plain("/health/live", live), Plain("/health/ready", ready), Plain("/docs/codes", codes))
MISSING = Plain("", missing)
