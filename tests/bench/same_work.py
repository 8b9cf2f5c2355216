"""The same work by hand: what a good programmer writes who owes what the pack declares, not the bare change alone.

One statement a request: the ten rules and the gate in its WHERE, history, stage history and event beside the row. It
knows neither users nor rights, tells of a refusal no reason, and reads the entity tag of nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from fastapi import FastAPI, Response

from tests.bench.bodies import Change, Move, Opportunity

Ask: TypeAlias = Callable[..., Awaitable[str | None]]
JSON = "application/json"
LOGS = ("_history", "_stage_history", "_event")
STAGES = "'lead', 'qualify', 'needs', 'demo', 'proposal', 'quote', 'negotiation', 'won', 'lost'"


def _rules(stage: str, amount: str, others: str) -> str:
    """The ten rules of the pack over these expressions; `others` is the alias of all other columns."""
    return f"""({stage} <> 'won' OR {amount} > 0) AND ({stage} = 'lost' OR {others}.lost_reason IS NULL)
    AND ({amount} IS NULL OR {amount} < 1000000000 OR {others}.next_step IS NOT NULL)
    AND ({others}.close_date IS NULL OR extract(year FROM {others}.close_date) >= 2000) AND length({others}.name) >= 3
    AND ({others}.probability IS NULL OR {others}.probability <= 1)
    AND ({others}.next_step IS NULL OR {others}.next_step <> {others}.name)
    AND ({stage} <> 'won' OR {others}.close_date IS NOT NULL)
    AND ({amount} * {others}.probability IS NULL OR {amount} * {others}.probability < 1000000000000)"""


def _logged(kind: str, changes: str, source: str) -> str:
    """History and event of the written rows `u`; user and request are parameters 1 and 2."""
    return f"""history AS (
  INSERT INTO floor._history (object, record, version, kind, at, actor, door, request_id, changes)
  SELECT 'opportunity', u.id, u.version, '{kind}', now(), $1::uuid, 'api', $2::text, {changes} FROM {source}
), event AS (
  INSERT INTO floor._event (object, record, version, kind, at, actor)
  SELECT 'opportunity', id, version, '{kind}', now(), $1::uuid FROM u
)"""


def _entered(previous: str, source: str) -> str:
    return f"""entered AS (
  INSERT INTO floor._stage_history
    (object, record, field, process, process_version, stage, previous, entered_at, actor, door)
  SELECT 'opportunity', u.id, 'stage', 'sale', 1, u.stage, {previous}, now(), $1::uuid, 'api' FROM {source}
)"""


ANSWER = "SELECT row_to_json(u)::text FROM u"
OLD = "old AS (SELECT * FROM floor.opportunity WHERE id = $3 AND deleted_at IS NULL FOR UPDATE)"
COLUMNS = "name, account, stage, amount, probability, close_date, next_step"
MADE = ", ".join(f"'{name}', u.{name}" for name in COLUMNS.split(", "))
CREATE = f"""
WITH u AS (
  INSERT INTO floor.opportunity ({COLUMNS})
  SELECT {COLUMNS} FROM (SELECT $3::text AS name, $4::uuid AS account, $5::text AS stage, $6::numeric AS amount,
    $7::numeric AS probability, $8::date AS close_date, $9::text AS next_step, NULL::text AS lost_reason) n
  WHERE stage IN ({STAGES}) AND (stage = 'lost' OR amount > 0) AND {_rules("n.stage", "n.amount", "n")}
    AND EXISTS (SELECT FROM floor.account a WHERE a.id = n.account AND NOT a.closed AND a.deleted_at IS NULL)
  RETURNING *
), {_logged("created", f"jsonb_strip_nulls(jsonb_build_object({MADE}))", "u")}, {_entered("NULL", "u")}
{ANSWER}
"""
CHANGE = f"""
WITH {OLD}, u AS (
  UPDATE floor.opportunity f SET amount = $4::numeric, version = f.version + 1, modified_at = now(), modified_by = $1
  FROM old WHERE f.id = old.id AND {_rules("old.stage", "$4::numeric", "old")} RETURNING f.*
), {_logged("changed", "jsonb_build_object('amount', jsonb_build_array(old.amount, u.amount))", "u, old")}
{ANSWER}
"""
MOVE = f"""
WITH {OLD}, u AS (
  UPDATE floor.opportunity f
  SET stage = $4::text, stage__entered_at = now(), version = f.version + 1, modified_at = now(), modified_by = $1
  FROM old WHERE f.id = old.id AND $4::text IN ({STAGES}) AND ($4::text = 'lost' OR old.amount > 0)
    AND (old.stage IN ('won', 'lost') OR old.next_step IS NOT NULL) AND {_rules("$4::text", "old.amount", "old")}
  RETURNING f.*
), {_logged("changed", "jsonb_build_object('stage', jsonb_build_array(old.stage, u.stage))", "u, old")},
{_entered("old.stage", "u, old WHERE u.stage <> old.stage")}, left_stage AS (
  UPDATE floor._stage_history s SET left_at = now() FROM u, old
  WHERE s.record = u.id AND s.field = 'stage' AND s.object = 'opportunity' AND s.left_at IS NULL
    AND u.stage <> old.stage
)
{ANSWER}
"""
BY = UUID(int=0)


def add(app: FastAPI, ask: Ask) -> None:
    """The routes below `/same`."""

    async def answer(status: int, statement: str, *values: Any) -> Response:
        body = await ask(statement, BY, "request", *values)
        return Response(body or "", status if body else 422, media_type=JSON)

    @app.post("/same/opportunities")
    async def create(o: Opportunity) -> Response:
        given = (o.name, o.account, o.stage, o.amount, o.probability, o.close_date, o.next_step)
        return await answer(201, CREATE, *given)

    @app.get("/same/opportunities/{record}")
    @app.get("/same/stages/{record}")
    async def one(record: UUID) -> Response:
        return await answer(200, "SELECT row_to_json(o)::text FROM floor.opportunity o WHERE id = $3 "
                                 "AND $1::uuid IS NOT NULL AND $2::text IS NOT NULL", record)

    @app.patch("/same/opportunities/{record}")
    async def change(record: UUID, given: Change) -> Response:
        return await answer(200, CHANGE, record, given.amount)

    @app.patch("/same/stages/{record}")
    async def move(record: UUID, given: Move) -> Response:
        return await answer(200, MOVE, record, given.stage)


async def lay(conn: Any, schema: str, tables: Sequence[str] = LOGS) -> None:
    """The logs beside the floor's tables, with what stands in those of `schema`."""
    for name in tables:
        await conn.execute(f'CREATE TABLE floor.{name} (LIKE "{schema}".{name} INCLUDING ALL)')
        await conn.execute(f'INSERT INTO floor.{name} OVERRIDING SYSTEM VALUE SELECT * FROM "{schema}".{name}')
        await conn.execute(
            f"SELECT setval(pg_get_serial_sequence('floor.{name}', 'id'), (SELECT coalesce(max(id), 1) "
            f"FROM floor.{name}))"
        )
        await conn.execute(f"VACUUM ANALYZE floor.{name}")
