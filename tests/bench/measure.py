"""What a slice costs: CPU of the service and of PostgreSQL, memory of the service, and the load's own figures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.load import PATIENCE, Spec

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice. Times in seconds; CPU in seconds of the whole slice; `peak` in bytes since the service started."""

    count: int
    seconds: float
    p50: float
    p99: float
    worst: float
    service_cpu: float
    database_cpu: float
    peak: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.seconds


class Failed(Exception):
    """Answers that are not a success make a measurement worthless."""


def cpu(pid: int) -> float:
    """CPU seconds of one process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def tree_cpu(pid: int) -> float:
    """CPU seconds of PostgreSQL so far: the postmaster, its living children, and those it has buried."""
    parent = psutil.Process(pid)
    times = parent.cpu_times()
    total = float(times.user + times.system + times.children_user + times.children_system)
    for child in parent.children():
        try:
            its = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += float(its.user + its.system)
    return total


def peak_memory(pid: int) -> int:
    """The most memory that a process has held, in bytes; where the system does not tell, what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return memory(pid)


def memory(pid: int) -> int:
    """Resident memory now, in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


def start_load(spec: Spec) -> subprocess.Popen[str]:
    """A load process that has connected and waits for its word (`go`)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(spec)) + "\n")
    process.stdin.flush()
    if process.stdout.readline().strip() != "ready":
        process.kill()
        raise Failed("the load could not begin")
    return process


def finish_load(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The outcome of a load that was told to begin. Raises Failed where any answer was not a success."""
    out, _ = process.communicate(timeout=PATIENCE * 2)
    if not out:
        raise Failed("the load broke off")
    outcome: dict[str, Any] = json.loads(out)
    if outcome["failed"]:
        raise Failed(
            f"{outcome['failed']} of {outcome['count']} answers failed, the first:\n{outcome['first_failure']}"
        )
    return outcome


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def run_slice(spec: Spec, service: int, postmaster: int) -> Slice:
    """Runs one slice against the service with process number `service`."""
    load = start_load(spec)
    before = cpu(service), tree_cpu(postmaster)
    go(load)
    found = finish_load(load)
    return Slice(
        found["count"], found["seconds"], found["p50"], found["p99"], found["worst"],
        cpu(service) - before[0], tree_cpu(postmaster) - before[1], peak_memory(service),
    )  # fmt: skip
