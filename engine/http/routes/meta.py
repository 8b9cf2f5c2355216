"""`/{tenant}/api/meta`: the part of the metadata that the caller may know, with labels in every locale."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from engine.http.call import Call
from engine.http.reply import Reply
from engine.http.resource import Action, Resource
from engine.plan.access import Rights, refused_field
from engine.plan.report import visible
from metamodel.kinds.calendar import CalendarDeclaration
from metamodel.kinds.composites import COMPOSITES, parts
from metamodel.kinds.field_types import FIELD_TYPES, FILES
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Process
from metamodel.kinds.role import VERBS
from metamodel.kinds.value_set import ValueSet

_ENCODER = msgspec.json.Encoder(decimal_format="number")


async def get_meta(call: Call) -> Reply:
    """Objects, options, processes and reports; the entity tag is the release's hash with the caller's roles."""
    tag = release_tag(call)
    if call.headers.get(b"if-none-match", b"").strip() == tag:
        return Reply(None, 304, ((b"etag", tag),))
    rights = call.rt.rights(call.ctx.actor, call.release)
    body = call.service.documents.get(("meta", tag), lambda: _ENCODER.encode(describe(rights)))
    return Reply(body, headers=((b"etag", tag),))


def release_tag(call: Call) -> bytes:
    """An entity tag for what depends on the release and the caller's roles alone."""
    roles = hashlib.sha256("/".join((call.release.tenant, *call.ctx.actor.roles)).encode()).hexdigest()[:12]
    return f'"{call.release.hash[:32]}-{call.release.number}-{roles}"'.encode()


def describe(rights: Rights) -> dict[str, Any]:
    """The metadata that these rights open."""
    release = rights.release
    model = release.model
    objects = [obj for obj in model.objects.values() if rights.allows(obj.name, "read")]
    fields = [f for obj in objects for f in obj.fields.values() if f.name in rights.readable(obj.name)]
    sets = {f.options for f in fields if f.options}
    processes = {name for f in fields for name in f.processes}
    settings = model.settings
    return {
        "tenant": release.tenant,
        "release": release.number,
        "hash": release.hash,
        "settings": {
            "time_zone": settings.time_zone,
            "currency": settings.currency,
            "locales": settings.locales,
            "calendar": settings.calendar,
        },
        "roles": [
            {"name": name, "label": model.roles[name].label} for name in rights.roles if name in model.roles
        ],
        "capabilities": sorted(rights.capabilities),
        "objects": [_object(obj, rights) for obj in objects],
        "value_sets": [_value_set(s) for s in model.value_sets.values() if s.name in sets],
        "processes": [_process(p) for p in model.processes.values() if p.name in processes],
        "calendars": [_calendar(calendar) for calendar in model.calendars.values()],
        "reports": [
            {"name": r.name, "label": r.label, "description": r.description, "object": r.object}
            for r in model.reports.values()
            if visible(r, rights)
        ],
        "workflows": [
            {"name": w.name, "label": w.label, "object": w.object}
            for w in model.workflows.values()
            if "view_runs" in rights.capabilities
        ],
    }


def _object(obj: Object, rights: Rights) -> dict[str, Any]:
    readable = rights.readable(obj.name)
    children = rights.release.model.children[obj.name].values()
    return {
        "name": obj.name,
        "label": obj.label,
        "plural": obj.plural,
        "description": obj.description,
        "title": obj.title if obj.title in readable else None,
        "may": [verb for verb in VERBS if rights.allows(obj.name, verb)],
        "fields": [_field(obj, f, rights) for f in obj.fields.values() if f.name in readable and f.whole is None],
        "children": [
            {"name": child.name, "object": child.object, "via": child.via}
            for child in children
            if child.via in rights.readable(child.object)
        ],
    }


def _field(obj: Object, f: Field, rights: Rights) -> dict[str, Any]:
    target = f.to
    shape = rights.schema.object(obj.name)
    described = {
        "name": f.name,
        "type": f.type,
        "kind": shape.fields[f.name].type.kind if shape else None,
        "label": f.label,
        "help": f.help or None,
        "system": f.system,
        "computed": FIELD_TYPES[f.type].column is None and f.type not in COMPOSITES,
        "parts": [_field(obj, part, rights) for part in parts(obj.fields, f.name)] or None,
        "create": writable(rights, obj.name, f.name, "create"),
        "edit": writable(rights, obj.name, f.name, "edit"),
        "required": f.required or None,
        "unique": f.unique or None,
        "max_length": f.max_length,
        "min": f.min,
        "max": f.max,
        "scale": f.scale,
        "symbology": f.symbology,
        "schema": f.schema,
        "many": f.many or None,
        "max_size": f.max_size,
        "types": f.types or FILES.get(f.type) or None,
        "value_set": f.options,
        "depends_on": _dependence(f),
        "processes": f.processes or None,
        "targets": [t for t in f.targets if rights.allows(t, "read")] or None,
        "to": target if target and rights.allows(target, "read") else None,
    }
    return {key: value for key, value in described.items() if value is not None}


def _dependence(f: Field) -> dict[str, Any] | None:
    """Which options go with which value of another field."""
    found = f.depends_on
    if found is None:
        return None
    return {"field": found.field, "options": found.options, "otherwise": found.otherwise, "blank": found.blank}


def writable(rights: Rights, obj: str, field: str, verb: str) -> bool:
    """Whether the verb (`create` or `edit`) may set the field on some row."""
    return rights.allows(obj, verb) and refused_field(rights, obj, field, verb, False) is None


def _value_set(value_set: ValueSet) -> dict[str, Any]:
    options = [{"name": o.name, "label": o.label, "active": o.active} for o in value_set.options.values()]
    return {"name": value_set.name, "label": value_set.label, "options": options}


def _calendar(calendar: CalendarDeclaration) -> dict[str, Any]:
    return {
        "name": calendar.name,
        "label": calendar.label,
        "time_zone": calendar.time_zone,
        "week": calendar.week,
        "country": calendar.country,
        "subdivision": calendar.subdivision,
        "holidays": [{"day": day, "label": label} for day, label in calendar.holidays.items()],
        "workdays": calendar.workdays,
    }


def _process(process: Process) -> dict[str, Any]:
    return {
        "name": process.name,
        "label": process.label,
        "object": process.object,
        "field": process.field,
        "start": process.start,
        "stages": [
            {
                "name": stage.name,
                "label": stage.label,
                "category": stage.category,
                "probability": stage.probability,
                "forecast": stage.forecast,
                "guidance": stage.guidance,
                "limit_days": stage.limit_days,
                "required": stage.required,
                "read_only": stage.read_only,
                "tasks": [
                    {
                        "name": task.name,
                        "label": task.label,
                        "guidance": task.guidance,
                        "required": task.required,
                        "fill": task.fields,
                        "create": task.relation,
                        "confirmed": task.confirmed,
                    }
                    for task in stage.tasks.values()
                ],
            }
            for stage in process.stages.values()
        ],
        "moves": [
            {
                "from": m.source, "to": m.target, "reason": m.reason, "reasons": m.reasons, "by": m.by,
                "within_days": m.within_days,
            }
            for m in process.moves
        ],
    }


RESOURCES = (Resource("/{tenant}/api/meta", GET=Action(get_meta, "user")),)
