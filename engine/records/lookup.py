"""Records by a key: what `lookup:` of an import mapping, a seed or an upsert means."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from engine.base.context import Context
from engine.db import execute
from engine.db.pool import Connection
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.lookup import LookupPlan, lookup_statement
from metamodel.kinds.field_types import FIELD_TYPES


async def ids_by_key(
    rt: Runtime, ctx: Context, release: Release, obj: str, key: str, keys: Iterable[str],
    conn: Connection | None = None,
) -> dict[str, list[UUID]]:
    """The ids of the live records that the caller may read, by the text of their field `key`."""
    rights = rt.rights(ctx.actor, release)
    names = rt.names(rights, release)
    if key not in rights.readable(obj) or not rights.allows(obj, "read"):
        return {}
    access = names.visible(obj)
    column = FIELD_TYPES[release.object(obj).fields[key].type].column or "text"
    plan = LookupPlan(
        release.table(obj), release.column(obj, key), column, release.model.settings.time_zone, access,
        names.joins((access,), obj),
    )
    statement = rt.statements.get((release, plan), lambda: lookup_statement(plan, rt.collation))
    args = statement.arguments(ctx, (), keys=list(keys))
    found: dict[str, list[UUID]] = {}
    if conn is not None:
        rows = await execute.fetch_rows(conn, statement.text, args)
    else:
        async with rt.reads.connection(release.role) as reader:
            rows = await execute.fetch_rows(reader, statement.text, args)
    for text, id_ in rows:
        found.setdefault(text, []).append(id_)
    return found
