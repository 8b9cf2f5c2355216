"""The part of the OpenAPI document that is the same for every tenant: sessions, reports, metadata, problems."""

from __future__ import annotations

from typing import Any

from engine.http.openapi_parts import body, operation, parameter, ref, reply
from engine.plan.access import Rights
from engine.plan.report import visible

TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
UUID = {"type": "string", "format": "uuid"}
INSTANT = {"type": "string", "format": "date-time"}
INSTANT_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
ANYTHING: dict[str, Any] = {"type": "object", "additionalProperties": True}
NO_CONTENT = {"204": {"description": "Done"}}

ID = parameter("id", "path", UUID, required=True)
ERRORS = parameter("errors", "query", {"type": "boolean"}, "Tell under `_errors` which fields could not be computed")
FIELDS = parameter("fields", "query", TEXT, "Fields to answer, comma separated; `account.name` reaches further")
IF_MATCH = parameter("If-Match", "header", TEXT, "The ETag of the record as it was read, or `*`", required=True)
IDEMPOTENCY = parameter("Idempotency-Key", "header", TEXT, "A repeated request with the same key is not done again")
DRY = parameter("dry", "query", {"type": "boolean"}, "Only tell what would be done")
TASK = parameter("task", "path", TEXT, "The name of the task", required=True)
REASON = parameter("X-Reason", "header", TEXT, "The reason of a stage move (UTF-8, percent-encoded)")
ACKNOWLEDGE = parameter(
    "X-Acknowledge", "header", TEXT, "The rules whose warnings do not refuse the write, comma separated"
)


_FIELD = parameter("field", "path", TEXT, "A field of files", required=True)
_FILE_ID = parameter("file", "path", UUID, required=True)
FILE_PATHS = (
    ("first_file_of", "{field}", "The first file of a field", [ID, _FIELD]),
    ("file_of", "{field}/{file}", "A file of a field", [ID, _FIELD, _FILE_ID]),
)
FILE: dict[str, Any] = {
    "parameters": [parameter("size", "query", {"type": "integer"}, "A picture of at most so many pixels, as WebP")],
    "responses": {
        "200": {
            "description": "The bytes",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        "206": {"description": "The bytes of the range asked for"},
        "304": {"description": "It has not changed"},
        "416": {"description": "The range lies behind the end"},
    },
}
"""What is common to the downloads of files."""


def _object(required: str, /, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return _object("items", items={"type": "array", "items": items})


_ERROR = _object(
    "pointer code detail", pointer={**TEXT, "description": "JSON pointer into the body, or a query parameter"},
    code=TEXT, detail=TEXT, rule=TEXT, row={"type": "integer"}, severity={**TEXT, "enum": ["warning", "info"]},
    about={"type": "array", "items": ref("Matches")},
)  # fmt: skip

_UUID_OR_NULL: dict[str, Any] = {**TEXT_OR_NULL, "format": "uuid"}
_ANY_LIST: dict[str, Any] = {"type": "array", "items": ANYTHING}
_SPAN: dict[str, dict[str, Any]] = {"start": {"type": "integer"}, "end": {"type": "integer"}}
_OUTCOMES = ["created", "updated", "rejected", "undone", "kept"]
_PLACE = {**TEXT, "enum": ["query", "field", "rule", "group", "measure"], "default": "query"}

SCHEMAS: dict[str, dict[str, Any]] = {
    "File": _object(
        "id name type size sha256", id=UUID, name=TEXT, type=TEXT, size={"type": "integer", "format": "int64"},
        sha256=TEXT, width={"type": "integer"}, height={"type": "integer"}, taken_at=TEXT,
        latitude={"type": "number"}, longitude={"type": "number"},
    ),
    "Problem": _object(
        "type title status code request_id", type={**TEXT, "format": "uri-reference"}, title=TEXT,
        status={"type": "integer"}, code=TEXT, detail=TEXT, errors={"type": "array", "items": _ERROR}, request_id=TEXT,
    ),
    "Changes": _list(
        _object("version at", version={"type": "integer"}, at=INSTANT, actor=UUID, kind=TEXT, door=TEXT,
                request_id=TEXT, changes=ANYTHING)
    ),
    "Moves": _object(
        "process version stage missing tasks moves", process=TEXT, version={"type": "integer"}, stage=TEXT,
        entered_at=INSTANT_OR_NULL, due_at=INSTANT_OR_NULL, missing=_ANY_LIST,
        tasks={"type": "array", "items": _object(
            "name label required done", name=TEXT, label=TEXT, guidance=TEXT, required={"type": "boolean"},
            done={"type": "boolean"}, confirmed={"type": "boolean"}, fill={"type": "array", "items": TEXT},
            create=TEXT_OR_NULL,
        )},
        moves={"type": "array", "items": _object(
            "to label way allowed automatic reason reasons blocked_by", to=TEXT, label=TEXT,
            way={**TEXT, "enum": ["forward", "skip", "back", "close", "reopen"]}, allowed={"type": "boolean"},
            automatic={"type": "boolean"}, reason={"type": "boolean"}, reasons=_ANY_LIST, blocked_by=_ANY_LIST,
        )},
    ),
    "Stages": _list(
        _object("stage entered_at seconds", process=TEXT_OR_NULL, process_version={"type": ["integer", "null"]},
                seconds={"type": "integer"}, stage=TEXT, previous=TEXT_OR_NULL, entered_at=INSTANT,
                left_at=INSTANT_OR_NULL, actor=UUID, reason=TEXT_OR_NULL)
    ),
    "Batch": _object("steps", steps={"type": "array", "items": _object(
        "object", object=TEXT, create=ANYTHING, update=ANYTHING, upsert=ANYTHING, delete=UUID, ref=TEXT, id=UUID,
        if_match=TEXT, key=TEXT, reason=TEXT, done={"type": "array", "items": TEXT},
        acknowledge={"type": "array", "items": TEXT},
    )}),
    "Result": _object("object id created", object=TEXT, id=UUID, version={"type": ["integer", "null"]},
                      created={"type": "boolean"}, ref=TEXT),
    "Results": _list(ref("Result")),
    "Merging": _object(
        "from", **{"from": {"type": "array", "items": UUID, "minItems": 1, "maxItems": 50}},
        take=ANYTHING, values=ANYTHING, versions=ANYTHING, acknowledge={"type": "array", "items": TEXT},
    ),
    "Merged": _object("id version values moved merged", id=UUID, version={"type": "integer"}, values=ANYTHING,
                      moved=ANYTHING, merged={"type": "array", "items": UUID}),
    "Candidate": _object("", values=ANYTHING, id=UUID),
    "Duplicates": _list(_object(
        "rule label severity message found", rule=TEXT, label=TEXT, message=TEXT,
        severity={**TEXT, "enum": ["error", "warning"]},
        found={"type": "array", "items": ref("Matches")},
    )),
    "Matches": _object(
        "against object items hidden more", against=TEXT, object=TEXT, hidden={"type": "integer"},
        more={"type": "boolean"}, items={"type": "array", "items": _object("id title", id=UUID, title=TEXT)},
    ),
    "Wanted": _object("", use=ANYTHING, skip={"type": "array", "items": TEXT}, values=ANYTHING,
                      acknowledge={"type": "array", "items": TEXT}),
    "Preview": _object("possible converted parts", possible={"type": "boolean"}, converted={"type": "boolean"},
                       message=TEXT, parts=_ANY_LIST),
    "Converted": _list(_object("part object id created", part=TEXT, object=TEXT, id=UUID,
                               created={"type": "boolean"})),
    "InFlight": _list(_object("stage records sample", stage=TEXT, field=TEXT_OR_NULL, rule=TEXT_OR_NULL, detail=TEXT,
                              records={"type": "integer"}, sample={"type": "array", "items": UUID})),
    "TaskDone": _object("", done={"type": "boolean", "default": True}),
    "LogIn": _object("login password", login=TEXT, password={**TEXT, "format": "password"}),
    "Session": _object("token expires_at user", token=TEXT, expires_at=INSTANT, user=UUID),
    "Caller": _object(
        "user roles capabilities locale", user=ANYTHING, roles={"type": "array", "items": TEXT},
        capabilities={"type": "array", "items": TEXT}, expires_at=INSTANT_OR_NULL, locale=TEXT,
    ),
    "PasswordChange": _object("old new", old=TEXT, new=TEXT),
    "Token": _object("id name created_at", id=UUID, name=TEXT, created_at=INSTANT, expires_at=INSTANT_OR_NULL,
                     token=TEXT_OR_NULL),
    "Tokens": _list(ref("Token")),
    "NewToken": _object("name", name=TEXT, expires_at=INSTANT_OR_NULL),
    "Login": _object("user login roles active", user=UUID, login=TEXT, roles={"type": "array", "items": TEXT},
                     active={"type": "boolean"}),
    "Logins": _list(ref("Login")),
    "NewLogin": _object("user login roles", user=UUID, login=TEXT, roles={"type": "array", "items": TEXT},
                        password=TEXT_OR_NULL),
    "LoginPatch": {"type": "object", "properties": {
        "password": TEXT, "roles": {"type": "array", "items": TEXT}, "active": {"type": "boolean"}}},
    "Table": _object(
        "columns rows totals", columns={"type": "array", "items": ANYTHING}, rows={"type": "array", "items": ANYTHING},
        totals={"type": ["object", "null"], "additionalProperties": True},
    ),
    "Reports": _list(_object("name label object", name=TEXT, label=TEXT, description=TEXT, object=TEXT)),
    "Question": _object("object formula", object=TEXT, formula=TEXT, place=_PLACE),
    "Checked": _object(
        "ok problems references", ok={"type": "boolean"}, type=TEXT_OR_NULL, nullable={"type": ["boolean", "null"]},
        problems={"type": "array", "items": _object(
            "code severity message start end fixes", code=TEXT, severity={**TEXT, "enum": ["error", "warning"]},
            message=TEXT, hint=TEXT_OR_NULL, **_SPAN,
            fixes={"type": "array", "items": _object("title start end text", title=TEXT, **_SPAN, text=TEXT)},
        )},
        references={"type": "array", "items": _object(
            "start end kind owner name", **_SPAN, kind=TEXT, owner=TEXT, name=TEXT,
        )},
    ),
    "Started": _object(
        "object formula", object=TEXT, formula=TEXT, place=_PLACE,
        offset={"type": ["integer", "null"], "description": "In code points; the end where it is left out"},
    ),
    "Completed": _object(
        "candidates signature hover",
        candidates={"type": "array", "items": _object(
            "label text start end kind cursor", label=TEXT, text=TEXT, **_SPAN, kind=TEXT, detail=TEXT_OR_NULL,
            doc=TEXT_OR_NULL, cursor={"type": "integer"},
        )},
        signature={"type": ["object", "null"], "additionalProperties": True},
        hover={"type": ["object", "null"], "additionalProperties": True},
    ),
    "Runs": _list(ANYTHING),
    "NewImport": _object("file mapping", file=UUID, mapping=ANYTHING, dry_run={"type": "boolean", "default": False}),
    "Import": _object(
        "id object state dry_run created updated rejected undone kept created_at created_by", id=UUID, object=TEXT,
        state={**TEXT, "enum": ["queued", "running", "done", "failed", "cancelled", "undoing", "undone"]},
        dry_run={"type": "boolean"}, mapping=ANYTHING, file=UUID, rows={"type": ["integer", "null"]},
        **{name: {"type": "integer"} for name in ("created", "updated", "rejected", "undone", "kept")},
        error={"type": ["object", "null"], "additionalProperties": True}, created_at=INSTANT, created_by=UUID,
        started_at=INSTANT_OR_NULL, finished_at=INSTANT_OR_NULL,
        undone_by={"type": ["string", "null"], "format": "uuid"},
    ),
    "Imports": _list(ref("Import")),
    "ImportRows": _list(_object(
        "line outcome", line={"type": "integer"}, outcome={**TEXT, "enum": _OUTCOMES},
        record={"type": ["string", "null"], "format": "uuid"}, version={"type": ["integer", "null"]},
        faults={"type": ["array", "null"], "items": ANYTHING},
    )),
    "ImportAsked": _object("id state", id=UUID, state=TEXT),
    "Pooled": _object("id version", id=UUID, version={"type": "integer"}),
    "Assigning": _object("", ids={"type": "array", "items": UUID}, where=TEXT, after=TEXT),
    "Assigned": _object(
        "items considered next dry", considered=ANYTHING, next=TEXT_OR_NULL, dry={"type": "boolean"},
        items={"type": "array", "items": _object(
            "id entry entry_label user before place missed", id=UUID, entry=TEXT_OR_NULL, entry_label=TEXT_OR_NULL,
            user=_UUID_OR_NULL, before=_UUID_OR_NULL, place={"type": ["integer", "null"]},
            missed={"type": "array", "items": TEXT}, errors={"type": "array", "items": _ERROR}, _notices=_ANY_LIST,
        )},
    ),
    "Assignments": _list(_object(
        "assignment label at entry entry_label user place missed refused considered", assignment=TEXT, label=TEXT,
        at=INSTANT, by=_UUID_OR_NULL, door=TEXT, entry=TEXT_OR_NULL, entry_label=TEXT_OR_NULL, user=_UUID_OR_NULL,
        before=_UUID_OR_NULL, place={"type": ["integer", "null"]}, missed={"type": "array", "items": TEXT},
        refused=_ANY_LIST,
        considered=ANYTHING,
    )),
}  # fmt: skip

PROBLEM_RESPONSE = {
    "description": "What was wrong (RFC 9457)",
    "content": {"application/problem+json": {"schema": ref("Problem")}},
}


def paths(rights: Rights) -> dict[str, Any]:
    """The paths beside records, as far as the rights open them."""
    made: dict[str, Any] = {
        "/session": {
            "post": operation("log_in", "Sign in", "session", security=[], requestBody=body(ref("LogIn")),
                              responses={"201": reply("The session", ref("Session"))}),
            "get": operation("who_am_i", "Who the caller is", "session",
                             responses={"200": reply("Caller", ref("Caller"))}),
            "delete": operation("log_out", "End the session", "session", responses=NO_CONTENT),
        },
        "/session/password": {
            "post": operation("change_password", "Change the own password", "session",
                              requestBody=body(ref("PasswordChange")), responses=NO_CONTENT),
        },
        "/tokens": {
            "get": operation("list_tokens", "List the own API tokens", "session",
                             responses={"200": reply("Tokens", ref("Tokens"))}),
            "post": operation("create_token", "Make an API token", "session", parameters=[IDEMPOTENCY],
                              requestBody=body(ref("NewToken")), responses={"201": reply("The token", ref("Token"))}),
        },
        "/tokens/{id}": {
            "parameters": [ID],
            "delete": operation("revoke_token", "Revoke an API token", "session", responses=NO_CONTENT),
        },
        "/files": {
            "post": operation(
                "upload_file", "Upload a file, for a field that the caller writes next", "files",
                parameters=[parameter("name", "query", TEXT, "The name of the file", required=True)],
                requestBody=body({"type": "string", "format": "binary"}, "application/octet-stream"),
                responses={"201": reply("The file", ref("File"))},
            ),
        },
        "/meta": {
            "get": operation("get_meta", "The metadata that the caller may know", "metadata",
                             responses={"200": reply("Metadata", ANYTHING)}),
        },
        "/formula/check": {
            "post": operation("check_formula", "Check a formula", "metadata", requestBody=body(ref("Question")),
                              responses={"200": reply("What was found", ref("Checked"))}),
        },
        "/formula/complete": {
            "post": operation("complete_formula", "What may stand at a place of a formula", "metadata",
                              requestBody=body(ref("Started")), responses={"200": reply("Help", ref("Completed"))}),
        },
        **_reports(rights),
    }  # fmt: skip
    model = rights.release.model
    readable = [p.name for p in model.processes.values() if p.field in rights.readable(p.object)]
    if readable:
        chosen = parameter("process", "path", {**TEXT, "enum": readable}, required=True)
        made["/processes/{process}/in-flight"] = {
            "get": operation("in_flight", "Records that lack what their stage asks for", "records",
                             parameters=[chosen], responses={"200": reply("Records", ref("InFlight"))}),
        }  # fmt: skip
        page = {"description": "The page", "content": {"text/markdown": {"schema": TEXT}}}
        made["/processes/{process}/handbook"] = {
            "get": operation("handbook", "How people work by a process", "metadata", parameters=[chosen],
                             responses={"200": page}),
        }  # fmt: skip
    if any(rights.allows(name, verb) for name in model.objects for verb in ("create", "edit", "delete")):
        made["/batch"] = {
            "post": operation("write_batch", "Write several objects in one transaction", "records",
                              parameters=[IDEMPOTENCY], requestBody=body(ref("Batch")),
                              responses={"200": reply("What the steps came to", ref("Results"))}),
        }  # fmt: skip
    both = [name for name in model.objects if rights.allows(name, "create") and rights.allows(name, "edit")]
    if both:
        chosen = parameter("object", "path", {**TEXT, "enum": both}, required=True)
        by = parameter("key", "query", TEXT, "The unique field by which the record is found", required=True)
        made["/upsert/{object}"] = {
            "post": operation("upsert", "Change the record with this key, or create it", "records",
                              parameters=[chosen, by, IDEMPOTENCY], requestBody=body(ANYTHING),
                              responses={"200": reply("It was changed", ref("Result")),
                                         "201": reply("It was created", ref("Result"))}),
        }  # fmt: skip
    if any(rights.allows(name, "import") for name in model.objects):
        made |= _IMPORTS
    for capability, more in (("manage_users", _LOGINS), ("view_runs", _RUNS)):
        if capability in rights.capabilities:
            made |= more
    return made


def _reports(rights: Rights) -> dict[str, Any]:
    model = rights.release.model
    objects = [name for name in model.objects if rights.allows(name, "read")]
    names = [report.name for report in model.reports.values() if visible(report, rights)]
    made: dict[str, Any] = {
        "/reports": {
            "get": operation("list_reports", "List reports", "reports",
                             responses={"200": reply("Reports", ref("Reports"))}),
        }
    }  # fmt: skip
    if objects:
        chosen = parameter("object", "path", {**TEXT, "enum": objects}, required=True)
        made["/aggregate/{object}"] = {
            "get": operation("aggregate", "Group and measure", "reports", parameters=[
                chosen, parameter("by", "query", TEXT, "Formulas to group by, comma separated, as `name:formula`"),
                parameter("measures", "query", TEXT, "Formulas to measure, comma separated, as `name:formula`"),
                parameter("where", "query", TEXT), parameter("order", "query", TEXT),
                parameter("limit", "query", {"type": "integer", "minimum": 1}),
            ], responses={"200": reply("Rows", ref("Table"))}),
        }  # fmt: skip
    if names:
        chosen = parameter("report", "path", {**TEXT, "enum": names}, required=True)
        shape = parameter("format", "query", {**TEXT, "enum": ["json", "csv"]})
        made["/reports/{report}"] = {
            "get": operation("run_report", "Run a report", "reports", parameters=[chosen, shape],
                             responses={"200": reply("Rows", ref("Table"))}),
        }  # fmt: skip
    return made


_LOGINS: dict[str, Any] = {
    "/logins": {
        "get": operation("list_logins", "List logins", "users", responses={"200": reply("Logins", ref("Logins"))}),
        "post": operation("create_login", "Give a user a login", "users", parameters=[IDEMPOTENCY],
                          requestBody=body(ref("NewLogin")), responses={"201": reply("The login", ref("Login"))}),
    },
    "/logins/{user}": {
        "parameters": [parameter("user", "path", UUID, required=True)],
        "patch": operation("change_login", "Change a login", "users", requestBody=body(ref("LoginPatch")),
                           responses={"200": reply("The login", ref("Login"))}),
    },
}  # fmt: skip
_LIMIT = parameter("limit", "query", {"type": "integer"})
_IMPORTS: dict[str, Any] = {
    "/imports": {
        "get": operation("list_imports", "List imports", "imports", parameters=[_LIMIT],
                         responses={"200": reply("Imports", ref("Imports"))}),
        "post": operation("start_import", "Import an uploaded file", "imports", parameters=[IDEMPOTENCY],
                          requestBody=body(ref("NewImport")),
                          responses={"202": reply("The import", ref("Import"), headers=["Location"])}),
    },
    "/imports/{id}": {
        "parameters": [ID],
        "get": operation("get_import", "How far an import is", "imports",
                         responses={"200": reply("The import", ref("Import"))}),
    },
    "/imports/{id}/rows": {
        "parameters": [ID],
        "get": operation("list_import_rows", "What became of the rows of a file", "imports", parameters=[
            parameter("outcome", "query", {**TEXT, "enum": _OUTCOMES}),
            parameter("after", "query", {"type": "integer"}), _LIMIT,
        ], responses={"200": reply("Rows", ref("ImportRows"))}),
    },
    "/imports/{id}/errors": {
        "parameters": [ID],
        "get": operation("get_import_errors", "The rejected rows, to be corrected", "imports", responses={
            "200": {"description": "The rows as CSV", "content": {"text/csv": {"schema": TEXT}}}}),
    },
    "/imports/{id}/cancel": {
        "parameters": [ID],
        "post": operation("cancel_import", "End an import", "imports",
                          responses={"202": reply("It ends", ref("ImportAsked"))}),
    },
    "/imports/{id}/undo": {
        "parameters": [ID],
        "post": operation("undo_import", "Take back an import", "imports",
                          responses={"202": reply("It is queued", ref("ImportAsked"))}),
    },
}  # fmt: skip
_RUNS: dict[str, Any] = {
    "/runs": {
        "get": operation("list_runs", "List workflow runs", "runs", parameters=[
            parameter("state", "query", TEXT), parameter("workflow", "query", TEXT),
            parameter("limit", "query", {"type": "integer"}),
        ], responses={"200": reply("Runs", ref("Runs"))}),
    },
    "/runs/{id}/retry": {
        "parameters": [ID],
        "post": operation("retry_run", "Try a failed run again", "runs", responses={"202": reply("Queued", ANYTHING)}),
    },
}  # fmt: skip
