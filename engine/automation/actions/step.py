"""What every action is given, and the evaluation of its formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db import execute
from engine.db.pool import Connection
from engine.plan.request import RecordWrite
from engine.plan.workflow import plan_values
from engine.records.notices import notice_of
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.statement import Statement
from engine.sql.workflow import FAILED, PRESENT, values_statement
from metamodel.kinds.common import Formula


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one run, within the transaction of `conn`. Warnings do not stop it, they stand in its log.

    `ctx` is who writes; `asking` is who caused the event, whom formulas name `$user`. `key` is the place of the action
    among those of its release. A timer has no `event`, and one without an `object` no `record`.
    """

    rt: Runtime
    conn: Connection
    release: Release
    ctx: Context
    asking: Context
    object: str
    event: int | None
    record: UUID | None
    depth: int
    key: tuple[str, int]

    async def values(
        self, formulas: Mapping[str, Formula], present: Sequence[str] = ()
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The formulas' values over the record, and the values now of the fields `present`; None: the record is gone.

        Raises Refused "run.value" with a fault for each formula that is an error in this record.
        """

        def make() -> Statement:
            plan = plan_values(self.release, self.object, formulas, present, event=self.event is not None)
            return values_statement(plan, self.rt.collation)

        statement = self.rt.statements.get(("values", self.release, self.key), make)
        args = statement.arguments(self.asking, events=[self.event], record=self.record)
        rows = await execute.fetch_rows(self.conn, statement.text, args)
        if not rows:
            return None
        row = rows[0]
        failed = [name for name in formulas if row[FAILED + name]]
        if failed:
            faults = [Fault("run.value", "the formula is an error in this record", f"/{name}") for name in failed]
            raise Refused("run.value", f"{failed[0]}: the formula is an error in this record", faults=faults)
        return {name: row[name] for name in formulas}, {name: row[PRESENT + name] for name in present}

    async def create(self, obj: str, row: Mapping[str, Any], *, trusted: bool = False) -> dict[str, Any]:
        """Creates a record and says what was done. `trusted` writes with all rights, never past a rule."""
        return await self._written(RecordWrite(object=obj, operation="create", rows=(row,), depth=self.depth), trusted)

    async def update(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Changes the record that caused the run, whatever its version is now, and says what was done."""
        assert self.record is not None
        request = RecordWrite(
            object=self.object, operation="update", rows=(row,), ids=(self.record,), versions=(None,), depth=self.depth
        )
        return await self._written(request, False)

    async def _written(self, request: RecordWrite, trusted: bool) -> dict[str, Any]:
        request = replace(request, fields=("id",), unattended=True)
        ctx = replace(self.ctx, actor=replace(self.ctx.actor, operator=True)) if trusted else self.ctx
        done = await write(self.rt, ctx, self.release, request, self.conn)
        record, version = done.changed[0]
        log = {"object": request.object, "record": str(record), "version": version, "fields": list(request.rows[0])}
        told = [notice_of(fault) for fault in done.notices.get(0, ())]
        return log | ({"notices": told} if told else {})
