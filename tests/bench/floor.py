"""The floor: what a good programmer writes by hand for this one object. FastAPI, asyncpg, JSON made in SQL.

No authentication, rights, rules, history or events (`same_work` has the last three); its own tables in schema `floor`,
shaped like Fieldwright's.
`python -m tests.bench.floor URL PORT` serves it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, Query, Request, Response

from tests.bench import same_work
from tests.bench.bodies import Change, Move, Opportunity

CONNECTIONS = 8
OBJECTS = ("account", "opportunity")

ONE = """
SELECT row_to_json(r)::text FROM (
  SELECT o.name, o.amount, o.stage, o.close_date, a.name AS "account.name"
  FROM floor.opportunity o LEFT JOIN floor.account a ON a.id = o.account
  WHERE o.id = $1 AND o.deleted_at IS NULL
) r
"""
# The limit is a constant of the text: with a parameter PostgreSQL plans the statement anew at every run.
PAGE = """
SELECT coalesce(json_agg(r)::text, '[]') FROM (
  SELECT o.name, o.amount, o.stage, a.name AS "account.name"
  FROM floor.opportunity o LEFT JOIN floor.account a ON a.id = o.account
  WHERE o.stage = $1 AND o.deleted_at IS NULL ORDER BY o.amount DESC, o.id DESC LIMIT {limit:d}
) r
"""
EXPECTED = """
SELECT coalesce(json_agg(r)::text, '[]') FROM (
  SELECT o.name, o.amount, o.probability, o.amount * o.probability AS expected
  FROM floor.opportunity o
  WHERE o.stage = $1 AND o.deleted_at IS NULL ORDER BY o.amount DESC, o.id DESC LIMIT {limit:d}
) r
"""
BY_STAGE = """
SELECT json_agg(r)::text FROM (
  SELECT stage, count(*) AS n, sum(amount) AS total FROM floor.opportunity
  WHERE deleted_at IS NULL GROUP BY stage ORDER BY stage
) r
"""
COLUMNS = "name, account, stage, amount, probability, close_date, next_step"
CREATE = f"""
INSERT INTO floor.opportunity AS o ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING row_to_json(o)::text
"""
CHANGE = """
UPDATE floor.opportunity o SET amount = $2, version = version + 1, modified_at = now()
WHERE id = $1 AND deleted_at IS NULL RETURNING row_to_json(o)::text
"""
MOVE = """
UPDATE floor.opportunity o SET stage = $2, stage__entered_at = now(), version = version + 1, modified_at = now()
WHERE id = $1 AND deleted_at IS NULL RETURNING row_to_json(o)::text
"""
BULK = f"""
WITH made AS (
  INSERT INTO floor.opportunity ({COLUMNS})
  SELECT {COLUMNS} FROM json_populate_recordset(NULL::floor.opportunity, $1) RETURNING id, version
) SELECT json_agg(made)::text FROM made
"""
JSON = "application/json"


class Connections:
    """A free list: nothing is sent when a connection is taken or given back."""

    def __init__(self) -> None:
        self.free: asyncio.LifoQueue[Any] = asyncio.LifoQueue()

    async def open(self, url: str) -> None:
        for _ in range(CONNECTIONS):
            self.free.put_nowait(
                await asyncpg.connect(url, server_settings={"jit": "off"}, max_cacheable_statement_size=0)
            )

    async def text(self, statement: str, *args: Any) -> str | None:
        conn = await self.free.get()
        try:
            found: str | None = await conn.fetchval(statement, *args)
            return found
        finally:
            self.free.put_nowait(conn)


def floor_app(url: str) -> FastAPI:
    """The application on the tables of schema `floor`."""
    pool = Connections()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await pool.open(url)
        yield
        while not pool.free.empty():
            await pool.free.get_nowait().close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/opportunities/{record}")
    @app.get("/stages/{record}")
    async def one(record: UUID) -> Response:
        body = await pool.text(ONE, record)
        return Response(body or "", 200 if body else 404, media_type=JSON)

    @app.get("/opportunities")
    async def page(stage: str, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        return Response(f'{{"items":{await pool.text(PAGE.format(limit=limit), stage)}}}', media_type=JSON)

    @app.get("/expected")
    async def expected(stage: str, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        return Response(f'{{"items":{await pool.text(EXPECTED.format(limit=limit), stage)}}}', media_type=JSON)

    @app.get("/by-stage")
    async def by_stage() -> Response:
        return Response(f'{{"rows":{await pool.text(BY_STAGE)}}}', media_type=JSON)

    @app.post("/opportunities")
    async def create(o: Opportunity) -> Response:
        body = await pool.text(
            CREATE, o.name, o.account, o.stage, o.amount, o.probability, o.close_date, o.next_step
        )  # fmt: skip
        return Response(body, 201, media_type=JSON)

    @app.patch("/opportunities/{record}")
    async def change(record: UUID, given: Change) -> Response:
        body = await pool.text(CHANGE, record, given.amount)
        return Response(body or "", 200 if body else 404, media_type=JSON)

    @app.patch("/stages/{record}")
    async def move(record: UUID, given: Move) -> Response:
        body = await pool.text(MOVE, record, given.stage)
        return Response(body or "", 200 if body else 404, media_type=JSON)

    @app.post("/bulk")
    async def bulk(request: Request) -> Response:
        body = await pool.text(BULK, (await request.body()).decode())
        return Response(f'{{"items":{body}}}', 201, media_type=JSON)

    same_work.add(app, pool.text)
    return app


async def lay(conn: Any, schema: str) -> None:
    """The floor's tables: columns, checks and indexes like those in `schema`, and the same rows; both are analysed."""
    new_id = "uuidv7()" if conn.get_server_version().major >= 18 else "gen_random_uuid()"
    await conn.execute("DROP SCHEMA IF EXISTS floor CASCADE; CREATE SCHEMA floor")
    for name in OBJECTS:
        await conn.execute(f'CREATE TABLE floor.{name} (LIKE "{schema}".{name} INCLUDING ALL)')
        defaults = {"id": new_id, "version": "1", "created_at": "now()", "modified_at": "now()"}
        defaults |= dict.fromkeys(("owner", "created_by", "modified_by"), f"'{UUID(int=0)}'::uuid")
        await conn.execute(
            f"ALTER TABLE floor.{name} "
            + ", ".join(f"ALTER {column} SET DEFAULT {value}" for column, value in defaults.items())
        )
        await conn.execute(f'INSERT INTO floor.{name} SELECT * FROM "{schema}".{name} ORDER BY id')
        for table in (f"floor.{name}", f'"{schema}".{name}'):
            await conn.execute(f"VACUUM ANALYZE {table}")
    await same_work.lay(conn, schema)


if __name__ == "__main__":
    uvicorn.run(
        floor_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning",
        server_header=False,
    )  # fmt: skip
