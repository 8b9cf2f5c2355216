"""Record ids: UUID version 7 (RFC 9562, section 5.7), so that new rows land at the end of an index."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_id(at: float | None = None) -> UUID:
    """A new UUIDv7; `at` is its time in seconds since the epoch (default: now)."""
    millis = int((time.time() if at is None else at) * 1000)
    return _with_random(millis, int.from_bytes(os.urandom(10)))


def new_ids(count: int, at: float | None = None) -> list[UUID]:
    """`count` ids of one moment in ascending order, so that a batch keeps its order when sorted by id."""
    millis = int((time.time() if at is None else at) * 1000)
    randoms = os.urandom(8 * count)
    return [
        _with_random(millis, (i % 4096) << 68 | int.from_bytes(randoms[8 * i : 8 * i + 8]), i // 4096)
        for i in range(count)
    ]


def _with_random(millis: int, rand: int, carry: int = 0) -> UUID:
    rand_a = (rand >> 68) & 0xFFF
    rand_b = rand & ((1 << 62) - 1)
    return UUID(int=((millis + carry) & ((1 << 48) - 1)) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
