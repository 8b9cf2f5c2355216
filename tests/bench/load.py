"""The load: keep-alive HTTP/1.1 over plain sockets on 127.0.0.1, in a process of its own.

Reads a specification as one JSON line from standard input, answers `ready`, begins at the next line, and prints
the outcome as one JSON line. It never runs longer than `seconds` and never asks more than LIMIT requests.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

HOST = "127.0.0.1"
LIMIT = 1_000_000
PATIENCE = 60.0


@dataclass(slots=True)
class Spec:
    """What is asked: each connection takes its own share of `paths` in turn, bodies go round over all of them.

    With `tagged` the last ETag of each path is sent as If-Match, `*` before the first one is known.
    """

    port: int
    seconds: float
    concurrency: int
    method: str
    paths: list[str]
    bodies: list[str]
    headers: dict[str, str]
    tagged: bool = False


@dataclass(slots=True)
class Tally:
    """What came of it; latencies in seconds."""

    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""
    size: int = 0


class Connection(asyncio.Protocol):
    """One connection that sends its next request as soon as the last one is answered."""

    def __init__(self, spec: Spec, number: int, tally: Tally, tags: dict[str, bytes]) -> None:
        self.spec, self.tally, self.tags = spec, tally, tags
        self.paths = spec.paths[number :: spec.concurrency] or spec.paths
        lines = [f"host: {HOST}", *(f"{name}: {value}" for name, value in spec.headers.items())]
        self.head = "\r\n".join(lines).encode()
        self.bodies = [body.encode() for body in spec.bodies]
        self.method, self.at, self.body_at = spec.method.encode(), 0, number
        self.buffer, self.need, self.end = b"", 0, 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def run(self, end: float, method: bytes, count: int = LIMIT) -> asyncio.Future[None]:
        """Asks until `end` (of the monotonic clock) or `count` requests were made."""
        self.done = asyncio.get_running_loop().create_future()
        self.end, self.method, self.left = end, method, count
        self.ask()
        return self.done

    def ask(self) -> None:
        self.path = path = self.paths[self.at % len(self.paths)]
        self.at += 1
        parts = [self.method, b" ", path.encode(), b" HTTP/1.1\r\n", self.head]
        body = b""
        if self.bodies and self.method != b"GET":
            body = self.bodies[self.body_at % len(self.bodies)]
            self.body_at += self.spec.concurrency
            parts += [b"\r\ncontent-type: application/json\r\ncontent-length: %d" % len(body)]
            if self.spec.tagged:
                parts += [b"\r\nif-match: ", self.tags.get(path, b"*")]
        self.began = time.perf_counter()
        self.transport.write(b"".join((*parts, b"\r\n\r\n", body)))

    def data_received(self, data: bytes) -> None:
        self.buffer = data if not self.buffer else self.buffer + data
        if not self.need:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            lowered = self.buffer[:head].lower()
            at = lowered.index(b"content-length:") + 15
            stop = lowered.find(b"\r", at)
            self.need = head + 4 + int(lowered[at : stop if stop > 0 else head])
        if len(self.buffer) >= self.need:
            self.answered()

    def answered(self) -> None:
        now, tally = time.perf_counter(), self.tally
        tally.latencies.append(now - self.began)
        tally.size += self.need
        if self.buffer[9:10] != b"2":
            tally.failed += 1
            tally.first_failure = tally.first_failure or self.buffer[:600].decode("latin-1")
        if self.spec.tagged:
            at = self.buffer.find(b"\r\netag: ", 0, 1_000)
            if at >= 0:
                self.tags[self.path] = self.buffer[at + 8 : self.buffer.find(b"\r", at + 8)]
        self.buffer, self.need = b"", 0
        self.left -= 1
        if self.left <= 0 or now >= self.end:
            self.done.set_result(None)
        else:
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the server closed the connection: {error}"))


async def main(spec: Spec) -> None:
    """One slice: connect, learn the tags where they are wanted, wait for the word, ask, report."""
    loop, tags = asyncio.get_running_loop(), dict[str, bytes]()
    tally = Tally()
    connections = []
    for number in range(spec.concurrency):
        made = lambda n=number: Connection(spec, n, tally, tags)  # noqa: E731
        connections.append((await loop.create_connection(made, HOST, spec.port))[1])
    if spec.tagged:
        far = time.perf_counter() + PATIENCE
        await asyncio.gather(*(c.run(far, b"GET", len(c.paths)) for c in connections))
        tally.latencies.clear()
        tally.size = 0
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()
    work = [c.run(began + spec.seconds, spec.method.encode(), LIMIT // spec.concurrency) for c in connections]
    await asyncio.wait_for(asyncio.gather(*work), spec.seconds + PATIENCE)
    seconds = time.perf_counter() - began
    ordered = sorted(tally.latencies)
    for connection in connections:
        connection.transport.close()
    outcome = {
        "count": len(ordered), "seconds": seconds, "failed": tally.failed, "first_failure": tally.first_failure,
        "bytes": tally.size, "p50": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)],
        "worst": ordered[-1],
    }  # fmt: skip
    print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Spec(**json.loads(sys.stdin.readline()))))
