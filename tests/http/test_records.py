"""Records over HTTP: reading, paging, writing, conditional requests, moves, batches."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote
from uuid import uuid4

import httpx2
import msgspec
import pytest

from tests.http.conftest import House

THINGS = "/acme/api/records/thing"


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def make(client: httpx2.Client, **fields: object) -> tuple[str, str]:
    answer = client.post(THINGS, json={"name": "a thing", **fields})
    assert answer.status_code == 201, answer.text
    return f"{THINGS}/{answer.json()['id']}", answer.headers["etag"]


def test_create_read_change_delete_restore(ada: httpx2.Client) -> None:
    created = ada.post(THINGS, json={"name": "lamp", "price": 12.5, "pieces": 3})
    assert created.status_code == 201
    address = created.headers["location"]
    assert address == f"{THINGS}/{created.json()['id']}" and created.json()["worth"] == 37.5
    found = ada.get(address)
    assert found.json() == created.json() and found.headers["etag"] == created.headers["etag"]
    changed = ada.patch(address, json={"pieces": None}, headers={"if-match": found.headers["etag"]})
    assert changed.status_code == 200 and changed.json()["pieces"] is None and changed.json()["version"] == 2
    assert ada.get(address).headers["etag"] == changed.headers["etag"] != found.headers["etag"]
    assert ada.delete(address, headers={"if-match": changed.headers["etag"]}).status_code == 204
    assert code(ada.get(address)) == (404, "record.unknown")
    restored = ada.post(f"{address}/restore")
    assert restored.status_code == 200 and restored.headers["etag"] == ada.get(address).headers["etag"]
    assert [item["kind"] for item in ada.get(f"{address}/history").json()["items"]] == [
        "restored",
        "deleted",
        "changed",
        "created",
    ]


def test_numbers_keep_all_their_digits(ada: httpx2.Client) -> None:
    sent = b'{"name": "exact", "price": 12345678901234567.89, "weight": 0.1}'
    answer = ada.post(THINGS, content=sent, headers={"content-type": "application/json"})
    exact = msgspec.json.Decoder(float_hook=Decimal).decode(answer.content)
    assert exact["price"] == Decimal("12345678901234567.89") and exact["weight"] == Decimal("0.1")


def test_conditional_requests(ada: httpx2.Client) -> None:
    address, first = make(ada)
    other = make(ada)[1]
    for send in (
        lambda headers: ada.patch(address, json={"pieces": 1}, headers=headers),
        lambda headers: ada.delete(address, headers=headers),
        lambda headers: ada.post(f"{address}/move", json={"to": "ready"}, headers=headers),
    ):
        assert code(send({})) == (428, "request.precondition")
        for wrong in (other, '"1"', "W/" + first, '"1-0000000000000000"', "nonsense", '"99999999999999999999-aa"'):
            assert code(send({"if-match": wrong})) == (412, "record.stale"), wrong
    second = ada.patch(address, json={"pieces": 1}, headers={"if-match": f"{other}, {first}"}).headers["etag"]
    assert code(ada.patch(address, json={"pieces": 2}, headers={"if-match": first})) == (412, "record.stale")
    assert ada.patch(address, json={"pieces": 2}, headers={"if-match": second}).status_code == 200
    assert ada.patch(address, json={"pieces": 3}, headers={"if-match": "*"}).json()["version"] == 4


def test_hidden_and_missing_are_the_same(ada: httpx2.Client, bob: httpx2.Client) -> None:
    hidden, _ = make(ada)
    missing = f"{THINGS}/{uuid4()}"
    for path in ("", "/moves", "/history", "/stages"):
        answers = [
            bob.get(f"{base}{path}") for base in (hidden, missing, f"{THINGS}/not-an-id", f"{THINGS}/{'x' * 36}")
        ]
        assert {code(answer) for answer in answers} == {(404, "record.unknown")}
        assert len({answer.json()["detail"] for answer in answers}) == 1
    for base in (hidden, missing):
        assert code(bob.patch(base, json={"pieces": 1}, headers={"if-match": "*"})) == (404, "record.unknown")
        assert code(bob.delete(base, headers={"if-match": "*"})) == (404, "record.unknown")


def test_readable_but_not_editable_is_forbidden(ada: httpx2.Client, bob: httpx2.Client) -> None:
    address, tag = make(ada, fragile=True, cost=1)
    assert "cost" not in bob.get(address).json()
    assert code(bob.patch(address, json={"pieces": 1}, headers={"if-match": tag})) == (403, "access.denied")


def test_fields_rights_and_unknown_names(ada: httpx2.Client, bob: httpx2.Client, eve: httpx2.Client) -> None:
    make(bob, name="mine")
    for query in ("fields=cost", "where=cost > 1", "order=cost", "cost=1", "fields=name,nme", "q=x", "fields=name,"):
        assert code(bob.get(f"{THINGS}?{query}")) == (400, "query.invalid"), query
    assert code(bob.post(THINGS, json={"name": "x", "cost": 1}))[1] == "record.invalid"
    assert code(eve.get(THINGS)) == code(eve.get("/acme/api/records/nothing")) == (404, "object.unknown")
    assert code(eve.post("/acme/api/records/shelf", json={"name": "x"})) == (403, "access.denied")
    assert {key for item in eve.get("/acme/api/records/shelf").json()["items"] for key in item} <= {
        "id",
        "version",
        "name",
    }


def test_filters_orders_and_counts(ada: httpx2.Client) -> None:
    shelf = ada.post("/acme/api/records/shelf", json={"name": f"s{uuid4()}"}).json()
    for n in range(5):
        make(ada, name=f"f{n}", pieces=n, shelf=shelf["id"], colour="red" if n % 2 else "blue", tags=["old"])
    got = ada.get(
        THINGS,
        params={
            "shelf": shelf["id"],
            "where": "pieces >= 1",
            "order": "-pieces",
            "count": "exact",
            "fields": "name,shelf.name",
            "limit": "2",
        },
    ).json()
    assert [item["name"] for item in got["items"]] == ["f4", "f3"] and got["total"] == 4
    assert got["items"][0]["shelf.name"] == shelf["name"]
    params = {"shelf": shelf["id"], "colour": "red", "where": 'name <> "f1"'}
    assert [item["name"] for item in ada.get(THINGS, params=params).json()["items"]] == ["f3"]
    assert "total" not in ada.get(THINGS).json()


def test_paging_visits_every_record_once(ada: httpx2.Client) -> None:
    shelf = ada.post("/acme/api/records/shelf", json={"name": f"s{uuid4()}"}).json()["id"]
    rows = [{"name": f"p{n % 7}", "shelf": shelf, "pieces": n % 3 or None} for n in range(53)]
    assert ada.post(THINGS, json=rows).status_code == 201
    for order in ("pieces", "-pieces,name", "-created_at", "id"):
        seen: list[str] = []
        params = {"shelf": shelf, "order": order, "limit": "10", "fields": "id"}
        while True:
            page = ada.get(THINGS, params=params).json()
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            params["after"] = page["next"]
        assert len(seen) == len(set(seen)) == 53, order


def test_cursors_can_not_be_made_or_moved(ada: httpx2.Client, bob: httpx2.Client) -> None:
    for _ in range(3):
        make(bob)
    cursor = bob.get(THINGS, params={"limit": "1", "order": "name"}).json()["next"]
    assert bob.get(THINGS, params={"limit": "1", "order": "name", "after": cursor}).status_code == 200
    wrong = [cursor[:-2], ("B" if cursor[0] == "A" else "A") + cursor[1:], "", "x", "ä", "A" * 60, cursor + "AAAA"]
    for text in wrong:
        assert code(bob.get(THINGS, params={"limit": "1", "order": "name", "after": text}))[0] == 400, text
    assert code(bob.get(THINGS, params={"limit": "1", "order": "-name", "after": cursor})) == (400, "query.cursor")
    assert code(ada.get(THINGS, params={"limit": "1", "order": "name", "after": cursor})) == (400, "query.cursor")


def test_moves(ada: httpx2.Client) -> None:
    address, tag = make(ada)
    (move,) = ada.get(f"{address}/moves").json()["moves"]
    assert move["to"] == "ready" and not move["allowed"] and move["blocked_by"][0]["rule"] == "priced"
    refused = ada.post(f"{address}/move", json={"to": "ready"}, headers={"if-match": tag})
    assert code(refused) == (422, "record.invalid")
    assert {error["code"] for error in refused.json()["errors"]} >= {"stage.exit"}
    moved = ada.post(f"{address}/move", json={"to": "ready", "fields": {"price": 5}}, headers={"if-match": tag})
    assert moved.status_code == 200 and moved.json()["stage"] == "ready" and moved.json()["price"] == 5
    tag = moved.headers["etag"]
    unreasoned = ada.post(f"{address}/move", json={"to": "scrapped"}, headers={"if-match": tag})
    (fault,) = unreasoned.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/reason", "stage.reason")
    wrong = ada.post(f"{address}/move", json={"to": "nowhere", "fields": {"price": "x"}}, headers={"if-match": tag})
    assert {error["pointer"] for error in wrong.json()["errors"]} == {"/to", "/fields/price"}
    done = ada.patch(address, json={"stage": "scrapped"}, headers={"if-match": tag, "x-reason": quote("摔坏了 100%")})
    assert done.status_code == 200, done.text
    stages = ada.get(f"{address}/stages").json()["items"]
    assert [(s["stage"], s["reason"]) for s in stages][-1] == ("scrapped", "摔坏了 100%")
    shelf = ada.post("/acme/api/records/shelf", json={"name": f"s{uuid4()}"}).json()["id"]
    answer = ada.post(f"/acme/api/records/shelf/{shelf}/move", json={"to": "x"}, headers={"if-match": "*"})
    assert code(answer) == (404, "request.unknown")


def test_a_warning_of_a_move_is_acknowledged_in_its_body(ada: httpx2.Client) -> None:
    address, tag = make(ada, price=900_000)
    move = f"{address}/move"
    for said in ([], ["price_is_usual"]):
        refused = ada.post(move, json={"to": "ready", "acknowledge": said}, headers={"if-match": tag})
        assert code(refused) == (409, "record.warning")
        assert [(e["rule"], e["severity"]) for e in refused.json()["errors"]] == [("ready_and_dear", "warning")]
        assert ada.get(address).json()["stage"] == "draft"
    done = ada.post(move, json={"to": "ready", "acknowledge": ["ready_and_dear"]}, headers={"if-match": tag})
    assert done.status_code == 200 and done.json()["stage"] == "ready"
    wrong = ada.post(move, json={"to": "draft", "acknowledge": "x"}, headers={"if-match": done.headers["etag"]})
    assert code(wrong) == (400, "request.malformed")


def test_warnings_are_acknowledged_and_notices_told(ada: httpx2.Client, bob: httpx2.Client) -> None:
    """By header for one record, a list, an upsert and a restore; in the body of a step of a batch."""
    sales, said, dear = "/acme/api/records/sale", {"x-acknowledge": "other, price_is_usual"}, {"name": "x", "price": 1000}
    refused = ada.post(sales, json=dear, headers={"accept-language": "zh-CN"})
    assert code(refused) == (409, "record.warning")
    assert refused.json()["errors"] == [{
        "pointer": "/price", "code": "record.warning", "detail": "金额很大", "rule": "price_is_usual",
        "severity": "warning",
    }]  # fmt: skip
    made = ada.post(sales, json=dear, headers=said)
    notice = {"rule": "few_pieces", "field": "pieces", "detail": "How many are there?"}
    assert made.status_code == 201 and made.json()["_notices"] == [notice]
    address, tag = made.headers["location"], made.headers["etag"]
    assert code(ada.patch(address, json={"price": 2000}, headers={"if-match": tag})) == (409, "record.warning")
    done = ada.patch(address, json={"price": 2000, "pieces": 1}, headers={"if-match": tag, **said})
    assert done.status_code == 200 and "_notices" not in done.json()
    assert ada.delete(address, headers={"if-match": "*"}).status_code == 204
    assert code(ada.post(f"{address}/restore")) == (409, "record.warning")
    assert ada.post(f"{address}/restore", headers=said).status_code == 200
    assert code(ada.post(sales, json=[dear, dear])) == (409, "record.warning")
    items = ada.post(sales, json=[dear, {**dear, "pieces": 1}], headers=said).json()["items"]
    assert [item.get("_notices") for item in items] == [[notice], None]
    items = ada.post(f"{sales}?each=true", json=[dear, {"name": "y"}]).json()["items"]
    assert items[0]["errors"][0]["severity"] == "warning" and items[1]["_notices"] == [notice]
    steps = [{"object": "sale", "create": dear, "acknowledge": ["price_is_usual"]}, {"object": "sale", "create": dear}]
    refused = ada.post("/acme/api/batch", json={"steps": steps})
    assert code(refused) == (409, "record.warning") and [e["row"] for e in refused.json()["errors"]] == [1]
    (item,) = ada.post("/acme/api/batch", json={"steps": steps[:1]}).json()["items"]
    assert item["_notices"] == [notice]


def test_batches(ada: httpx2.Client) -> None:
    name = f"b{uuid4()}"
    rows = [{"name": name, "pieces": 1}, {"name": name, "pieces": -1}, {"name": name, "price": 1, "cost": 2}]
    refused = ada.post(THINGS, json=rows)
    assert code(refused) == (422, "record.invalid") and refused.json()["errors"][0]["row"] == 1
    count = {"name": name, "count": "exact", "limit": "1"}
    assert ada.get(THINGS, params=count).json()["total"] == 0
    each = ada.post(f"{THINGS}?each=true", json=rows)
    assert each.status_code == 200
    good, negative, unpaid = each.json()["items"]
    assert good["version"] == 1 and negative["errors"][0]["pointer"] == "/pieces"
    assert unpaid["errors"][0]["rule"] == "price_covers_cost"
    assert ada.get(THINGS, params=count).json()["total"] == 1
    many = ada.post(THINGS, json=[{"name": name}] * 1000)
    assert many.status_code == 201 and len(many.json()["items"]) == 1000
    assert code(ada.post(THINGS, json=[{"name": name}] * 2001)) == (413, "request.too_large")
    assert code(ada.post(THINGS, json=[])) == (400, "request.malformed")
    assert ada.post(THINGS, json=[{"name": name}, 5]).json()["errors"][0]["pointer"] == "/1"


def test_reports_and_aggregates(ada: httpx2.Client, bob: httpx2.Client) -> None:
    make(ada, name="=cmd|' /C calc'!A0", price=2, pieces=3, colour="red")
    listed = ada.get("/acme/api/reports").json()["items"]
    assert [report["name"] for report in listed] == ["things_by_colour"]
    report = ada.get("/acme/api/reports/things_by_colour").json()
    total = ada.get(THINGS, params={"count": "exact", "limit": "1"}).json()["total"]
    assert report["totals"]["things"] == total == sum(row["things"] for row in report["rows"])
    table = ada.get("/acme/api/reports/things_by_colour", headers={"accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv") and table.text.splitlines()[0].endswith(
        "Colour,Things,Worth"
    )
    params = {
        "by": "name,first:LEFT(name, 1)",
        "measures": 'n:COUNT(rows),SUM(IF(name = "a,b", 0, pieces))',
        "where": 'colour = "red"',
        "order": "-n",
        "limit": "5",
    }
    groups = ada.get("/acme/api/aggregate/thing", params=params).json()
    assert [column["name"] for column in groups["columns"]][:3] == ["name", "first", "n"] and len(
        groups["columns"]
    ) == 4
    assert code(bob.get("/acme/api/aggregate/thing?measures=SUM(cost)")) == (400, "query.invalid")
    assert code(bob.get("/acme/api/aggregate/thing")) == (400, "query.invalid")
    assert code(bob.get("/acme/api/reports/nothing")) == (404, "report.unknown")
    assert code(bob.get("/acme/api/reports/things_by_colour?format=pdf")) == (400, "query.invalid")


def test_runs_need_the_capability(ada: httpx2.Client, bob: httpx2.Client) -> None:
    assert ada.get("/acme/api/runs").json() == {"items": []}
    assert code(bob.get("/acme/api/runs")) == (403, "access.denied")
    assert code(ada.post(f"/acme/api/runs/{uuid4()}/retry")) == (404, "run.unknown")


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        (None, "The price must cover the cost"),
        ("zh-CN", "价格不得低于成本"),
        ("fr, zh;q=0.5, en;q=0.1", "价格不得低于成本"),
        ("fr", "The price must cover the cost"),
        ("en;q=0, zh-cn", "价格不得低于成本"),
        (";;q=x,,", "The price must cover the cost"),
    ],
)
def test_messages_in_the_language_of_the_caller(ada: httpx2.Client, accept: str | None, message: str) -> None:
    headers = {} if accept is None else {"accept-language": accept}
    answer = ada.post(THINGS, json={"name": "x", "price": 1, "cost": 2}, headers=headers)
    assert answer.json()["errors"][0] == {
        "pointer": "/price",
        "code": "record.rule",
        "detail": message,
        "rule": "price_covers_cost",
    }


def test_methods(house: House, ada: httpx2.Client) -> None:
    address, tag = make(ada)
    head = ada.head(address)
    assert head.status_code == 200 and head.headers["etag"] == tag and head.content == b""
    options = house.client().options(THINGS)
    assert options.status_code == 204 and options.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    wrong = ada.put(address, json={})
    assert code(wrong) == (405, "request.method") and "PATCH" in wrong.headers["allow"]
    assert code(house.client().post("/health/live")) == (405, "request.method")
    for path in ("/", "/acme", "/acme/api", "/acme/api/records", f"{address}/", "/acme/api/nothing", "/%00", "/..%2f"):
        assert code(ada.get(path)) == (404, "request.unknown"), path


def test_errors_are_told_where_they_are_asked_for(ada: httpx2.Client) -> None:
    address, _ = make(ada, price=2, pieces=3)
    assert ada.get(f"{address}?fields=worth&errors=true").json() == {"worth": 6, "_errors": {}}
    assert "_errors" not in ada.get(f"{address}?fields=worth&errors=false").json()
    listed = ada.get(f"{THINGS}?fields=name,worth&limit=1&errors=true").json()["items"]
    assert listed[0]["_errors"] == {}


def test_merging_over_http(ada: httpx2.Client) -> None:
    """A try changes nothing; the same key twice merges once; who asks for a merged record is shown the way."""
    shelf = ada.post("/acme/api/records/shelf", json={"name": "merged shelf"}).json()["id"]
    (one, tag), (two, _) = make(ada, name="m1", price=1.5), make(ada, name="m2", pieces=4, price=2, shelf=shelf)
    body, master = {"from": [two.rsplit("/", 1)[1]]}, one.rsplit("/", 1)[1]
    assert code(ada.post(f"{one}/merge", json=body)) == (428, "request.precondition")
    tried = ada.post(f"{one}/merge?dry=true", json=body, headers={"if-match": tag})
    assert tried.status_code == 200 and tried.json()["values"] == {"pieces": 4, "shelf": shelf}
    assert ada.get(two).status_code == 200
    headers = {"if-match": tag, "idempotency-key": "merge-1"}
    first, again = (ada.post(f"{one}/merge", json=body, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 200 and first.content == again.content
    assert ada.get(one).json()["price"] == 1.5 and ada.get(one).headers["etag"] == first.headers["etag"]
    gone = ada.get(two)
    assert code(gone) == (404, "record.unknown")
    assert gone.json()["errors"][0] | {"detail": ""} == {
        "pointer": "", "code": "record.merged", "detail": "", "about": [{"id": master}],
    }
    assert code(ada.post(f"{one}/merge", json={"from": []}, headers={"if-match": "*"})) == (422, "merge.refused")
    assert code(ada.post(f"{one}/merge?dry=maybe", json=body, headers={"if-match": "*"}))[0] == 400
