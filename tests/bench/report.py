"""The outcome as a table: medians of the slices, ratios, and whether the goals are met."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.measure import Slice
from tests.bench.once import Finding
from tests.bench.workloads import Workload

HEADERS = (
    "", "req/s", "floor", "ratio", "goal", "", "by hand", "CPU", "floor", "DB CPU", "floor", "p50/p99 ms", "floor",
    "peak MB", "floor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """The slices of one workload on both sides, in the order they ran."""

    workload: Workload
    product: tuple[Slice, ...]
    floor: tuple[Slice, ...]
    same: tuple[Slice, ...] = ()

    @property
    def ratio(self) -> float:
        """The product's rate over the floor's: the median over neighbours, which shared the same moment."""
        return _ratio(self.product, self.floor)

    @property
    def ratio_by_hand(self) -> float | None:
        """The product's rate over that of the same work by hand."""
        return _ratio(self.product, self.same) if self.same else None

    @property
    def met(self) -> bool:
        goal = self.workload.rows_goal
        return self.ratio >= self.workload.goal or (goal is not None and self.rows >= goal)

    @property
    def rows(self) -> float:
        """Records that the product wrote per second."""
        rate: float = statistics.median(one.rate for one in self.product)
        return rate * (self.workload.rows or 1)


def _ratio(product: Sequence[Slice], other: Sequence[Slice]) -> float:
    return statistics.median(mine.rate / its.rate for mine, its in zip(product, other, strict=True))


def lines(pairs: Sequence[Pair], findings: Sequence[Finding], about: str) -> list[str]:
    """The report as Markdown. CPU is in milliseconds per request (the same number is seconds per 1,000 requests)."""
    out = [about, ""]
    if pairs:
        out += [_row(HEADERS), _row(["---", *["---:"] * (len(HEADERS) - 1)])]
        out += [_row(_cells(pair)) for pair in pairs]
        out += ["", *(f"- {pair.workload.name}: {pair.workload.what}{_as_rows(pair)}." for pair in pairs), ""]
    if findings:
        out += [_row(["", "what", "measured", "goal", ""]), _row(["---"] * 5)]
        out += [_row([f.name, f.what, f.measured, f.goal, _verdict(f.met)]) for f in findings]
    return out


def about_run(rows: int, slices: int, seconds: float, concurrency: int, version: str) -> str:
    """Where and how the figures were made."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{rows:,} records, concurrency {concurrency}, one worker each, {slices} slices of {seconds:g} s a side, "
        f"in turn; medians. {os.cpu_count()} cores for load, service and database together ({platform.machine()}), "
        f"PostgreSQL {version} with fsync, Python {python}. Load average at the end: {load}. CPU in ms per request "
        f"(= s per 1,000), of the service and of PostgreSQL; peak memory of the service since it started."
    )


def _cells(pair: Pair) -> list[str]:
    def middle(slices: Sequence[Slice], value: str) -> float:
        return float(statistics.median(getattr(one, value) for one in slices))

    def each(slices: Sequence[Slice], value: str) -> str:
        return f"{statistics.median(getattr(one, value) / one.count for one in slices) * 1000:.2f}"

    product, floor = pair.product, pair.floor
    cells = [pair.workload.name, *(_rate(middle(side, "rate")) for side in (product, floor))]
    by_hand = pair.ratio_by_hand
    cells += [f"{pair.ratio:.2f}", f"{pair.workload.goal:.2f}", _verdict(pair.met)]
    cells += ["" if by_hand is None else f"{by_hand:.2f}"]
    cells += [each(side, value) for value in ("service_cpu", "database_cpu") for side in (product, floor)]
    cells += [f"{middle(s, 'p50') * 1000:.1f}/{middle(s, 'p99') * 1000:.1f}" for s in (product, floor)]
    return [*cells, *(f"{max(one.peak for one in side) / 1e6:.0f}" for side in (product, floor))]


def _as_rows(pair: Pair) -> str:
    goal = f" (goal {pair.workload.rows_goal:,.0f})" if pair.workload.rows_goal else ""
    return f"; {pair.rows:,.0f} rows/s{goal}" if pair.workload.rows else ""


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _verdict(met: bool | None) -> str:
    return "" if met is None else "PASS" if met else "MISS"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
