"""Seeds: created once through the ordinary door, references resolved, then left to the tenant."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

from engine.lifecycle.apply import apply
from tests.lifecycle.support import Documents, changed
from tests.tenancy import opened, read, refusing, sql, update

TEAMS = {
    "kind": "seed",
    "name": "teams",
    "object": "team",
    "key": "code",
    "records": [
        {"code": "HQ", "name": "Head office"},
        {"code": "EAST", "name": "East", "parent": "HQ", "active": False},
    ],
}
BOXES = {
    "kind": "seed",
    "name": "boxes",
    "object": "crate",
    "key": "mark",
    "records": [
        {"mark": "A", "team": "EAST", "price": 12.30, "share": "15%", "since": "2024-02-29", "tags": ["red", "blue"]},
        {"mark": "B", "team": None, "keeper": "Fieldwright"},
    ],
}
CRATE = {
    "kind": "object",
    "name": "crate",
    "title": "mark",
    "fields": {
        "mark": {"type": "text", "required": True, "unique": True},
        "team": {"type": "lookup", "to": "team", "reverse": "crates"},
        "keeper": {"type": "user", "reverse": "crates"},
        "price": {"type": "money"},
        "share": {"type": "percent"},
        "since": {"type": "date"},
        "tags": {"type": "multi_select", "options": "shades"},
    },
    "rules": {"cheap": {"valid_when": "ISBLANK(price) OR price < 100", "on": ["create"], "message": "too dear"}},
}


def seeded(d: Documents, boxes: Documents = BOXES) -> None:
    d.update(crate=CRATE, teams=TEAMS, boxes=boxes)


async def test_records_of_seeds_are_created_once_by_their_key_and_refer_to_each_other(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url) as rt:
        done = await apply(rt, "seeds", changed(tmp_path / "depot", seeded))
        assert done.seeded == len(TEAMS["records"]) + len(BOXES["records"])
        fields = ("mark", "team.code", "team.parent.code", "keeper.name", "price", "share", "since", "tags")
        rows = await read(rt, done.release, "crate", *fields, order=("mark",))
        assert [tuple(row.values()) for row in rows] == [
            ("A", "EAST", "HQ", None, Decimal("12.3"), Decimal("0.15"), "2024-02-29", ["red", "blue"]),
            ("B", None, None, "Fieldwright", None, None, None, None),
        ]
        teams = await read(rt, done.release, "team", "id", "code", "active", order=("code",))
        assert [team["active"] for team in teams] == [False, True]
        assert {row["door"] for row in await sql(database_url, "SELECT door FROM t_seeds._history")} <= {"seed"}

        # What the tenant changes is the tenant's.
        await update(rt, done.release, "team", teams[0]["id"], name="Far East")
        again = await apply(rt, "seeds", changed(tmp_path / "depot", seeded))
        assert again.seeded == 0 and again.release.number == 1
        assert {row["name"] for row in await read(rt, done.release, "team", "name")} == {"Head office", "Far East"}


async def test_a_record_added_to_a_seed_comes_with_the_next_apply(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        await apply(rt, "more", changed(tmp_path / "depot", seeded))
        more = {**BOXES, "records": [*BOXES["records"], {"mark": "C", "team": "HQ"}]}
        done = await apply(rt, "more", changed(tmp_path / "depot", lambda d: seeded(d, more)))
        assert done.seeded == 1 and done.release.number == 2
        rows = await read(rt, done.release, "crate", "mark", "team.code", equals=(("mark", "C"),))
        assert [row["team.code"] for row in rows] == ["HQ"]


async def test_a_seed_passes_the_rules_and_an_unknown_reference_is_refused(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as rt:
        for record, code, text in (
            ({"mark": "X", "price": 500}, "record.rule", "too dear"),
            ({"mark": "X", "team": "NOWHERE"}, "record.reference", 'no team with code "NOWHERE"'),
        ):
            wrong = {**BOXES, "records": [record]}
            with refusing(code, text):
                await apply(rt, "wrong", changed(tmp_path / "depot", partial(seeded, boxes=wrong)))
        release = await rt.store.release("wrong")
        assert await read(rt, release, "crate", "mark") == [] and len(await read(rt, release, "team", "id")) == 2
