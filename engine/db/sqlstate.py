"""What PostgreSQL says -> what we say. No text of the database reaches a caller; the log keeps it.

Codes: PostgreSQL documentation, appendix "PostgreSQL Error Codes". FW001 is our own: `fieldwright.refuse_if` raises it
with the violations as JSON in the DETAIL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from engine.base.errors import CODES, Fault, Refused

VIOLATIONS = "FW001"
CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""A serialization failure, a deadlock, a lock that is not waited for: the work begins again."""
OUTDATED = frozenset({"0A000", "42703", "42P01"})

Resolve = Callable[[str], str | None]
"""The name of a constraint, or of a column that may not be NULL -> the API name of the field, if it guards one."""

_CONSTRAINTS = {
    "23505": "record.unique",
    "23P01": "record.unique",
    "23503": "record.reference",
    "23001": "record.in_use",
    "23514": "record.invalid",
    "23502": "record.invalid",
}
_STATES = {
    "40001": "database.conflict",
    "40P01": "database.conflict",
    "55P03": "database.conflict",
    "53100": "database.full",
    "57014": "database.timeout",
    "25P03": "database.timeout",
    "25P04": "database.timeout",
    "57P01": "database.unreachable",
    "57P02": "database.unreachable",
    "57P03": "database.unreachable",
    "57P05": "database.unreachable",
}
_CLASSES = {"08": "database.unreachable", "28": "database.unreachable", "53": "database.unreachable"}

log = structlog.get_logger("fieldwright.db")


class Violations(Exception):
    """The judging statement refused its rows and undid itself; `rows` is the decoded array that it was given."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        super().__init__(f"{len(rows)} violations")


class Outdated(Exception):
    """A statement names a table or column that is gone: reload the release, then compile and try once again."""


def failed(conn: asyncpg.Connection, error: Exception, resolve: Resolve | None = None) -> Exception:
    """Like `translate`, for an error of `conn`; ends the connection where it can not be used any more.

    asyncpg.InternalClientError is what a connection gives whose server said goodbye while nobody was asking.
    """
    if isinstance(error, (OSError, asyncpg.InternalClientError)) and not conn.is_closed():
        conn.terminate()
    return translate(error, resolve)


def translate(error: Exception, resolve: Resolve | None = None) -> Exception:
    """What to raise instead of `error`: Refused, Violations or Outdated; an error of another kind comes back itself."""
    if isinstance(error, asyncpg.PostgresError):
        return _of_server(error, resolve)
    if isinstance(error, (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        log.warning("database connection failed", error=repr(error))
        return Refused("database.unreachable")
    return error


def _of_server(error: asyncpg.PostgresError, resolve: Resolve | None) -> Exception:
    state = error.sqlstate or ""
    if state == VIOLATIONS:
        return Violations(json.loads(error.detail or "[]"))
    if state in _CONSTRAINTS:
        return _of_constraint(error, _CONSTRAINTS[state], resolve)
    if state in OUTDATED:
        return Outdated(f"{state}: {error}")
    code = _STATES.get(state) or _CLASSES.get(state[:2])
    if code:
        return Refused(code)
    log.error("database error", sqlstate=state, message=str(error), detail=error.detail, context=error.context)
    return Refused("internal")


def _of_constraint(error: asyncpg.PostgresError, code: str, resolve: Resolve | None) -> Refused:
    # One state for both directions of a foreign key; only the message tells a missing parent from a parent in use.
    if code == "record.reference" and str(error).startswith("update or delete"):
        code = "record.in_use"
    name = error.constraint_name or error.column_name or ""
    field = resolve(name) if resolve and name else None
    if field is None:
        log.warning("constraint without a field", sqlstate=error.sqlstate, constraint=name, table=error.table_name)
        return Refused(code)
    return Refused(code, faults=[Fault(code, CODES[code].title, f"/{field}")])
