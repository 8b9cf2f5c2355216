"""Bearer credentials: `fws_<tenant>_<secret>` of a session, `fw_<tenant>_<secret>` of an API token.

The secret has 256 random bits, so a plain SHA-256 is all that is stored of it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Literal, NamedTuple

from engine.base.errors import Refused
from engine.db.listen import notify
from engine.db.pool import Connection
from engine.runtime import Runtime

Kind = Literal["fws", "fw"]
SESSION: Kind = "fws"
TOKEN: Kind = "fw"
CHANNEL = "fieldwright_credentials"

_FORM = re.compile(r"(fws|fw)_([a-z][a-z0-9_]{0,39})_([0-9a-f]{64})")


class Parts(NamedTuple):
    """What a credential says of itself."""

    kind: str
    tenant: str


def mint(kind: Kind, tenant: str) -> str:
    """A new credential."""
    return f"{kind}_{tenant}_{secrets.token_hex(32)}"


def digest(credential: str) -> bytes:
    """What is stored and looked up of a credential."""
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()


def parts(credential: str) -> Parts:
    """Kind and tenant. Raises Refused "auth.required" for a text that can not be a credential."""
    found = _FORM.fullmatch(credential)
    if not found:
        raise Refused("auth.required", "the credential is not valid")
    return Parts(found[1], found[2])


def forget(rt: Runtime) -> None:
    """Drops every known credential of this process. A new dict, so that a look-up under way can not put back what
    it read before."""
    rt.credentials.entries = {}


async def announce(conn: Connection, tenant: str) -> None:
    """Tells every process, at the commit of `conn`, that a login, session, token or user record changed."""
    await notify(conn, CHANNEL, tenant)
