"""What a caller is told of the model: `/meta`, `/formula/check`, the OpenAPI document and a client made from it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from tests.http.conftest import PASSWORD, House

THINGS = "/acme/api/records/thing"


def objects(client: httpx2.Client) -> dict[str, Any]:
    return {obj["name"]: obj for obj in client.get("/acme/api/meta").json()["objects"]}


def test_meta_shows_what_the_caller_may_know(ada: httpx2.Client, bob: httpx2.Client, eve: httpx2.Client) -> None:
    everything, some, little = objects(ada), objects(bob), objects(eve)
    assert set(little) == {"shelf"} and [f["name"] for f in little["shelf"]["fields"]] == ["id", "version", "name"]
    assert "cost" in {f["name"] for f in everything["thing"]["fields"]} - {f["name"] for f in some["thing"]["fields"]}
    assert everything["thing"]["label"] == {"en": "Thing", "zh-CN": "物品"}
    fields = {f["name"]: f for f in some["thing"]["fields"]}
    assert fields["owner"]["create"] and not fields["owner"]["edit"] and fields["worth"]["computed"]
    assert fields["name"]["max_length"] == 60 and fields["pieces"]["max"] == 1000
    assert "roles" not in json.dumps(little) and "mak" not in json.dumps(little)
    meta = bob.get("/acme/api/meta").json()
    (process,) = meta["processes"]
    assert [stage["name"] for stage in process["stages"]] == ["draft", "ready", "scrapped"]
    assert {"name": "red", "label": {"en": "Red", "zh-CN": "红"}, "active": True} in [
        option for value_set in meta["value_sets"] for option in value_set["options"]
    ]
    assert eve.get("/acme/api/meta").json()["processes"] == [] == eve.get("/acme/api/meta").json()["reports"]


def test_meta_is_read_again_only_when_it_changed(ada: httpx2.Client, bob: httpx2.Client) -> None:
    for path in ("/acme/api/meta", "/acme/openapi.json"):
        tag = ada.get(path).headers["etag"]
        again = ada.get(path, headers={"if-none-match": tag})
        assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
        assert bob.get(path, headers={"if-none-match": tag}).status_code == 200, "other rights, other metadata"


@pytest.mark.parametrize(
    ("formula", "place", "kind"),
    [
        ("price * pieces", "query", "money"),
        ("SUM(price)", "measure", "money"),
        ('name & "!"', "field", "text"),
        ("ISCHANGED(price)", "rule", "boolean"),
    ],
)
def test_right_formulas(ada: httpx2.Client, formula: str, place: str, kind: str) -> None:
    answer = ada.post("/acme/api/formula/check", json={"object": "thing", "formula": formula, "place": place}).json()
    assert answer["ok"] and answer["type"] == kind and answer["problems"] == []


def test_wrong_formulas(bob: httpx2.Client, eve: httpx2.Client) -> None:
    def check(formula: str, **more: str) -> Any:
        return bob.post("/acme/api/formula/check", json={"object": "thing", "formula": formula, **more}).json()

    (problem,) = check("price * peices")["problems"]
    assert (problem["code"], problem["start"], problem["end"]) == ("formula.E301", 8, 14) and "pieces" in problem[
        "hint"
    ]
    assert check("cost > 1")["problems"][0]["code"] == "formula.E301", "what he may not read does not exist"
    assert check("1 +")["problems"][0]["code"].startswith("formula.E1")
    assert check("x", place="nowhere")["code"] == "request.malformed"
    assert eve.post("/acme/api/formula/check", json={"object": "thing", "formula": "1"}).status_code == 404


def test_what_is_said_of_a_right_formula(ada: httpx2.Client) -> None:
    asked = {"object": "thing", "formula": "-pieces ^ 2 & shelf.name", "place": "field"}
    answer = ada.post("/acme/api/formula/check", json=asked).json()
    assert answer["ok"] and answer["type"] == "text"
    (problem,) = answer["problems"]
    assert (problem["code"], problem["severity"]) == ("formula.W101", "warning") and problem["fixes"] == []
    assert answer["references"] == [
        {"start": 1, "end": 7, "kind": "field", "owner": "thing", "name": "pieces"},
        {"start": 14, "end": 19, "kind": "field", "owner": "thing", "name": "shelf"},
        {"start": 20, "end": 24, "kind": "field", "owner": "shelf", "name": "name"},
    ]
    (problem,) = ada.post("/acme/api/formula/check", json={"object": "thing", "formula": 'colour = "bleu"'}).json()["problems"]
    assert problem["fixes"] == [{"title": 'change to "blue"', "start": 9, "end": 15, "text": '"blue"'}]


def test_completion_offers_what_the_caller_may_read(ada: httpx2.Client, bob: httpx2.Client, eve: httpx2.Client) -> None:
    def complete(client: httpx2.Client, formula: str, locale: str = "en", **more: Any) -> Any:
        asked = {"object": "thing", "formula": formula, **more}
        return client.post("/acme/api/formula/complete", json=asked, headers={"accept-language": locale}).json()

    def labels(client: httpx2.Client, formula: str, **more: Any) -> list[str]:
        return [candidate["label"] for candidate in complete(client, formula, **more)["candidates"]]

    assert "secret" in labels(ada, "shelf.") and "secret" not in labels(bob, "shelf."), "bob may not read it"
    assert "cost" in labels(ada, "co") and "cost" not in labels(bob, "co")
    assert labels(bob, 'colour = "') == ["red", "blue"] and labels(bob, "stage = ")[0] == '"draft"'
    assert labels(bob, "ISCHANGED(pri", place="rule")[0] == "price" and "ISCHANGED" not in labels(bob, "ISCH")
    assert labels(bob, "SUM(pri", place="measure") == ["price"]
    assert labels(bob, "(pieces + ", offset=3)[0] == "pieces"
    (price,) = complete(bob, "price", "zh-CN")["candidates"]
    assert (price["doc"], price["detail"], price["start"], price["end"]) == ("价格", "money", 0, 5)
    call = complete(bob, "ROUND(price, ", offset=13)
    assert call["signature"]["label"].startswith("ROUND(") and call["signature"]["active"] == 1
    hover = complete(bob, "price * pieces", offset=1)["hover"]
    assert (hover["title"], hover["type"], hover["nullable"]) == ("thing.price", "money", True)
    assert complete(bob, "secret", offset=1)["hover"] is None
    (upper,) = [c for c in complete(bob, "UPPE")["candidates"] if c["label"] == "UPPER"]
    assert upper["text"][: upper["cursor"]] == "UPPER("
    refused = eve.post("/acme/api/formula/complete", json={"object": "thing", "formula": "1"})
    assert refused.status_code == 404
    assert ada.post("/acme/api/formula/complete", json={"object": "thing", "formula": "((((", "offset": 99}).status_code == 200
    paths = bob.get("/acme/openapi.json").json()["paths"]
    assert set(paths["/formula/complete"]) == {"post"}


def test_document_is_true_to_the_rights(ada: httpx2.Client, bob: httpx2.Client, eve: httpx2.Client) -> None:
    full, some, little = (client.get("/acme/openapi.json").json() for client in (ada, bob, eve))
    assert "/logins" in full["paths"] and "/logins" not in some["paths"]
    assert set(little["paths"]["/records/shelf"]) == {"get"} and "/records/thing" not in little["paths"]
    create = some["components"]["schemas"]["ThingCreate"]
    assert create["required"] == ["name"] and "cost" not in create["properties"] and "worth" not in create["properties"]
    assert create["properties"]["colour"]["enum"] == ["red", "blue", None]
    assert some["components"]["schemas"]["Thing"]["properties"]["worth"]["readOnly"]
    page = bob.get("/acme/docs")
    assert page.headers["content-type"].startswith("text/html") and "/acme/api/records/thing/{id}/move" in page.text
    chinese = ada.get("/acme/openapi.json", headers={"accept-language": "zh-CN"}).json()
    assert chinese["components"]["schemas"]["Thing"]["properties"]["price"]["title"] == "价格"


def test_document_holds_together(ada: httpx2.Client) -> None:
    document = ada.get("/acme/openapi.json").json()
    identifiers, references = [], []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            identifiers.extend([value["operationId"]] if "operationId" in value else [])
            references.extend([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    walk(document)
    assert len(identifiers) == len(set(identifiers)) > 20
    for reference in references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        named = {p["name"] for p in item.get("parameters", ())} | {
            p["name"] for method in ("get", "post") for p in item.get(method, {}).get("parameters", ())
        }
        assert {part[1:-1] for part in path.split("/") if part.startswith("{")} <= named, path


def test_answers_fit_the_document(ada: httpx2.Client) -> None:
    document = ada.get("/acme/openapi.json").json()

    def fits(value: Any, name: str) -> None:
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": document["components"]})

    body = {"name": "fits", "price": 1.5, "colour": "red", "tags": ["old"], "made_on": "2024-02-29", "pieces": 2}
    fits(body, "ThingCreate")
    created = ada.post(THINGS, json=body)
    fits(created.json(), "Thing")
    address = created.headers["location"]
    fits(ada.get(THINGS, params={"count": "exact"}).json(), "ThingPage")
    fits(ada.get(f"{address}/history").json(), "Changes")
    fits(ada.get(f"{address}/moves").json(), "Moves")
    fits(ada.get(f"{address}/stages").json(), "Stages")
    fits(ada.get("/acme/api/session").json(), "Caller")
    fits(ada.get("/acme/api/logins").json(), "Logins")
    fits(ada.get("/acme/api/reports").json(), "Reports")
    fits(ada.get("/acme/api/reports/things_by_colour").json(), "Table")
    fits(ada.post(THINGS, json={"name": 1}).json(), "Problem")
    with pytest.raises(jsonschema.ValidationError):
        fits({"name": "x", "unknown": 1}, "ThingCreate")


def test_a_generated_client_works(house: House, ada: httpx2.Client, tmp_path: Path, monkeypatch: Any) -> None:
    source, target = tmp_path / "openapi.json", tmp_path / "client"
    source.write_text(json.dumps(ada.get("/acme/openapi.json").json()))
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "openapi_python_client",
            "generate",
            "--path",
            str(source),
            "--output-path",
            str(target),
            "--meta",
            "none",
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    token = ada.headers["authorization"].removeprefix("Bearer ")
    client = importlib.import_module("client").AuthenticatedClient(base_url=f"{house.url}/acme/api", token=token)
    models = importlib.import_module("client.models")

    def call(tag: str, operation: str, *args: Any, **kwargs: Any) -> Any:
        return importlib.import_module(f"client.api.{tag}.{operation}").sync(*args, client=client, **kwargs)

    new = models.ThingCreate(name="generated", price=3.5, pieces=2)
    thing = call("thing", "create_thing", body=new)
    assert thing.name == "generated" and thing.worth == 7.0
    read = call("thing", "get_thing", thing.id)
    assert read.id == thing.id and read.stage == thing.stage
    changed = call("thing", "change_thing", thing.id, body=models.ThingPatch(pieces=3), if_match="*")
    assert changed.pieces == 3 and changed.version == 2
    page = call("thing", "list_thing", where='name = "generated"', limit=5)
    assert [item.id for item in page.items] == [thing.id] and page.next_ is None
    problem = call("thing", "create_thing", body=models.ThingCreate(name="x", pieces=-5))
    assert problem.code == "record.invalid" and problem.errors[0].pointer == "/pieces"


def test_a_browser_reads_the_page_with_login_and_password(house: House) -> None:
    address = f"{house.url}/acme/docs"
    asked = httpx2.get(address)
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic ")
    page = httpx2.get(address, auth=("ada", PASSWORD))
    assert page.status_code == 200
    assert page.text.startswith("<!doctype html>")
    assert httpx2.get(address, auth=("ada", "wrong")).status_code == 401
    assert httpx2.get(f"{house.url}/acme/api/meta", auth=("ada", PASSWORD)).status_code == 401
