"""The least of PostgreSQL's wire protocol: is a server alive, and one simple query, without an event loop.

Message formats: PostgreSQL documentation, chapter "Frontend/Backend Protocol".
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

STARTING = "57P03"
UNKNOWN_DATABASE = "3D000"
DUPLICATE_DATABASE = "42P04"
TOO_MANY_CONNECTIONS = "53300"


@dataclass(frozen=True, slots=True)
class Answer:
    """`sqlstate` is None when the server took the connection and ran the query."""

    sqlstate: str | None
    message: str = ""


def ask(path: Path, user: str, database: str, query: str | None = None, timeout: float = 5.0) -> Answer | None:
    """Connects to the socket at `path` and runs `query` if given; None when no server answers within `timeout` s."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(str(path))
            body = struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
            sock.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = _until_ready(sock)
            if query is not None and answer.sqlstate is None:
                text = query.encode() + b"\0"
                sock.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
                answer = _until_ready(sock)
            sock.sendall(b"X" + struct.pack("!i", 4))
            return answer
    except (OSError, EOFError):
        return None


def _until_ready(sock: socket.socket) -> Answer:
    """Reads up to ReadyForQuery, or to the error after which the server closes. Raises EOFError, OSError."""
    answer = Answer(None)
    while True:
        kind, length = struct.unpack("!ci", _exactly(sock, 5))
        body = _exactly(sock, length - 4)
        if kind == b"Z":
            return answer
        if kind == b"R" and struct.unpack("!i", body[:4])[0] != 0:
            return Answer("28000", "the server asks for a password")
        if kind == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            answer = Answer(fields.get(b"C", ""), fields.get(b"M", ""))
            if fields.get(b"V", fields.get(b"S")) in ("FATAL", "PANIC"):
                return answer


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
