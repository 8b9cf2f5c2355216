"""The collection of files that no record holds: uploads that were never used, and what was taken out or emptied."""

from __future__ import annotations

from engine.base.errors import Refused
from engine.base.limits import FILE_HOURS
from engine.db.transaction import atomic
from engine.files.downloads import SIZES
from engine.files.store import key, remove
from engine.plan.files import file_columns
from engine.runtime import Runtime
from engine.sql import files
from engine.tenants.directory import tenants


async def collect(rt: Runtime, hours: int = FILE_HOURS) -> int:
    """Forgets what has been unused for so many hours, with its bytes; how many uploads were forgotten.

    A record in the recycle bin still holds its files.
    """
    forgotten = 0
    async with rt.writes.connection() as conn:
        for tenant in await tenants(conn):
            try:
                release = await rt.store.release(tenant.name)
            except Refused:
                continue  # nothing is published yet, or not to be read
            rows = await conn.fetch(files.forget(tenant.schema, file_columns(release)), hours)
            forgotten += len(rows)
            if rows:
                async with atomic(conn):
                    await conn.execute(files.LOCK.format(shared=""), tenant.name)
                    gone = await conn.fetch(files.unused(tenant.schema), list({row["sha256"] for row in rows}))
                    suffixes = ("", *(f"-{size}.webp" for size in SIZES))
                    await remove(rt, [key(tenant.name, row["h"], suffix) for row in gone for suffix in suffixes])
    return forgotten
