"""Records by a key: what `lookup:` of an import mapping, a seed or an upsert means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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
    found = await ids_by_keys(rt, ctx, release, obj, (key,), [(text,) for text in keys], conn)
    return {text: ids for (text,), ids in found.items()}


async def ids_by_keys(
    rt: Runtime, ctx: Context, release: Release, obj: str, fields: Sequence[str], keys: Collection[tuple[str, ...]],
    conn: Connection | None = None,
) -> dict[tuple[str, ...], list[UUID]]:
    """The same for a key of several fields: by the texts of all of them."""
    rights = rt.rights(ctx.actor, release)
    names = rt.names(rights, release)
    if not keys or not rights.readable(obj).issuperset(fields) or not rights.allows(obj, "read"):
        return {}
    access, declared = names.visible(obj), release.object(obj).fields
    columns = tuple((release.column(obj, name), FIELD_TYPES[declared[name].type].column or "text") for name in fields)
    plan = LookupPlan(
        release.table(obj), columns, release.model.settings.time_zone, access, names.joins((access,), obj)
    )
    statement = rt.statements.get((release, plan), lambda: lookup_statement(plan, rt.collation))
    parts = {f"key{n}": list(texts) for n, texts in enumerate(zip(*keys, strict=True))}
    args = statement.arguments(ctx, (), **parts)
    if conn is not None:
        rows = await execute.fetch_rows(conn, statement.text, args)
    else:
        async with rt.reads.connection(release.role) as reader:
            rows = await execute.fetch_rows(reader, statement.text, args)
    found: dict[tuple[str, ...], list[UUID]] = {}
    for *texts, id_ in rows:
        found.setdefault(tuple(texts), []).append(id_)
    return found
