"""What is measured once or a few times instead of in slices: import, change of the schema, validate, start, demo."""

from __future__ import annotations

import asyncio
import csv
import random
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.load import Spec
from tests.bench.measure import ROOT, finish_load, go, memory, start_load
from tests.bench.workloads import OPPORTUNITY
from tests.bench.world import (
    API,
    CLI,
    HERE,
    LOGIN,
    SCHEMA,
    START_SECONDS,
    TENANT,
    Service,
    World,
    ask,
    command,
    connect,
    free_port,
    opportunity,
    process,
    serve,
)

LOCKS = f"""
SELECT count(*) FILTER (WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation = $1::regclass) > 0,
       (SELECT number FROM "{SCHEMA}"._release WHERE current)
FROM pg_locks l
"""
POLL_SECONDS = 0.002
LOAD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure beside its goal; `met` is None where there is no goal."""

    name: str
    what: str
    measured: str
    goal: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change, all in milliseconds: the lock as watched from outside and as the command tells it, from the release
    to the first use in another process, the whole command, the slowest read meanwhile."""

    lock: float
    told: float
    usable: float
    command: float
    slowest: float


@dataclass(slots=True)
class Watch:
    """What a watcher saw of one change, in seconds of the monotonic clock."""

    lock: float = 0.0
    published: float = 0.0
    usable: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)


def imported(world: World, rows: int, say: Callable[[str], None]) -> list[Finding]:
    """I1: a CSV file with names of accounts through the import, and the same rows by COPY into the floor's table."""
    chance = random.Random(17)
    names = dict(world.accounts)
    mine, floor = world.home / "import.csv", world.home / "copy.csv"
    columns = list(opportunity(0, "", chance))
    with mine.open("w", newline="") as left, floor.open("w", newline="") as right:
        ours, theirs = csv.writer(left), csv.writer(right)
        ours.writerow(columns)
        for n in range(rows):
            row = opportunity(n, chance.choice(world.accounts)[0], chance)
            theirs.writerow(row.values())
            ours.writerow((row | {"account": names[row["account"]]}).values())

    async def copy() -> float:
        conn = await connect(world.url)
        try:
            began = time.perf_counter()
            await conn.copy_to_table("opportunity", schema_name="floor", source=floor, format="csv", columns=columns)
            return time.perf_counter() - began
        finally:
            await conn.close()

    copies = [asyncio.run(copy())]
    began = time.perf_counter()
    said = command(world.home, "data", "import", TENANT, str(HERE / "mapping.yaml"), str(mine), "--as", LOGIN)
    seconds = time.perf_counter() - began
    copies.append(asyncio.run(copy()))
    say(f"I1: {said.strip()}")
    if f" {rows} created" not in said:
        raise RuntimeError(f"the import did not take every row: {said}")
    bare = statistics.median(copies)
    times = seconds / bare
    text = f"{seconds:.1f} s ({rows / seconds:,.0f} rows/s), COPY {bare:.2f} s: {times:.1f} times"
    return [Finding("I1", f"import of {rows:,} CSV rows", text, "within 4 times of a bare COPY", times <= 4)]


def changed(world: World, repeats: int, say: Callable[[str], None]) -> list[Finding]:
    """S1: fields and objects added under read load, while a second process is asked until they are there."""
    folder = world.home / "changes"
    shutil.copytree(HERE / "pack", folder / "pack")
    shutil.copy(HERE / "tenant.yaml", folder)
    findings = []
    with serve(world.home, world.token) as second:
        second.call("GET", f"{OPPORTUNITY}?limit=1")
        for kind, add in ADDITIONS.items():
            seen = [_change(world, second, folder, add(folder / "pack", n)) for n in range(repeats)]
            for one in seen:
                say(f"S1 {kind}: {one}")
            what = f"add {'an optional field' if kind == 'field' else 'an object'} under read load, worst of {repeats}"
            lock, usable = max(max(one.lock, one.told) for one in seen), max(one.usable for one in seen)
            findings += [
                Finding("S1", f"{what}: exclusive lock", f"{lock:.1f} ms", "< 20 ms", lock < 20),
                Finding("S1", f"{what}: usable in another process", f"{usable:.0f} ms", "< 1 s", usable < 1_000),
                Finding("S1", f"{what}: the whole command", f"{max(one.command for one in seen):.0f} ms", "-", None),
                Finding("S1", f"{what}: slowest read", f"{max(one.slowest for one in seen):.0f} ms", "-", None),
            ]
    return findings


def _add_field(folder: Path, n: int) -> str:
    """Adds an optional field to the pack; the address that answers once it is there."""
    file = folder / "objects.yaml"
    line = f"  extra_{n}: {{type: text, max_length: 40, label: {{en: Extra {n}, zh-CN: 附加{n}}}}}\n"
    file.write_text(file.read_text().replace("  expected:", line + "  expected:"))
    return f"{OPPORTUNITY}?limit=1&fields=extra_{n}"


def _add_object(folder: Path, n: int) -> str:
    """Adds an object of five fields, and the right to read it, to the pack; its address."""
    name = f"thing_{n}"
    fields = "".join(f"  field_{i}: {{type: text, label: {{en: Field {i}, zh-CN: 字段{i}}}}}\n" for i in range(4))
    (folder / f"{name}.yaml").write_text(
        f"kind: object\nname: {name}\nlabel: {{en: Thing {n}, zh-CN: 物品{n}}}\ntitle: name\nfields:\n"
        f"  name: {{type: text, required: true, label: {{en: Name, zh-CN: 名称}}}}\n{fields}"
    )
    with (folder / "roles.yaml").open("a") as roles:
        roles.write(f"  {name}: {{read: true}}\n")
    return f"{API}/records/{name}?limit=1"


ADDITIONS: dict[str, Callable[[Path, int], str]] = {"field": _add_field, "object": _add_object}


def _change(world: World, second: Service, folder: Path, probe: str) -> Change:
    watch = Watch()
    paths = [f"{OPPORTUNITY}/{record}?fields=name,amount,account.name" for record in world.ids[:500]]
    load = start_load(Spec(world.product.port, LOAD_SECONDS, 2, "GET", paths, [], world.product.headers))
    watchers = [
        threading.Thread(target=lambda: asyncio.run(_watch_locks(world, watch))),
        threading.Thread(target=_watch_use, args=(second, probe, watch)),
    ]
    for thread in watchers:
        thread.start()
    go(load)
    time.sleep(0.2)
    began = time.perf_counter()
    said = command(world.home, "apply", str(folder / "tenant.yaml"), "--packs", str(folder), "--yes")
    took = time.perf_counter() - began
    watchers[1].join(START_SECONDS)
    watch.stop.set()
    watchers[0].join()
    slowest = finish_load(load)["worst"]
    told = re.search(r"longest lock (\d+) ms", said)
    seconds = (watch.lock, max(0.0, watch.usable - watch.published), took, slowest)
    lock, usable, command_, slowest = (round(value * 1000, 1) for value in seconds)
    return Change(lock, float(told[1]) if told else 0.0, usable, command_, slowest)


async def _watch_locks(world: World, watch: Watch) -> None:
    """Looks again and again who holds the table exclusively, and when the new release becomes the current one."""
    conn = await connect(world.url)
    try:
        _, number = await conn.fetchrow(LOCKS, f"{SCHEMA}.opportunity")
        held = 0.0
        while not watch.stop.is_set():
            locked, now = await conn.fetchrow(LOCKS, f"{SCHEMA}.opportunity")
            at = time.perf_counter()
            held = (held or at) if locked else 0.0
            watch.lock = max(watch.lock, at - held if held else 0.0)
            if now != number:
                watch.published, number = at, now
            await asyncio.sleep(0.0005)
    finally:
        await conn.close()


def _watch_use(second: Service, probe: str, watch: Watch) -> None:
    end = time.perf_counter() + START_SECONDS
    while time.perf_counter() < end:
        if ask(second.port, "GET", probe, second.headers)[0] == 200:
            watch.usable = time.perf_counter()
            return
        time.sleep(POLL_SECONDS)
    watch.usable = end


def validated(home: Path) -> list[Finding]:
    """`fieldwright validate` of the sales pack, the whole command."""
    pack = ROOT / "tenant_configs" / "sales"
    times, said = [], ""
    for _ in range(3):
        began = time.perf_counter()
        said = command(home, "validate", str(pack))
        times.append(time.perf_counter() - began)
    inside = re.search(r"([\d.]+) s", said)
    seconds = statistics.median(times)
    text = f"{seconds:.2f} s with the start of the program" + (f", {inside[1]} s inside it" if inside else "")
    return [Finding("validate", "the sales pack", text, "< 1 s", seconds < 1)]


def started(world: World) -> list[Finding]:
    """Start of the server on a running database, and its memory before and after the first record is read."""
    times, idle, used = [], [], []
    for _ in range(3):
        with serve(world.home, world.token) as service:
            times.append(service.ready_seconds)
            idle.append(memory(service.pid))
            service.call("GET", f"{OPPORTUNITY}?limit=1")
            used.append(memory(service.pid))
    seconds, most = statistics.median(times), statistics.median(used)
    text = f"{statistics.median(idle) / 1e6:.0f} MB, {most / 1e6:.0f} MB after the first request"
    return [
        Finding("start", "process start to ready", f"{seconds:.2f} s", "< 2 s", seconds < 2),
        Finding("memory", "idle server", text, "< 120 MB", most < 120e6),
    ]


def demonstrated(folder: Path) -> list[Finding]:
    """`fieldwright demo` in an empty home, until its API answers."""
    home = folder / "demo"
    home.mkdir()
    port = free_port()
    with process([*CLI, "demo", "--port", str(port)], port, "/health/ready", home, {}) as service:
        seconds = service.ready_seconds
    said = (home / f"service-{port}.log").read_text()
    rows = re.search(r"([\d,]+) records written", said)
    text = f"{seconds:.1f} s, {rows[1] if rows else '?'} records written"
    return [Finding("demo", "empty home to the first answer", text, "< 20 s", seconds < 20)]
