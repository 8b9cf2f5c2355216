"""There is one clock, and it can be moved."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.base.clock import Clock

ENGINE = Path(__file__).resolve().parents[2] / "engine"
READS = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|fromtimestamp\(time\.time")


def test_nothing_else_reads_the_time() -> None:
    readers = {path.relative_to(ENGINE).as_posix() for path in ENGINE.rglob("*.py") if READS.search(path.read_text("utf-8"))}
    assert readers == {"base/clock.py"}


def test_a_clock_that_was_set_goes_on_from_there() -> None:
    clock, there = Clock(), datetime(2030, 3, 31, tzinfo=UTC)
    clock.set(there)
    assert timedelta() <= clock.now() - there < timedelta(minutes=1)
    clock.ahead += timedelta(days=7)
    assert clock.now() - there >= timedelta(days=7)
