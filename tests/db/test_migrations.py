"""System migrations: once each, in any number of processes, and the rights that they give."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import asyncpg
import pytest

from engine.db import execute, jobs, migrations
from engine.db.pool import connect, open_pool
from engine.db.sqlstate import Violations

CONTROL = [
    *("0001_directory", "0002_jobs", "0003_formula_text", "0004_formula_number", "0005_formula_date"),
    "0006_formula_finance",
    "0007_worktime",
    "0008_matching",
    "0009_trees",
]
TENANT = [
    *("0001_tables", "0002_processes", "0003_counters", "0004_files", "0005_timers", "0006_merges", "0007_imports"),
    "0008_assignments",
]
TENANT_TABLES = {
    "_release", "_login", "_session", "_token", "_history", "_stage_history", "_event", "_idempotency", "_run",
    "_counter", "_file", "_timer", "_merge", "_import", "_import_row",
    "_assignment", "_assignment_run", "_assignment_log",
}  # fmt: skip


@pytest.fixture(scope="module")
def migrated(new_database: Callable[[], str]) -> str:
    """A database with the control schema and the tenant acme."""
    url = new_database()

    async def go() -> None:
        conn = await connect(url)
        assert await migrations.behind(conn) == [f"fieldwright: {name}" for name in CONTROL]
        assert await migrations.migrate_control(conn) == CONTROL
        assert await migrations.behind(conn) == []
        await conn.execute("INSERT INTO fieldwright.tenant (name, schema) VALUES ('acme', 'acme')")
        assert await migrations.behind(conn) == [f"acme: {name}" for name in TENANT]
        assert await migrations.migrate_tenant(conn, "acme") == TENANT
        assert await migrations.behind(conn) == []
        await conn.close()

    asyncio.run(go())
    return url


def test_again_changes_nothing(migrated: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        assert await migrations.migrate_control(conn) == []
        assert await migrations.migrate_tenant(conn, "acme") == []
        tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'acme'")
        assert {row["tablename"] for row in tables} == TENANT_TABLES
        assert await conn.fetchval("SELECT role FROM fieldwright.tenant") == "fw_acme"
        await conn.close()

    asyncio.run(go())


@pytest.mark.parametrize("pooler", ["none", "transaction"])
def test_on_a_pooled_connection(migrated: str, pooler: Literal["none", "transaction"]) -> None:
    async def go() -> None:
        pool = await open_pool(migrated, 1, pooler=pooler)
        async with pool.connection() as conn:
            assert await migrations.migrate_control(conn) == []
            assert await migrations.migrate_tenant(conn, "pooled") == (
                [] if pooler == "transaction" else TENANT
            )
        async with pool.connection() as conn:
            counted = "SELECT count(*) FROM fieldwright.migration WHERE schema = 'pooled'"
            assert await conn.fetchval(counted) == len(TENANT)
        await pool.close()

    asyncio.run(go())


def test_newer_database_is_noticed(migrated: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        await conn.execute("INSERT INTO fieldwright.migration (schema, number, name) VALUES ('acme', 9, 'future')")
        assert await migrations.behind(conn) == ["acme: newer"]
        await conn.execute("DELETE FROM fieldwright.migration WHERE number = 9")
        await conn.close()

    asyncio.run(go())


def test_six_at_once(new_database: Callable[[], str]) -> None:
    url = new_database()

    async def one() -> tuple[list[str], list[str]]:
        conn = await connect(url)
        try:
            return await migrations.migrate_control(conn), await migrations.migrate_tenant(conn, "zeta")
        finally:
            await conn.close()

    async def go() -> None:
        done = await asyncio.gather(*(one() for _ in range(6)))
        assert sorted(len(control) for control, _ in done) == [0] * 5 + [len(CONTROL)]
        assert sorted(len(tenant) for _, tenant in done) == [0] * 5 + [len(TENANT)]

    asyncio.run(go())


@pytest.mark.parametrize("schema", ["fieldwright", "public", "pg_acme", "information_schema"])
def test_reserved_schemas(migrated: str, schema: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        try:
            with pytest.raises(ValueError, match="not a schema"):
                await migrations.migrate_tenant(conn, schema)
        finally:
            await conn.close()

    asyncio.run(go())


def test_strange_name_is_quoted_and_dropped(migrated: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        schema = 'a"; DROP SCHEMA acme; --'
        await migrations.migrate_tenant(conn, schema)
        assert await conn.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname IN ($1, 'acme')", schema) == 2
        await migrations.drop_tenant(conn, schema)
        assert await conn.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname IN ($1, 'acme')", schema) == 1
        await conn.execute(f'DROP OWNED BY "fw_{schema.replace(chr(34), chr(34) * 2)}"')
        await conn.execute(f'DROP ROLE "fw_{schema.replace(chr(34), chr(34) * 2)}"')
        await conn.close()

    asyncio.run(go())


def test_role_of_a_tenant_sees_its_own_alone(migrated: str) -> None:
    history = (
        "INSERT INTO acme._history (object, record, version, at, actor, kind, door, request_id, changes) "
        "VALUES ('o', gen_random_uuid(), 1, now(), gen_random_uuid(), 'create', 'api', 'r', '{}')"
    )
    allowed = [
        "SELECT count(*)::text FROM acme._login",
        history,
        "UPDATE acme._login SET epoch = epoch + 1",
        "SELECT count(*)::text FROM acme.made_later",
    ]
    forbidden = [
        "UPDATE acme._history SET version = 2",
        "DELETE FROM acme._history",
        "UPDATE acme._release SET current = false",
        "SELECT count(*) FROM beta._login",
        "SELECT * FROM fieldwright.setting",
        "SELECT * FROM fieldwright.pgqueuer",
        "CREATE TABLE acme.mine (x int)",
        "DROP TABLE acme._login",
    ]

    async def go() -> None:
        conn = await connect(migrated)
        await migrations.migrate_tenant(conn, "beta")
        await conn.execute("CREATE TABLE acme.made_later (x int)")
        await conn.execute("SET ROLE fw_acme")
        for statement in allowed:
            await conn.fetch(statement)
        for statement in forbidden:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(statement)
        await conn.close()

    asyncio.run(go())


def test_server_that_lets_nobody_make_roles(new_database: Callable[[], str]) -> None:
    """A plain owner of one database: everything works without roles, and the directory says so."""
    url = new_database()

    async def go() -> None:
        conn = await connect(url)
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute(
            "DO $$ BEGIN CREATE ROLE fwtest_plain NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"
        )
        await conn.execute(f'ALTER DATABASE "{name}" OWNER TO fwtest_plain')
        await conn.execute("SET ROLE fwtest_plain")
        await migrations.migrate_control(conn)
        await conn.execute("INSERT INTO fieldwright.tenant (name, schema) VALUES ('solo', 'solo_of_plain')")
        await migrations.migrate_tenant(conn, "solo_of_plain")
        assert await conn.fetchval("SELECT role FROM fieldwright.tenant") is None
        assert await migrations.behind(conn) == []
        await conn.close()

    asyncio.run(go())


def test_one_current_release_and_one_login(migrated: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        release = "INSERT INTO acme._release (number, hash, language, data, identity, current) VALUES ($1, '', 1, '{}', '{}', true)"
        await conn.execute(release, 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(release, 2)
        login = "INSERT INTO acme._login (user_id, login) VALUES (gen_random_uuid(), $1)"
        await conn.execute(login, "Ann@example.com")
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(login, "ann@EXAMPLE.com")
        await conn.close()

    asyncio.run(go())


def test_gate_lets_pass_or_undoes_the_statement(migrated: str) -> None:
    text = """
        WITH gate AS MATERIALIZED (SELECT fieldwright.refuse_if($1::jsonb) AS ok),
        made AS (
            INSERT INTO acme._idempotency (principal, key, request_hash, status)
            SELECT gen_random_uuid(), $2, '', 200 FROM gate WHERE ok RETURNING status)
        SELECT made.status::text FROM made, gate"""

    async def go() -> None:
        pool = await open_pool(migrated, 1)
        for period, violations in enumerate((None, "[]", "null")):
            assert (await execute.write(pool, "fw_acme", text, [violations, str(period)]))[0] == "200"
        with pytest.raises(Violations) as refused:
            await execute.write(pool, "fw_acme", text, ['[{"rule": "r"}]', "refused"])
        assert refused.value.rows == [{"rule": "r"}]
        count = await execute.read(pool, None, "SELECT count(*)::text FROM acme._idempotency")
        assert count.body == "3"
        await pool.close()

    asyncio.run(go())


def test_job_in_the_statement_of_its_cause(migrated: str) -> None:
    """A job enters with the tenant's role, is gone when its statement is undone, and a worker of the library gets it."""
    enqueue = "SELECT fieldwright.enqueue('greet', $1, dedupe_key => $2)::text"

    async def go() -> None:
        pool = await open_pool(migrated, 1)
        assert (await execute.write(pool, "fw_acme", enqueue, [b"hello", "k"]))[0] is not None
        assert (await execute.write(pool, "fw_acme", enqueue, [b"again", "k"]))[0] is None
        with pytest.raises(Violations):
            undone = "SELECT fieldwright.enqueue('greet', $1), fieldwright.refuse_if('[1]')"
            await execute.write(pool, "fw_acme", undone, [b"undone"])
        conn = await connect(migrated, server_settings={"search_path": ""})
        worker, got = jobs.worker(conn), []

        @worker.entrypoint("greet")
        async def greet(job: Any) -> None:
            got.append(job.payload)
            worker.shutdown.set()

        await asyncio.wait_for(worker.run(), 20)
        assert got == [b"hello"]
        assert await conn.fetchval("SELECT count(*) FROM fieldwright.pgqueuer") == 0
        await conn.close()
        await pool.close()

    asyncio.run(go())


def test_queue_tables_are_what_the_library_expects(migrated: str) -> None:
    async def go() -> None:
        conn = await connect(migrated)
        plan = await jobs.queries(conn).plan_upgrade()
        assert list(plan.statements) == []
        await conn.close()

    asyncio.run(go())
