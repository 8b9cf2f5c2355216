"""`Idempotency-Key`: done once, answered again; with the effect or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2

from tests.http.conftest import House

THINGS = "/acme/api/records/thing"


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid4())}


def count(client: httpx2.Client, name: str) -> int:
    total: int = client.get(THINGS, params={"name": name, "count": "exact", "limit": "1"}).json()["total"]
    return total


def test_a_repeated_request_is_answered_and_not_done_again(ada: httpx2.Client) -> None:
    name, headers = str(uuid4()), key()
    first, second = (ada.post(THINGS, json={"name": name}, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 201 and first.content == second.content
    for header in ("location", "etag", "content-type"):
        assert first.headers[header] == second.headers[header]
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"
    assert count(ada, name) == 1


def test_another_request_with_the_key_is_refused(ada: httpx2.Client, bob: httpx2.Client) -> None:
    name, headers = str(uuid4()), key()
    assert ada.post(THINGS, json={"name": name}, headers=headers).status_code == 201
    for other in (
        ada.post(THINGS, json={"name": name + "!"}, headers=headers),
        ada.post(f"{THINGS}?fields=id", json={"name": name}, headers=headers),
        ada.post("/acme/api/records/shelf", json={"name": name}, headers=headers),
    ):
        assert (other.status_code, other.json()["code"]) == (422, "request.idempotency")
    assert bob.post(THINGS, json={"name": name}, headers=headers).status_code == 201, "keys are each caller's own"


def test_refused_requests_are_not_kept(ada: httpx2.Client) -> None:
    headers = key()
    assert ada.post(THINGS, json={"name": "x", "pieces": -1}, headers=headers).status_code == 422
    assert ada.post(THINGS, json={"name": "x", "pieces": 1}, headers=headers).status_code == 201


def test_many_at_the_same_time_make_one(house: House, ada: httpx2.Client) -> None:
    name, headers = str(uuid4()), key()
    token = ada.headers["authorization"]

    def send(_: int) -> httpx2.Response:
        with httpx2.Client(base_url=house.url, headers={"authorization": token}, timeout=20) as client:
            return client.post(THINGS, json={"name": name}, headers=headers)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(send, range(24)))
    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    assert made and len({answer.json()["id"] for answer in made}) == 1
    assert set(waiting) <= {"request.in_progress"}
    assert count(ada, name) == 1


def test_batches_moves_restores_and_tokens(ada: httpx2.Client) -> None:
    name, headers = str(uuid4()), key()
    rows = [{"name": name, "price": 1}, {"name": name, "pieces": -1}]
    first, second = (ada.post(f"{THINGS}?each=true", json=rows, headers=headers) for _ in range(2))
    assert first.json() == second.json() and count(ada, name) == 1
    address = f"{THINGS}/{first.json()['items'][0]['id']}"
    headers = key() | {"if-match": ada.get(address).headers["etag"]}
    moved, again = (ada.post(f"{address}/move", json={"to": "ready"}, headers=headers) for _ in range(2))
    assert moved.status_code == again.status_code == 200 and moved.json() == again.json(), "not stale the second time"
    assert len(ada.get(f"{address}/stages").json()["items"]) == 2
    ada.delete(address, headers={"if-match": "*"})
    headers = key()
    assert [ada.post(f"{address}/restore", headers=headers).status_code for _ in range(2)] == [200, 200]
    headers = key()
    made, shown = (ada.post("/acme/api/tokens", json={"name": name}, headers=headers).json() for _ in range(2))
    assert made["id"] == shown["id"] and made["token"] and shown["token"] is None, "the credential is shown once"
    assert ada.delete(f"/acme/api/tokens/{made['id']}").status_code == 204


def test_an_old_answer_is_not_given_to_who_may_not_read_any_more(house: House, ada: httpx2.Client) -> None:
    address, headers = f"/acme/api/logins/{house.users['dan']}", key()
    dan = house.sign_in("dan")
    assert dan.post(THINGS, json={"name": "x"}, headers=headers).status_code == 201
    ada.patch(address, json={"roles": ["guest"]})
    assert dan.post(THINGS, json={"name": "x"}, headers=headers).json()["code"] == "object.unknown"
    ada.patch(address, json={"roles": ["maker"]})


def test_keys_that_can_not_be(ada: httpx2.Client) -> None:
    for wrong in ("", "x" * 201, "a b", "\u00e9"):
        answer = ada.post(THINGS, json={"name": "x"}, headers={"idempotency-key": wrong.encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (400, "request.malformed")
