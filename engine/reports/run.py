"""Running a report: the declared ones by name, and groupings that a caller asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.base.context import Context
from engine.base.errors import Refused
from engine.db import execute
from engine.plan.access import Rights
from engine.plan.report import PlannedReport, plan_aggregate, plan_report, visible
from engine.plan.request import AggregateQuery
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.report import report_statement
from metamodel.kinds.common import in_locale
from metamodel.kinds.report import Report
from metamodel.names import did_you_mean


@dataclass(frozen=True, slots=True)
class ReportResult:
    """`columns` has `name, label, kind, format, measure` and, for options, `options` (labels by value);
    `body` is the JSON text of the rows, `totals` that of one row over all of them."""

    columns: list[dict[str, Any]]
    body: str
    totals: str | None


def listed(rt: Runtime, ctx: Context, release: Release) -> list[Report]:
    """The reports that the viewer may run."""
    rights = rt.rights(ctx.actor, release)
    return [report for report in release.model.reports.values() if visible(report, rights)]


async def run_report(rt: Runtime, ctx: Context, release: Release, name: str) -> ReportResult:
    """A declared report in the viewer's rights. Raises Refused "report.unknown"."""
    report = release.model.reports.get(name)
    if report is None:
        hint = did_you_mean(name, [r.name for r in listed(rt, ctx, release)])
        raise Refused("report.unknown", f'there is no report "{name}"', hint=hint)
    key = ("report", name)
    return await _run(rt, ctx, release, key, lambda rights: plan_report(report, rights, _names(rt, rights)))


async def aggregate(rt: Runtime, ctx: Context, release: Release, query: AggregateQuery) -> ReportResult:
    """Measures grouped as the caller asks, over the rows that he may read. Raises Refused "query.invalid"."""
    key = (query.object, tuple(query.by.items()), tuple(query.measures.items()), query.where, query.order, query.limit)
    return await _run(rt, ctx, release, key, lambda rights: plan_aggregate(query, rights, _names(rt, rights)))


def _names(rt: Runtime, rights: Rights) -> Any:
    return rt.names(rights, rights.release)


async def _run(rt: Runtime, ctx: Context, release: Release, key: Any, make: Any) -> ReportResult:
    actor = ctx.actor
    planned: PlannedReport = rt.prepared.get(
        ("report", release, actor.roles, actor.operator, key), lambda: make(rt.rights(actor, release))
    )
    statement = rt.statements.get((release, planned.plan), lambda: report_statement(planned.plan, rt.collation))
    args = statement.arguments(ctx, planned.values, limit=planned.limit)
    body, totals = await execute.read(rt.reads, release.role, statement.text, args)
    return ReportResult([_heading(h, ctx.locale) for h in planned.headings], body or "[]", totals)


def _heading(heading: Any, locale: str) -> dict[str, Any]:
    made = {
        "name": heading.name, "label": in_locale(heading.label, locale, heading.name), "kind": heading.kind,
        "format": heading.format, "measure": heading.measure,
    }
    options: Mapping[str, Any] = heading.options
    if options:
        made["options"] = {name: in_locale(label, locale, name) for name, label in options.items()}
    return made
