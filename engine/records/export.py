"""Export of records: pages in the reader's rights, one after the other, as rows of values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from engine.base.context import Context
from engine.base.limits import PAGE_MAX
from engine.plan.access import allowed
from engine.plan.read import default_fields
from engine.plan.request import RecordQuery
from engine.records.read import read_page
from engine.release.release import Release
from engine.runtime import Runtime

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def export_fields(rt: Runtime, ctx: Context, release: Release, query: RecordQuery) -> tuple[str, ...]:
    """The fields that an export of this query has. Raises Refused "access.denied" without the right to export."""
    rights = rt.rights(ctx.actor, release)
    allowed(rights, query.object, "export")
    return query.fields if query.fields is not None else default_fields(rights, query.object, export=True)


async def export(
    rt: Runtime, ctx: Context, release: Release, query: RecordQuery
) -> AsyncIterator[list[dict[str, Any]]]:
    """Pages of all records that the query finds, whatever its limit."""
    query = replace(query, fields=export_fields(rt, ctx, release, query), limit=PAGE_MAX, export=True)
    while True:
        page = await read_page(rt, ctx, release, query)
        yield _decode(page.items)
        if page.next is None:
            return
        query = replace(query, after=page.next)
