"""The run log `_run` of a tenant: fixed statements. `schema` is one of the tenant directory."""

from __future__ import annotations

from engine.release.release import TableRef

_JOB = "pg_catalog.convert_to(pg_catalog.json_build_object('tenant', {tenant}, 'run', {run})::text, 'UTF8')"
# A new key for each attempt: the job of the attempt that just failed still holds the one before.
_KEY = "'run:' || {run}::text || ':' || {attempts}::text"


def causes(schema: str) -> str:
    """$1 event ids -> rows (actor, depth, events): who caused them."""
    return (
        f'SELECT actor, depth, array_agg(id ORDER BY id) AS events FROM "{schema}"._event '
        "WHERE id = ANY($1::bigint[]) GROUP BY actor, depth"
    )


def start(schema: str) -> str:
    """$1 tenant, $2 release, $3 run ids, $4 events, $5 workflows, $6 now: runs and a job for each that is new."""
    job = _JOB.format(tenant="$1::text", run="made.id")
    return f"""
        WITH made AS (
            INSERT INTO "{schema}"._run (id, event, workflow, object, record, state, created_at, next_at, release)
            SELECT f.id, f.event, f.workflow, e.object, e.record, 'queued', $6, now(), $2
            FROM unnest($3::uuid[], $4::bigint[], $5::text[]) AS f (id, event, workflow)
            JOIN "{schema}"._event e ON e.id = f.event
            ORDER BY f.event, f.workflow
            ON CONFLICT (event, workflow) DO NOTHING
            RETURNING id
        )
        SELECT count(fieldwright.enqueue('run', {job}, '0', {_KEY.format(run="made.id", attempts=0)})) FROM made"""


def start_due(schema: str) -> str:
    """$1 tenant, $2 release, $3 run ids, $4 workflow, $5 object, $6 records, $7 due moments, $8 now: runs and a job
    for each that is new; how many."""
    job = _JOB.format(tenant="$1::text", run="made.id")
    return f"""
        WITH made AS (
            INSERT INTO "{schema}"._run (id, workflow, object, record, due, state, created_at, next_at, release)
            SELECT f.id, $4::text, $5::text, f.record, f.due, 'queued', $8, now(), $2
            FROM unnest($3::uuid[], $6::uuid[], $7::timestamptz[]) AS f (id, record, due)
            ON CONFLICT (workflow, record, due) WHERE due IS NOT NULL DO NOTHING
            RETURNING id
        )
        SELECT count(fieldwright.enqueue('run', {job}, '0', {_KEY.format(run="made.id", attempts=0)})) FROM made"""


def timers(schema: str) -> str:
    """The workflows that time causes to run, as an array; NULL for none."""
    return f'SELECT array_agg(workflow) FROM "{schema}"._timer'


def timer(schema: str) -> str:
    """$1 workflow -> how far its moments have their runs, locked; no row where someone else is at it."""
    return f'SELECT watermark, until, after FROM "{schema}"._timer WHERE workflow = $1 FOR UPDATE SKIP LOCKED'


def turn(schema: str) -> str:
    """$1 workflow, $2 watermark, $3 until, $4 after."""
    return f'UPDATE "{schema}"._timer SET watermark = $2, until = $3, after = $4 WHERE workflow = $1'


def watch(schema: str) -> str:
    """$1 the workflows of a release that time causes to run, $2 now: new ones begin then, those gone are forgotten."""
    return f"""
        WITH gone AS (DELETE FROM "{schema}"._timer WHERE workflow <> ALL($1::text[]))
        INSERT INTO "{schema}"._timer (workflow, watermark) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING"""


def claim(schema: str) -> str:
    """$1 run -> what it is about, locked; no row where it is finished or someone else works on it."""
    return f"""
        SELECT r.workflow, r.event, r.object, r.record, r.due, r.attempts, e.actor, e.depth, h.door, before.roles
        FROM "{schema}"._run r
        LEFT JOIN "{schema}"._event e ON e.id = r.event
        LEFT JOIN "{schema}"._history h ON h.object = e.object AND h.record = e.record AND h.version = e.version
        LEFT JOIN "{schema}"._run before ON h.door = 'workflow' AND before.id::text = h.request_id
        WHERE r.id = $1 AND r.finished_at IS NULL
        FOR UPDATE OF r SKIP LOCKED"""


def finish(schema: str) -> str:
    """$1 run, $2 log, $3 roles, $4 began."""
    return (
        f"UPDATE \"{schema}\"._run SET state = 'done', attempts = attempts + 1, next_at = NULL, error = NULL, "
        "started_at = $4, finished_at = $4::timestamptz + (clock_timestamp() - now()), log = $2::text::jsonb, "
        "roles = $3::text[] WHERE id = $1"
    )


def fail(schema: str) -> str:
    """$1 tenant, $2 run, $3 attempts so far, $4 delay (NULL: no further attempt), $5 error, $6 log, $7 roles, $8 began.

    Writes nothing where the run went on meanwhile.
    """
    job = _JOB.format(tenant="$1::text", run="f.id")
    return f"""
        WITH f AS (
            UPDATE "{schema}"._run SET state = CASE WHEN $4::interval IS NULL THEN 'failed' ELSE 'waiting' END,
                attempts = attempts + 1, next_at = now() + $4::interval, error = $5, log = $6::text::jsonb,
                roles = $7::text[], started_at = $8,
                finished_at = CASE WHEN $4::interval IS NULL THEN $8::timestamptz + (clock_timestamp() - now()) END
            WHERE id = $2 AND finished_at IS NULL AND attempts = $3
            RETURNING id, attempts, state
        )
        SELECT fieldwright.enqueue('run', {job}, $4::interval, {_KEY.format(run="f.id", attempts="f.attempts")})
        FROM f WHERE f.state = 'waiting'"""


def again(schema: str) -> str:
    """$1 tenant, $2 run: queues a failed run once more; no row where it is not one."""
    job = _JOB.format(tenant="$1::text", run="f.id")
    return f"""
        WITH f AS (
            UPDATE "{schema}"._run SET state = 'queued', next_at = now(), finished_at = NULL
            WHERE id = $2 AND state = 'failed' RETURNING id, attempts
        )
        SELECT f.id, fieldwright.enqueue('run', {job}, '0', {_KEY.format(run="f.id", attempts="f.attempts")}) FROM f"""


def sweep(schema: str) -> str:
    """$1 tenant, $2 seconds: a job for each run that has been due for so long and has none; how many were made."""
    job = _JOB.format(tenant="$1::text", run="r.id")
    return f"""
        SELECT count(fieldwright.enqueue('run', {job}, '0', {_KEY.format(run="r.id", attempts="r.attempts")}))
        FROM "{schema}"._run r
        WHERE r.finished_at IS NULL AND r.next_at < now() - make_interval(secs => $2)"""


def listed(schema: str) -> str:
    """$1 state or NULL, $2 workflow or NULL, $3 limit -> the newest runs as one JSON array."""
    return f"""
        SELECT coalesce(json_agg(r), '[]')::text FROM (
            SELECT id, workflow, object, record, due, state, attempts, created_at, next_at, started_at, finished_at,
                   error, roles, log
            FROM "{schema}"._run
            WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR workflow = $2)
            ORDER BY id DESC LIMIT $3
        ) r"""


def one_state(schema: str) -> str:
    """$1 run -> (state)."""
    return f'SELECT state FROM "{schema}"._run WHERE id = $1'


def login(schema: str) -> str:
    """$1 user -> (roles, active)."""
    return f'SELECT roles, active FROM "{schema}"._login WHERE user_id = $1'


def values_of(table: TableRef, column: str) -> str:
    """$1 records -> rows (id, value) of a column of them."""
    return f'SELECT id, "{column}" AS value FROM "{table.schema}"."{table.name}" WHERE id = ANY($1::uuid[])'


DUE = (
    "SELECT count(*) FROM fieldwright.pgqueuer "
    "WHERE status = 'picked' OR (status = 'queued' AND execute_after <= now())"
)
HELD = "UPDATE fieldwright.pgqueuer SET status = 'queued', execute_after = now() WHERE status = 'failed'"
FORGET = (
    "DELETE FROM fieldwright.pgqueuer_log WHERE aggregated AND created < now() - interval '7 days'",
    "DELETE FROM fieldwright.pgqueuer_statistics WHERE created < now() - interval '7 days'",
)
