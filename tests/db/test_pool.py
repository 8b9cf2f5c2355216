"""The free list: fair, bounded, self-healing, and silent on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from engine.base.errors import Refused
from engine.db import execute
from engine.db.pool import Pool, connect, open_pool, place_of, quote_name
from engine.db.sqlstate import Outdated, Violations
from engine.db.transaction import SNAPSHOT, atomic, in_transaction, transaction

PID = "SELECT pg_backend_pid()::text"


@pytest.fixture
def run(database_url: str) -> Callable[..., None]:
    """Runs a test with a pool of its own, made with the given options."""

    def runner(test: Callable[[Pool, Any], Awaitable[None]], size: int = 2, **options: Any) -> None:
        async def go() -> None:
            direct = await connect(database_url)
            pool = await open_pool(database_url, size, **options)
            try:
                await test(pool, direct)
            finally:
                await pool.close()
                await direct.close()

        asyncio.run(asyncio.wait_for(go(), 30))

    return runner


def test_settings_of_a_session(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        names = ("search_path", "TimeZone", "statement_timeout", "default_transaction_read_only", "jit")
        shown = [(await execute.read(pool, None, f"SELECT current_setting('{name}')")).body for name in names]
        assert shown == ["", "UTC", "10s", "on", "off"]
        with pytest.raises(Refused) as refused:
            await execute.read(pool, None, "CREATE TABLE public.x (y int)")
        assert refused.value.code == "internal"

    run(test, read_only=True)


def test_nothing_is_sent_on_release(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        pid = int((await execute.read(pool, None, PID)).body or 0)
        for _ in range(3):
            assert await execute.read(pool, None, "SELECT '1', '2'") == ("1", "2")
            last = await direct.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
            assert last == "SELECT '1', '2'"

    run(test, size=1)


def test_answers(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        assert await execute.read(pool, None, "SELECT $1::int::text", [7]) == ("7", None)
        assert await execute.read(pool, None, "SELECT 'x' WHERE false") == (None, None)
        async with pool.connection() as conn:
            assert [tuple(row) for row in await execute.fetch_rows(conn, "SELECT 1, 2")] == [(1, 2)]

    run(test)


def test_waiters_are_served_in_order_and_bounded(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        held = [await pool.acquire(), await pool.acquire()]
        order: list[int] = []

        async def wait(number: int) -> None:
            async with pool.connection():
                order.append(number)
                await asyncio.sleep(0.01)

        tasks = []
        for number in range(20):
            tasks.append(asyncio.create_task(wait(number)))
            await asyncio.sleep(0)
        tasks[3].cancel()
        for conn in held:
            pool.release(conn)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [number for number in range(20) if number != 3]
        assert pool._open == 2

    run(test)


def test_waits_no_longer_than_its_patience(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        held = [await pool.acquire(), await pool.acquire()]
        with pytest.raises(Refused) as refused:
            await pool.acquire()
        assert refused.value.code == "database.timeout"
        for conn in held:
            pool.release(conn)
        assert (await execute.read(pool, None, "SELECT 'free'")).body == "free"

    run(test, patience=0.05)


def test_killed_backend_is_replaced(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        for _ in range(3):
            pid = int((await execute.read(pool, None, PID)).body or 0)
            await direct.execute("SELECT pg_terminate_backend($1)", pid)
            assert int((await execute.read(pool, None, PID)).body or 0) != pid
        assert pool._open == 1

    run(test)


def test_killed_in_the_middle(run: Callable[..., None]) -> None:
    """A read is tried again; a write is not, since nobody knows whether it was done."""

    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute("CREATE TABLE IF NOT EXISTS public.hits (n int)")
        for repeated, call in ((True, execute.read), (False, execute.write)):
            task = asyncio.create_task(call(pool, None, "SELECT 'done' FROM pg_sleep(0.5)"))
            await asyncio.sleep(0.2)
            await direct.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT ''done''%' "
                "AND state = 'active' AND datname = current_database()"
            )
            if repeated:
                assert (await task).body == "done"
            else:
                with pytest.raises(Refused) as refused:
                    await task
                assert refused.value.code == "database.unreachable"

    run(test)


def test_cancelled_user_leaves_a_clean_connection(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        for _ in range(5):
            task = asyncio.create_task(execute.read(pool, None, "SELECT pg_sleep(5)::text"))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await execute.read(pool, None, "SELECT 'mine'")).body == "mine"

    run(test, size=1)


def test_open_transaction_does_not_reach_the_next_user(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute("CREATE TABLE IF NOT EXISTS public.left_open (n int)")
        async with pool.connection() as conn:
            await conn.execute("BEGIN; INSERT INTO public.left_open VALUES (1)")
        async with pool.connection() as conn:
            assert not conn.is_in_transaction()
        assert await direct.fetchval("SELECT count(*) FROM public.left_open") == 0

    run(test, size=1)


@pytest.mark.parametrize("pooler", ["none", "transaction"])
def test_role_changes_only_with_the_tenant(run: Callable[..., None], pooler: str) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        for name in ("fwtest_a", "fwtest_b"):
            await direct.execute(
                f"DO $$ BEGIN CREATE ROLE {name} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"
            )
        own = await direct.fetchval("SELECT current_user")
        async with pool.connection() as conn:
            sent: list[str] = []
            conn.add_query_logger(lambda record: sent.append(record.query))
        for role in ("fwtest_a", "fwtest_a", "fwtest_b", None, None):
            assert (await execute.read(pool, role, "SELECT current_user::text")).body == (role or own)
        await asyncio.sleep(0)
        changes = [query for query in sent if "ROLE" in query]
        assert len(changes) == 3
        if pooler == "transaction":
            assert all(query.startswith("BEGIN") and "SET LOCAL ROLE" in query for query in changes)
            query = "SELECT current_schemas(false)::text, current_setting('statement_timeout')"
            assert await execute.read(pool, None, query) == ("{}", "10s")

    run(test, size=1, pooler=pooler)


def test_connection_with_the_role_is_preferred(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute(
            "DO $$ BEGIN CREATE ROLE fwtest_a NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"
        )
        async with pool.connection("fwtest_a") as first, pool.connection() as second:
            assert first is not second
        for _ in range(3):
            async with pool.connection("fwtest_a") as conn:
                assert conn is first
            async with pool.connection() as conn:
                assert conn is second

    run(test)


def test_unknown_role_is_refused_and_frees_its_place(run: Callable[..., None]) -> None:
    async def test(pool: Pool, _: Any) -> None:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await pool.acquire("fw_nobody_made_this")
            assert refused.value.code == "internal"
        assert (await execute.read(pool, None, "SELECT 'well'")).body == "well"

    run(test, size=1)


def test_ddl_between_two_reads(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute("DROP TABLE IF EXISTS public.shape; CREATE TABLE public.shape AS SELECT 1 AS a, 2 AS b")
        query = "SELECT a::text, b FROM public.shape"
        assert (await execute.read(pool, None, query)).body == "1"
        await direct.execute("ALTER TABLE public.shape ALTER b TYPE text")
        assert await execute.read(pool, None, query) == ("1", "2")
        await direct.execute("ALTER TABLE public.shape DROP b")
        with pytest.raises(Outdated):
            await execute.read(pool, None, query)
        await direct.execute("DROP TABLE public.shape")
        with pytest.raises(Outdated):
            await execute.read(pool, None, query)

    run(test)


def test_transaction_commits_or_undoes(run: Callable[..., None]) -> None:
    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute("DROP TABLE IF EXISTS public.both; CREATE TABLE public.both (n int)")
        async with transaction(pool) as conn:
            await conn.execute("INSERT INTO public.both VALUES (1)")
        with pytest.raises(ZeroDivisionError):
            async with transaction(pool) as conn:
                await conn.execute("INSERT INTO public.both VALUES (2)")
                raise ZeroDivisionError
        async with transaction(pool) as conn:
            for number in (3, 4):
                with contextlib.suppress(ZeroDivisionError):
                    async with atomic(conn):
                        await conn.execute("INSERT INTO public.both VALUES ($1)", number)
                        _ = 1 // (number - 3)
        assert await direct.fetchval("SELECT array_agg(n ORDER BY n) FROM public.both") == [1, 4]
        async with transaction(pool, mode=SNAPSHOT) as conn:
            assert await conn.fetchval("SHOW transaction_isolation") == "repeatable read"
            assert await conn.fetchval("SHOW transaction_read_only") == "on"

    run(test)


@pytest.mark.parametrize("pooler", ["none", "transaction"])
def test_lost_races_are_run_again(run: Callable[..., None], pooler: str) -> None:
    """Two counters raised in opposite order by eight tasks: deadlocks happen, and no increment is lost."""

    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute("DROP TABLE IF EXISTS public.counter; CREATE TABLE public.counter (id int, n int)")
        await direct.execute("INSERT INTO public.counter VALUES (1, 0), (2, 0)")
        await direct.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 20', current_database()); END $$"
        )

        async def raise_both(first: int) -> None:
            async def work(conn: Any) -> None:
                for row in (first, 3 - first):
                    await conn.execute("UPDATE public.counter SET n = n + 1 WHERE id = $1", row)

            await in_transaction(pool, None, work, mode="ISOLATION LEVEL SERIALIZABLE")

        done = await asyncio.gather(*(raise_both(1 + k % 2) for k in range(8)), return_exceptions=True)
        made = sum(1 for result in done if result is None)
        assert {getattr(result, "code", None) for result in done} <= {None, "database.conflict"}
        assert made > 0
        assert await direct.fetchval("SELECT array_agg(n) FROM public.counter") == [made, made]

    run(test, size=4, pooler=pooler)


def test_close_waits_for_who_is_working(database_url: str) -> None:
    async def go() -> None:
        pool = await open_pool(database_url, 2)
        task = asyncio.create_task(execute.read(pool, None, "SELECT 'ended' FROM pg_sleep(0.2)"))
        await asyncio.sleep(0.05)
        await pool.close()
        assert (await task).body == "ended"
        with pytest.raises(Refused) as refused:
            await pool.acquire()
        assert refused.value.code == "database.unreachable"

    asyncio.run(go())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@/db?host=/nowhere/at/all", "/nowhere/at/all/db"),
        ("postgresql://u:s3cret@127.0.0.1:1/db", "127.0.0.1:1/db"),
        ("postgresql://u:s3cret@127.0.0.1:notaport/db", "127.0.0.1:notaport/db"),
        ("mysql://u:s3cret@host/db", "host/db"),
    ],
)
def test_unreachable_names_the_place_and_no_secret(url: str, shown: str) -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(open_pool(url, 1))
    assert refused.value.code == "database.unreachable"
    assert shown in refused.value.detail
    assert "s3cret" not in str(refused.value) + repr(refused.value)
    assert refused.value.__cause__ is None
    assert place_of(url) == shown


def test_unknown_database_is_unreachable(database_url: str) -> None:
    with pytest.raises(Refused, match="no such database"):
        asyncio.run(open_pool(database_url.replace("/fwtest_", "/missing_"), 1))


def test_names_are_quoted() -> None:
    assert quote_name('a"b') == '"a""b"'
    for bad in ("", "a\0b", "x" * 64):
        with pytest.raises(ValueError, match="identifier"):
            quote_name(bad)


SCHEMA = """
CREATE SCHEMA guarded;
CREATE TABLE guarded.parent (id int PRIMARY KEY);
CREATE TABLE guarded.child (
    id int CONSTRAINT child_id UNIQUE, parent int CONSTRAINT child_parent REFERENCES guarded.parent,
    size int CONSTRAINT child_size CHECK (size < 10), name text NOT NULL, secret text DEFAULT 'hidden value');
INSERT INTO guarded.parent VALUES (1);
INSERT INTO guarded.child VALUES (1, 1, 1, 'x');
"""


def test_errors_are_ours_and_tell_nothing(run: Callable[..., None]) -> None:
    fields = {"child_id": "number", "child_parent": "parent", "child_size": "size", "name": "name"}
    cases = [
        ("INSERT INTO guarded.child VALUES (1, 1, 1, 'x')", "record.unique", "/number"),
        ("INSERT INTO guarded.child VALUES (2, 9, 1, 'x')", "record.reference", "/parent"),
        ("INSERT INTO guarded.child VALUES (2, 1, 99, 'x')", "record.invalid", "/size"),
        ("INSERT INTO guarded.child VALUES (2, 1, 1, NULL)", "record.invalid", "/name"),
        ("DELETE FROM guarded.parent", "record.in_use", "/parent"),
        ("INSERT INTO guarded.parent VALUES (1)", "record.unique", None),
        ("SET statement_timeout = 20; SELECT pg_sleep(2)", "database.timeout", None),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", "database.conflict", None),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", "database.conflict", None),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", "database.full", None),
        ("DO $$ BEGIN RAISE SQLSTATE '53200'; END $$", "database.unreachable", None),
        ("SELECT 1/0", "internal", None),
        ("SELECT nonsense(", "internal", None),
        ("SELECT nonsense()", "internal", None),
    ]

    async def test(pool: Pool, direct: Any) -> None:
        await direct.execute(SCHEMA)
        for text, code, pointer in cases:
            with pytest.raises(Refused) as refused:
                async with transaction(pool, resolve=fields.get) as conn:
                    await conn.execute(text)
            assert (text, refused.value.code) == (text, code)
            assert [fault.pointer for fault in refused.value.faults] == ([pointer] if pointer else [])
            assert "guarded" not in str(refused.value) and "hidden" not in str(refused.value)
            assert isinstance(refused.value.__cause__, asyncpg.PostgresError)
        with pytest.raises(Refused) as refused:
            await execute.read(pool, None, "SELECT $1::int::text", ["not a number"])
        assert refused.value.code == "internal"

    run(test, size=1)


def test_violations_arrive_decoded(run: Callable[..., None]) -> None:
    rows = [{"rule": "大小", "row": 0}, {"rule": 'quo"te', "row": 1}]

    async def test(pool: Pool, _: Any) -> None:
        text = json.dumps(rows)
        statement = "DO $$ BEGIN RAISE 'no' USING ERRCODE = 'FW001', DETAIL = '" + text + "'; END $$"
        with pytest.raises(Violations) as refused:
            await execute.write(pool, None, statement)
        assert refused.value.rows == rows

    run(test)
