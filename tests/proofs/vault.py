"""A tenant in which every loss shows: what is paid in and out, who is on call, what was said in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from engine.release.release import Release
from engine.runtime import Runtime
from tests.tenancy import create, load_with_settings, write_pack

TENANT, LOGIN, PASSWORD = "vaults", "clerk", "correct horse battery"
VERBS = dict.fromkeys(("read", "create", "edit", "delete", "import"), True)
PACK: list[dict[str, Any]] = [
    {"kind": "pack", "name": "vaults", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    {"kind": "object", "name": "vault", "title": "name", "fields": {
        "name": {"type": "text", "required": True, "unique": True},
        "balance": {"type": "rollup", "formula": "SUM(entries.amount)", "stored": True},
    }},
    {"kind": "object", "name": "entry", "title": "no", "fields": {
        "no": {"type": "auto_number", "format": "{000000}", "gapless": True},
        "slip": {"type": "text", "unique": True},
        "vault": {"type": "lookup", "to": "vault", "required": True, "reverse": "entries"},
        "amount": {"type": "integer"},
    }, "rules": {"covered": {"valid_when": "BLANKVALUE(vault.balance, 0) >= 0", "message": "There is not so much"}}},
    {"kind": "object", "name": "ward", "title": "name", "fields": {"name": {"type": "text"}}},
    {"kind": "object", "name": "nurse", "title": "name", "fields": {
        "name": {"type": "text"}, "on_call": {"type": "boolean"},
        "ward": {"type": "lookup", "to": "ward", "required": True, "reverse": "nurses"},
    }, "rules": {"someone_there": {
        "valid_when": "COUNT(ward.nurses[on_call]) >= 1", "on": ["update"], "message": "Somebody has to be there"}}},
    {"kind": "object", "name": "page", "title": "name", "fields": {
        "name": {"type": "text"}, "words": {"type": "long_text"}}},
    {"kind": "object", "name": "mark", "title": "name", "fields": {
        "name": {"type": "text"}, "entry": {"type": "lookup", "to": "entry", "reverse": "marks"}}},
    {"kind": "workflow", "name": "marking", "object": "entry", "trigger": {"on": "created"},
     "actions": [{"create": "mark", "values": {"name": "slip", "entry": "id"}}]},
    {"kind": "role", "name": "clerk", "objects": {
        name: dict(VERBS) for name in ("vault", "entry", "ward", "nurse", "page", "mark")}},
]  # fmt: skip


async def furnish(rt: Runtime, folder: Path) -> Release:
    """The tenant with a clerk who may sign in."""
    write_pack(folder / "vaults", PACK)
    loaded = load_with_settings(folder / "vaults", TENANT, {"core": ">=0.1", "vaults": ">=0.1"})
    release = (await apply(rt, TENANT, loaded)).release
    (user,) = await create(rt, release, "user", {"name": "C", "email": "c@vaults.example"})
    await create_login(rt, release, UUID(int=user.int), LOGIN, PASSWORD, ["clerk"])
    return release
