"""What is wrong is said in one shape, and nothing of the inside leaks; hostile bodies and query strings."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import pytest

from engine.base.errors import CODES, Refused
from engine.base.limits import BODY_BYTES, JSON_DEPTH
from engine.http.problems import STATUS, problem
from tests.http.conftest import House

THINGS = "/acme/api/records/thing"
JSON = {"content-type": "application/json"}


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def check_shape(answer: httpx2.Response) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code and document["type"] == f"/docs/codes#{document['code']}"
    assert document["title"] == CODES[document["code"]].title
    assert document["request_id"] == answer.headers["x-request-id"]
    for error in document.get("errors", ()):
        assert {"pointer", "code", "detail"} <= set(error) <= {"pointer", "code", "detail", "rule", "row"}
    return document


def test_every_code_has_a_status_and_a_document() -> None:
    for name, meant in CODES.items():
        reply = problem(Refused(name, "some detail"), "r1")
        document = json.loads(reply.body or b"")
        assert reply.status == document["status"] == STATUS[meant.kind]
        assert document["code"] == name and document["request_id"] == "r1"
        assert ("detail" in document) == (meant.kind not in ("internal", "unavailable"))
        assert (b"retry-after" in dict(reply.headers)) == (reply.status in (429, 503))


def test_codes_are_explained_where_the_type_points(house: House) -> None:
    page = house.client().get("/docs/codes")
    assert page.headers["content-type"].startswith("text/html")
    assert all(f'id="{name}"' in page.text for name in CODES)


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "request.malformed"),
    (b"{", 400, "request.malformed"),
    (b'{"name": "x"} {}', 400, "request.malformed"),
    (b"'x'", 400, "request.malformed"),
    (b'{"name": NaN}', 400, "request.malformed"),
    (b'{"price": Infinity}', 400, "request.malformed"),
    (b'{"name": "\xff\xfe"}', 400, "request.malformed"),
    (b'{"name": "\\ud800"}', 400, "request.malformed"),
    (b'{"name": "\x00"}', 400, "request.malformed"),
    (b"5", 400, "request.malformed"),
    (b'"text"', 400, "request.malformed"),
    (b"null", 400, "request.malformed"),
    (b"[" * 100 + b"]" * 100, 400, "request.malformed"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "request.malformed"),
    (b"[" * 5_000_000, 400, "request.malformed"),
    (b'{"pieces": ' + b"9" * 5000 + b"}", 400, "request.malformed"),
    (b'{"name": "a\\u0000b"}', 422, "record.invalid"),
    (b'{"name": 5}', 422, "record.invalid"),
    (b'{"name": ["x"]}', 422, "record.invalid"),
    (b'{"name": "x", "price": 1e400}', 422, "record.invalid"),
    (b'{"name": "x", "price": 1e-400}', 422, "record.invalid"),
    (b'{"name": "x", "price": 1e999999999}', 422, "record.invalid"),
    (b'{"name": "x", "pieces": 1e999999999}', 422, "record.invalid"),
]


@pytest.mark.parametrize(("body", "status", "expected"), BAD_BODIES, ids=lambda value: str(value)[:24])
def test_bodies_that_can_not_be(ada: httpx2.Client, body: bytes, status: int, expected: str) -> None:
    began = time.monotonic()
    answer = ada.post(THINGS, content=body, headers=JSON)
    assert code(answer) == (status, expected)
    assert time.monotonic() - began < 2
    check_shape(answer)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "x" * 61, "record.too_long"),
        ("notes", "x" * 70_000, "record.too_long"),
        ("name", None, "record.required"),
        ("name", "", "record.required"),
        ("pieces", 1001, "record.out_of_range"),
        ("pieces", -1, "record.out_of_range"),
        ("pieces", 2**63, "record.out_of_range"),
        ("pieces", 1.5, "record.type"),
        ("pieces", True, "record.type"),
        ("pieces", "5", "record.type"),
        ("price", 0.001, "record.out_of_range"),
        ("price", 1e25, "record.out_of_range"),
        ("made_on", "2023-02-29", "record.type"),
        ("made_on", "2024-13-01", "record.type"),
        ("made_on", 5, "record.type"),
        ("made_on", "10000-01-01", "record.type"),
        ("seen_at", "2024-01-01T25:00:00Z", "record.type"),
        ("seen_at", "2024-01-01T10:00:00", "record.type"),
        ("seen_at", "0001-01-01T00:00:00+14:00", "record.type"),
        ("fragile", "yes", "record.type"),
        ("colour", "green", "record.option"),
        ("tags", "old", "record.type"),
        ("tags", ["old", "x"], "record.option"),
        ("shelf", "nowhere", "record.type"),
        ("mail", "no mail", "record.type"),
        ("shelf", "01a20912-1676-7000-a461-c4d990469eca", "record.reference"),
        ("link", "javascript:x", "record.type"),
        ("nmae", 1, "record.field_unknown"),
        ("worth", 1, "record.field_read_only"),
        ("id", "x", "record.field_read_only"),
        ("version", 1, "record.field_read_only"),
        ("deleted_at", None, "record.field_unknown"),
        ("x\u0000", 1, "record.field_unknown"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_values_that_do_not_fit(ada: httpx2.Client, field: str, value: object, expected: str) -> None:
    answer = ada.post(THINGS, json={"name": "x", field: value})
    assert code(answer) == (422, "record.invalid"), answer.text
    errors = check_shape(answer)["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [(f"/{field}", expected)]


def test_all_faults_at_once(ada: httpx2.Client) -> None:
    answer = ada.post(THINGS, json={"name": 5, "pieces": "x", "colour": "green"})
    assert {error["pointer"] for error in check_shape(answer)["errors"]} == {"/name", "/pieces", "/colour"}


def test_unique_values(ada: httpx2.Client) -> None:
    assert ada.post(THINGS, json={"name": "x", "code": "only-one"}).status_code == 201
    answer = ada.post(THINGS, json={"name": "y", "code": "only-one"})
    assert check_shape(answer)["errors"] == [
        {"pointer": "/code", "code": "record.unique", "detail": "Code is already in use"}
    ]


def test_records_in_use(ada: httpx2.Client) -> None:
    shelf = ada.post("/acme/api/records/shelf", json={"name": "in use"}).json()["id"]
    ada.post(THINGS, json={"name": "x", "shelf": shelf})
    answer = ada.delete(f"/acme/api/records/shelf/{shelf}", headers={"if-match": "*"})
    assert code(answer) == (409, "record.in_use")
    check_shape(answer)


def test_depth_up_to_the_limit_is_read(ada: httpx2.Client) -> None:
    deep = b'{"name": ' + b"[" * (JSON_DEPTH - 1) + b"]" * (JSON_DEPTH - 1) + b"}"
    assert code(ada.post(THINGS, content=deep, headers=JSON)) == (422, "record.invalid")
    assert code(ada.post(THINGS, content=deep.replace(b"[]", b"[[]]"), headers=JSON)) == (400, "request.malformed")


def test_large_bodies_are_refused_early(house: House, ada: httpx2.Client) -> None:
    token = ada.headers["authorization"]

    def flood() -> Any:
        yield b'{"name": "'
        for _ in range(50):
            yield b"x" * 1024 * 1024
        yield b'"}'

    for content in (b" " * (BODY_BYTES + 1), flood()):
        with httpx2.Client(base_url=house.url, timeout=20, headers={"authorization": token}) as client:
            try:
                answer = client.post(THINGS, content=content, headers=JSON)
            except httpx2.WriteError:
                continue  # the server hung up while the body was still being sent
            assert code(answer) == (413, "request.too_large")
            check_shape(answer)
    padded = b'{"name": "x"' + b" " * (BODY_BYTES - 100) + b"}"
    assert ada.post(THINGS, content=padded, headers=JSON).status_code == 201


@pytest.mark.parametrize(
    "given",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "multipart/form-data",
    ],
)
def test_other_types_of_body(ada: httpx2.Client, given: str | None) -> None:
    headers = {"content-type": given} if given else {}
    answer = ada.post(THINGS, content=b'{"name": "x"}', headers=headers)
    assert code(answer) == (415, "request.media_type")
    check_shape(answer)


def test_types_of_patches(ada: httpx2.Client) -> None:
    address = ada.post(THINGS, content=b'{"name":"x"}', headers={"content-type": "application/json; charset=UTF-8"})
    path, headers = address.headers["location"], {"if-match": "*", "content-type": "application/merge-patch+json"}
    assert ada.patch(path, content=b'{"pieces": 1}', headers=headers).status_code == 200
    assert code(ada.post(THINGS, content=b'{"name":"x"}', headers=headers)) == (415, "request.media_type")
    headers["content-type"] = "application/json-patch+json"
    assert code(ada.patch(path, content=b"[]", headers=headers)) == (415, "request.media_type")


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("limit=0", 400, "query.invalid"),
        ("limit=201", 400, "query.invalid"),
        ("limit=-1", 400, "query.invalid"),
        ("limit=x", 400, "query.invalid"),
        ("limit=%D9%A1", 400, "query.invalid"),
        ("limit=", 400, "query.invalid"),
        ("limit=1&limit=2", 400, "request.malformed"),
        ("name=a&name=b", 400, "request.malformed"),
        ("where=%00", 400, "request.malformed"),
        ("name=%00", 400, "request.malformed"),
        ("where=%ff", 400, "request.malformed"),
        ("count=yes", 400, "query.invalid"),
        ("errors=yes", 400, "query.invalid"),
        ("where=", 400, "query.invalid"),
        ("where=name", 400, "query.invalid"),
        ("where=price >", 400, "query.invalid"),
        ("where=nope = 1", 400, "query.invalid"),
        ("order=", 400, "query.invalid"),
        ("order=--name", 400, "query.invalid"),
        ("pieces=x", 400, "query.invalid"),
        ("made_on=2024-02-30", 400, "query.invalid"),
        ("pieces=99999999999999999999", 400, "query.invalid"),
        ("price=NaN", 400, "query.invalid"),
        ("price=1e999999999", 400, "query.invalid"),
        ("shelf=x", 400, "query.invalid"),
        ("colour=green", 200, ""),
        ("seen_at=2024-01-01", 400, "query.invalid"),
        ("where=" + "(" * 5000, 400, "query.invalid"),
        ("where=" + "x" * 17_000, 413, "request.too_large"),
        ("where=pieces > 99999999999999999999", 200, ""),
        ("where=price > 1e400", 400, "query.invalid"),
        ("where=price / 0 > 1", 200, ""),
        ("fields=" + "name," * 200 + "name", 200, ""),
        ('where=name = "%5Cud800"', 400, "query.invalid"),
        ("view=x", 400, "query.invalid"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_query_strings(ada: httpx2.Client, query: str, status: int, expected: str) -> None:
    answer = ada.get(f"{THINGS}?{query}")
    assert answer.status_code == status, answer.text
    if expected:
        assert check_shape(answer)["code"] == expected


def test_request_ids(ada: httpx2.Client, house: House) -> None:
    assert ada.get(THINGS, headers={"x-request-id": "Ab-1._z"}).headers["x-request-id"] == "Ab-1._z"
    for wrong in ("", "a b", "x" * 65, "a\u00e9", "<script>"):
        given = ada.get(THINGS, headers={"x-request-id": wrong.encode("latin-1")}).headers["x-request-id"]
        assert given != wrong and len(given) == 32
    assert house.client().get("/nowhere", headers={"x-request-id": "abc"}).json()["request_id"] == "abc"
    address = ada.post(THINGS, json={"name": "x"}, headers={"x-request-id": "traced"}).headers["location"]
    assert ada.get(f"{address}/history").json()["items"][0]["request_id"] == "traced"


def test_strict_headers(ada: httpx2.Client, house: House) -> None:
    for answer in (
        ada.get(THINGS),
        house.client().get("/nowhere"),
        house.client().get("/health/live"),
        ada.get("/acme/docs"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def test_health(house: House) -> None:
    client = house.client()
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok"}
