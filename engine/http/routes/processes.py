"""`/{tenant}/api/processes`: how people work by a process, and the records that lack what their stage asks for."""

from __future__ import annotations

from engine.base.errors import Refused
from engine.http.call import Call
from engine.http.reply import MARKDOWN, Reply, json_reply
from engine.http.resource import Action, Resource
from engine.records.inflight import in_flight, told
from metamodel.formula.depends import reads
from metamodel.handbook import handbook
from metamodel.kinds.common import Formula
from metamodel.kinds.object import Field
from metamodel.model_schema import ModelSchema


async def list_in_flight(call: Call) -> Reply:
    """`{"items": [{"stage", "field", "rule", "detail", "records", "sample": [ids]}]}` of what the caller may read."""
    found = await in_flight(call.rt, call.ctx, call.release, call.param("process"))
    return json_reply({"items": [
        {
            "stage": breach.stage, "field": breach.field, "rule": breach.rule,
            "detail": told(call.release, breach, call.ctx.locale), "records": breach.records, "sample": breach.sample,
        }
        for breach in found
    ]})  # fmt: skip


async def get_handbook(call: Call) -> Reply:
    """How people work by the process, as Markdown in the caller's language, without what he may not read."""
    rights, model = call.rt.rights(call.ctx.actor, call.release), call.release.model
    process = model.processes.get(call.param("process"))
    if process is None or process.field not in rights.readable(process.object):
        raise Refused("process.unknown", f'there is no process "{call.param("process")}"')
    schema = ModelSchema(model)

    def told(formula: Formula) -> bool:
        found = reads(model.typed[formula.key], schema, process.object)
        return all(name in rights.readable(owner) for owner, name in found.fields)

    def shown(field: Field) -> bool:
        return field.name in rights.readable(process.object)

    return Reply(handbook(model, process, call.ctx.locale, shown, told).encode(), media=MARKDOWN)


RESOURCES = (
    Resource("/{tenant}/api/processes/{process}/in-flight", GET=Action(list_in_flight, "user")),
    Resource("/{tenant}/api/processes/{process}/handbook", GET=Action(get_handbook, "user")),
)
