"""The imports of a tenant, `_import` and `_import_row`: fixed statements. `schema` is one of the tenant directory."""

from __future__ import annotations

from engine.release.release import TableRef

TABLE = "_import"
"""What holds the file of an import, in place of an object."""
ACTIVE = "('queued', 'running', 'undoing')"
_JOB = (
    "fieldwright.enqueue('import', pg_catalog.convert_to(pg_catalog.json_build_object("
    "'tenant', $1::text, 'import', {alias}.id)::text, 'UTF8'), '0', "
    "'import:' || {alias}.id::text || ':' || ({alias}.state = 'undoing')::text)"
)
_SHOWN = (
    "i.id, i.object, i.state, i.dry_run, i.mapping, i.file, i.rows, i.created, i.updated, i.rejected, i.undone, "
    "i.kept, i.error, i.created_at, i.created_by, i.started_at, i.finished_at, i.undone_by"
)


def take_file(schema: str) -> str:
    """$1 file, $2 uploader, $3 import -> a row where the file is one of the uploader's that no record holds."""
    return (
        f"UPDATE \"{schema}\"._file SET object = '{TABLE}', field = 'file', record = $3, touched_at = now() "
        f"WHERE id = $1 AND uploaded_by = $2 AND (record IS NULL OR object = '{TABLE}') RETURNING id"
    )


def start(schema: str) -> str:
    """$1 tenant, $2 import, $3 object, $4 mapping, $5 file, $6 dry run, $7 now, $8 user, $9 whether with
    all rights: a new import and its job."""
    return f"""
        WITH made AS (
            INSERT INTO "{schema}"._import (id, object, mapping, file, dry_run, state, created_at, created_by, operator)
            VALUES ($2, $3, $4::text::json, $5, $6, 'queued', $7, $8, $9) RETURNING id, state
        )
        SELECT {_JOB.format(alias="made")} FROM made"""


def claim(schema: str) -> str:
    """$1 import, $2 now -> the import where there is something to do, running from now on, with its file."""
    return f"""
        WITH i AS (
            UPDATE "{schema}"._import SET started_at = coalesce(started_at, $2),
                state = CASE WHEN state = 'queued' THEN 'running' ELSE state END
            WHERE id = $1 AND state IN {ACTIVE} RETURNING *
        )
        SELECT i.state, i.object, i.mapping, i.dry_run, i.cursor, i.created_by, i.undone_by, i.operator,
               f.sha256, f.size, f.name
        FROM i JOIN "{schema}"._file f ON f.id = i.file"""


def lock(schema: str) -> str:
    """$1 import -> (state, cursor), locked until the batch is done."""
    return f'SELECT state, cursor FROM "{schema}"._import WHERE id = $1 FOR UPDATE'


def note(schema: str) -> str:
    """$1 import, $2 cursor, $3 rows, $4-$6 how many more are created, updated, rejected."""
    return (
        f'UPDATE "{schema}"._import SET cursor = $2, rows = $3, created = created + $4, updated = updated + $5, '
        "rejected = rejected + $6, failures = 0 WHERE id = $1"
    )


def note_rows(schema: str) -> str:
    """$1 import, $2 lines, $3 outcomes, $4 records, $5 versions, $6 faults."""
    return (
        f'INSERT INTO "{schema}"._import_row (import, line, outcome, record, version, faults) '
        "SELECT $1, r.line, r.outcome, r.record, r.version, r.faults::json "
        "FROM unnest($2::bigint[], $3::text[], $4::uuid[], $5::bigint[], $6::text[]) "
        "AS r (line, outcome, record, version, faults)"
    )


def finish(schema: str) -> str:
    """$1 import, $2 state before, $3 state, $4 rows or NULL, $5 error as JSON or NULL, $6 now."""
    return (
        f'UPDATE "{schema}"._import SET state = $3, rows = coalesce($4, rows), error = $5::text::json, '
        "finished_at = $6 WHERE id = $1 AND state = $2"
    )


def failed(schema: str) -> str:
    """$1 import -> how often it has failed since it last did something."""
    return f'UPDATE "{schema}"._import SET failures = failures + 1 WHERE id = $1 RETURNING failures'


def cancel(schema: str) -> str:
    """$1 import, $2 now -> a row where it was still to be done."""
    return (
        f"UPDATE \"{schema}\"._import SET state = 'cancelled', finished_at = $2 "
        "WHERE id = $1 AND state IN ('queued', 'running') RETURNING id"
    )


def undo(schema: str) -> str:
    """$1 tenant, $2 import, $3 user, $4 whether with all rights -> a row where it has ended and can be undone; queues
    its job."""
    return f"""
        WITH made AS (
            UPDATE "{schema}"._import SET state = 'undoing', undone_by = $3, operator = $4, finished_at = NULL,
                error = NULL, failures = 0
            WHERE id = $2 AND state IN ('done', 'cancelled', 'failed') AND NOT dry_run
            RETURNING id, state
        )
        SELECT id, {_JOB.format(alias="made")} FROM made"""


def to_undo(schema: str) -> str:
    """$1 import, $2 limit -> the last rows that are not undone yet."""
    return (
        f'SELECT line, outcome, record, version FROM "{schema}"._import_row '
        "WHERE import = $1 AND outcome IN ('created', 'updated') ORDER BY line DESC LIMIT $2"
    )


def undone(schema: str) -> str:
    """$1 import, $2 lines, $3 outcomes, $4 faults: what the undoing of rows has come to."""
    return f"""
        WITH r AS (
            UPDATE "{schema}"._import_row i SET outcome = r.outcome, faults = r.faults::json
            FROM unnest($2::bigint[], $3::text[], $4::text[]) AS r (line, outcome, faults)
            WHERE i.import = $1 AND i.line = r.line RETURNING r.outcome
        ), n AS (SELECT count(*) FILTER (WHERE outcome = 'undone') AS undone,
                        count(*) FILTER (WHERE outcome = 'kept') AS kept FROM r)
        UPDATE "{schema}"._import i SET undone = i.undone + n.undone, kept = i.kept + n.kept, failures = 0
        FROM n WHERE i.id = $1"""


def present(table: TableRef) -> str:
    """$1 ids -> those that are live, locked."""
    return (
        f'SELECT id FROM "{table.schema}"."{table.name}" WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL '
        "ORDER BY id FOR UPDATE"
    )


def since(schema: str) -> str:
    """$1 object, $2 records, $3 versions -> the history of each record from its version on (first: that version)."""
    return (
        f'SELECT h.record, h.version = r.version AS first, h.door, h.changes FROM "{schema}"._history h '
        "JOIN unnest($2::uuid[], $3::bigint[]) AS r (record, version) ON h.record = r.record "
        "AND h.version >= r.version WHERE h.object = $1 ORDER BY h.record, h.version"
    )


def one(schema: str) -> str:
    """$1 import, $2 user or NULL for anyone's -> the import as one JSON object, and its makings."""
    return f"""
        SELECT (SELECT row_to_json(r)::text FROM (SELECT {_SHOWN}) r) AS body, i.state, i.mapping, i.created,
               i.updated, f.sha256, f.size, f.name
        FROM "{schema}"._import i JOIN "{schema}"._file f ON f.id = i.file
        WHERE i.id = $1 AND ($2::uuid IS NULL OR i.created_by = $2)"""


def listed(schema: str) -> str:
    """$1 user or NULL for everyone's, $2 limit -> the newest imports as one JSON array, without their mappings."""
    shown = _SHOWN.replace("i.mapping, ", "")
    return f"""
        SELECT coalesce(json_agg(r), '[]')::text FROM (
            SELECT {shown} FROM "{schema}"._import i WHERE $1::uuid IS NULL OR i.created_by = $1
            ORDER BY i.id DESC LIMIT $2
        ) r"""


def rows(schema: str) -> str:
    """$1 import, $2 outcome or NULL, $3 line, $4 limit -> the rows behind the line as one JSON array."""
    return f"""
        SELECT coalesce(json_agg(r), '[]')::text FROM (
            SELECT line, outcome, record, version, faults FROM "{schema}"._import_row
            WHERE import = $1 AND ($2::text IS NULL OR outcome = $2) AND line > $3 ORDER BY line LIMIT $4
        ) r"""


def rejected(schema: str) -> str:
    """$1 import -> (line, faults) of its rejected rows."""
    return f"SELECT line, faults FROM \"{schema}\"._import_row WHERE import = $1 AND outcome = 'rejected'"


def sweep(schema: str) -> str:
    """$1 tenant: a job for each import that is to be done and has none."""
    return f'SELECT count({_JOB.format(alias="i")}) FROM "{schema}"._import i WHERE i.state IN {ACTIVE}'


def forget(schema: str) -> str:
    """$1 days: takes out imports that ended so long ago; their files are collected then."""
    return f"""
        WITH gone AS (
            DELETE FROM "{schema}"._import
            WHERE finished_at < now() - make_interval(days => $1) AND state NOT IN {ACTIVE} RETURNING id
        )
        DELETE FROM "{schema}"._import_row r USING gone WHERE r.import = gone.id"""
