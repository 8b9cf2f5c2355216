"""The process: started, asked, told to stop; what its log holds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from tests.http.conftest import PASSWORD, furnish

START = "from engine.base.settings import Settings; from engine.http.serve import run; run(Settings(), worker=True)"


def test_serving_with_a_worker_until_told_to_stop(new_database: Callable[[], str], tmp_path: Path) -> None:
    database = new_database()
    asyncio.run(furnish(database))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "FIELDWRIGHT_DATABASE_URL": database,
        "FIELDWRIGHT_LOG_FORMAT": "json",
        "FIELDWRIGHT_PORT": str(port),
    }
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-c", START], env=environment, stderr=out)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert client.get("/health/ready").status_code == 200
                    break
                except httpx2.ConnectError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            token = client.post("/acme/api/session", json={"login": "bob", "password": PASSWORD}).json()["token"]
            headers = {"authorization": f"Bearer {token}", "x-request-id": "one-of-mine"}
            assert client.get("/acme/api/records/thing?name=who", headers=headers).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.wait(25)
    assert time.monotonic() - began < 10
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == "one-of-mine"]
    assert line["route"] == "/{tenant}/api/records/{object}"
    assert (line["method"], line["status"], line["tenant"]) == ("GET", 200, "acme")
    assert line["ms"] > 0
    assert len(line["actor"]) == 36
    assert token not in text
    assert PASSWORD not in text
    assert "who" not in text, "values of queries are not logged"
