"""`/{tenant}/api/processes`: the records that break what their stage asks for now."""

from __future__ import annotations

from engine.http.call import Call
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from engine.records.inflight import in_flight, told


async def list_in_flight(call: Call) -> Reply:
    """`{"items": [{"stage", "field", "rule", "detail", "records", "sample": [ids]}]}` of what the caller may read."""
    found = await in_flight(call.rt, call.ctx, call.release, call.param("name"))
    return json_reply({"items": [
        {
            "stage": breach.stage, "field": breach.field, "rule": breach.rule,
            "detail": told(call.release, breach, call.ctx.locale), "records": breach.records, "sample": breach.sample,
        }
        for breach in found
    ]})  # fmt: skip


RESOURCES = (Resource("/{tenant}/api/processes/{name}/in-flight", GET=Action(list_in_flight, "user")),)
