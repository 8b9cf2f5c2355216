"""`/{tenant}/api/runs`: what workflows did, for those with the capability view_runs."""

from __future__ import annotations

from engine.automation.run import list_runs, retry_run
from engine.base.errors import Refused
from engine.base.limits import PAGE_DEFAULT, PAGE_MAX
from engine.http import query
from engine.http.call import Call, path_id
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource


async def get_runs(call: Call) -> Reply:
    """The newest runs; `state`, `workflow` and `limit` narrow them."""
    found = query.parse(call.query_string)
    query.only(found, "state", "workflow", "limit")
    limit = query.number(found, "limit", PAGE_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise Refused("query.invalid", f"limit is a number from 1 to {PAGE_MAX}")
    items = await list_runs(
        call.rt, call.ctx, call.release, state=found.get("state"), workflow=found.get("workflow"), limit=limit
    )
    return Reply(f'{{"items":{items}}}'.encode())


async def retry(call: Call) -> Reply:
    """Queues a failed run once more."""
    run = path_id(call.param("id"), "run.unknown", "there is no such run")
    await retry_run(call.rt, call.ctx, call.release, run)
    return json_reply({"id": run, "state": "queued"}, 202)


RESOURCES = (
    Resource("/{tenant}/api/runs", GET=Action(get_runs, "user")),
    Resource("/{tenant}/api/runs/{id}/retry", POST=Action(retry, "user")),
)
