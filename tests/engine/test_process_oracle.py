"""Random processes and writes: the engine accepts and refuses as the naive page of `tests/reference/process.py` does."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.base.context import Actor, Context
from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from tests.engine.support import Yard
from tests.reference.process import FORMULAS, Naive, Record, Write
from tests.tenancy import load_folder, write_pack

WORLDS = int(os.environ.get("FIELDWRIGHT_TEST_PROCESSES", "40"))
STAGES, FIELDS, USERS, ROLES = ("s1", "s2", "s3", "s4", "s5"), ("a", "b", "t"), ("ann", "bob"), ("chief", "hand")
TASKS = ("call", "mail")
tenants = count()

criteria = st.dictionaries(
    st.sampled_from(("c1", "c2")),
    st.sampled_from(sorted(FORMULAS)).map(lambda text: {"valid_when": text, "message": "no"}), max_size=2,
)  # fmt: skip
some_fields = st.lists(st.sampled_from(FIELDS), unique=True, max_size=2)
tasks = st.dictionaries(
    st.sampled_from((*TASKS, "paper")),
    st.one_of(
        st.builds(dict, required=st.booleans()),
        st.builds(dict, fill=st.lists(st.sampled_from(FIELDS), unique=True, min_size=1, max_size=2)),
        st.builds(dict, done_when=st.sampled_from(sorted(FORMULAS)), required=st.booleans()),
    ), max_size=2,
)  # fmt: skip
stage = st.fixed_dictionaries(
    {"category": st.sampled_from(("open", "open", "open", "won", "lost", "void"))},
    optional={"required": some_fields, "read_only": some_fields, "entry": criteria, "exit": criteria, "tasks": tasks},
)
people = st.lists(st.sampled_from((*ROLES, "$owner", "$owner_manager")), unique=True, min_size=1, max_size=2)
terms = st.fixed_dictionaries({}, optional={
    "by": people, "who": st.sampled_from(sorted(FORMULAS)), "when": st.sampled_from(sorted(FORMULAS)),
    "reason": st.sampled_from(("required", "reasons")), "within": st.just("2 days"),
})  # fmt: skip


@st.composite
def processes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One or two processes of the field `stage`; every stage is a start or can be reached."""
    found = []
    for n in range(draw(st.integers(1, 2))):
        names = draw(st.lists(st.sampled_from(STAGES), unique=True, min_size=2, max_size=4))
        start = names[: draw(st.integers(1, 2))]
        ends = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), min_size=2, max_size=8))
        pairs = [(names[0], name) for name in names if name not in start] + [e for e in ends if e[0] != e[1]]
        moves = []
        for source, target in pairs:
            more = draw(terms)
            listed = [m for m in moves if (m["from"], m["to"]) == (source, target)]
            if not any("by" not in m and "who" not in m for m in listed) and not any(
                m.get("by") == more.get("by") and m.get("who") == more.get("who") for m in listed
            ) and (not listed or not {*more.get("by", ())} <= {p for m in listed for p in m.get("by", ())}):
                moves.append({"from": source, "to": target, **more})
        found.append({
            "kind": "process", "name": f"p{n}", "object": "thing", "field": "stage", "start": start,
            "stages": {name: draw(stage) for name in names}, "moves": moves,
        })  # fmt: skip
    if len(found) == 2:
        found[0]["when"] = draw(st.sampled_from(("flag", "a > 5", "NOT ISBLANK(t)")))
    return found


number, word = st.one_of(st.none(), st.integers(0, 9)), st.sampled_from((None, "x", "y"))
values = st.fixed_dictionaries(
    {}, optional={"a": number, "b": number, "t": word, "flag": st.booleans(), "stage": st.sampled_from(STAGES)}
)
writes = st.fixed_dictionaries({
    "values": values, "by": st.sampled_from(USERS), "roles": st.sampled_from((("chief",), ("hand",), ("chief", "hand"))),
    "hours": st.sampled_from((0, 1, 47, 49)), "reason": st.sampled_from((None, "late", "because")),
    "said": st.dictionaries(st.sampled_from((*TASKS, "paper")), st.booleans(), max_size=1),
    "fresh": st.sampled_from((False, False, False, False, True)),
})  # fmt: skip


def pack(chosen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [p["name"] for p in chosen]
    used = {stage for p in chosen for stage in p["stages"]}
    for process in chosen:
        # A formula may only name stages that there are.
        if "s2" not in used:
            _without(process, 'stage = "s2" OR a < 3')
    fields = {
        "a": {"type": "integer"}, "b": {"type": "integer"}, "t": {"type": "text"}, "flag": {"type": "boolean"},
        "name": {"type": "text"}, "stage": {"type": "stage", "process": names},
    }  # fmt: skip
    everything = {"read": True, "create": True, "edit": True}
    return [
        {"kind": "pack", "name": "oracle", "version": "0.1.0", "language": 1, "depends": {"core": ">=0.1"}},
        {"kind": "object", "name": "thing", "title": "name", "fields": fields},
        {"kind": "value_set", "name": "reasons", "options": {
            "late": {"label": "Late"}, "early": {"label": "Early"}, "because": {"label": "Because", "active": False},
        }},
        *({"kind": "role", "name": role, "objects": {"thing": everything}} for role in ROLES),
        *chosen,
    ]  # fmt: skip


def _without(data: Any, text: str) -> None:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if value == text:
            data[key] = "a > 5"
        else:
            _without(value, text)


async def settled(rt: Runtime, folder: Path, chosen: list[dict[str, Any]]) -> tuple[Release, dict[str, UUID]]:
    tenant = f"oracle_{next(tenants)}"
    release = (await apply(rt, tenant, load_folder(write_pack(folder / tenant, pack(chosen))))).release
    users: dict[str, UUID] = {}
    for name in USERS:
        row = {"name": name, "email": f"{name}@example.com", "manager": str(users["ann"]) if name == "bob" else None}
        operator = Context(Actor(UUID(int=0), (), operator=True), tenant, rt.clock.now())
        made = await write(rt, operator, release, RecordWrite(object="user", operation="create", rows=(row,)))
        users[name] = UUID(int=made.changed[0][0].int)
    return release, users


async def played(yard: Yard, folder: Path, chosen: list[dict[str, Any]], script: list[dict[str, Any]]) -> None:
    release, users = await settled(yard.rt, folder, chosen)
    naive = Naive(tuple(chosen), {"bob": "ann", "ann": None})
    now, record, known = yard.now, None, None
    for step in script:
        now += timedelta(hours=step["hours"])
        asked = Write(step["values"], step["by"], step["roles"], now, step["reason"], step["said"])
        create = record is None or step["fresh"]
        wanted, faults = naive.create(asked) if create or known is None else naive.update(known, asked)
        actor = Actor(users[asked.by], asked.roles, {"id": users[asked.by]})
        request = RecordWrite(
            object="thing", operation="create" if create else "update", rows=(asked.values,),
            ids=() if create else (record,), versions=() if create else (None,), reasons=(asked.reason,),
            done=(asked.said,),
        )  # fmt: skip
        told: set[tuple[str, str | None]] = set()
        try:
            done = await write(yard.rt, Context(actor, release.tenant, now=now), release, request)
        except Refused as refused:
            assert refused.code == "record.invalid", refused
            told = {(f.code, f.rule) for f in refused.faults}
        assert told == faults, (asked, known)
        if wanted is not None:
            record, known = UUID(int=done.changed[0][0].int), wanted
            await same(yard.rt, release, record, wanted)


async def same(rt: Runtime, release: Release, record: UUID, wanted: Record) -> None:
    """The stored record is the naive one."""
    async with rt.writes.connection() as conn:
        row = await _row(conn, release, record)
    assert row["stage"] == wanted.stage and row["stage__entered_at"] == wanted.entered
    assert row.get("stage__process", wanted.process) == wanted.process
    assert set(row.get("stage__done") or ()) == wanted.done
    assert (row["a"], row["b"], row["t"], row["flag"]) == tuple(wanted.values[n] for n in ("a", "b", "t", "flag"))


async def _row(conn: Connection, release: Release, record: UUID) -> dict[str, Any]:
    found = await conn.fetchrow(f'SELECT * FROM "{release.schema}".thing WHERE id = $1', record)
    assert found is not None
    return dict(found)


async def test_random_processes_are_as_the_page_says(yard: Yard, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    runs: list[Any] = []

    @settings(
        max_examples=WORLDS, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )
    @given(processes(), st.lists(writes, min_size=12, max_size=30))
    def collect(chosen: list[dict[str, Any]], script: list[dict[str, Any]]) -> None:
        runs.append((chosen, script))

    await loop.run_in_executor(None, collect)
    for chosen, script in runs:
        await played(yard, tmp_path, chosen, script)


@pytest.mark.parametrize("text", sorted(FORMULAS))
def test_formulas_are_declared_for_every_criterion(text: str) -> None:
    assert callable(FORMULAS[text])
