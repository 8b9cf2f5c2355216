"""`/{tenant}/api/reports` and `/aggregate`: grouped measures over the records that the caller may read."""

from __future__ import annotations

import msgspec

from engine.base.errors import Refused
from engine.http import query
from engine.http.call import Call
from engine.http.reply import CSV, Reply, json_reply
from engine.http.resource import Action, Resource
from engine.reports.export import report_csv
from engine.reports.run import ReportResult, aggregate, listed, run_report
from metamodel.kinds.common import in_locale


async def list_reports(call: Call) -> Reply:
    locale = call.ctx.locale
    return json_reply(
        {
            "items": [
                {
                    "name": report.name,
                    "label": in_locale(report.label, locale, report.name),
                    "description": in_locale(report.description, locale),
                    "object": report.object,
                }
                for report in listed(call.rt, call.ctx, call.release)
            ]
        }
    )


async def get_report(call: Call) -> Reply:
    """A report as JSON, or as CSV for `Accept: text/csv` and `?format=csv`."""
    found = query.parse(call.query_string)
    query.only(found, "format")
    form = found.get("format") or ("csv" if call.headers.get(b"accept", b"").startswith(b"text/csv") else "json")
    if form not in ("json", "csv"):
        raise Refused("query.invalid", "format is json or csv")
    name = call.param("report")
    result = await run_report(call.rt, call.ctx, call.release, name)
    if form == "csv":
        disposition = (b"content-disposition", f'attachment; filename="{name}.csv"'.encode())
        return Reply(report_csv(result).encode("utf-8-sig"), 200, (disposition,), CSV)
    return _table(result)


async def get_aggregate(call: Call) -> Reply:
    """Groups and measures that the caller writes as formulas."""
    key = (call.object, call.query_string, "aggregate")
    asked = call.service.queries.get(key, lambda: query.aggregate(key[0], key[1]))
    return _table(await aggregate(call.rt, call.ctx, call.release, asked))


def _table(result: ReportResult) -> Reply:
    totals = result.totals or "null"
    columns = msgspec.json.encode(result.columns).decode()
    return Reply(f'{{"columns":{columns},"rows":{result.body},"totals":{totals}}}'.encode())


RESOURCES = (
    Resource("/{tenant}/api/aggregate/{object}", GET=Action(get_aggregate, "user")),
    Resource("/{tenant}/api/reports", GET=Action(list_reports, "user")),
    Resource("/{tenant}/api/reports/{report}", GET=Action(get_report, "user")),
)
