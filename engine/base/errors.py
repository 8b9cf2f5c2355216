"""The one error of the runtime, `Refused`, and the registry of its stable codes.

HTTP status codes are not known here: `engine/http/problems.py` maps a code's `kind` to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "malformed", "unauthenticated", "forbidden", "not_found", "conflict", "stale", "precondition", "too_large",
    "invalid", "busy", "limited", "method", "media_type", "internal", "unavailable",
]


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means: its kind and its title."""

    kind: Kind
    title: str


CODES: dict[str, Code] = {
    "request.malformed": Code("malformed", "The request could not be read"),
    "request.too_large": Code("too_large", "The request is too large"),
    "request.precondition": Code("precondition", "If-Match is required"),
    "request.unknown": Code("not_found", "There is no such address"),
    "request.method": Code("method", "The address does not take this method"),
    "request.media_type": Code("media_type", "The type of the body is not taken here"),
    "request.idempotency": Code("invalid", "The idempotency key was used for another request"),
    "request.in_progress": Code("conflict", "A request with this idempotency key is still running"),
    "query.invalid": Code("malformed", "The query is not valid"),
    "query.cursor": Code("malformed", "The cursor is not valid for this query"),
    "auth.required": Code("unauthenticated", "Sign in first"),
    "auth.failed": Code("unauthenticated", "The login or the password is wrong"),
    "auth.limited": Code("limited", "Too many attempts to sign in"),
    "access.denied": Code("forbidden", "This is not allowed"),
    "access.row": Code("forbidden", "The record may not be like this for you"),
    "object.unknown": Code("not_found", "There is no such object"),
    "report.unknown": Code("not_found", "There is no such report"),
    "record.unknown": Code("not_found", "There is no such record"),
    "record.stale": Code("stale", "The record was changed meanwhile"),
    "record.invalid": Code("invalid", "The record is not valid"),
    "record.field_unknown": Code("invalid", "There is no such field"),
    "record.field_read_only": Code("invalid", "The field can not be written"),
    "record.type": Code("invalid", "The value is of the wrong type"),
    "record.required": Code("invalid", "A value is required"),
    "record.too_long": Code("invalid", "The text is too long"),
    "record.out_of_range": Code("invalid", "The value is out of range"),
    "record.option": Code("invalid", "There is no such option"),
    "record.option_dependent": Code("invalid", "The option does not go with another field"),
    "record.schema": Code("invalid", "The value does not fit the schema of its field"),
    "record.reference": Code("invalid", "The referenced record does not exist"),
    "record.key": Code("invalid", "The key names no single record"),
    "record.tree": Code("invalid", "The record would be above itself"),
    "record.unique": Code("invalid", "The value is already in use"),
    "record.duplicate": Code("invalid", "There are such records already"),
    "record.rule": Code("invalid", "A rule is not met"),
    "record.warning": Code("conflict", "A warning is to be acknowledged first"),
    "record.read_only": Code("invalid", "The field can not be changed any more"),
    "record.locked": Code("invalid", "The record is locked"),
    "record.rule_error": Code("invalid", "A rule could not be evaluated"),
    "record.in_use": Code("conflict", "Other records refer to this one"),
    "file.unknown": Code("not_found", "There is no such file"),
    "file.no_picture": Code("invalid", "The file can not be shown in small"),
    "file.foreign": Code("invalid", "The file was not uploaded by you just now, nor is it in this field"),
    "file.type": Code("invalid", "A file of this type is not taken here"),
    "file.size": Code("invalid", "The file is too large"),
    "file.store": Code("unavailable", "The store of files can not be reached"),
    "stage.start": Code("invalid", "A record can not start in this stage"),
    "stage.unlisted": Code("invalid", "This move is not allowed"),
    "stage.role": Code("invalid", "Your role may not make this move"),
    "stage.guard": Code("invalid", "The condition of this move is not met"),
    "stage.reason": Code("invalid", "This move needs a reason"),
    "stage.period": Code("invalid", "The period for this move is over"),
    "stage.entry": Code("invalid", "An entry criterion is not met"),
    "stage.exit": Code("invalid", "An exit criterion is not met"),
    "stage.required": Code("invalid", "The stage requires a value"),
    "stage.read_only": Code("invalid", "The stage does not allow to change this field"),
    "stage.process": Code("invalid", "The process that the record follows has no such stage"),
    "stage.task": Code("invalid", "A task of the stage is not done"),
    "stage.task_unknown": Code("invalid", "There is no such task to confirm in this stage"),
    "record.merged": Code("not_found", "The record was merged into another one"),
    "merge.refused": Code("invalid", "These records can not be merged"),
    "merge.field": Code("invalid", "The field can not be taken from that record"),
    "conversion.unknown": Code("not_found", "There is no such conversion"),
    "conversion.not_now": Code("conflict", "The record can not be converted as it is now"),
    "conversion.ambiguous": Code("conflict", "Several records match"),
    "conversion.part": Code("invalid", "The part of the conversion can not be treated so"),
    "pool.unknown": Code("not_found", "The record belongs to no pool"),
    "pool.taken": Code("conflict", "The record is not in its pool"),
    "pool.there": Code("conflict", "The record is in its pool already"),
    "pool.limit": Code("conflict", "Nothing more can be claimed today"),
    "pool.again": Code("conflict", "The record can not be claimed again so soon"),
    "assignment.unknown": Code("not_found", "There is no such assignment"),
    "process.unknown": Code("not_found", "There is no such process"),
    "import.mapping": Code("invalid", "The mapping file is not valid"),
    "import.file": Code("invalid", "The data file can not be read"),
    "import.unknown": Code("not_found", "There is no such import"),
    "import.state": Code("conflict", "The import is not in a state for this"),
    "import.changed": Code("conflict", "The record is not as the import left it"),
    "pack.invalid": Code("invalid", "The pack has problems"),
    "plan.refused": Code("conflict", "The change can not be applied"),
    "plan.stale": Code("conflict", "The plan is stale"),
    "apply.running": Code("conflict", "Another apply is running for this tenant"),
    "tenant.unknown": Code("not_found", "There is no such tenant"),
    "tenant.name": Code("invalid", "This can not name a tenant"),
    "run.unknown": Code("not_found", "There is no such run"),
    "run.not_failed": Code("conflict", "Only a failed run can be repeated"),
    "run.loop": Code("conflict", "Workflows cause each other without end"),
    "run.initiator": Code("forbidden", "The user who caused the run may not act any more"),
    "run.workflow": Code("not_found", "There is no such workflow any more"),
    "run.value": Code("invalid", "A value could not be computed"),
    "release.unreadable": Code("internal", "The published release can not be read"),
    "user.unknown": Code("not_found", "There is no such user"),
    "user.exists": Code("conflict", "The login is taken"),
    "user.login": Code("invalid", "This can not be a login"),
    "user.password": Code("invalid", "The password is too short or too long"),
    "token.unknown": Code("not_found", "There is no such token"),
    "token.invalid": Code("invalid", "The token can not be made"),
    "role.unknown": Code("invalid", "There is no such role"),
    "database.unreachable": Code("unavailable", "The database can not be reached"),
    "database.behind": Code("unavailable", "The database needs the system migrations"),
    "database.timeout": Code("busy", "The query took too long"),
    "database.conflict": Code("busy", "The write collided with another one"),
    "database.full": Code("unavailable", "The database has no room left"),
    "database.binaries": Code("unavailable", "No PostgreSQL server was found"),
    "database.start": Code("unavailable", "The embedded PostgreSQL did not start"),
    "internal": Code("internal", "Something went wrong on our side"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input. `pointer` is a JSON pointer into it; `row` counts from 0 in a batch. A "warning"
    does not refuse any more once it is acknowledged; what is "info" never does. `about` are other records that it is
    about, as answers show them."""

    code: str
    detail: str
    pointer: str = ""
    rule: str | None = None
    row: int | None = None
    severity: Literal["error", "warning", "info"] = "error"
    about: tuple[Mapping[str, object], ...] = ()


def at(field: str) -> str:
    """The JSON pointer to a field of a record, or to a part of one."""
    return "/" + field.replace(".", "/")


class Refused(Exception):
    """The request is refused and nothing was done. `detail` is written for the caller and names no internals."""

    def __init__(
        self, code: str, detail: str = "", *, faults: Iterable[Fault] = (), hint: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.code = code
        self.kind = CODES[code].kind
        self.title = CODES[code].title
        self.detail = detail
        self.faults = tuple(faults)
        self.hint = hint
        self.retry_after = retry_after
        super().__init__(f"{code}: {detail or self.title}")
