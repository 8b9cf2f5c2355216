"""Every door against everything that may stand in a write's way: refused with the same code, and nothing is written.

A door is tried on a record that lacks one thing for what is asked; cells that can not arise are left out: a record
that is created was never in a stage before, one that comes back from the bin is not moved.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
import yaml

from engine.automation.worker import drain
from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.importing import import_file
from engine.records.mapping import load_mapping
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from tests.http.conftest import PASSWORD, serving
from tests.tenancy import context, create, load_with_settings, opened, write_pack

TENANT = "doors"
WHOLE = {"qty": 1, "due": "2026-01-02", "note": "n", "origin": "here"}
"""What a record has that may go on to the next stage, once its task is done."""
TAKEN = "taken"


@dataclass(frozen=True)
class Violation:
    """What a record lacks (`lacks` in place of what is whole; `told`: its task is done), what is asked, and the code."""

    code: str
    asks: dict[str, Any]
    lacks: dict[str, Any]
    told: bool = True
    born: str | None = None

    @property
    def created(self) -> bool:
        """Whether a new record can break it."""
        return self.born is not None


VIOLATIONS = {
    "validation": Violation("record.rule", {"qty": -5}, {}, born="record.rule"),
    "required_by_stage": Violation("stage.required", {"stage": "ready"}, {"due": None}, born="stage.required"),
    "exit_criterion": Violation("stage.exit", {"stage": "ready"}, {"note": None}),
    "entry_criterion": Violation("stage.entry", {"stage": "ready"}, {"qty": 0}, born="stage.entry"),
    "forbidden_move": Violation("stage.unlisted", {"stage": "gone"}, {}, born="stage.start"),
    "blocking_task": Violation("stage.task", {"stage": "ready"}, {}, told=False),
    "duplicate": Violation("record.unique", {"code": TAKEN}, {}, born="record.unique"),
    "duplicate_rule": Violation("record.duplicate", {"serial": "Ta-Ken"}, {}, born="record.duplicate"),
    "lock": Violation("record.locked", {"note": "other"}, {"shut": True}),
    "read_only_field": Violation("record.read_only", {"origin": "there"}, {}),
}


def _formula(value: Any) -> str:
    if value == WHOLE["due"]:
        return f"@{value}"
    return json.dumps(value) if isinstance(value, str) else str(value)


def pack() -> list[dict[str, Any]]:
    fields = {
        "name": {"type": "text", "required": True, "unique": True}, "code": {"type": "text", "unique": True},
        "serial": {"type": "text"},
        "qty": {"type": "integer"}, "due": {"type": "date"}, "note": {"type": "text"},
        "origin": {"type": "text", "set_once": True}, "shut": {"type": "boolean"}, "ask": {"type": "text"},
        "site": {"type": "lookup", "to": "site", "reverse": "dossiers"}, "copied": {"type": "lookup", "to": "copy"},
        "stage": {"type": "stage", "process": "dossier_life"},
    }  # fmt: skip
    stages = {
        "draft": {
            "category": "open", "tasks": {"checked": {"label": "Look at it"}},
            "exit": {"noted": {"valid_when": "NOT ISBLANK(note)", "message": "Note something"}},
        },
        "ready": {
            "category": "open", "required": ["due"],
            "entry": {"stocked": {"valid_when": "qty >= 1", "message": "Nothing is there"}},
        },
        "gone": {"category": "won"},
    }  # fmt: skip
    rules = {
        "counted": {"valid_when": "ISBLANK(qty) OR qty >= 0", "message": "Less than nothing"},
        "site_open": {"valid_when": "ISBLANK(site) OR site.open", "message": "The site is closed"},
    }
    found: list[dict[str, Any]] = [
        {"kind": "pack", "name": TENANT, "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
        {"kind": "object", "name": "site", "title": "name",
         "fields": {"name": {"type": "text"}, "open": {"type": "boolean", "default": True}}},
        {"kind": "object", "name": "copy", "title": "name", "fields": {"name": {"type": "text"}}},
        {"kind": "object", "name": "letter", "title": "name", "fields": {
            "name": {"type": "text"}, "dossier": {"type": "lookup", "to": "dossier"}}},
        {"kind": "object", "name": "dossier", "title": "name", "fields": fields, "rules": rules,
         "lock": {"when": "shut", "except": ["ask"]}},
        {"kind": "duplicate_rule", "name": "same_serial", "object": "dossier", "severity": "error", "message": "It is here",
         "against": {"dossiers": {"match": {"serial": {"by": "normalised"}}}}},
        {"kind": "process", "name": "dossier_life", "object": "dossier", "field": "stage", "start": ["draft", "ready"],
         "stages": stages, "moves": [{"from": "draft", "to": "ready"}, {"from": "ready", "to": "gone"}]},
    ]  # fmt: skip
    verbs = dict.fromkeys(("read", "create", "edit", "delete", "import"), True)
    found.append({"kind": "role", "name": "clerk", "objects": {obj: dict(verbs) for obj in ("site", "copy", "letter", "dossier")}})
    for name, violation in VIOLATIONS.items():
        values = {field: _formula(value) for field, value in violation.asks.items()}
        found += [
            {"kind": "workflow", "name": f"w_{name}", "object": "dossier", "trigger": {"on": "changed", "fields": ["ask"]},
             "when": f'ask = "{name}"', "actions": [{"set": values}]},
            {"kind": "conversion", "name": f"c_{name}", "object": "dossier", "refs": {"copied": "copy"}, "sets": values,
             "creates": {"copy": {"object": "copy", "values": {"name": "name"}}}},
        ]  # fmt: skip
        if violation.created:
            whole = {"qty": 1, "due": "2026-01-02"} | violation.lacks
            born = {"name": "name"} | {key: _formula(value) for key, value in whole.items() if value is not None} | values
            found.append({"kind": "conversion", "name": f"n_{name}", "object": "letter", "refs": {"dossier": "made"},
                          "creates": {"made": {"object": "dossier", "values": born}}})  # fmt: skip
    return [json.loads(json.dumps(document)) for document in found]


@dataclass
class Doors:
    """The tenant behind a server, and a runtime's way to it."""

    url: str
    client: httpx2.Client
    folder: Path
    numbers: Iterator[int]

    def run(self, work: Callable[[Runtime, Release], Coroutine[Any, Any, Any]]) -> Any:
        async def go() -> Any:
            async with opened(self.url) as rt:
                return await work(rt, await rt.store.release(TENANT))

        return asyncio.run(go())

    def make(self, obj: str, **row: Any) -> str:
        answer = self.client.post(f"/{TENANT}/api/records/{obj}", json=row)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def dossier(self, violation: Violation, **more: Any) -> tuple[str, str]:
        """A record that lacks something: its id and its name."""
        name = f"d{next(self.numbers)}"
        made = self.make("dossier", **{**WHOLE, **violation.lacks, **more, "name": name})
        if violation.told and not violation.lacks.get("shut"):
            done = self.client.post(f"/{TENANT}/api/records/dossier/{made}/tasks/checked", json={"done": True},
                                    headers={"if-match": "*"})  # fmt: skip
            assert done.status_code == 200, done.text
        return made, name

    def all(self) -> list[Any]:
        """Everything that a write leaves: rows, history, stages and events."""

        async def look(rt: Runtime, release: Release) -> list[Any]:
            async with rt.writes.connection() as conn:
                tables = ("dossier", "copy", "letter", "_history", "_stage_history", "_event")
                return [await conn.fetchval(f'SELECT json_agg(t)::text FROM "{release.schema}".{t} t') for t in tables]

        return list(self.run(look))

    def codes(self, answer: httpx2.Response) -> set[str]:
        assert answer.status_code == 422, answer.text
        return {error["code"] for error in answer.json()["errors"]}


@pytest.fixture(scope="module")
def doors(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    url, folder = new_database(), tmp_path_factory.mktemp("doors")
    write_pack(folder / TENANT, pack())

    async def furnish() -> None:
        async with opened(url) as rt:
            loaded = load_with_settings(folder / TENANT, TENANT, {"core": "*", TENANT: "*"})
            release = (await apply(rt, TENANT, loaded)).release
            (user,) = await create(rt, release, "user", {"name": "Ada", "email": "ada@doors.example"})
            await create_login(rt, release, user, "ada", PASSWORD, ["clerk"])
            await create(rt, release, "dossier", {"name": TAKEN, "code": TAKEN, "serial": TAKEN})

    asyncio.run(furnish())
    with (
        serving(Settings(database_url=url, log_level="error", home=folder)) as address,
        httpx2.Client(base_url=address, timeout=20) as client,
    ):
        token = client.post(f"/{TENANT}/api/session", json={"login": "ada", "password": PASSWORD}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield Doors(url, client, folder, count())


def refused(made: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, set[str]]:
    async def go() -> set[str]:
        try:
            await made
        except Refused as refusal:
            return {fault.code for fault in refusal.faults}
        return set()

    return go()


def patch(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    path = f"/{TENANT}/api/records/dossier/{record}"
    return doors.codes(doors.client.patch(path, json=v.asks, headers={"if-match": "*"}))


def move(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    fields = {key: value for key, value in v.asks.items() if key != "stage"}
    body = {"to": v.asks.get("stage", "ready"), "fields": fields}
    path = f"/{TENANT}/api/records/dossier/{record}/move"
    return doors.codes(doors.client.post(path, json=body, headers={"if-match": "*"}))


def bulk(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    """Two rows that give the same fields, one of them whole."""
    other, _ = doors.dossier(VIOLATIONS["validation"])
    good = {key: {"qty": 2, "stage": "ready", "code": name, "serial": name, "note": "m", "origin": "here"}[key] for key in v.asks}

    async def go(rt: Runtime, release: Release) -> set[str]:
        ids, rows = (UUID(other), UUID(record)), (good, v.asks)
        request = RecordWrite(object="dossier", operation="update", rows=rows, ids=ids, versions=(None, None), many=True)
        return await refused(write(rt, context(release), release, request))

    before = doors.all()
    found: set[str] = doors.run(go)
    assert doors.all() == before
    return found


def upsert(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    return doors.codes(doors.client.post(f"/{TENANT}/api/upsert/dossier?key=name", json={"name": name, **v.asks}))


def batch(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    steps = [
        {"object": "copy", "create": {"name": name}},
        {"object": "dossier", "update": v.asks, "id": record, "if_match": "*"},
    ]
    return doors.codes(doors.client.post(f"/{TENANT}/api/batch", json={"steps": steps}))


def import_(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    mapping, data = doors.folder / "mapping.yaml", doors.folder / "data.csv"
    columns = {"name": "name", **{field: field for field in v.asks}}
    declared = {"kind": "import", "name": "m", "object": "dossier", "mode": "update", "key": "name", "columns": columns}
    mapping.write_text(yaml.safe_dump(declared), "utf-8")
    data.write_text("\n".join(",".join(map(str, row)) for row in (columns, (name, *v.asks.values()))) + "\n", "utf-8")

    async def go(rt: Runtime, release: Release) -> set[str]:
        done = await import_file(rt, context(release, door="import"), release, load_mapping(mapping), data)
        assert done.updated == 0
        return {fault.code for row in done.rejected for fault in row.faults}

    return set(doors.run(go))


def conversion(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    chosen = next(key for key, known in VIOLATIONS.items() if known is v)
    path = f"/{TENANT}/api/records/dossier/{record}/convert/c_{chosen}"
    return doors.codes(doors.client.post(path, json={}, headers={"if-match": "*"}))


def workflow(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    """The record asks; what is left of the run is its failure."""
    chosen = next(key for key, known in VIOLATIONS.items() if known is v)
    path = f"/{TENANT}/api/records/dossier/{record}"
    asked = doors.client.patch(path, json={"ask": chosen}, headers={"if-match": "*"})
    assert asked.status_code == 200, asked.text
    before = doors.all()

    async def go(rt: Runtime, release: Release) -> set[str]:
        await drain(rt)
        async with rt.writes.connection() as conn:
            found = await conn.fetch(f'SELECT state, log FROM "{release.schema}"._run WHERE record = $1', UUID(record))
        (run,) = found
        assert run["state"] in ("waiting", "failed")
        return {fault["code"] for fault in json.loads(run["log"])[-1]["faults"]}

    found: set[str] = doors.run(go)
    assert doors.all() == before
    return found


def merge(doors: Doors, v: Violation, record: str, name: str) -> set[str]:
    """Another record of the same thing goes into it, and the values are given with that."""
    other = doors.make("dossier", name=f"o{next(doors.numbers)}")
    before = doors.all()
    path = f"/{TENANT}/api/records/dossier/{record}/merge"
    answer = doors.client.post(path, json={"from": [other], "values": v.asks}, headers={"if-match": "*"})
    assert doors.all() == before
    return doors.codes(answer)


CHANGES = {door.__name__.rstrip("_"): door for door in (patch, move, bulk, upsert, batch, import_, conversion, workflow, merge)}
INNER = ("bulk", "workflow", "merge")
"""Doors that prepare something first and look themselves that nothing more is written."""


@pytest.mark.parametrize("what", VIOLATIONS)
@pytest.mark.parametrize("door", CHANGES)
def test_a_change_is_refused_at_every_door(doors: Doors, door: str, what: str) -> None:
    violation = VIOLATIONS[what]
    record, name = doors.dossier(violation)
    before = doors.all()
    found = CHANGES[door](doors, violation, record, name)
    assert violation.code in found, found
    assert found == {violation.code} or door == "move"
    assert door in INNER or doors.all() == before


def created(doors: Doors, door: str, what: str) -> set[str]:
    violation = VIOLATIONS[what]
    row = {"name": f"n{next(doors.numbers)}", **WHOLE, **violation.lacks, **violation.asks}
    good = {"name": f"g{next(doors.numbers)}"}
    root = f"/{TENANT}/api"
    if door == "conversion":
        letter = doors.make("letter", name=row["name"])
        before = doors.all()
        path = f"{root}/records/letter/{letter}/convert/n_{what}"
        found = doors.codes(doors.client.post(path, json={}, headers={"if-match": "*"}))
        assert doors.all() == before
        return found
    body: tuple[str, Any] = {
        "create": (f"{root}/records/dossier", row),
        "bulk": (f"{root}/records/dossier", [good, row]),
        "upsert": (f"{root}/upsert/dossier?key=name", row),
        "batch": (f"{root}/batch", {"steps": [{"object": "dossier", "create": r} for r in (good, row)]}),
    }[door]
    before = doors.all()
    found = doors.codes(doors.client.post(body[0], json=body[1]))
    assert doors.all() == before
    return found


@pytest.mark.parametrize("what", [name for name, violation in VIOLATIONS.items() if violation.created])
@pytest.mark.parametrize("door", ["create", "bulk", "upsert", "batch", "conversion"])
def test_a_new_record_is_refused_at_every_door(doors: Doors, door: str, what: str) -> None:
    assert created(doors, door, what) == {VIOLATIONS[what].born}


def test_what_comes_back_from_the_bin_is_judged(doors: Doors) -> None:
    """Its key was taken, or what a rule of it reads was changed meanwhile."""
    root, site = f"/{TENANT}/api/records", doors.make("site", name="s")
    for more, code in (({"code": "back"}, "record.unique"), ({"site": site}, "record.rule")):
        record, _ = doors.dossier(VIOLATIONS["validation"], **more)
        assert doors.client.delete(f"{root}/dossier/{record}", headers={"if-match": "*"}).status_code == 204
        if "code" in more:
            doors.make("dossier", name="instead", **more)
        else:
            closed = doors.client.patch(f"{root}/site/{site}", json={"open": False}, headers={"if-match": "*"})
            assert closed.status_code == 200
        before = doors.all()
        assert doors.codes(doors.client.post(f"{root}/dossier/{record}/restore")) == {code}
        assert doors.all() == before
