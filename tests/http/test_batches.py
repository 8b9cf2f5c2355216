"""Batches and upserts over HTTP."""

from __future__ import annotations

import httpx2


def test_a_batch_is_written_as_a_whole(ada: httpx2.Client) -> None:
    steps = [
        {"object": "shelf", "create": {"name": "batch shelf"}, "ref": "s"},
        {"object": "thing", "create": {"name": "batch thing", "shelf": {"ref": "s"}}},
    ]
    made = ada.post("/acme/api/batch", json={"steps": steps})
    assert made.status_code == 200, made.text
    shelf, thing = made.json()["items"]
    found = ada.get(f"/acme/api/records/thing/{thing['id']}?fields=shelf")
    assert found.json() == {"shelf": shelf["id"]}
    wrong = [
        {"object": "thing", "update": {"pieces": 2}, "id": thing["id"], "if_match": found.headers["etag"]},
        {"object": "thing", "create": {"name": "worse", "pieces": -1}},
    ]
    refused = ada.post("/acme/api/batch", json={"steps": wrong})
    assert refused.status_code == 422
    assert [(e["row"], e["pointer"]) for e in refused.json()["errors"]] == [(1, "/pieces")]
    assert ada.get(f"/acme/api/records/thing/{thing['id']}").headers["etag"] == found.headers["etag"]
    assert ada.post("/acme/api/batch", json={"steps": wrong[:1]}).status_code == 200
    assert ada.post("/acme/api/batch", json={"steps": wrong[:1]}).status_code == 412
    gone = ada.post("/acme/api/batch", json={"steps": [{"object": "thing", "delete": thing["id"], "if_match": "*"}]})
    assert gone.json()["items"][0]["version"] is None


def test_steps_say_what_they_are(ada: httpx2.Client) -> None:
    for step, status in (
        ({"object": "thing"}, 400),
        ({"object": "thing", "create": {}, "delete": "x"}, 400),
        ({"object": "thing", "update": {}}, 400),
        ({"object": "thing", "upsert": {"name": "x"}}, 400),
        ({"object": "thing", "update": {}, "id": "01a20bb9-9ba8-7000-a837-9edb1776d52c"}, 428),
        ({"object": "thing", "create": {"name": "x", "shelf": {"ref": "none"}}}, 422),
        ({"object": "nothing", "create": {"name": "x"}}, 404),
    ):
        answer = ada.post("/acme/api/batch", json={"steps": [step]})
        assert answer.status_code == status, (step, answer.text)
    assert ada.post("/acme/api/batch", json={"steps": []}).status_code == 400


def test_upserts(ada: httpx2.Client) -> None:
    address = "/acme/api/upsert/thing?key=code"
    first = ada.post(address, json={"code": "up", "name": "upserted", "pieces": 1})
    assert (first.status_code, first.json()["created"]) == (201, True)
    again = ada.post(address, json={"code": "up", "name": "upserted", "pieces": 2})
    assert (again.status_code, again.json()["id"], again.json()["version"]) == (200, first.json()["id"], 2)
    several = ada.post(address, json=[{"code": "up", "name": "upserted", "pieces": 3}, {"code": "up2", "name": "upserted too"}])
    assert [item["created"] for item in several.json()["items"]] == [False, True]
    refused = ada.post(address, json={"code": "up", "name": "upserted", "pieces": -1})
    assert refused.status_code == 422 and "row" not in refused.json()["errors"][0]
    assert ada.post("/acme/api/upsert/thing?key=name", json={"name": "x"}).json()["errors"][0]["code"] == "record.key"
    assert ada.post("/acme/api/upsert/thing", json={}).status_code == 400


def test_a_repeated_batch_is_done_once(ada: httpx2.Client) -> None:
    body = {"steps": [{"object": "thing", "create": {"name": "once only"}}]}
    keys = {"idempotency-key": "batch-once"}
    made = [ada.post("/acme/api/batch", json=body, headers=keys) for _ in range(2)]
    assert made[0].json() == made[1].json() and made[1].headers["idempotency-replayed"] == "true"
