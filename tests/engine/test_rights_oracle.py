"""Lists of random readers and queries, row for row and cell for cell as the naive reader of `tests/reference` sees."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from engine.base.context import OPERATOR, Actor
from engine.lifecycle.apply import apply
from tests.engine.support import PACK, ROLES, Yard
from tests.reference.rights import Unknown, View, World
from tests.tenancy import load_folder

QUERIES = int(os.environ.get("FIELDWRIGHT_TEST_QUERIES", "1000"))
"""More of them in long runs; each list is compared as a whole."""
READERS = tuple(role for role in ROLES if role != "writer")
FIELDS = {
    "job": (
        "id", "name", "code", "site", "kind", "qty", "weight", "cost", "secret", "due", "urgent", "owner", "who",
        "total", "gain", "zone", "filled", "priced", "site.name", "site.zone", "site.budget", "site.spent", "site.busy",
        "who.name", "owner.title", "stage", "version",
    ),
    "site": ("id", "name", "zone", "budget", "open", "spent", "busy"),
    "part": (
        "id", "name", "price", "bad", "job", "job.name", "job.cost", "job.gain", "job.zone", "job.site.zone",
        "job.site.busy", "job.owner.name",
    ),
}  # fmt: skip
WHERE = {
    "job": (
        "cost > 40", "cost = qty", "NOT cost > 40", "ISBLANK(cost)", "ISBLANK(secret)", 'site.zone = "north"',
        'site.zone <> "north"', "NOT ISBLANK(site.name)", "urgent", "NOT urgent", "gain >= 10", "filled = 1",
        "priced > 3", "COUNT(parts) >= 2", "SUM(parts[bad].price) = 0", "MAX(parts.price) > 5",
        "COUNT(parts[price > this.qty]) > 0",
        'kind IN ("small", "large")', 'kind NOT IN ("small")', "owner = $user.id", "who.title = $user.title",
        "due < @2026-04-01", "total > 100", 'zone = $user.title', 'site.open', "NOT site.open", "secret > cost",
        "COUNT(notes) = 0", 'name < "job 3"', 'stage = "draft"',
    ),
    "site": (
        "open", "spent > 100", "busy >= 1", 'zone = $user.title', "ISBLANK(budget)", "budget > spent",
        "COUNT(jobs[urgent]) > 0", "SUM(jobs.cost) > 50", "COUNT(jobs[gain > 0]) >= 1",
    ),
    "part": ("price > 3", "bad", "ISBLANK(job.name)", "job.cost > 30", "job.gain > 0", "job.urgent", "NOT job.urgent"),
}  # fmt: skip
UNORDERED = {"tags"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(yard: Yard) -> tuple[Yard, World]:
    """A tenant of its own with random rows, and the same rows in plain Python."""
    release = (await apply(yard.rt, "mirror", load_folder(PACK))).release
    mirror = replace(yard, release=release)
    rng = random.Random(8)
    users = {}
    for n, name in enumerate(READERS):
        title = (None, "north", "south")[n % 3]
        id_ = await mirror.create("user", name=name, email=f"{name}@example.com", title=title)
        users[name] = {"id": UUID(int=id_.int), "name": name, "title": title}
    mirror.users = users
    owners = [str(user["id"]) for user in users.values()]

    def maybe(*values: Any) -> Any:
        return rng.choice((None, *values))

    site_rows = [
        {
            "name": f"site {n}",
            "zone": maybe("north", "south", "east"),
            "open": rng.random() < 0.7,
            "budget": maybe(50, 500),
        }
        for n in range(9)
    ]
    sites = [str(site) for site in await mirror.many("site", site_rows)]
    job_rows = [
        {
            "name": f"job {n}", "code": maybe(f"c{n}"), "site": maybe(*sites), "kind": maybe("small", "large"),
            "qty": maybe(1, 2, 5, 40), "weight": maybe(1, 2), "cost": maybe(5, 40, 41, 90), "secret": maybe(1, 30, 60),
            "due": maybe("2026-03-01", "2026-05-01"), "urgent": rng.random() < 0.5, "who": maybe(*owners),
            "owner": rng.choice(owners), "memo": "closed",
        }
        for n in range(60)
    ]  # fmt: skip
    jobs = [str(job) for job in await mirror.many("job", job_rows)]
    part_rows = [
        {"name": f"part {n}", "job": maybe(*jobs), "price": rng.randint(1, 9), "bad": rng.random() < 0.4}
        for n in range(90)
    ]
    parts = await mirror.many("part", part_rows)
    await mirror.many("note", [{"text": "t", "job": rng.choice(jobs)} for _ in range(20)])
    for gone in (*parts[:5],):
        await mirror.delete("part", gone)
    rows = {}
    for obj in release.model.objects:
        table = release.table(obj).name
        found = await mirror.sql(f'SELECT * FROM {{s}}."{table}" WHERE deleted_at IS NULL')
        rows[obj] = [{k: UUID(int=v.int) if isinstance(v, UUID) else v for k, v in dict(row).items()} for row in found]
    return mirror, World(release.model, rows)


def shown(value: Any) -> Any:
    """A value as the answer has it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def reader(mirror: Yard, rng: random.Random) -> tuple[Actor, tuple[str, ...]]:
    name = rng.choice(READERS)
    roles = tuple(dict.fromkeys((name, *rng.sample(READERS, rng.choice((0, 0, 1, 2))))))
    return Actor(mirror.users[name]["id"], roles, mirror.users[name]), roles


@pytest.mark.parametrize("seed", range(8))
async def test_lists_are_what_the_naive_reader_sees(filled: tuple[Yard, World], seed: int) -> None:
    mirror, world = filled
    rng = random.Random(seed)
    refused = answered = cells = 0
    for _ in range(QUERIES // 8):
        actor, roles = reader(mirror, rng)
        view = View(world, roles, actor.attributes)
        obj = rng.choice(tuple(FIELDS))
        usable = [f for f in FIELDS[obj] if _exists(view, obj, f)] if rng.random() < 0.9 else list(FIELDS[obj])
        fields = tuple(dict.fromkeys(rng.choices(usable or FIELDS[obj], k=rng.randint(1, 5))))
        parts = rng.sample(WHERE[obj], rng.choice((0, 1, 1, 2)))
        where = (
            rng.choice((" AND ", " OR ")).join(f"NOT ({p})" if rng.random() < 0.3 else f"({p})" for p in parts) or None
        )
        order = tuple(
            rng.choice(("", "-")) + key for key in rng.sample(usable, min(len(usable), rng.choice((0, 1, 2))))
        )
        asked = (roles, obj, fields, where, order)
        try:
            wanted = view.query(obj, fields, where, order) if view.grants(obj) else None
        except Unknown:
            wanted = None
        asking = mirror.listed(obj, actor, fields=fields, where=where, order=order)
        if wanted is None:
            code = (await mirror.refused(asking)).code
            assert code == ("query.invalid" if view.grants(obj) else "object.unknown"), asked
            refused += 1
            continue
        got = await asking
        assert got == [{k: shown(v) for k, v in row.items()} for row in wanted], asked
        answered += 1
        cells += len(got) * len(fields)
    assert answered > refused
    assert cells > answered


def _exists(view: View, obj: str, path: str) -> bool:
    try:
        view.check(obj, path.split("."))
    except Unknown:
        return False
    return True


async def test_the_reader_of_everything_sees_everything(filled: tuple[Yard, World]) -> None:
    """The naive reader itself: with no roles it is the system, and the operator is no less."""
    mirror, world = filled
    fields = ("id", "name", "secret", "filled", "gain", "site.zone", "priced")
    wanted = View(world, None, {}).query("job", fields, None, ("-cost", "name"))
    got = await mirror.listed("job", OPERATOR, fields=fields, order=("-cost", "name"))
    assert got == [{k: shown(v) for k, v in row.items()} for row in wanted]
    assert len(got) == 60
    assert Decimal(1) in {row["filled"] for row in got}
