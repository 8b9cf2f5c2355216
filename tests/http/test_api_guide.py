"""The examples of docs/api.md, run in order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.http.app import RESOURCES
from tests.http.conftest import House

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
PAIR = re.compile(r"```http\n(.*?)```\n```http\n(.*?)```", re.DOTALL)
ANY = "..."


def parts(block: str) -> tuple[str, dict[str, str], str]:
    head, _, body = block.partition("\n\n")
    first, *headers = head.strip().splitlines()
    return first, dict(line.split(": ", 1) for line in headers), body.strip()


def fits(found: Any, shown: Any) -> bool:
    if shown == ANY:
        return True
    if isinstance(shown, dict) and isinstance(found, dict):
        named = {key: value for key, value in shown.items() if key != ANY}
        complete = ANY in shown or set(found) == set(named)
        return complete and all(key in found and fits(found[key], value) for key, value in named.items())
    if isinstance(shown, list) and isinstance(found, list):
        return len(found) == len(shown) and all(map(fits, found, shown))
    return bool(found == shown)


def test_examples(house: House) -> None:
    client, values = house.client(), {"$TOKEN": "", "$ID": "", "$ETAG": "", "$FILE": ""}

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    pairs = PAIR.findall(GUIDE.read_text())
    assert len(pairs) > 10
    assert GUIDE.read_text().count("```http") == 2 * len(pairs)
    for request, response in pairs:
        first, headers, body = parts(fill(request))
        method, _, target = first.partition(" ")
        path, _, query = target.partition("?")
        encoded = "&".join(f"{k}={quote(v)}" for k, _, v in (pair.partition("=") for pair in query.split("&") if pair))
        answer = client.request(method, f"{path}?{encoded}", headers=headers, content=body.encode() or None)
        found = answer.json()
        if path.endswith("/session") and method == "POST":
            values["$TOKEN"] = found["token"]
        if path.endswith("/files"):
            values["$FILE"] = found["id"]
        if answer.status_code in (201, 202) and "location" in answer.headers:
            values["$ID"] = found["id"]
        values["$ETAG"] = answer.headers.get("etag", values["$ETAG"])
        status, shown_headers, shown = parts(fill(response))
        assert answer.status_code == int(status), (first, answer.text)
        for name, value in shown_headers.items():
            assert value in (ANY, answer.headers[name]), name
        assert fits(found, json.loads(shown)), (first, answer.text)


def test_every_address_is_in_the_guide() -> None:
    text = re.sub(r"\{\w+\}", "{}", GUIDE.read_text().replace("acme", "{tenant}").replace("/thing", "/{object}"))
    text = text.replace("/duplicates/sale", "/duplicates/{}")
    text = text.replace("$ID", "{}").replace(".../", "/{}/api/records/{}/")
    for resource in RESOURCES:
        assert re.sub(r"\{\w+\}", "{}", resource.path) in text, resource.path
