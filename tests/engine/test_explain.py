"""What PostgreSQL does with the engine's statements over some 20,000 rows: indexes are used, joins become inner ones."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from engine.base.context import Actor
from engine.lifecycle.apply import apply
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.request import RecordQuery
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.read import read_statement
from tests.tenancy import context, load_folder, opened, write_pack

TENANT = "plans"


def _documents() -> list[Mapping[str, Any]]:
    def field(type_: str, **more: Any) -> dict[str, Any]:
        return {"type": type_, "label": "f", **more}

    shelf = {
        "name": field("text"),
        "code": field("text", indexed=True),
        "secret": field("boolean"),
    }
    book = {
        "name": field("text", indexed=True),
        "day": field("date", indexed=True),
        "seen": field("datetime", indexed=True),
        "price": field("decimal", indexed=True),
        "shelf": field("lookup", to="shelf", reverse="books"),
        "age": field("formula", formula="TODAY() - day"),
        "gross": field("formula", formula="price * 1.25"),
        "place": field("formula", formula="shelf.code"),
    }
    role = {
        "kind": "role", "name": "guest", "label": "g",
        "objects": {"book": {"read": True}, "shelf": {"read": {"where": "NOT secret"}}},
    }  # fmt: skip
    pack = {"kind": "pack", "name": TENANT, "version": "1.0.0", "language": 1, "label": "P", "depends": {"core": ">=0"}}
    objects = [("shelf", shelf), ("book", book)]
    made = [{"kind": "object", "name": n, "label": n, "title": "name", "fields": f} for n, f in objects]
    return [pack, *made, role]


@dataclass
class Plans:
    rt: Runtime
    release: Release

    async def explain(self, where: str, roles: tuple[str, ...] | None = None, *order: str) -> str:
        """The plan of the page's statement, run with a caller's values."""
        rights = Rights(self.release, roles or (), roles is None)
        asked = RecordQuery(object="book", fields=("id",), where=where, order=order or ("name",), limit=200)
        planned = plan_read(asked, rights, Names(self.release, rights), None)
        statement = read_statement(planned.plan, None)
        ctx = context(self.release, Actor(UUID(int=1), roles or (), {}, operator=roles is None))
        async with self.rt.writes.connection() as conn:
            rows = await conn.fetch("EXPLAIN " + statement.text, *statement.arguments(ctx, planned.values))
        return "\n".join(row[0] for row in rows)


@pytest.fixture(scope="module")
def plans_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plans(plans_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plans]:
    folder = write_pack(tmp_path_factory.mktemp("plans") / TENANT, _documents())
    system = "id, version, created_at, modified_at, created_by, modified_by, owner"
    values = "gen_random_uuid(), 1, now(), now(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()"
    async with opened(plans_url) as rt:
        release = (await apply(rt, TENANT, load_folder(folder))).release
        async with rt.writes.connection() as conn:
            await conn.execute(
                f"INSERT INTO {release.schema}.shelf ({system}, name, code, secret)"
                f" SELECT {values}, 's' || i, 'c' || i, i % 2 = 0 FROM generate_series(1, 2000) i"
            )
            await conn.execute(
                f"INSERT INTO {release.schema}.book ({system}, name, day, seen, price, shelf)"
                f" SELECT {values}, md5(i::text), DATE '1980-01-01' + i, TIMESTAMPTZ '2000-01-01' + i * interval '1 hour',"
                f" i, s.id FROM generate_series(1, 20000) i JOIN {release.schema}.shelf s ON s.name = 's' || (i % 2000 + 1)"
            )
            await conn.execute("ANALYZE")
        yield Plans(rt, release)


SERVED = [
    ("day", "TODAY() - day = 1000"),
    ("day", "YEAR(day) = 2024"),
    ("day", "day + 30 < @1980-06-01"),
    ("day", 'DATETRUNC(day, "month") = @2024-03-01'),
    ("day", "EDATE(day, 1) < @1980-06-01"),
    ("day", "age = 1000"),
    ("seen", "DATEVALUE(seen) = @2001-05-05"),
    ("seen", "YEAR(seen) < 2000"),
    ("name", 'BEGINS(name, "ab")'),
    ("name", 'LEFT(name, 2) = "ab"'),
    ("price", "price * 2 < 100"),
    ("price", "gross < 100"),
    ("code", 'shelf.code = "c7"'),
    ("code", 'place = "c7"'),
]


@pytest.mark.parametrize(("column", "where"), SERVED)
@pytest.mark.parametrize("roles", [None, ("guest",)], ids=["operator", "guest"])
async def test_an_index_serves_the_list(plans: Plans, column: str, where: str, roles: tuple[str, ...] | None) -> None:
    plan = await plans.explain(where, roles)
    assert re.search(rf"Index Cond: \(.*\b{column}\b", plan), plan


@pytest.mark.parametrize("roles", [None, ("guest",)], ids=["operator", "guest"])
@pytest.mark.parametrize("where", ['shelf.code = "c7"', 'BEGINS(shelf.code, "c7") AND price > 10'])
async def test_a_comparison_on_a_path_makes_its_join_an_inner_one(
    plans: Plans, where: str, roles: tuple[str, ...] | None
) -> None:
    """PostgreSQL does so itself for conditions that no blank meets, so the statement keeps its LEFT JOIN."""
    plan = await plans.explain(where, roles)
    assert "Left Join" not in plan, plan
    assert re.search("(Left|Right) Join", await plans.explain("ISBLANK(shelf.code)", roles))
