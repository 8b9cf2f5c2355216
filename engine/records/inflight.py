"""Records in flight that break what their process asks now: they keep working, and are listed here."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Refused
from engine.db import execute
from engine.db.pool import Connection
from engine.plan.checks import Check
from engine.plan.inflight import plan_in_flight
from engine.plan.names import Names
from engine.release.release import Release, TableRef
from engine.runtime import Runtime
from engine.sql.inflight import in_flight_statement
from metamodel.kinds.common import Text, in_locale
from metamodel.kinds.process import Process


@dataclass(frozen=True, slots=True)
class Breach:
    """`records` records in `stage` have no value in `field`, or do not meet the criterion `rule`; a few ids of them.
    `records` is None where it can not be told before the change is applied."""

    process: str
    stage: str
    field: str | None
    rule: str | None
    message: Text
    records: int | None
    sample: tuple[UUID, ...]


async def in_flight(rt: Runtime, ctx: Context, release: Release, name: str) -> list[Breach]:
    """What the records that the caller may read break, of a process that governs a stage field which he may read.

    Raises Refused "process.unknown".
    """
    rights = rt.rights(ctx.actor, release)
    process = release.model.processes.get(name)
    if process is None or process.field not in rights.readable(process.object):
        raise Refused("process.unknown", f'there is no process "{name}"')
    async with rt.reads.connection(release.role) as conn:
        found = await breaches(rt, ctx, release, process, conn, rt.names(rights, release))
    return [breach for breach in found if breach.field is None or breach.field in rights.readable(process.object)]


async def breaches(
    rt: Runtime, ctx: Context, release: Release, process: Process, conn: Connection, reader: Names | None = None,
    missing: Container[tuple[TableRef, str]] = (),
) -> list[Breach]:
    """The same for any process of a release, whose columns `missing` are not there yet; without a reader, of all
    records."""
    plan = plan_in_flight(release, process, reader, missing)
    found: list[tuple[Check, int | None, tuple[UUID, ...]]] = [(check, None, ()) for check in plan.untold]
    if plan.checks:
        statement = in_flight_statement(plan, rt.collation)
        (row,) = await execute.fetch_rows(conn, statement.text, statement.arguments(ctx))
        counts = zip(plan.checks, row[::2], row[1::2], strict=True)
        found += [(check, count, tuple(UUID(int=i.int) for i in few)) for check, count, few in counts if count]
    return [
        Breach(
            process.name, check.stage or "", check.field if check.code == "stage.required" else None,
            check.rule if check.code == "stage.entry" else None, check.message, count, few,
        )
        for check, count, few in found
    ]


def told(release: Release, breach: Breach, locale: str) -> str:
    """What is missing, for a person."""
    if breach.rule is not None:
        return in_locale(breach.message, locale, breach.rule)
    obj = release.model.processes[breach.process].object
    field = release.object(obj).fields[breach.field or ""]
    return in_locale(field.label, locale, field.name)
