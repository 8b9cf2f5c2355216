"""An address and what its methods do. Each action says who may call it; without saying so there is no action."""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from engine.base.errors import Refused
from engine.db.sqlstate import Outdated
from engine.http.call import Call, Trace, call_of_anyone, call_of_reader, call_of_user, trace_of
from engine.http.problems import problem
from engine.http.reply import Header, Reply

Auth = Literal["user", "reader", "anyone"]
Opener = Callable[[Scope, Receive, dict[bytes, bytes], Trace], Awaitable[Call]]

OPENERS: dict[Auth, Opener] = {"user": call_of_user, "reader": call_of_reader, "anyone": call_of_anyone}
ASK: Header = (b"www-authenticate", b'Basic realm="Fieldwright", charset="UTF-8"')
STRICT: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)
OUTDATED_ATTEMPTS = 3

log = structlog.get_logger("fieldwright.http")


@dataclass(frozen=True, slots=True)
class Action:
    """What a method does. `auth` is "user" (a valid credential of the tenant), "reader" (also login and password, for
    pages that a browser opens) or "anyone"."""

    run: Callable[[Call], Awaitable[Reply]]
    auth: Auth


class Resource:
    """An ASGI endpoint of one path. HEAD is GET without the body; OPTIONS says which methods there are."""

    def __init__(self, path: str, **actions: Action) -> None:
        self.path = path
        self.actions = actions
        methods = sorted(actions) + (["HEAD"] if "GET" in actions else []) + ["OPTIONS"]
        self.allow: Header = (b"allow", ", ".join(methods).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        action = self.actions.get("GET" if method == "HEAD" else method)
        await answer(scope, receive, send, self.path, action, self.allow)


@dataclass(frozen=True, slots=True)
class Plain:
    """An ASGI endpoint without tenant and caller: health, the list of codes, and every address that is not there."""

    path: str
    run: Callable[[Scope], Awaitable[Reply]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, headers = time.perf_counter(), dict(scope["headers"])
        trace = trace_of(headers)
        try:
            if scope["method"] not in ("GET", "HEAD") and self.path:
                raise Refused("request.method")
            reply = await self.run(scope)
        except Exception as error:
            reply = _refusal(error, trace, (b"allow", b"GET, HEAD"))
        await _send(scope, send, reply, trace, self.path, began)


async def answer(scope: Scope, receive: Receive, send: Send, path: str, action: Action | None, allow: Header) -> None:
    """Runs an action and sends what it answers; whatever goes wrong becomes a problem document."""
    began, headers = time.perf_counter(), dict(scope["headers"])
    trace = trace_of(headers)
    try:
        if action is None:
            if scope["method"] != "OPTIONS":
                raise Refused("request.method", f"the address takes {allow[1].decode()}")
            reply = Reply(None, 204, (allow,))
        else:
            call = await OPENERS[action.auth](scope, receive, headers, trace)
            reply = await _run(action, call)
    except ClientDisconnect:
        return
    except Exception as error:
        reply = _refusal(error, trace, allow)
        if reply.status == 401 and action is not None and action.auth == "reader":
            reply = replace(reply, headers=(*(h for h in reply.headers if h[0] != ASK[0]), ASK))
    await _send(scope, send, reply, trace, path, began)


async def _run(action: Action, call: Call) -> Reply:
    """Runs the action; again on the newest release where a statement met tables that had changed under it."""
    for _ in range(OUTDATED_ATTEMPTS - 1):
        try:
            return await action.run(call)
        except Outdated:
            await call.rt.store.refresh(call.release.tenant)
            call.release = await call.rt.store.release(call.release.tenant)
    return await action.run(call)


def _refusal(error: Exception, trace: Trace, allow: Header) -> Reply:
    if isinstance(error, Outdated):
        error = Refused("database.conflict", "the tenant is being changed; try again")
    if not isinstance(error, Refused):
        # As text: a renderer that shows the variables of each frame would write credentials into the log.
        text = "".join(traceback.format_exception(error))
        log.error("request failed", request_id=trace.request_id, tenant=trace.tenant, traceback=text)
        error = Refused("internal")
    reply = problem(error, trace.request_id)
    return Reply(reply.body, reply.status, (*reply.headers, allow), reply.media) if reply.status == 405 else reply


async def _send(scope: Scope, send: Send, reply: Reply, trace: Trace, path: str, began: float) -> None:
    own = {name for name, _ in reply.headers}
    strict = (header for header in STRICT if header[0] not in own)
    headers: list[Header] = [*reply.headers, *strict, (b"x-request-id", trace.request_id.encode())]
    if reply.body is not None:
        headers.append((b"content-type", reply.media))
        headers.append((b"content-length", b"%d" % (len(reply.body) if reply.length is None else reply.length)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    empty = reply.body is None or scope["method"] == "HEAD"
    if reply.stream is not None and not empty:
        async for chunk in reply.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if empty else reply.body})
    log.info(
        "request", method=scope["method"], route=path, status=reply.status,
        ms=round((time.perf_counter() - began) * 1000, 2), tenant=trace.tenant,
        actor=str(trace.actor) if trace.actor else None, request_id=trace.request_id,
    )  # fmt: skip


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raises TypeError for a route that does not say who may call it: what is not declared is not served."""
    for route in routes:
        endpoint = route.endpoint if isinstance(route, Route) else None
        declared = isinstance(endpoint, Plain) or (
            isinstance(endpoint, Resource) and all(action.auth in OPENERS for action in endpoint.actions.values())
        )
        if not declared:
            raise TypeError(f"the route {getattr(route, 'path', route)} does not declare its callers")
