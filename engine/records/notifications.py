"""Rows of the object `notification`: what people are told, each in his language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.release.release import Release
from engine.sql import runs
from metamodel.kinds.common import Text, in_locale

OBJECT = "notification"
LANGUAGE = "language"


async def messages(
    release: Release, conn: Connection, message: Text, told: Iterable[tuple[UUID, str, UUID | None]]
) -> list[dict[str, Any]]:
    """A row for each (user, object, record) that is told about, in the user's language, else in the tenant's first.

    Raises Refused "object.unknown" where there are no notifications.
    """
    if OBJECT not in release.model.objects:
        raise Refused("object.unknown", f'there is no object "{OBJECT}"; the pack "core" brings it')
    wanted = list(told)
    spoken = await _languages(release, conn, {user for user, _, _ in wanted})
    default = release.model.settings.locales[0]
    return [
        {"recipient": str(user), "message": in_locale(message, spoken.get(user) or default)}
        | ({"about_object": obj, "about_record": str(record)} if record else {})
        for user, obj, record in wanted
    ]


async def _languages(release: Release, conn: Connection, users: Iterable[UUID]) -> Mapping[UUID, str]:
    if LANGUAGE not in release.object("user").fields:
        return {}
    text = runs.values_of(release.table("user"), release.column("user", LANGUAGE))
    return {UUID(int=row["id"].int): row["value"] for row in await conn.fetch(text, list(users))}
