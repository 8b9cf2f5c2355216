"""Imports as jobs: progress, rejected rows to be corrected, cancelling, interruption and undoing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.automation import imports
from engine.automation.worker import drain, sweep
from engine.base.context import Context
from engine.base.limits import IMPORT_BATCH
from engine.base.settings import Settings
from engine.files.collect import collect
from engine.files.uploads import upload
from engine.identity.logins import create_login
from engine.lifecycle.apply import apply
from engine.records.bin import restore
from engine.runtime import Runtime, running
from tests.importing.conftest import PACK, TENANT, Store
from tests.importing.workbooks import workbook
from tests.tenancy import ROOT, context, create, load_with_settings, read, refusing, update, write_pack

KILLS = int(os.environ.get("FIELDWRIGHT_TEST_KILLS", "20"))
PLAIN = {"object": "part", "columns": {"sku": "sku", "name": "name", "pieces": "n"}}
UPSERT = {**PLAIN, "mode": "upsert", "key": "sku"}
EXTRA: list[dict[str, Any]] = [
    {"kind": "role", "name": "boss", "capabilities": ["manage_imports", "import_historical"], "objects": {
        "part": dict.fromkeys(("read", "create", "edit", "delete", "import"), True),
        "place": {"read": True}, "user": {"read": True},
    }},
    {"kind": "workflow", "name": "watch", "object": "part", "trigger": {"on": "created"},
     "when": 'name = "answered"', "run_as": "boss", "actions": [{"set": {"pieces": "99"}}]},
]  # fmt: skip


@dataclass(slots=True)
class Desk(Store):
    """The store with logins, and short ways to import by jobs."""

    users: dict[str, UUID] | None = None

    def ctx(self, role: str = "boss") -> Context:
        assert self.users is not None
        user = self.users[role]
        return context(self.release, replace(self.actor, user=user, roles=(role,), operator=False, attributes={"id": user}))

    async def upload(self, data: str | bytes, role: str = "boss") -> UUID:
        async def chunks() -> AsyncIterator[bytes]:
            yield data.encode() if isinstance(data, str) else data

        return UUID(str((await upload(self.rt, self.ctx(role), self.release, "data.csv", chunks()))["id"]))

    async def begin(self, mapping: dict[str, Any], data: str | bytes, role: str = "boss", **more: Any) -> UUID:
        file = await self.upload(data, role)
        made = await imports.start_import(self.rt, self.ctx(role), self.release, mapping, file, **more)
        return UUID(json.loads(made)["id"])

    async def shown(self, id_: UUID) -> dict[str, Any]:
        return json.loads(await imports.show_import(self.rt, self.ctx(), self.release, id_))

    async def done(self, mapping: dict[str, Any], data: str | bytes, **more: Any) -> dict[str, Any]:
        id_ = await self.begin(mapping, data, **more)
        await drain(self.rt)
        return await self.shown(id_)

    async def undone(self, id_: str, role: str = "boss") -> dict[str, Any]:
        await imports.undo_import(self.rt, self.ctx(role), self.release, UUID(id_))
        await drain(self.rt)
        return await self.shown(UUID(id_))

    async def rows(self, id_: str, outcome: str | None = None) -> list[dict[str, Any]]:
        return json.loads(await imports.list_rows(self.rt, self.ctx(), self.release, UUID(id_), outcome=outcome))

    async def errors(self, id_: str) -> bytes:
        with await imports.corrections(self.rt, self.ctx(), self.release, UUID(id_)) as file:
            return file.read()

    async def all(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.rt.writes.connection() as conn:
            return [dict(r) for r in await conn.fetch(query.replace("{s}", f'"{self.release.schema}".'), *args)]


async def furnish(url: str, folder: Path) -> None:
    pack = write_pack(folder / "store", PACK + EXTRA)
    loaded = load_with_settings(pack, TENANT, {"core": ">=0.1", "store": ">=0.1"}, time_zone="Asia/Shanghai")
    async with running(Settings(database_url=url, home=folder)) as rt:
        release = (await apply(rt, TENANT, loaded)).release
        for role in ("boss", "clerk", "keeper"):
            (user,) = await create(rt, release, "user", {"name": role, "email": f"{role}@store.example"})
            await create_login(rt, release, user, role, "correct horse battery", [role])


@pytest.fixture(scope="module")
def desk_at(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    url, folder = new_database(), tmp_path_factory.mktemp("desk")
    asyncio.run(furnish(url, folder))
    return url, folder


@pytest.fixture
async def desk(desk_at: tuple[str, Path], tmp_path: Path) -> AsyncIterator[Desk]:
    url, folder = desk_at
    async with running(Settings(database_url=url, home=folder, pool_size=8)) as rt:
        yield await opened(rt, tmp_path)


async def opened(rt: Runtime, folder: Path) -> Desk:
    release = await rt.store.release(TENANT)
    desk = Desk(rt, release, folder)
    desk.users = {r["login"]: UUID(int=r["user_id"].int) for r in await desk.all("SELECT login, user_id FROM {s}_login")}
    for table in ("part", "_history", "_import", "_import_row"):
        await desk.all(f"DELETE FROM {{s}}{table}")
    return desk


async def test_a_job_tells_what_came_of_every_row(desk: Desk) -> None:
    id_ = await desk.begin(UPSERT, "sku,name,n\na,x,1\nb,y,many\nc,z,2000\nd,w,600\n")
    queued = await desk.shown(id_)
    assert (queued["state"], queued["rows"], queued["object"], queued["mapping"]["mode"]) == ("queued", None, "part", "upsert")
    await drain(desk.rt)
    done = await desk.shown(id_)
    assert [done[n] for n in ("state", "rows", "created", "updated", "rejected")] == ["done", 4, 1, 0, 3]
    assert done["finished_at"] and done["created_by"] == str(desk.users["boss"])
    rows = await desk.rows(str(id_))
    assert [(r["line"], r["outcome"], r["version"]) for r in rows] == [
        (2, "created", 1), (3, "rejected", None), (4, "rejected", None), (5, "rejected", None),
    ]  # fmt: skip
    assert rows[0]["record"] and rows[1]["faults"][0]["pointer"] == "/pieces"
    (entry,) = await desk.all("SELECT door, request_id, actor FROM {s}_history")
    assert (entry["door"], entry["request_id"]) == ("import", id_.hex) and str(entry["actor"]) == done["created_by"]


async def test_rejected_rows_come_back_to_be_corrected_and_imported_again(desk: Desk) -> None:
    text = 'n;sku;name;note\n1;a;=1+1;+1\nmany;b;=1+1;-5\n7;c;"x;y";@me\nno;d;\'=1;\n'
    mapping = {**UPSERT, "separator": ";", "encoding": "gb18030"}
    done = await desk.done(mapping, text.encode("gb18030"))
    made = (await desk.errors(done["id"])).decode("gb18030")
    header, *rows = list(csv.reader(io.StringIO(made), delimiter=";"))
    assert header == ["n", "sku", "name", "note", "import_errors"]
    assert [row[:4] for row in rows] == [["many", "b", "'=1+1", "-5"], ["no", "d", "'=1", ""]]
    assert rows[0][4] == 'n "many": "many" is not a number (record.type)'
    again = await desk.done(mapping, made.replace("many;", "4;").encode("gb18030"))
    assert (again["created"], again["rejected"]) == (1, 1)
    assert await desk.parts("sku", "name", "pieces") == [("a", "=1+1", 1), ("b", "=1+1", 4), ("c", "x;y", 7)]
    made = (await desk.errors(again["id"])).decode("gb18030")
    assert made.splitlines()[0] == "n;sku;name;note;import_errors" and len(made.splitlines()) == 2


async def test_the_rejected_rows_of_a_workbook_fit_its_mapping(desk: Desk) -> None:
    mapping = {"object": "part", "sheet": "P", "columns": {"sku": "sku", "made_on": {"column": "d", "format": "%d.%m.%Y"}}}
    done = await desk.done(mapping, workbook({"P": [["sku", "d"], ["x" * 11, ("date", 45322)], ["ok", ("date", 45322)]]}))
    made = await desk.errors(done["id"])
    assert made.decode("utf-8-sig").splitlines()[1].startswith("xxxxxxxxxxx,31.01.2024,")
    again = await desk.done(mapping, made.replace(b"x" * 11, b"y"))
    assert await desk.parts("sku", "made_on") == [("ok", "2024-01-31"), ("y", "2024-01-31")] and again["rejected"] == 0


async def test_a_dry_run_tells_the_same_and_can_not_be_undone(desk: Desk) -> None:
    text = "sku,name,n\na,x,1\nb,y,many\n"
    dry = await desk.done(UPSERT, text, dry_run=True)
    assert [dry[n] for n in ("state", "rows", "created", "rejected")] == ["done", 2, 1, 1]
    assert await desk.parts("sku") == [] and b"many" in await desk.errors(dry["id"])
    with refusing("import.state"):
        await desk.undone(dry["id"])


async def test_what_can_not_be_imported_fails_with_its_reason(desk: Desk) -> None:
    for mapping, data, code in (
        (UPSERT, b"\xff\xfe\xff", "import.file"), (UPSERT, "sku,nam,n\n", "import.mapping"), (UPSERT, "sku,name,n\na,\"b\n", "import.file"),
    ):  # fmt: skip
        done = await desk.done(mapping, data)
        assert (done["state"], done["error"]["code"]) == ("failed", code) and done["created"] == 0
    with refusing("import.mapping", "unknown"):
        await desk.begin({**UPSERT, "colums": {}}, "sku\n")
    with refusing("object.unknown"):
        await desk.begin({**UPSERT, "object": "nothing"}, "sku\n")
    with refusing("access.denied", "import"):
        await desk.begin(UPSERT, "sku\n", role="keeper")
    with refusing("access.denied", "import_historical"):
        await desk.begin({**UPSERT, "history": True}, "sku\n", role="clerk")


async def test_imports_are_seen_by_their_makers_and_by_who_manages_them(desk: Desk) -> None:
    mine, theirs = await desk.begin(PLAIN, "sku,name,n\na,,\n", role="clerk"), await desk.begin(PLAIN, "sku,name,n\nb,,\n")
    listed = [json.loads(await imports.list_imports(desk.rt, desk.ctx(role), desk.release)) for role in ("clerk", "boss")]
    assert [[one["id"] for one in some] for some in listed] == [[str(mine)], [str(theirs), str(mine)]]
    for act in (imports.show_import, imports.cancel_import, imports.undo_import, imports.list_rows, imports.corrections):
        with refusing("import.unknown"):
            await act(desk.rt, desk.ctx("clerk"), desk.release, theirs)
    # A file is its uploader's, also after it was imported.
    file = await desk.upload("sku,name,n\n")
    with refusing("file.foreign"):
        await imports.start_import(desk.rt, desk.ctx("clerk"), desk.release, PLAIN, file)
    for _ in range(2):
        await imports.start_import(desk.rt, desk.ctx(), desk.release, PLAIN, file)
    await drain(desk.rt)
    # The rights are those that the user has when it is done.
    late = await desk.begin(PLAIN, "sku,name,n\nlate,,\n", role="clerk")
    await desk.all("UPDATE {s}_login SET active = false WHERE login = 'clerk'")
    try:
        await drain(desk.rt)
        assert (await desk.shown(late))["error"]["code"] == "access.denied" and len(await desk.parts("sku")) == 2
    finally:
        await desk.all("UPDATE {s}_login SET active = true WHERE login = 'clerk'")


async def test_an_import_is_cancelled_behind_the_batch_under_way(desk: Desk) -> None:
    id_ = await desk.begin(PLAIN, "sku,name,n\na,,\n")
    await imports.cancel_import(desk.rt, desk.ctx(), desk.release, id_)
    await drain(desk.rt)
    assert (await desk.shown(id_))["state"] == "cancelled" and await desk.parts("sku") == []
    with refusing("import.state", "ended"):
        await imports.cancel_import(desk.rt, desk.ctx(), desk.release, id_)
    lines = "".join(f"s{n},,\n" for n in range(6 * IMPORT_BATCH))
    id_ = await desk.begin(PLAIN, "sku,name,n\n" + lines)
    work = asyncio.create_task(imports.run_import(desk.rt, TENANT, id_))
    while not (await desk.shown(id_))["created"]:
        await asyncio.sleep(0.01)
    await imports.cancel_import(desk.rt, desk.ctx(), desk.release, id_)
    await work
    done = await desk.shown(id_)
    (found,) = await desk.all("SELECT count(*) AS n FROM {s}part")
    assert done["state"] == "cancelled" and found["n"] == done["created"] < 6 * IMPORT_BATCH
    assert done["created"] % IMPORT_BATCH == 0
    await drain(desk.rt)


async def test_two_workers_with_the_same_import_write_no_row_twice(desk: Desk) -> None:
    lines = "".join(f"s{n},,\n" for n in range(4 * IMPORT_BATCH))
    id_ = await desk.begin(PLAIN, "sku,name,n\n" + lines)
    await asyncio.gather(*(imports.run_import(desk.rt, TENANT, id_) for _ in range(2)))
    done = await desk.shown(id_)
    assert (done["state"], done["created"], done["rejected"]) == ("done", 4 * IMPORT_BATCH, 0)
    await drain(desk.rt)


async def test_undoing_puts_created_records_into_the_bin_and_gives_values_back(desk: Desk) -> None:
    first = await desk.done(PLAIN, "sku,name,n\na,old,1\nb,old,2\nc,old,3\nd,old,4\n")
    second = await desk.done(UPSERT, "sku,name,n\na,new,10\nb,,20\nc,new,30\nd,old,4\nx,new,5\ny,new,6\n")
    assert (second["created"], second["updated"]) == (2, 4)
    ids = {part["sku"]: part["id"] for part in await read(desk.rt, desk.release, "part", "sku", "id")}
    await update(desk.rt, desk.release, "part", UUID(ids["c"]), name="mine")
    await update(desk.rt, desk.release, "part", UUID(ids["y"]), pieces=7)
    done = await desk.undone(second["id"])
    assert (done["state"], done["undone"], done["kept"]) == ("undone", 4, 2) and done["undone_by"] == str(desk.users["boss"])
    assert await desk.parts("sku", "name", "pieces") == [
        ("a", "old", 1), ("b", "old", 2), ("c", "mine", 30), ("d", "old", 4), ("y", "new", 7),
    ]  # fmt: skip
    kept = await desk.rows(second["id"], "kept")
    assert [(r["line"], r["record"], r["faults"][0]["code"]) for r in kept] == [
        (4, ids["c"], "import.changed"), (7, ids["y"], "import.changed"),
    ]  # fmt: skip
    doors = await desk.all("SELECT kind, door, count(*) AS n FROM {s}_history WHERE door = 'import undo' GROUP BY 1, 2 ORDER BY 1")
    assert [(d["kind"], d["n"]) for d in doors] == [("changed", 2), ("deleted", 1)]
    with refusing("import.state"):
        await desk.undone(second["id"])
    await restore(desk.rt, desk.ctx(), desk.release, "part", UUID(ids["x"]))
    # What the later import changed and gave back again is changed for the earlier one.
    done = await desk.undone(first["id"])
    assert (done["undone"], done["kept"]) == (0, 4)


async def test_undoing_needs_the_rights_and_passes_the_rules(desk: Desk) -> None:
    mine = await desk.done(PLAIN, "sku,name,n\na,,\n", role="clerk")
    with refusing("access.denied", "delete"):
        await imports.undo_import(desk.rt, desk.ctx("clerk"), desk.release, UUID(mine["id"]))
    assert (await desk.undone(mine["id"]))["undone"] == 1
    await create(desk.rt, desk.release, "part", {"sku": "m", "price": 5, "stage": "draft"})
    moved = await desk.done(
        {"object": "part", "mode": "update", "key": "sku", "columns": {"sku": "sku", "stage": "stage"}}, "sku,stage\nm,ready\n"
    )
    assert moved["updated"] == 1
    done = await desk.undone(moved["id"])
    assert (done["state"], done["undone"], done["kept"]) == ("undone", 0, 1)
    assert [r["faults"][0]["code"] for r in await desk.rows(moved["id"])] == ["stage.unlisted"]


async def test_what_workflows_did_in_answer_does_not_hold_up_the_undoing(desk: Desk) -> None:
    made = await desk.done(PLAIN, "sku,name,n\na,answered,1\n")
    assert await desk.parts("sku", "pieces") == [("a", 99)]
    assert (await desk.undone(made["id"]))["undone"] == 1 and await desk.parts("sku") == []


async def test_historical_imports_and_their_undoing(desk: Desk) -> None:
    mapping = {
        "object": "part", "history": True, "mode": "upsert", "key": "sku",
        "columns": {"sku": "sku", "stage": "stage", "price": "price"},
        "system": {"created_at": "made", "stage_entered_at": "moved"},
    }  # fmt: skip
    head = "sku,stage,price,made,moved\n"
    await desk.done(mapping, head + "a,ready,5,2020-02-03,2021-01-01\n")
    second = await desk.done(mapping, head + "a,gone,6,2019-01-01,2022-01-01\nb,gone,1,2018-01-01,\n")
    assert (second["created"], second["updated"]) == (1, 1)
    (row,) = await desk.all("SELECT stage, created_at, stage__entered_at AS at FROM {s}part WHERE sku = 'a'")
    assert (row["stage"], row["created_at"].isoformat()[:10], row["at"].isoformat()[:10]) == ("gone", "2018-12-31", "2021-12-31")
    assert {r["door"] for r in await desk.all("SELECT door FROM {s}_history")} == {"historical import"}
    done = await desk.undone(second["id"])
    assert (done["undone"], done["kept"]) == (2, 0) and await desk.parts("sku", "stage", "price") == [("a", "ready", 5)]


async def test_imports_without_a_job_get_one_and_old_ones_go_with_their_files(desk: Desk) -> None:
    id_ = await desk.begin(PLAIN, "sku,name,n\na,,\n")
    await desk.all("DELETE FROM fieldwright.pgqueuer")
    assert await sweep(desk.rt) >= 1
    await drain(desk.rt)
    assert (await desk.shown(id_))["state"] == "done"
    await desk.all("UPDATE {s}_file SET touched_at = now() - interval '2 days'")
    await collect(desk.rt)
    assert await desk.errors(str(id_)) == b"\xef\xbb\xbfsku,name,n,import_errors\r\n"
    await desk.all("UPDATE {s}_import SET finished_at = now() - interval '91 days'")
    await sweep(desk.rt)
    await collect(desk.rt)
    assert await desk.all("SELECT FROM {s}_import_row") == [] == await desk.all("SELECT FROM {s}_file WHERE object = '_import'")


async def child(at: tuple[str, Path], *id_: UUID) -> asyncio.subprocess.Process:
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.importing.import_child", at[0], str(at[1]), *map(str, id_), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert made.stdout is not None and await made.stdout.readline() == b"ready\n"
    return made


def test_another_worker_takes_over_the_import_of_one_that_was_killed(desk_at: tuple[str, Path], tmp_path: Path) -> None:
    total = 12 * IMPORT_BATCH

    async def go() -> None:
        async with running(Settings(database_url=desk_at[0], home=desk_at[1], pool_size=4)) as rt:
            desk = await opened(rt, tmp_path)
            await desk.all("DELETE FROM fieldwright.pgqueuer")
            worker = await child(desk_at)
            id_ = await desk.begin(PLAIN, "sku,name,n\n" + "".join(f"s{n},,\n" for n in range(total)))
            while not (await desk.shown(id_))["created"]:
                await asyncio.sleep(0.02)
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
            assert (await desk.shown(id_))["state"] == "running"
            worker = await child(desk_at)
            async with asyncio.timeout(60):
                while (await desk.shown(id_))["state"] != "done":
                    await asyncio.sleep(0.1)
            worker.terminate()
            await worker.wait()
            (found,) = await desk.all("SELECT count(*) AS n, count(DISTINCT sku) AS skus FROM {s}part")
            assert found == {"n": total, "skus": total} and (await desk.shown(id_))["created"] == total

    asyncio.run(go())


def test_an_import_goes_on_after_every_kill(desk_at: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = desk_at
    total = 40 * IMPORT_BATCH

    async def go() -> None:
        async with running(Settings(database_url=url, home=folder, pool_size=8)) as rt:
            desk = await opened(rt, tmp_path)
            lines = "".join(f"s{n},{'n' * 101 if n % 997 == 0 else ''},{n % 100}\n" for n in range(total))
            id_ = await desk.begin(PLAIN, "sku,name,n\n" + lines)
            kills, caught = 0, 0
            while kills < KILLS:
                worker = await child(desk_at, id_)
                await asyncio.sleep(random.uniform(0.0, 0.6))
                caught += worker.returncode is None
                if worker.returncode is None:
                    worker.send_signal(signal.SIGKILL)
                await worker.wait()
                kills += 1
                if (await desk.shown(id_))["state"] == "done":
                    break
            while (await desk.shown(id_))["state"] != "done":
                assert await (await child(desk_at, id_)).wait() == 0
            done = await desk.shown(id_)
            bad = len(range(0, total, 997))
            print(f"{kills} kills, {caught} of a running import")
            assert caught > 3 and [done[n] for n in ("created", "rejected", "rows")] == [total - bad, bad, total]
            (found,) = await desk.all("SELECT count(*) AS n, count(DISTINCT sku) AS skus FROM {s}part")
            assert found == {"n": total - bad, "skus": total - bad}
            (found,) = await desk.all(
                "SELECT count(*) AS n, count(DISTINCT line) AS lines, count(*) FILTER (WHERE outcome = 'rejected') AS bad, "
                "count(DISTINCT record) AS records FROM {s}_import_row"
            )
            assert found == {"n": total, "lines": total, "bad": bad, "records": total - bad}
            await desk.all("DELETE FROM fieldwright.pgqueuer")

    asyncio.run(go())
