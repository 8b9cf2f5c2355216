"""`fieldwright report`: runs a declared report as a table or CSV."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from engine.cli.console import out, table
from engine.cli.work import AsUser, acting, with_runtime
from engine.reports.export import report_csv, report_rows
from engine.reports.run import ReportResult, listed, run_report
from engine.runtime import Runtime
from metamodel.kinds.common import in_locale


class Form(StrEnum):
    """How the result is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def report(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    name: Annotated[str | None, typer.Argument(help="The report; without it the reports are listed.")] = None,
    as_user: AsUser = None,
    form: Annotated[Form, typer.Option("--format", help="How the result is printed.")] = Form.table,
    locale: Annotated[str | None, typer.Option(help="The language of labels, such as zh-CN.")] = None,
) -> None:
    """Run a report, or list those there are."""

    async def work(rt: Runtime) -> ReportResult | list[list[str]]:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user)
        if locale:
            ctx = ctx.__class__(ctx.actor, ctx.tenant, ctx.now, ctx.time_zone, locale, ctx.request_id, ctx.door)
        if name is None:
            return [[r.name, in_locale(r.label, ctx.locale)] for r in listed(rt, ctx, release)]
        return await run_report(rt, ctx, release, name)

    result = with_runtime(work)
    if isinstance(result, list):
        table(["report", "label"], result)
    elif form is Form.csv:
        print(report_csv(result), end="")
    elif form is Form.json:
        out.print(result.body, markup=False)
    else:
        rows, totals = report_rows(result)
        numbers = [n for n, c in enumerate(result.columns) if c["kind"] in ("integer", "decimal", "money", "percent")]
        table([c["label"] for c in result.columns], [*rows, totals] if totals else rows, numbers)
