"""Imports over HTTP, from the upload to the undoing."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx2

from engine.automation.worker import drain
from engine.base.settings import Settings
from engine.runtime import running
from tests.http.conftest import House

MAPPING = {
    "object": "thing", "mode": "upsert", "key": "code", "columns": {"code": "code", "name": "name", "price": "price"},
}  # fmt: skip


def worked(house: House) -> None:
    async def go() -> None:
        async with running(Settings(database_url=house.database, home=house.home), migrate=False) as rt:
            await drain(rt)

    asyncio.run(go())


def begin(client: httpx2.Client, text: str, **more: Any) -> httpx2.Response:
    file = client.post("/acme/api/files?name=things.csv", content=text.encode()).json()["id"]
    return client.post("/acme/api/imports", json={"file": file, "mapping": MAPPING, **more})


def test_from_upload_to_undo(house: House, ada: httpx2.Client, bob: httpx2.Client) -> None:
    started = begin(ada, "code,name,price\nhttp-1,One,1\nhttp-2,Two,two\n")
    assert started.status_code == 202, started.text
    at = started.headers["location"]
    assert ada.get(at).json() == started.json() and started.json()["state"] == "queued"
    worked(house)
    done = ada.get(at).json()
    assert [done[n] for n in ("state", "rows", "created", "rejected")] == ["done", 2, 1, 1]
    assert done["id"] == ada.get("/acme/api/imports?limit=1").json()["items"][0]["id"]
    errors = ada.get(f"{at}/errors")
    assert errors.headers["content-type"] == "text/csv; charset=utf-8" and "attachment" in errors.headers["content-disposition"]
    assert errors.content.decode("utf-8-sig").splitlines()[1] == (
        'http-2,Two,two,"price ""two"": ""two"" is not a number (record.type)"'
    )
    head = ada.head(f"{at}/errors")
    assert head.status_code == 200 and int(head.headers["content-length"]) == len(errors.content)
    (row,) = ada.get(f"{at}/rows?outcome=created").json()["items"]
    assert ada.get(f"/acme/api/records/thing/{row['record']}").json()["name"] == "One"
    for path in ("", "/rows", "/errors"):
        assert bob.get(at + path).json()["code"] == "import.unknown"
    assert bob.post(f"{at}/undo").status_code == 404
    assert ada.post(f"{at}/cancel").json()["code"] == "import.state"
    assert ada.post(f"{at}/undo").json() == {"id": done["id"], "state": "undoing"}
    worked(house)
    assert ada.get(at).json()["state"] == "undone"
    assert ada.get(f"/acme/api/records/thing/{row['record']}").status_code == 404
    assert ada.post(f"{at}/undo").json()["code"] == "import.state"


def test_what_is_refused_at_once(ada: httpx2.Client, eve: httpx2.Client) -> None:
    def code(answer: httpx2.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    assert code(begin(ada, "x\n", mapping={**MAPPING, "object": "nothing"})) == (404, "object.unknown")
    wrong = begin(ada, "x\n", mapping={**MAPPING, "mode": "upsrt"})
    assert code(wrong) == (422, "import.mapping") and "upsert" in wrong.json()["errors"][0]["detail"]
    assert code(ada.post("/acme/api/imports", json={"file": str(uuid4()), "mapping": MAPPING})) == (422, "file.foreign")
    assert code(ada.post("/acme/api/imports", json={"mapping": MAPPING})) == (400, "request.malformed")
    assert code(begin(eve, "x\n"))[0] in (403, 404)
    assert code(ada.get(f"/acme/api/imports/{uuid4()}")) == (404, "import.unknown")
    assert code(ada.get(f"/acme/api/imports/{uuid4()}/rows?outcome=lost")) == (400, "query.invalid")
    assert code(ada.get("/acme/api/imports?limit=0")) == (400, "query.invalid")


def test_a_repeated_request_starts_no_second_import(ada: httpx2.Client) -> None:
    file = ada.post("/acme/api/files?name=a.csv", content=b"code,name,price\n").json()["id"]
    first, second = (
        ada.post("/acme/api/imports", json={"file": file, "mapping": MAPPING}, headers={"idempotency-key": "once"})
        for _ in range(2)
    )
    assert first.json()["id"] == second.json()["id"] and second.headers["idempotency-replayed"] == "true"


def test_the_document_tells_of_imports_to_who_may_import(ada: httpx2.Client, eve: httpx2.Client) -> None:
    full, little = (client.get("/acme/openapi.json").json()["paths"] for client in (ada, eve))
    assert {"/imports", "/imports/{id}/undo"} <= set(full) and not any("import" in path for path in little)
