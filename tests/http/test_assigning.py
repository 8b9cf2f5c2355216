"""Runs of an assignment over HTTP: by ids and by a condition, dry, within rights, once for a key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from httpx2 import Client

from tests.http.conftest import House

RUN = "/acme/api/assignments/packers/run"


@pytest.fixture
def parcels(ada: Client) -> list[str]:
    rows = [{"name": "boxes"} for _ in range(6)]
    answer = ada.post("/acme/api/records/parcel", json=rows)
    assert answer.status_code == 201, answer.text
    return [row["id"] for row in answer.json()["items"]]


def owners(client: Client, ids: list[str], obj: str = "parcel") -> list[str]:
    return [client.get(f"/acme/api/records/{obj}/{id_}").json()["owner"] for id_ in ids]


def test_a_run_by_ids(house: House, ada: Client, parcels: list[str]) -> None:
    before = owners(ada, parcels)
    dry = ada.post(f"{RUN}?dry=true", json={"ids": parcels}).json()
    assert dry["dry"] and owners(ada, parcels) == before
    done = ada.post(RUN, json={"ids": parcels}, headers={"idempotency-key": f"packers-{parcels[0]}"})
    assert done.status_code == 200, done.text
    told: dict[str, Any] = {item["id"]: item for item in done.json()["items"]}
    assert [told[id_]["user"] for id_ in parcels] == owners(ada, parcels)
    assert Counter(owners(ada, parcels)) == {str(house.users["bob"]): 3, str(house.users["dan"]): 3}
    assert {(item["entry"], item["entry_label"], item["before"]) for item in told.values()} == {
        ("makers", "The makers", before[0])
    }
    assert {item["id"]: item["user"] for item in dry["items"]} == {id_: told[id_]["user"] for id_ in parcels}
    again = ada.post(RUN, json={"ids": parcels}, headers={"idempotency-key": f"packers-{parcels[0]}"})
    assert again.json() == done.json() and again.headers["idempotency-replayed"] == "true"


def test_a_run_by_a_condition_and_what_it_tells(ada: Client, bob: Client, parcels: list[str]) -> None:
    chosen = parcels[:2]
    where = " OR ".join(f'id = "{id_}"' for id_ in chosen)
    done = ada.post(RUN, json={"where": where}).json()
    assert sorted(item["id"] for item in done["items"]) == sorted(chosen) and done["next"] is None
    (told,) = ada.get(f"/acme/api/records/parcel/{chosen[0]}/assignments").json()["items"]
    assert (told["label"], told["entry"], told["missed"]) == ("Who packs it", "makers", [])
    assert len(told["considered"]["makers"]) == 2
    seen = {id_: bob.get(f"/acme/api/records/parcel/{id_}/assignments") for id_ in chosen}
    mine = [answer.json()["items"][0] for answer in seen.values() if answer.status_code == 200]
    assert mine and all(len(item["considered"]["makers"]) == 1 for item in mine), "only users whom he sees"


def test_what_is_refused(ada: Client, bob: Client, eve: Client, parcels: list[str]) -> None:
    for body in ({}, {"ids": [], "where": "TRUE"}, {"record": 1}):
        assert ada.post(RUN, json=body).status_code == 400
    assert ada.post(f"{RUN}?dry=perhaps", json={"ids": []}).json()["code"] == "query.invalid"
    for client, name in ((ada, "nobody"), (eve, "packers")):
        answer = client.post(f"/acme/api/assignments/{name}/run", json={"ids": parcels})
        assert (answer.status_code, answer.json()["code"]) == (404, "assignment.unknown")
    left = ada.post("/acme/api/records/parcel", json={"name": "left"}).json()["id"]
    assert ada.post(RUN, json={"ids": [left]}).json()["items"] == []
    assert ada.post(RUN, json={"ids": parcels * 200}).json()["code"] == "request.too_large"


def test_claims_and_returns(house: House, ada: Client, bob: Client) -> None:
    shelf = ada.post("/acme/api/records/shelf", json={"name": "the bin"}).json()["id"]
    rows = [{"name": "pooled", "shelf": shelf, "fragile": True} for _ in range(3)]
    first, second, third = [row["id"] for row in ada.post("/acme/api/records/thing", json=rows).json()["items"]]
    root = "/acme/api/records/thing"
    assert ada.post(f"{root}/{first}/claim").json()["code"] == "access.denied"
    done = bob.post(f"{root}/{first}/claim", headers={"idempotency-key": f"claim-{first}"})
    assert done.status_code == 200 and done.json() == {"id": first, "version": 2}, done.text
    assert done.headers["etag"] == bob.get(f"{root}/{first}").headers["etag"]
    assert bob.post(f"{root}/{first}/claim", headers={"idempotency-key": f"claim-{first}"}).json() == done.json()
    assert bob.post(f"{root}/{first}/claim").json()["code"] == "pool.taken"
    assert bob.post(f"{root}/{second}/claim").status_code == 200
    refused = bob.post(f"{root}/{third}/claim")
    assert (refused.status_code, refused.json()["code"]) == (409, "pool.limit")
    assert bob.post(f"{root}/{first}/release").status_code == 200
    assert bob.post(f"{root}/{first}/release").json()["code"] == "pool.there"
    assert owners(ada, [first, second], "thing") == [str(house.users["ada"]), str(house.users["bob"])]
    told = ada.get(f"{root}/{first}/assignments").json()["items"]
    assert [(item["entry"], item["by"]) for item in told] == [(e, str(house.users["bob"])) for e in ("release", "claim")]
    assert bob.post("/acme/api/records/thing/00000000-0000-7000-8000-000000000009/claim").status_code == 404
