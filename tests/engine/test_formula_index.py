"""Indexed formulas: PostgreSQL takes the index for filters, order and pages of what a caller asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from engine.base.clock import Clock
from engine.base.context import OPERATOR, Actor, Context
from engine.lifecycle.apply import apply
from engine.lifecycle.plan import lines, plan
from engine.migrate.present import present
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery
from engine.records.read import read_page
from engine.release.identity import names_expression_index
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from metamodel.load import Loaded
from tests.tenancy import context, create, load_folder, opened, read, sql, write_pack

ROWS = 20_000
FORMULAS: dict[str, dict[str, Any]] = {
    "score": {"formula": "price / qty", "scale": 2},
    "worth": {"formula": "price * 2"},
    "label": {"formula": 'UPPER(LEFT(name, 3)) & "-" & code'},
    "month": {"formula": "DATE(YEAR(due), MONTH(due), 1)"},
    "day": {"formula": "DATEVALUE(at)"},
    "late": {"formula": 'due < @2024-01-20 AND NOT active AND name <> "x"'},
    "band": {"formula": 'IF(price > 19990, "high", IF(stage.category = "won", "won", "low"))'},
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "pack": {"kind": "pack", "name": "store", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    "good": {
        "kind": "object", "name": "good", "title": "name",
        "fields": {
            "name": {"type": "text", "required": True, "max_length": 40}, "code": {"type": "text", "max_length": 20},
            "price": {"type": "money"}, "secret": {"type": "money"}, "qty": {"type": "integer"},
            "due": {"type": "date"}, "at": {"type": "datetime"}, "active": {"type": "boolean"},
            "stage": {"type": "stage", "process": "life"},
            **{name: {"type": "formula", "indexed": True, **made} for name, made in FORMULAS.items()},
            "twice": {"type": "formula", "formula": "score * 2"},
        },
    },
    "life": {
        "kind": "process", "name": "life", "object": "good", "field": "stage", "start": ["new"],
        "stages": {"new": {"category": "open"}, "sold": {"category": "won"}},
        "moves": [{"from": "new", "to": "sold"}],
    },
    "viewer": {"kind": "role", "name": "viewer", "objects": {"good": {"read": {"where": "price > -1"}}}},
}  # fmt: skip

FILL = """
INSERT INTO {s}.good (id, version, owner, created_at, created_by, modified_at, modified_by, name, code, price, qty, due,
  at, active, stage, stage__entered_at)
SELECT gen_random_uuid(), 1, $1, now(), $1, now(), $1, 'name ' || n, 'c' || n, n, n % 5, date '2024-01-01' + n / 10,
  timestamptz '2024-01-01 10:00+00' + n * interval '1 hour', n % 20 <> 0, 'new', now()
FROM generate_series(1, $2) AS n
"""


def store(folder: Path, edit: Callable[[dict[str, dict[str, Any]]], object] | None = None) -> Loaded:
    documents = deepcopy(DOCUMENTS)
    if edit:
        edit(documents)
    return load_folder(write_pack(folder, documents.values()))


class Store:
    def __init__(self, rt: Runtime, release: Release) -> None:
        self.rt, self.release = rt, release

    async def sql(self, text: str, *args: Any) -> list[Any]:
        return await sql(self.rt.url, text.replace("{s}", f'"{self.release.schema}"'), *args)

    async def explained(
        self, *, cursor: list[str | None] | None = None, actor: Actor = OPERATOR, **query: Any
    ) -> str:
        """The plan of the statement that answers the query, with the caller's values as its parameters."""
        rights = self.rt.rights(actor, self.release)
        asked = RecordQuery(object="good", fields=("name", "price"), **{"limit": 20, **query})
        planned = plan_read(asked, rights, Names(self.release, rights), cursor and tuple(text is None for text in cursor))
        statement = read_statement(planned.plan, self.rt.collation)
        args = statement.arguments(Context(actor, self.release.tenant, Clock().now()), planned.behind(cursor or ()))
        return "\n".join(row[0] for row in await self.sql("EXPLAIN (ANALYZE, COSTS OFF) " + statement.text, *args))

    async def indexes(self) -> set[str]:
        found = await self.sql("SELECT indexname FROM pg_indexes WHERE schemaname = $1", self.release.schema)
        return {row["indexname"] for row in found if names_expression_index(row["indexname"])}


@pytest.fixture(scope="module")
def full_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def full(full_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with opened(full_url) as rt:
        release = (await apply(rt, "full", store(tmp_path_factory.mktemp("full") / "store"))).release
        made = Store(rt, release)
        await made.sql(FILL, UUID(int=1), ROWS)
        await made.sql("ANALYZE {s}.good")
        yield made


QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("score", {"where": "score > 19900"}),
    ("score", {"where": "score = 5"}),
    ("score", {"where": "score >= 10 AND score < 11"}),
    ("score", {"equals": (("score", "5"),)}),
    ("score", {"order": ("score",)}),
    ("score", {"order": ("-score",)}),
    ("score", {"order": ("-score",), "cursor": ["17.5", str(UUID(int=5))]}),
    ("worth", {"where": "worth = 4"}),
    ("worth", {"order": ("-worth",), "cursor": ["100", str(UUID(int=5))]}),
    ("label", {"where": 'label = "NAM-c77"'}),
    ("label", {"where": 'BEGINS(label, "NAM-c777")'}),
    ("label", {"order": ("label",)}),
    ("month", {"where": "month = @2024-03-01"}),
    ("month", {"where": "month >= @2024-03-01 AND month < @2024-04-01"}),
    ("day", {"where": "day = @2024-03-01"}),
    ("day", {"order": ("-day",)}),
    ("late", {"where": "late"}),
    ("late", {"where": "late AND price > 20"}),
    ("late", {"where": "late = TRUE"}),
    ("late", {"equals": (("late", "true"),)}),
    ("band", {"where": 'band = "high"'}),
]


@pytest.mark.parametrize(("field", "query"), QUERIES, ids=[f"{n}:{q}"[:60] for n, q in QUERIES])
async def test_the_index_serves(full: Store, field: str, query: dict[str, Any]) -> None:
    """`indexed: true` on a formula."""
    shown = await full.explained(**query)
    assert f"good__{field}__" in shown and "Seq Scan" not in shown, shown
    if "order" in query:
        assert "Sort Key" not in shown.split("CTE Scan")[0], shown


async def test_a_reader_of_some_rows_has_the_index_too(full: Store) -> None:
    viewer = Actor(UUID(int=9), ("viewer",), {})
    for query in ({"where": "score = 5"}, {"order": ("-score",)}):
        shown = await full.explained(actor=viewer, **query)
        assert "good__score__" in shown and "Seq Scan" not in shown, shown


async def test_pages_of_an_order_hold_every_record_once(full: Store) -> None:
    seen: list[str] = []
    for direction in ("score", "-score"):
        query: dict[str, Any] = {"order": (direction,), "where": "price <= 500"}
        found = await _all(full, **query)
        seen = [row["id"] for row in found]
        assert len(seen) == len(set(seen)) == 500
        scores = [row["score"] for row in found if row["score"] is not None]
        assert scores == sorted(scores, reverse=direction == "-score") and len(scores) == 400


async def _all(full: Store, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        asked = RecordQuery(object="good", fields=("id", "score"), limit=200, after=after, **query)
        page = await read_page(full.rt, context(full.release), full.release, asked)
        found += json.loads(page.items, parse_float=Decimal)
        after = page.next
        if after is None:
            return found


async def test_an_error_is_blank_in_the_index_and_an_error_elsewhere(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        release = (await apply(rt, "errors", store(tmp_path / "store"))).release
        await create(rt, release, "good", {"name": "none", "price": 5, "qty": 0}, {"name": "one", "price": 5, "qty": 1})
        rows = await read(rt, release, "good", "name", "score", "twice", order=("score",))
        assert [(r["name"], r["score"], r["twice"]) for r in rows] == [("one", 5, 10), ("none", None, None)]

        async def names(where: str) -> list[str]:
            return [row["name"] for row in await read(rt, release, "good", "name", where=where)]

        assert await names("score > 1") == ["one"]
        assert await names("NOT score > 1") == []
        assert await names("ISERROR(score)") == ["none"] == await names("ISERROR(twice)")
        assert await names("IFERROR(score, 7) = 7") == ["none"]
        assert await names("ISBLANK(score)") == []


async def test_building_changing_and_ending(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        folder = tmp_path / "store"

        def plain(d: dict[str, dict[str, Any]]) -> None:
            for name in FORMULAS:
                del d["good"]["fields"][name]["indexed"]

        first = (await apply(rt, "changing", store(folder, plain))).release
        made = Store(rt, first)
        await made.sql(FILL, UUID(int=1), 100)
        assert await made.indexes() == set()
        shown = lines(await plan(rt, "changing", store(folder)))
        built = [line for line in shown if line.startswith("  build index good__score__")]
        assert len(built) == 1 and built[0].endswith("(lock: reads and writes go on)"), shown
        await apply(rt, "changing", store(folder))
        before = await made.indexes()
        assert len(before) == len(FORMULAS) and (await plan(rt, "changing", store(folder))).empty

        def other(d: dict[str, dict[str, Any]]) -> None:
            d["good"]["fields"]["score"]["formula"] = "price / (qty + 1)"
            d["life"]["stages"]["sold"]["category"] = "lost"
            del d["good"]["fields"]["late"]["indexed"]

        found = await plan(rt, "changing", store(folder, other))
        shown = lines(found)
        assert sum("build index" in line for line in shown) == 2 and sum("drop index" in line for line in shown) == 3
        await apply(rt, "changing", store(folder, other))
        after = await made.indexes()
        assert len(after) == len(FORMULAS) - 1
        changed = {name.split("__")[1] for name in before ^ after}
        assert changed == {"score", "band", "late"}


async def test_what_an_interrupted_build_left_is_built_again(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        release = (await apply(rt, "broken", store(tmp_path / "store"))).release
        made = Store(rt, release)
        name = next(n for n in await made.indexes() if "score" in n)
        await made.sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT c.oid FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)", release.schema, name,
        )  # fmt: skip
        shown = lines(await plan(rt, "broken", store(tmp_path / "store")))
        assert [line.split(" (")[0].strip() for line in shown] == [f"drop invalid index {name}", f"build index {name}"]
        await apply(rt, "broken", store(tmp_path / "store"))
        async with rt.reads.connection() as conn:
            there = await present(conn, release.schema)
        assert there.indexes["good"][name] is True
