"""`python -m tests.bench`: Fieldwright over HTTP beside a floor written by hand, in one interleaved run.

Both have the same rows, indexes and SQL on one PostgreSQL, and one worker each. Fieldwright runs as it comes: tokens,
rights, rules, history, events and the access log (as JSON, into a file) are on. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.formulas import formulas
from tests.bench.measure import Slice, run_slice
from tests.bench.once import Finding, changed, demonstrated, imported, started, validated
from tests.bench.report import Pair, about_run, lines
from tests.bench.workloads import WORKLOADS, Paths, Workload, same_answers
from tests.bench.world import World, connect, world

ONCE = ("I1", "S1", "start", "validate", "demo")
APART = ("demo", "F")
"""What needs no services beside it; F is everything about formulas."""
NAMES = (*(workload.name for workload in WORKLOADS), *ONCE, "F")
WARM_SECONDS = 1.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def pair(there: World, workload: Workload, seconds: float, slices: int, concurrency: int) -> Pair:
    """Slices of one workload in turn: first all sides are warmed up, then product, floor, product, floor ..."""

    def run(side: Paths, length: float) -> Slice:
        pid = workload.service(there, side).pid
        return run_slice(workload.spec(there, side, length, concurrency), pid, there.postmaster)

    for side in workload.sides:
        run(side, min(WARM_SECONDS, seconds))
    asyncio.run(_checkpoint(there))
    taken: list[list[Slice]] = [[] for _ in workload.sides]
    for _ in range(slices):
        for side, found in zip(workload.sides, taken, strict=True):
            found.append(run(side, seconds))
    made = Pair(workload, *map(tuple, taken))
    say(f"{workload.name}: {taken[0][-1].rate:,.1f} and {taken[1][-1].rate:,.1f} requests/s, ratio {made.ratio:.2f}")
    return made


async def _checkpoint(there: World) -> None:
    """So that no slice pays for what an earlier one wrote."""
    conn = await connect(there.url)
    await conn.execute("CHECKPOINT")
    await conn.close()


def _beside(
    there: World, options: argparse.Namespace, wanted: set[str], home: Path
) -> tuple[list[Pair], list[Finding]]:
    """What is measured with both services running."""
    same_answers(there)
    chosen = [workload for workload in WORKLOADS if workload.name in wanted]
    pairs = [pair(there, w, options.seconds, options.slices, options.concurrency) for w in chosen]
    steps: dict[str, Callable[[], list[Finding]]] = {
        "I1": lambda: imported(there, options.rows, say),
        "S1": lambda: changed(there, options.slices, say),
        "start": lambda: started(there),
        "validate": lambda: validated(home),
    }
    return pairs, [found for name, step in steps.items() if name in wanted for found in step()]


def measure(options: argparse.Namespace) -> list[str]:
    """Runs what was asked for; the report."""
    wanted = set(options.workloads)
    pairs: list[Pair] = []
    findings: list[Finding] = []
    folder = Path(tempfile.mkdtemp(prefix="fieldwright-bench-"))
    home = folder / "home"
    home.mkdir()
    version = ""
    try:
        if wanted - set(APART):
            with world(home, options.rows, say) as there:
                pairs, findings = _beside(there, options, wanted, home)
                version = there.version
        if "demo" in wanted:
            findings += demonstrated(folder)
        if "F" in wanted:
            (folder / "formulas").mkdir()
            findings += formulas(folder / "formulas", say)
    finally:
        if options.keep:
            say(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    options.missed = not all([*(p.met for p in pairs), *(f.met is not False for f in findings)])
    return lines(
        pairs, findings, about_run(options.rows, options.slices, options.seconds, options.concurrency, version)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--workloads", type=_names, default=NAMES, help=f"a list out of {','.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a slice")
    parser.add_argument("--slices", type=int, default=5, help="slices a side; also the repeats of S1")
    parser.add_argument("--concurrency", type=int, default=8, help="requests under way at a time")
    parser.add_argument("--rows", type=int, default=100_000, help="opportunities; accounts are a twentieth of it")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the run")
    parser.add_argument("--markdown", type=Path, help="write the report into this file, too")
    options = parser.parse_args(arguments)
    report = "\n".join(measure(options)) + "\n"
    print(report)
    if options.markdown:
        options.markdown.write_text(report, encoding="utf-8")
    return int(options.missed)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"there is no workload {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
