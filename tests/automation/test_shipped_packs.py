"""Every statement of every workflow that ships is one that PostgreSQL takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from engine.automation.actors import context
from engine.base.context import OPERATOR
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.workflow import plan_trigger, plan_values
from engine.release.release import Release
from engine.runtime import running
from engine.sql.statement import Statement
from engine.sql.workflow import trigger_statement, values_statement
from metamodel.kinds.workflow import CreateRecord, Notify, SetFields
from metamodel.load import load
from tests.automation.support import ROOT


def test_workflows_of_the_sales_pack_run(new_database: Callable[[], str]) -> None:
    url = new_database()

    async def go() -> None:
        async with running(Settings(database_url=url, pool_size=2)) as rt:
            packs = ROOT / "tenant_configs"
            release = (await apply(rt, "acme", load(packs / "sales", packs / "core"))).release
            assert release.model.workflows
            ctx = context(release, OPERATOR, rt.clock.now(), "")
            async with rt.writes.connection(release.role) as conn:
                for statement in _statements(release, rt.collation):
                    assert await conn.fetch(statement.text, *statement.arguments(ctx, events=[1, 2])) == []

    asyncio.run(go())


def _statements(release: Release, collation: str | None) -> Iterator[Statement]:
    for workflow in release.model.workflows.values():
        yield trigger_statement(plan_trigger(release, workflow), collation)
        for action in workflow.actions:
            if not isinstance(action, Notify | SetFields | CreateRecord):
                continue
            formulas = {"recipient": action.user} if isinstance(action, Notify) else action.values
            present = tuple(formulas) if isinstance(action, SetFields) else ()
            yield values_statement(plan_values(release, workflow.object, formulas, present), collation)
