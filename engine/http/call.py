"""One request under way: who calls, in which tenant, on which release; its headers, body and entity tags."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import UUID

from starlette.types import Receive, Scope

from engine.base.context import Actor, Context
from engine.base.errors import Refused
from engine.base.ids import new_id
from engine.base.signing import etag, version_of
from engine.http import body as bodies
from engine.http.locale import choose
from engine.http.reply import Header
from engine.identity.limiter import Limiter
from engine.identity.resolve import resolve
from engine.identity.sessions import log_in
from engine.release.release import Release
from engine.runtime import Cache, Runtime

T = TypeVar("T")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,64}")
_NOBODY = Actor(UUID(int=0), ())


@dataclass(slots=True)
class Service:
    """What the routes of one process share."""

    rt: Runtime
    limiter: Limiter = field(default_factory=Limiter)
    queries: Cache = field(default_factory=lambda: Cache(2_048))
    documents: Cache = field(default_factory=lambda: Cache(64))


@dataclass(slots=True)
class Trace:
    """What the access log says of a request."""

    request_id: str
    tenant: str | None = None
    actor: UUID | None = None


@dataclass(slots=True)
class Call:
    """A request whose caller is known (or may be nobody, where the action is public)."""

    service: Service
    rt: Runtime
    ctx: Context
    release: Release
    scope: Scope
    headers: dict[bytes, bytes]
    receive: Receive
    credential: str = ""
    _body: bytes | None = None

    @property
    def query_string(self) -> bytes:
        text: bytes = self.scope["query_string"]
        return text

    def param(self, name: str) -> str:
        """A part of the path."""
        text: str = self.scope["path_params"][name]
        return text

    @property
    def object(self) -> str:
        return self.param("object")

    @property
    def record(self) -> UUID:
        """The record that the path names. Raises Refused "record.unknown" for what can not be an id."""
        return path_id(self.param("id"), "record.unknown", f"there is no such record of {self.object}")

    async def body(self) -> bytes:
        if self._body is None:
            self._body = await bodies.read_body(self.receive, self.headers.get(b"content-length"))
        return self._body

    async def json(self, taken: frozenset[str] = bodies.JSON_TYPES) -> Any:
        """The JSON body. Raises Refused "request.media_type", "request.malformed", "request.too_large"."""
        bodies.check_media_type(self.headers.get(b"content-type"), taken)
        return bodies.decode(await self.body())

    async def typed(self, type_: type[T]) -> T:
        """A body of a fixed shape. Raises like `json`."""
        bodies.check_media_type(self.headers.get(b"content-type"), bodies.JSON_TYPES)
        return bodies.typed(await self.body(), type_)

    def etag(self, record: UUID, version: int) -> Header:
        return (b"etag", etag(self.rt.secret, self.release.tenant, record, version).encode())

    def if_match(self, record: UUID) -> int | None:
        """The version that the caller has seen; None for `*`.

        Raises Refused "request.precondition" without the header, "record.stale" where no tag in it is one of ours.
        """
        header = self.headers.get(b"if-match")
        if header is None:
            raise Refused("request.precondition", "send the ETag of the record as you read it in If-Match")
        return self.seen(record, header.decode("latin-1"))

    def seen(self, record: UUID, given: str) -> int | None:
        """The version that one of the entity tags stands for. Raises Refused "record.stale"."""
        tags = given.split(",")
        for tag in tags[:-1]:
            try:
                return version_of(self.rt.secret, self.release.tenant, record, tag)
            except Refused:
                continue
        return version_of(self.rt.secret, self.release.tenant, record, tags[-1])

    def acknowledged(self) -> frozenset[str]:
        """The rules whose warnings the caller acknowledges: names in X-Acknowledge, separated by commas."""
        given = self.headers.get(b"x-acknowledge", b"").decode("latin-1").split(",")
        return frozenset(name.strip() for name in given) - {""}

    def text_header(self, name: bytes) -> str | None:
        """A header of free text: UTF-8, percent-encoded or as it is. Raises Refused "request.malformed"."""
        given = self.headers.get(name)
        if given is None:
            return None
        try:
            text = unquote(given.decode(), errors="strict")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise Refused("request.malformed", f"the header {name.decode()} is not valid UTF-8 text")
        return text


def path_id(text: str, code: str, detail: str) -> UUID:
    """The id in a path; what can not be one is as unknown as an id that nobody has."""
    if len(text) == 36:
        try:
            return UUID(text)
        except ValueError:
            pass
    raise Refused(code, detail)


def trace_of(headers: dict[bytes, bytes]) -> Trace:
    """A trace with the caller's request id, or with a new one where that is missing or not a plain word."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return Trace(given.decode())
    return Trace(new_id().hex)


async def call_of_user(scope: Scope, receive: Receive, headers: dict[bytes, bytes], trace: Trace) -> Call:
    """A call with a valid credential. Raises Refused "auth.required", or "tenant.unknown" for another tenant's."""
    service: Service = scope["state"]["service"]
    tenant = scope["path_params"]["tenant"]
    given = headers.get(b"authorization")
    if given is None or given[:7].lower() != b"bearer ":
        raise Refused("auth.required", "send a session or an API token as `Authorization: Bearer ...`")
    credential = given[7:].decode("latin-1").strip()
    actor = await resolve(service.rt, tenant, credential)
    trace.tenant, trace.actor = tenant, actor.user
    return await _call(service, tenant, actor, scope, receive, headers, trace, credential)


async def call_of_reader(scope: Scope, receive: Receive, headers: dict[bytes, bytes], trace: Trace) -> Call:
    """A call of a program with its credential, or of a person whose browser asks for login and password (Basic,
    RFC 7617). Raises like `call_of_user`, and like `log_in`."""
    given = headers.get(b"authorization", b"")
    if given[:6].lower() != b"basic ":
        return await call_of_user(scope, receive, headers, trace)
    service: Service = scope["state"]["service"]
    tenant = scope["path_params"]["tenant"]
    try:
        login, colon, password = base64.b64decode(given[6:].strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise Refused("auth.required", "the Authorization header can not be read") from error
    if not colon:
        raise Refused("auth.required", "the Authorization header can not be read")
    release = service.rt.store.ready(tenant) or await service.rt.store.release(tenant)
    made = await log_in(service.rt, service.limiter, release, login, password, peer_of(scope), service.rt.clock.now())
    return await call_of_user(
        scope, receive, {**headers, b"authorization": b"Bearer " + made.credential.encode()}, trace
    )


def peer_of(scope: Scope) -> str:
    """The address that a request comes from."""
    return scope["client"][0] if scope.get("client") else ""


async def call_of_anyone(scope: Scope, receive: Receive, headers: dict[bytes, bytes], trace: Trace) -> Call:
    """A call to a tenant that needs no credential. Raises Refused "tenant.unknown"."""
    service: Service = scope["state"]["service"]
    tenant = scope["path_params"]["tenant"]
    trace.tenant = tenant
    return await _call(service, tenant, _NOBODY, scope, receive, headers, trace, "")


async def _call(
    service: Service, tenant: str, actor: Actor, scope: Scope, receive: Receive, headers: dict[bytes, bytes],
    trace: Trace, credential: str,
) -> Call:  # fmt: skip
    store = service.rt.store
    release = store.ready(tenant) or await store.release(tenant)
    settings = release.model.settings
    locale = choose(headers.get(b"accept-language"), settings.locales, actor.attributes.get("language"))
    now = service.rt.clock.now()
    ctx = Context(actor, tenant, now, time_zone=settings.time_zone, locale=locale, request_id=trace.request_id)
    return Call(service, service.rt, ctx, release, scope, headers, receive, credential)
