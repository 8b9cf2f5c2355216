"""Assignments: who gets what is decided as a naive model says, caps and turns hold with many at once, and is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base.context import OPERATOR, Actor
from engine.base.errors import Refused
from engine.lifecycle.apply import apply
from engine.records.assignment import Assigned, assign, assignments_of, matching
from engine.records.bin import delete
from engine.records.pool import claim, give_back
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.assignment import ROUND, decision
from tests.tenancy import context, create, load_folder, opened, read, refusing, sql, update, write_pack

TEXT = {"type": "text", "required": True}
DOCUMENTS: list[dict[str, Any]] = [
    {"kind": "pack", "name": "desk", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
    {
        "kind": "object", "name": "seat", "title": "name",
        "fields": {
            "name": TEXT, "who": {"type": "user", "reverse": "seats"}, "area": {"type": "text"},
            "places": {"type": "integer"}, "most": {"type": "integer"},
        },
    },
    {
        "kind": "object", "name": "absence", "title": "name",
        "fields": {
            "name": TEXT, "who": {"type": "user", "reverse": "absences"}, "from": {"type": "date"},
            "to": {"type": "date"},
        },
    },
    {
        "kind": "object", "name": "basin", "title": "name",
        "fields": {"name": TEXT, "most": {"type": "integer"}, "days": {"type": "integer"}},
    },
    {
        "kind": "object", "name": "member", "title": "name",
        "fields": {"name": TEXT, "who": {"type": "user"}, "basin": {"type": "lookup", "to": "basin", "reverse": "members"}},
    },
    {"kind": "object", "name": "firm", "title": "name", "fields": {"name": TEXT}},
    {
        "kind": "object", "name": "ask", "title": "name",
        "fields": {
            "name": TEXT, "area": {"type": "text"}, "open": {"type": "boolean", "default": True},
            "firm": {"type": "lookup", "to": "firm"}, "helper": {"type": "user", "indexed": True},
            "expert": {"type": "user"}, "basin": {"type": "lookup", "to": "basin"}, "sealed": {"type": "boolean"},
        },
        "rules": {"unsealed": {"valid_when": "NOT sealed OR ISBLANK(helper)", "message": "It is sealed"}},
    },
    {
        "kind": "assignment", "name": "asks", "label": {"en": "Asks", "zh-CN": "分派"}, "object": "ask",
        "field": "helper", "when": "ISBLANK(helper)", "keep_owner_of": "IF(area = \"firm\", firm.owner, NULL)",
        "open_when": "open", "absent_when": "EXISTS(absences[from <= TODAY() AND to >= TODAY()])",
        "entries": {
            "turns": {
                "label": {"en": "In turns", "zh-CN": "轮流"}, "when": 'area = "turns"',
                "to": {"members": 'EXISTS(seats[area = "turns"])'}, "cap": {"per_day": 100},
            },
            "weights": {
                "when": 'area = "weights"', "to": {"members": 'EXISTS(seats[area = "weights"])'},
                "strategy": "weighted", "weight": "SUM(seats.places)",
            },
            "fewest": {
                "when": 'area IN ("fewest", "capped")', "to": {"members": "EXISTS(seats[area = \"fewest\"])"},
                "strategy": "least_open", "cap": {"open": "SUM(seats.most)"},
            },
            "named": {"when": 'area = "named"', "to": {"user": "expert"}, "cap": {"open": 2}},
        },
        "fallback": {"user": "IF(area = \"capped\", expert, NULL)"},
        "message": {"en": "An ask is yours", "zh-CN": "有新的请求"},
        "pool": {
            "field": "basin", "members": "EXISTS(members[who = $user.id])", "claims_per_day": "most",
            "reclaim_after": "days",
        },
    },
    {
        "kind": "role", "name": "clerk",
        "objects": {"ask": {"read": {"where": 'area <> "hidden"'}, "edit": True}, "user": {"read": {"where": "id = $user.id"}}},
    },
    {"kind": "role", "name": "reader", "objects": {"ask": {"read": {"fields": ["name"]}}}},
]  # fmt: skip


@dataclass(slots=True)
class Desk:
    rt: Runtime
    release: Release
    url: str

    async def people(self, area: str, *seats: Mapping[str, Any], count: int = 0) -> list[UUID]:
        """New users who alone are the members of the entry for an area."""
        for row in await read(self.rt, self.release, "seat", "id"):
            ctx = context(self.release)
            await delete(self.rt, ctx, self.release, "seat", UUID(row["id"]), None)
        wanted = [*seats, *({} for _ in range(count - len(seats)))]
        n = len(await read(self.rt, self.release, "user", "id"))
        rows = [{"name": f"u{n + k}", "email": f"u{n + k}@desk.example"} for k in range(len(wanted))]
        users = await create(self.rt, self.release, "user", *rows)
        chairs = [{"name": "s", "who": str(u), "area": area, **seat} for u, seat in zip(users, wanted, strict=True)]
        await create(self.rt, self.release, "seat", *chairs)
        return users

    async def asks(self, area: str, count: int, **row: Any) -> list[UUID]:
        return await create(self.rt, self.release, "ask", *({"name": f"a{n}", "area": area, **row} for n in range(count)))

    async def assign(self, records: Sequence[UUID], actor: Actor = OPERATOR, **more: Any) -> Assigned:
        return await assign(self.rt, context(self.release, actor), self.release, "asks", records, **more)

    async def helpers(self, records: Sequence[UUID]) -> list[UUID | None]:
        text = f'SELECT id, helper FROM "{self.release.schema}".ask WHERE id = ANY($1)'
        found = {row["id"]: row["helper"] for row in await sql(self.url, text, list(records))}
        return [found[record] for record in records]


@pytest.fixture(scope="module")
def desk_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(desk_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    url = desk_url
    folder = write_pack(tmp_path_factory.mktemp("assignments") / "desk", DOCUMENTS)
    async with opened(url, pool_size=10) as rt:
        release = (await apply(rt, "desk", load_folder(Path(folder)))).release
        yield Desk(rt, release, url)


async def test_records_go_round(desk: Desk) -> None:
    """A thousand `entries` of one `name` to `members` in a second, evenly; the next run goes on where it ended. The
    `object`, `field` and `when` say what is set where: who has a helper keeps it."""
    users = await desk.people("turns", count=13)
    records = await desk.asks("turns", 1000)
    done = await desk.assign(records)
    shares = Counter(d.chosen for d in done.decisions)
    assert set(shares) == set(users) and max(shares.values()) - min(shares.values()) <= 1
    assert Counter(await desk.helpers(records)) == shares
    assert {d.entry for d in done.decisions} == {"turns"}
    assert not (await desk.assign(records)).decisions
    one_by_one = await desk.asks("turns", 30)
    for record in one_by_one:
        await desk.assign([record])
    shares += Counter(await desk.helpers(one_by_one))
    assert max(shares.values()) - min(shares.values()) <= 1


async def test_a_day_is_capped(desk: Desk) -> None:
    """The `cap` of `per_day` counts what the assignment gave today."""
    users = await desk.people("turns", count=1)
    done = await desk.assign(await desk.asks("turns", 130))
    assert Counter(d.chosen for d in done.decisions) == {users[0]: 100, None: 30}
    again = await desk.assign(await desk.asks("turns", 1))
    assert [c.out for c in again.considered["turns"]] == ["per_day"] and again.decisions[0].missed == ["turns"]
    tomorrow = context(desk.release, now=desk.rt.clock.now().replace(year=2100))
    later = await assign(desk.rt, tomorrow, desk.release, "asks", await desk.asks("turns", 1))
    assert later.decisions[0].chosen == users[0]


async def test_weights_and_absences(desk: Desk) -> None:
    """The `strategy` weighted by `weight`; who is absent by `absent_when`, inactive or deleted gets nothing."""
    weights = (5, 3, 2, 0, 4, 4, 4)
    users = await desk.people("weights", *({"places": weight} for weight in weights))
    today = context(desk.release).today.isoformat()
    await create(desk.rt, desk.release, "absence", {"name": "x", "who": str(users[4]), "from": today, "to": today})
    await update(desk.rt, desk.release, "user", users[5], active=False)
    schema = desk.release.schema
    await sql(desk.url, f'INSERT INTO "{schema}"._login (user_id, login, active) VALUES ($1, $2, false)', users[6], "off")
    done = await desk.assign(await desk.asks("weights", 100))
    assert Counter(d.chosen for d in done.decisions) == {users[0]: 50, users[1]: 30, users[2]: 20}
    out = {c.user: c.out for c in done.considered["weights"]}
    assert [out[user] for user in users] == [None, None, None, "weight", "absent", "inactive", "inactive"]


async def test_the_fewest_open_and_who_is_left(desk: Desk) -> None:
    """`least_open` counts what is `open` by `open_when` and `to` whom no more goes by its `cap`; then `fallback`. A
    certain `user` has caps too."""
    users = await desk.people("fewest", {"most": 4}, {"most": 10}, {"most": 3})
    (expert,) = await desk.people("other", count=1)
    await desk.people("other")
    seats = [{"name": "s", "who": str(u), "area": "fewest", "most": n} for u, n in zip(users, (4, 10, 3), strict=True)]
    await create(desk.rt, desk.release, "seat", *seats)
    await desk.asks("fewest", 3, helper=str(users[0]))
    await desk.asks("fewest", 5, helper=str(users[1]), open=False)
    done = await desk.assign(await desk.asks("capped", 20, expert=str(expert)))
    assert Counter((d.entry, d.chosen) for d in done.decisions) == {
        ("fewest", users[0]): 1, ("fewest", users[1]): 10, ("fewest", users[2]): 3, ("fallback", expert): 6,
    }  # fmt: skip
    assert {tuple(d.missed) for d in done.decisions if d.entry == "fallback"} == {("fewest",)}
    (named,) = await desk.people("other", count=1)
    done = await desk.assign(await desk.asks("named", 3, expert=str(named)))
    assert Counter(d.chosen for d in done.decisions) == {named: 2, None: 1}


async def test_the_owner_of_something_else_keeps_it(desk: Desk) -> None:
    """`keep_owner_of` comes before every entry."""
    (user,) = await desk.people("turns", count=1)
    (firm,) = await create(desk.rt, desk.release, "firm", {"name": "f", "owner": str(user)})
    done = await desk.assign(await desk.asks("firm", 2, firm=str(firm)))
    assert {(d.entry, d.chosen) for d in done.decisions} == {("keep_owner_of", user)}


async def test_many_at_once_neither_double_nor_pass_a_cap(desk: Desk) -> None:
    users = await desk.people("fewest", *({"most": 10} for _ in range(5)))
    records = await desk.asks("fewest", 80)
    await asyncio.gather(*(desk.assign(records[n::8]) for n in range(8)))
    assert Counter(await desk.helpers(records)) == {**dict.fromkeys(users, 10), None: 30}
    users = await desk.people("turns", count=7)
    records = await desk.asks("turns", 80)
    await asyncio.gather(*(desk.assign(records[n::8]) for n in range(8)), *(desk.assign(records) for _ in range(3)))
    shares = Counter(await desk.helpers(records))
    assert set(shares) == set(users) and max(shares.values()) - min(shares.values()) <= 1
    text = f'SELECT record, count(*) FROM "{desk.release.schema}"._assignment_log WHERE record = ANY($1) GROUP BY 1'
    assert {row["count"] for row in await sql(desk.url, text, records)} == {1}


async def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    await desk.people("turns", count=3)
    records = await desk.asks("turns", 5)
    dry = await desk.assign(records, dry=True)
    assert await desk.helpers(records) == [None] * 5
    done = await desk.assign(records)
    assert [d.chosen for d in dry.decisions] == [d.chosen for d in done.decisions]


async def test_what_rules_refuse_stays(desk: Desk) -> None:
    await desk.people("turns", count=2)
    good, bad = await desk.asks("turns", 2), await desk.asks("turns", 1, sealed=True)
    done = await desk.assign([*good, *bad])
    assert {d.record for d in done.decisions if d.faults} == set(bad) and len(done.decisions) == 3
    assert [bool(user) for user in await desk.helpers([*good, *bad])] == [True, True, False]
    (told,) = await assignments_of(desk.rt, context(desk.release), desk.release, "ask", bad[0])
    assert [fault["rule"] for fault in told["refused"]] == ["unsealed"]
    with refusing("record.invalid"):
        await desk.assign(bad, unattended=True)


async def test_decisions_are_told_within_the_rights_of_the_reader(desk: Desk) -> None:
    """With the `label` of assignment and entry, who was considered, and a notification by `message`."""
    users = await desk.people("turns", count=2)
    (record,) = await desk.asks("turns", 1)
    (made,) = (await desk.assign([record])).decisions
    (told,) = await assignments_of(desk.rt, context(desk.release, locale="zh-CN"), desk.release, "ask", record)
    assert (told["label"], told["entry"], told["entry_label"]) == ("分派", "turns", "轮流")
    assert told["user"] == made.chosen and told["place"] == 1 and told["refused"] == []
    assert {c["user"] for c in told["considered"]["turns"]} == {str(user) for user in users}
    rows = await read(desk.rt, desk.release, "notification", "message", where=f'about_record = "{record}"')
    assert [row["message"] for row in rows] == ["An ask is yours"]
    other = next(user for user in users if user != made.chosen)
    some = clerk(other)
    (seen,) = await assignments_of(desk.rt, context(desk.release, some), desk.release, "ask", record)
    assert seen["user"] is None and [c["user"] for c in seen["considered"]["turns"]] == [str(other)]
    reader = Actor(other, ("reader",), {"id": other})
    assert await assignments_of(desk.rt, context(desk.release, reader), desk.release, "ask", record) == []
    with refusing("access.denied"):
        await desk.assign([record], reader)
    with refusing("assignment.unknown"):
        await assign(desk.rt, context(desk.release), desk.release, "others", [record])
    hidden = await desk.asks("hidden", 1)
    assert (await desk.assign(hidden, some)).decisions == []
    with refusing("record.unknown"):
        await assignments_of(desk.rt, context(desk.release, some), desk.release, "ask", hidden[0])


async def basin(desk: Desk, count: int, members: Sequence[UUID], **more: Any) -> tuple[UUID, list[UUID]]:
    """The keeper of a new pool, and records in it."""
    (keeper,) = await desk.people("pool", count=1)
    (pool,) = await create(desk.rt, desk.release, "basin", {"name": "b", "owner": str(keeper), **more})
    rows = [{"name": "m", "who": str(user), "basin": str(pool)} for user in members]
    await create(desk.rt, desk.release, "member", *rows)
    return keeper, await desk.asks("pool", count, helper=str(keeper), basin=str(pool))


def clerk(user: UUID) -> Actor:
    return Actor(user, ("clerk",), {"id": user})


async def test_members_claim_from_a_pool_and_give_back(desk: Desk) -> None:
    """A `pool` of the `field`: its `members` claim so many by `claims_per_day`, and not again before `reclaim_after`."""
    ann, bob, eve = await desk.people("pool", count=3)
    keeper, records = await basin(desk, 4, (ann, bob), most=2, days=3)

    async def claimed(user: UUID, record: UUID, **more: Any) -> None:
        await claim(desk.rt, context(desk.release, clerk(user), **more), desk.release, "ask", record)

    with refusing("access.denied"):
        await claimed(eve, records[0])
    await claimed(ann, records[0])
    with refusing("pool.taken"):
        await claimed(bob, records[0])
    await claimed(ann, records[1])
    with refusing("pool.limit"):
        await claimed(ann, records[2])
    with refusing("record.unknown"):
        await claimed(ann, (await desk.asks("hidden", 1))[0])
    with refusing("pool.unknown"):
        await claimed(ann, (await desk.asks("pool", 1))[0])
    assert await desk.helpers(records) == [ann, ann, keeper, keeper]
    await give_back(desk.rt, context(desk.release, clerk(ann)), desk.release, "ask", records[0])
    with refusing("pool.there"):
        await give_back(desk.rt, context(desk.release), desk.release, "ask", records[0])
    now = desk.rt.clock.now()
    with refusing("pool.again"):
        await claimed(ann, records[0], now=now + timedelta(days=2))
    await claimed(bob, records[0])
    await give_back(desk.rt, context(desk.release, clerk(bob)), desk.release, "ask", records[0])
    await claimed(ann, records[0], now=now + timedelta(days=4))
    told = await assignments_of(desk.rt, context(desk.release), desk.release, "ask", records[0])
    assert [(d["entry"], d["user"], d["before"]) for d in told] == [
        ("claim", ann, keeper), ("release", keeper, bob), ("claim", bob, keeper), ("release", keeper, ann),
        ("claim", ann, keeper),
    ]  # fmt: skip


async def test_many_claims_at_once(desk: Desk) -> None:
    """One record goes to one person, and nobody gets more than the limit."""
    users = await desk.people("pool", count=4)
    keeper, records = await basin(desk, 6, users, most=2)
    jobs = [
        claim(desk.rt, context(desk.release, clerk(user)), desk.release, "ask", record)
        for record in records for user in users
    ]  # fmt: skip
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert {r.code for r in results if isinstance(r, Refused)} <= {"pool.taken", "pool.limit"}
    shares = Counter(await desk.helpers(records))
    assert keeper not in shares and max(shares.values()) <= 2
    assert sum(not isinstance(r, BaseException) for r in results) == 6


async def test_a_condition_finds_pages_of_records(desk: Desk) -> None:
    for count in (600, 500):
        await desk.asks("paged", count)
    ctx = context(desk.release)
    first, after = await matching(desk.rt, ctx, desk.release, "ask", 'area = "paged"', None)
    rest, end = await matching(desk.rt, ctx, desk.release, "ask", 'area = "paged"', after)
    assert (len(first), len(rest), end) == (1000, 100, None) and not set(first) & set(rest)


def uid(n: int) -> str:
    return str(UUID(int=n))


WEIGHTS = st.sampled_from([None, -1, 0, 0.5, 1, 1, 2, 2.25, 3, 7, 10])
CAPS = st.sampled_from([None, None, 0, 1, 2.9, 5, 12])


@st.composite
def desks(draw: st.DrawFn) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    strategies = draw(st.lists(st.sampled_from(["named", "round_robin", "weighted", "least_open"]), min_size=1, max_size=4))
    places, many = len(strategies), st.booleans()
    people = [
        {
            "id": uid(n + 1), "active": draw(st.integers(0, 5)) > 0, "absent": draw(st.integers(0, 5)) == 0,
            "opened": draw(st.integers(0, 6)), "today": draw(st.integers(0, 3)),
            "fits": [s != "named" and draw(many) for s in strategies],
            "weight": [draw(WEIGHTS) if s == "weighted" else None for s in strategies],
            "cap_open": [draw(CAPS) for _ in range(places)], "cap_day": [draw(CAPS) for _ in range(places)],
        }
        for n in range(draw(st.integers(1, 6)))
    ]  # fmt: skip
    who = st.sampled_from([None, *(p["id"] for p in people)])
    records = [
        {"id": uid(1000 + n), "now": None, "fits": [draw(many) for _ in strategies],
         "named": [draw(who) if s == "named" else None for s in strategies]}
        for n in range(draw(st.integers(0, 25)))
    ]  # fmt: skip
    turns = {
        f"e{n}": {
            "turn": draw(st.integers(0, 5)) * ROUND // 2,
            "next": {p["id"]: draw(st.integers(0, 12)) * ROUND // 2 for p in people if draw(many)},
        }
        for n, strategy in enumerate(strategies) if strategy != "named" and draw(many)
    }  # fmt: skip
    return strategies, records, people, turns


def naive(
    strategies: list[str], records: list[dict[str, Any]], people: list[dict[str, Any]], turns: dict[str, Any]
) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """One record after the other."""
    after, decided = json.loads(json.dumps(turns)), {}
    got: Counter[str] = Counter()
    known = {p["id"]: p for p in people}

    def free(person: dict[str, Any], n: int) -> bool:
        caps = ((person["opened"], person["cap_open"][n]), (person["today"], person["cap_day"][n]))
        weighs = strategies[n] != "weighted" or (person["weight"][n] or 0) > 0
        full = any(cap is not None and has + got[person["id"]] >= int(cap) for has, cap in caps)
        return person["active"] and not person["absent"] and weighs and not full

    def step(person: dict[str, Any], n: int) -> int:
        if strategies[n] != "weighted":
            return ROUND
        gap = Context(prec=60).divide(Decimal(ROUND), Decimal(str(person["weight"][n])))
        return max(int(gap.quantize(Decimal(1), ROUND_HALF_UP)), 1)

    for n, strategy in enumerate(strategies):
        left = [r for r in records if r["fits"][n] and r["id"] not in decided]
        if not left:
            continue
        members = [p for p in people if p["fits"][n]]
        state = turns.get(f"e{n}", {"turn": 0, "next": {}})
        turn, ahead = state["turn"], {p["id"]: state["next"][p["id"]] for p in members if p["id"] in state["next"]}
        for person in members:
            if free(person, n):
                ahead.setdefault(person["id"], turn + step(person, n) // 2)
                if strategy != "least_open":
                    ahead[person["id"]] = max(ahead[person["id"]], turn)
        for place, record in enumerate(left):
            if strategy == "named":
                chosen = known.get(record["named"][n])
                if chosen is None or not free(chosen, n):
                    continue
            else:
                able = [p for p in members if free(p, n)]
                if not able:
                    break
                fewest = strategy == "least_open"
                chosen = min(able, key=lambda p: ((p["opened"] + got[p["id"]]) * fewest, ahead[p["id"]], p["id"]))
                turn = max(turn, ahead[chosen["id"]])
                ahead[chosen["id"]] += step(chosen, n)
            got[chosen["id"]] += 1
            decided[record["id"]] = (f"e{n}", chosen["id"], place + 1)
        if strategy != "named":
            after[f"e{n}"] = {"turn": turn, "next": ahead}
    return [(r["id"], *decided.get(r["id"], (None, None, None))) for r in records], after


@pytest.fixture(scope="module")
def decide(new_database: Callable[[], str]) -> Any:
    with asyncio.Runner() as runner:
        conn = runner.run(asyncpg.connect(new_database()))

        def run(strategies: list[str], records: Any, people: Any, turns: Any) -> Any:
            names = [f"e{n}" for n in range(len(strategies))]
            args = (json.dumps(records), json.dumps(people), names, json.dumps(turns), strategies)
            return runner.run(conn.fetchrow(decision(strategies), *args))

        yield run
        runner.run(conn.close())


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(desks())
def test_decisions_are_those_of_one_after_the_other(decide: Any, drawn: Any) -> None:
    strategies, records, people, turns = drawn
    row = decide(strategies, records, people, turns)
    found = [(d["record"], d["entry"], d["chosen"], d["place"]) for d in json.loads(row["decisions"])]
    wanted, after = naive(strategies, records, people, turns)
    assert found == wanted and json.loads(row["turns"]) == after


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_weights_are_kept_within_one_over_any_runs(decide: Any, weights: list[int], runs: list[int]) -> None:
    """Whole rounds are exact, and how the records come in makes no difference."""
    people = [
        {"id": uid(n + 1), "active": True, "absent": False, "opened": 0, "today": 0, "fits": [True], "weight": [weight],
         "cap_open": [None], "cap_day": [None]} for n, weight in enumerate(weights)
    ]  # fmt: skip

    def given_in(batches: list[int]) -> list[str]:
        turns: Any = {}
        chosen = []
        for size in batches:
            asked = [{"id": uid(n + 1), "now": None, "fits": [True], "named": [None]} for n in range(size)]
            row = decide(["weighted"], asked, people, turns)
            turns = json.loads(row["turns"])
            chosen += [d["chosen"] for d in json.loads(row["decisions"])]
        return chosen

    together = given_in([sum(runs)])
    assert given_in(runs) == together
    whole = sum(weights)
    counts = Counter(given_in([whole]))
    assert counts == {uid(n + 1): weight for n, weight in enumerate(weights)}


def test_msgspec_reads_what_was_decided(decide: Any) -> None:
    row = decide(["round_robin"], [], [], {})
    assert msgspec.json.decode(row["decisions"]) == [] and json.loads(row["turns"]) == {}
