"""The OpenAPI 3.1 document of a tenant, written from the release for what one set of rights may see and do.

There are no routes per object behind it: the document names the paths that the general ones take for these objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.base.limits import PAGE_DEFAULT, PAGE_MAX, TAGS_MAX
from engine.http import openapi_fixed as fixed
from engine.http.openapi_parts import body, operation, parameter, ref, reply
from engine.plan.access import Rights, refused_field
from engine.plan.duplicates import rules_of
from engine.plan.values import text_limit
from engine.release.release import Release
from metamodel.build.objects import USER
from metamodel.formula.types import Kind
from metamodel.kinds.common import in_locale
from metamodel.kinds.composites import COMPOSITES, parts
from metamodel.kinds.field_types import FIELD_TYPES, FILES
from metamodel.kinds.object import Field, Object
from metamodel.kinds.process import Stage

Schema = dict[str, Any]

BY_KIND: dict[Kind, Schema] = {
    "text": {"type": "string"},
    "select": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "decimal": {"type": "number"},
    "money": {"type": "number"},
    "percent": {"type": "number"},
    "duration": {"type": "string", "format": "duration"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"},
    "reference": {"type": "string", "format": "uuid"},
    "list": {"type": "array", "items": {"type": "string"}},
    "json": {},
    "geo": {"type": "object"},
}
FORMATS = {"email": "email", "url": "uri"}


def document(rights: Rights, locale: str, version: str) -> dict[str, Any]:
    """The document for these rights, with descriptions in `locale`."""
    release = rights.release
    paths: dict[str, Any] = fixed.paths(rights)
    schemas: dict[str, Schema] = dict(fixed.SCHEMAS)
    for obj in release.model.objects.values():
        if rights.allows(obj.name, "read"):
            schemas |= _schemas(obj, rights, locale)
            paths |= _paths(obj, rights, locale)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{release.tenant}: Fieldwright API",
            "version": f"{version}+release.{release.number}",
            "description": "Records, reports and metadata of one tenant, as this caller may see and change them.",
        },
        "servers": [{"url": f"/{release.tenant}/api"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": fixed.PROBLEM_RESPONSE},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a session (`POST /session`) or an API token (`POST /tokens`)",
                }
            },
        },
    }


def type_name(name: str) -> str:
    """`opportunity_line` is `OpportunityLine`."""
    return "".join(part.capitalize() for part in name.split("_"))


def _schemas(obj: Object, rights: Rights, locale: str) -> dict[str, Schema]:
    name = type_name(obj.name)
    readable = [f for f in obj.fields.values() if f.name in rights.readable(obj.name) and f.whole is None]
    made: dict[str, Schema] = {
        name: _object(in_locale(obj.description or obj.label, locale),
                      {f.name: _read(obj, f, rights, locale) for f in readable}),
        f"{name}Page": _object(
            f"A page of {in_locale(obj.plural, locale)}",
            {
                "items": {"type": "array", "items": ref(name)},
                "next": {"type": ["string", "null"], "description": "Cursor of the next page, for `after`"},
                "total": {"type": "integer", "description": "With count=exact: how many records there are"},
            },
            required=("items", "next"),
        ),
    }  # fmt: skip
    for verb, suffix in (("create", "Create"), ("edit", "Patch")):
        if rights.allows(obj.name, verb):
            taken = [f for f in obj.fields.values() if refused_field(rights, obj.name, f.name, verb, False) is None]
            fields = [f for f in taken if f.whole is None]
            needed = tuple(f.name for f in fields if f.required and f.default is None and not f.system)
            properties = {f.name: _write(obj, f, rights.release, locale, verb) for f in fields}
            made[name + suffix] = _object(None, properties, needed if verb == "create" else (), closed=True)
    if rights.release.staged(obj.name) and rights.allows(obj.name, "edit"):
        made[f"{name}Move"] = _move(obj, rights, name)
    return made


def _object(
    description: str | None, properties: Mapping[str, Schema], required: tuple[str, ...] = (), *, closed: bool = False
) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if description:
        schema["description"] = description
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def _move(obj: Object, rights: Rights, name: str) -> Schema:
    staged = rights.release.staged(obj.name)
    assert staged is not None
    return _object(
        "A move to another stage, with other fields of the record where they are to change too",
        {
            "to": {"type": "string", "enum": list(staged.stages)},
            "reason": {"type": ["string", "null"]},
            "fields": ref(f"{name}Patch"),
            "done": {"type": "array", "items": {"type": "string"}},
            "acknowledge": {"type": "array", "items": {"type": "string"}},
        },
        ("to",),
        closed=True,
    )


def _read(obj: Object, f: Field, rights: Rights, locale: str) -> Schema:
    shape = rights.schema.object(obj.name)
    assert shape is not None
    known = shape.fields[f.name].type
    schema = _shape(f, known.kind, rights.release, every_option=True)
    if f.targets:
        schema = _object(None, {"object": _named(f), "id": BY_KIND["reference"], "title": {"type": ["string", "null"]}})
    elif composite := COMPOSITES.get(f.type):
        members = {_part(p): _read(obj, p, rights, locale) for p in parts(obj.fields, f.name)}
        schema = _object(None, members | ({composite.shown: {"type": "string"}} if composite.shown else {}))
    if not FIELD_TYPES[f.type].writable or (f.system and f.name != "owner"):
        schema["readOnly"] = True
    if known.nullable or rights.where_readable(obj.name, f.name) is not None:
        schema = _nullable(schema)
    return schema | _described(f, locale)


def _write(obj: Object, f: Field, release: Release, locale: str, verb: str) -> Schema:
    kind = FIELD_TYPES[f.type].kind
    assert kind is not None
    if f.targets:
        schema = _object(None, {"object": _named(f), "id": BY_KIND["reference"]}, ("object", "id"))
        return (schema if f.required else _nullable(schema)) | _described(f, locale)
    if f.type in COMPOSITES:
        members = {_part(p): _write(obj, p, release, locale, verb) for p in parts(obj.fields, f.name)}
        schema = _object(None, members, closed=True)
        return (schema if f.required else _nullable(schema)) | _described(f, locale)
    schema = _shape(f, kind, release, every_option=False)
    if kind == "duration":
        schema["type"] = ["string", "number"]
    least, most = ("minItems", "maxItems") if kind == "list" else ("minimum", "maximum")
    if f.min is not None:
        schema[least] = _plain(f.min)
    if f.max is not None:
        schema[most] = _plain(f.max)
    if f.type == "tags":
        schema |= {"items": {"type": "string", "maxLength": text_limit(f)}, "maxItems": int(f.max or TAGS_MAX)}
    if f.schema is not None:
        schema = dict(f.schema)
    if schema.get("type") == "string" and kind == "text":
        schema["maxLength"] = text_limit(f)
    blank = not f.required or (verb == "create" and f.default is not None)
    return (_nullable(schema) if blank and f.type not in ("boolean", "stage") else schema) | _described(f, locale)


def _shape(f: Field, kind: Kind, release: Release, *, every_option: bool) -> Schema:
    if f.type in FILES:
        one: Schema = ref("File") if every_option else {"type": ["string", "object"], "description": "An id, or {id}"}
        return {"type": "array", "items": one} if f.many else {"anyOf": [one]} if every_option else one
    schema = dict(BY_KIND[kind])
    if f.type in FORMATS:
        schema["format"] = FORMATS[f.type]
    options = _options(f, release, every_option)
    if options is not None and kind == "list":
        schema["items"] = {"type": "string", "enum": options}
    elif options is not None:
        schema["enum"] = options
    return schema


def _named(f: Field) -> Schema:
    return {"type": "string", "enum": list(f.targets)}


def _part(f: Field) -> str:
    return f.name.partition(".")[2]


def _options(f: Field, release: Release, every_option: bool) -> list[str] | None:
    if f.choice is None:
        return None
    choices = release.model.choices(f.choice).values()
    return [choice.name for choice in choices if isinstance(choice, Stage) or choice.active or every_option]


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _nullable(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" not in schema or "null" in schema["type"]:
        return schema
    given = schema["type"]
    made = {**schema, "type": [*([given] if isinstance(given, str) else given), "null"]}
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made


def _described(f: Field, locale: str) -> Schema:
    label, text = in_locale(f.label, locale), in_locale(f.help, locale)
    shown = {"title": label, "description": text}
    return {key: value for key, value in shown.items() if value}


def _paths(obj: Object, rights: Rights, locale: str) -> dict[str, Any]:
    name, root = type_name(obj.name), f"/records/{obj.name}"
    one, many = in_locale(obj.label, locale, obj.name), in_locale(obj.plural, locale, obj.name)
    tag = obj.name

    def act(id_: str, summary: str, **more: Any) -> dict[str, Any]:
        return operation(f"{id_}_{obj.name}", summary, tag, **more)

    record = reply(one, ref(name), headers=("ETag",))
    collection: dict[str, Any] = {
        "get": act("list", f"List {many}", parameters=_list_parameters(obj, rights),
                   responses={"200": reply(many, ref(f"{name}Page"))}),
    }  # fmt: skip
    single: dict[str, Any] = {
        "parameters": [fixed.ID],
        "get": act("get", f"Read one: {one}", parameters=[fixed.FIELDS, fixed.ERRORS], responses={"200": record}),
    }
    made: dict[str, Any] = {root: collection, f"{root}/{{id}}": single}
    if rights.allows(obj.name, "create"):
        collection["post"] = act(
            "create", f"Create: {one}", parameters=[fixed.FIELDS, fixed.IDEMPOTENCY, fixed.ACKNOWLEDGE],
            requestBody=body(ref(f"{name}Create")),
            responses={"201": reply(one, ref(name), headers=("ETag", "Location"))},
        )  # fmt: skip
    if rights.allows(obj.name, "edit"):
        single["patch"] = act(
            "change", f"Change: {one}", parameters=[fixed.IF_MATCH, fixed.FIELDS, fixed.REASON, fixed.ACKNOWLEDGE],
            requestBody=body(ref(f"{name}Patch"), "application/merge-patch+json"), responses={"200": record},
        )  # fmt: skip
    if rights.allows(obj.name, "delete"):
        single["delete"] = act(
            "delete", f"Put into the recycle bin: {one}", parameters=[fixed.IF_MATCH, fixed.ACKNOWLEDGE],
            responses={"204": {"description": "Deleted"}},
        )  # fmt: skip
        made[f"{root}/{{id}}/restore"] = {
            "parameters": [fixed.ID],
            "post": act("restore", f"Bring back: {one}", parameters=[fixed.IDEMPOTENCY, fixed.ACKNOWLEDGE],
                        responses={"200": record}),
        }
    if rules_of(rights.release, obj.name) and rights.allows(obj.name, "create"):
        made[f"/duplicates/{obj.name}"] = {
            "post": act("duplicates_of", f"Ask for duplicates: {one}", requestBody=body(ref("Candidate")),
                        responses={"200": reply("What was found", ref("Duplicates"))}),
        }
    made[f"{root}/{{id}}/history"] = {
        "parameters": [fixed.ID],
        "get": act("history_of", f"History: {one}", responses={"200": reply("Changes", ref("Changes"))}),
    }
    if rights.allows(obj.name, "edit"):
        made |= _conversion_paths(obj, rights, root, act)
    made |= _assignment_paths(obj, rights, root, act, one)
    if rights.allows(obj.name, "edit") and rights.allows(obj.name, "delete") and obj.name != USER:
        made[f"{root}/{{id}}/merge"] = {
            "parameters": [fixed.ID],
            "post": act("merge", f"Merge others into one: {one}", requestBody=body(ref("Merging")),
                        parameters=[fixed.IF_MATCH, fixed.IDEMPOTENCY, fixed.ACKNOWLEDGE, fixed.DRY],
                        responses={"200": reply("What was merged", ref("Merged"), headers=("ETag",))}),
        }
    if any(f.type in FILES and f.name in rights.readable(obj.name) for f in obj.fields.values()):
        made |= {
            f"{root}/{{id}}/files/{path}": {"parameters": given, "get": act(id_, f"{what}: {one}", **fixed.FILE)}
            for id_, path, what, given in fixed.FILE_PATHS
        }
    staged = rights.release.staged(obj.name)
    if staged and staged.field in rights.readable(obj.name):
        made |= _stage_paths(root, act, record, rights.allows(obj.name, "edit"), name, one)
    return made


def _conversion_paths(obj: Object, rights: Rights, root: str, act: Any) -> dict[str, Any]:
    """The paths of the conversions of an object; parts are named in the body."""
    made: dict[str, Any] = {}
    for conversion in rights.release.model.conversions.values():
        if conversion.object != obj.name:
            continue
        label, answers = in_locale(conversion.label, "en"), ("200", "201")
        made[f"{root}/{{id}}/convert/{conversion.name}"] = {
            "parameters": [fixed.ID],
            "get": act(f"preview_{conversion.name}", f"What it would make: {label}",
                       responses={"200": reply("What would be made", ref("Preview"))}),
            "post": act(conversion.name, label, parameters=[fixed.IF_MATCH, fixed.IDEMPOTENCY],
                        requestBody=body(ref("Wanted")),
                        responses={status: reply("What was made", ref("Converted")) for status in answers}),
        }  # fmt: skip
    return made


def _assignment_paths(obj: Object, rights: Rights, root: str, act: Any, one: str) -> dict[str, Any]:
    declared = [a for a in rights.release.model.assignments.values() if a.object == obj.name]
    made: dict[str, Any] = {}
    if any(a.field in rights.readable(obj.name) for a in declared):
        made[f"{root}/{{id}}/assignments"] = {
            "parameters": [fixed.ID],
            "get": act("assignments_of", f"Who was given it, and why: {one}",
                       responses={"200": reply("Decisions", ref("Assignments"))}),
        }
    for verb, summary in (("claim", "Claim from its pool"), ("release", "Give back to its pool")):
        if any(a.pool for a in declared):
            made[f"{root}/{{id}}/{verb}"] = {
                "parameters": [fixed.ID],
                "post": act(verb, f"{summary}: {one}", parameters=[fixed.IDEMPOTENCY],
                            responses={"200": reply("Its new version", ref("Pooled"), headers=("ETag",))}),
            }
    for assignment in declared if rights.allows(obj.name, "edit") else ():
        made[f"/assignments/{assignment.name}/run"] = {
            "post": act(f"run_{assignment.name}", in_locale(assignment.label, "en"), requestBody=body(ref("Assigning")),
                        parameters=[fixed.IDEMPOTENCY, fixed.DRY],
                        responses={"200": reply("What was decided", ref("Assigned"))}),
        }  # fmt: skip
    return made


def _stage_paths(root: str, act: Any, record: Any, edit: bool, name: str, one: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        f"{root}/{{id}}/moves": {
            "parameters": [fixed.ID],
            "get": act("moves_of", f"Moves that are open: {one}", responses={"200": reply("Moves", ref("Moves"))}),
        },
        f"{root}/{{id}}/stages": {
            "parameters": [fixed.ID],
            "get": act("stages_of", f"Stages gone through: {one}", responses={"200": reply("Stages", ref("Stages"))}),
        },
    }
    if edit:
        made[f"{root}/{{id}}/move"] = {
            "parameters": [fixed.ID],
            "post": act("move", f"Move to a stage: {one}", parameters=[fixed.IF_MATCH, fixed.IDEMPOTENCY],
                        requestBody=body(ref(f"{name}Move")), responses={"200": record}),
        }  # fmt: skip
        made[f"{root}/{{id}}/tasks/{{task}}"] = {
            "parameters": [fixed.ID, fixed.TASK],
            "post": act("confirm", f"Say that a task is done: {one}", parameters=[fixed.IF_MATCH, fixed.IDEMPOTENCY],
                        requestBody=body(ref("TaskDone")), responses={"200": record}),
        }  # fmt: skip
    return made


def _list_parameters(obj: Object, rights: Rights) -> list[dict[str, Any]]:
    shape = rights.schema.object(obj.name)
    assert shape is not None
    equal = []
    for f in obj.fields.values():
        kind = shape.fields[f.name].type.kind if f.name in rights.readable(obj.name) else "set"
        if kind in BY_KIND and kind not in ("list", "duration", "json", "geo"):
            schema = _shape(f, kind, rights.release, every_option=True)
            equal.append(parameter(f.name, "query", schema, f"Only records whose {f.name} is this"))
    return [
        parameter("where", "query", {"type": "string"}, "A condition in the formula language"),
        parameter("order", "query", {"type": "string"}, "Fields, comma separated; `-` in front for descending"),
        fixed.FIELDS,
        fixed.ERRORS,
        parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}),
        parameter("after", "query", {"type": "string"}, "The cursor `next` of the page before"),
        parameter("count", "query", {"type": "string", "enum": ["exact"]}, "Count all records (costs time)"),
        *equal,
    ]
