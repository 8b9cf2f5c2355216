"""The workloads: what is asked of either side, and the share of the floor's rate that is the goal."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from tests.bench.load import Spec
from tests.bench.world import API, STAGES, Service, World, opportunity

RECORDS = 2_000
TAGGED = 800
BODIES = 997
BULK = 1_000

Paths = Callable[[World], list[str]]
Bodies = Callable[[World], list[str]]


@dataclass(frozen=True, slots=True)
class Workload:
    """`goal` is a ratio of rates; `rows` the records that one request writes (None: not told as rows). `same` are the
    paths of the same work by hand, where it is more than the floor's."""

    name: str
    what: str
    goal: float
    method: str
    product: Paths
    floor: Paths
    bodies: Bodies | None = None
    tagged: bool = False
    rows: int | None = None
    rows_goal: float | None = None
    same: Paths | None = None

    @property
    def sides(self) -> tuple[Paths, ...]:
        """The product, the floor, and the same work by hand where there is such."""
        return (self.product, self.floor) if self.same is None else (self.product, self.floor, self.same)

    def spec(self, world: World, side: Paths, seconds: float, concurrency: int) -> Spec:
        service, paths = self.service(world, side), side(world)
        bodies = self.bodies(world) if self.bodies else []
        return Spec(service.port, seconds, concurrency, self.method, paths, bodies, service.headers, self.tagged)

    def service(self, world: World, side: Paths) -> Service:
        return world.product if side is self.product else world.floor


def _sample(world: World, count: int) -> list[str]:
    return random.Random(11).sample(world.ids, min(count, len(world.ids)))


def _records(prefix: str, query: str = "", count: int = RECORDS) -> Paths:
    return lambda world: [f"{prefix}/{record}{query}" for record in _sample(world, count)]


def _stages(prefix: str, **query: str) -> Paths:
    return lambda world: [f"{prefix}?" + urlencode({"stage": stage, **query}, quote_via=quote) for stage in STAGES]


def _one(path: str) -> Paths:
    return lambda world: [path]


def _made(world: World, count: int) -> list[dict[str, Any]]:
    chance = random.Random(13)
    return [opportunity(n, chance.choice(world.accounts)[0], chance) for n in range(count)]


OPPORTUNITY = f"{API}/records/opportunity"
BY_STAGE = "by=stage&measures=" + quote("n:COUNT(rows),total:SUM(amount)", safe="")

WORKLOADS = (
    Workload(
        "R1", "one record by id with the account's name", 0.65, "GET",
        _records(OPPORTUNITY, "?fields=name,amount,stage,close_date,account.name"), _records("/opportunities"),
    ),
    Workload(
        "R2", "100 records of a stage by amount descending with the account's name", 0.80, "GET",
        _stages(OPPORTUNITY, order="-amount", fields="name,amount,stage,account.name", limit="100"),
        _stages("/opportunities", limit="100"),
    ),
    Workload(
        "R3", "50 records with amount * probability", 0.80, "GET",
        _stages(OPPORTUNITY, order="-amount", fields="name,amount,probability,expected", limit="50"),
        _stages("/expected", limit="50"),
    ),
    Workload(
        "A1", "count and sum of the amount by stage", 0.90, "GET",
        _one(f"{API}/aggregate/opportunity?{BY_STAGE}"), _one("/by-stage"),
    ),
    Workload(
        "W1", "create one record (10 rules, a gate)", 0.65, "POST", _one(OPPORTUNITY), _one("/opportunities"),
        lambda world: [json.dumps(row) for row in _made(world, BODIES)], same=_one("/same/opportunities"),
    ),
    Workload(
        "W2", "change one field of a record, with If-Match", 0.65, "PATCH",
        _records(OPPORTUNITY, count=TAGGED), _records("/opportunities", count=TAGGED),
        lambda world: [json.dumps({"amount": row["amount"]}) for row in _made(world, BODIES)], tagged=True,
        same=_records("/same/opportunities", count=TAGGED),
    ),
    Workload(
        "M1", "move a record to another stage, with If-Match", 0.65, "PATCH",
        _records(OPPORTUNITY, count=TAGGED), _records("/stages", count=TAGGED),
        lambda world: [json.dumps({"stage": row["stage"]}) for row in _made(world, BODIES)], tagged=True,
        same=_records("/same/stages", count=TAGGED),
    ),
    Workload(
        "W3", "create 1,000 records in one request", 0.60, "POST", _one(OPPORTUNITY), _one("/bulk"),
        lambda world: [json.dumps(_made(world, BULK))], rows=BULK, rows_goal=25_000,
    ),
)  # fmt: skip


def same_answers(world: World) -> None:
    """Raises AssertionError where the two sides do not read the same rows: then their rates can not be compared."""
    for workload in WORKLOADS:
        if workload.method != "GET":
            continue
        mine = _plain(world.product.call("GET", workload.product(world)[0]))
        other = _plain(world.floor.call("GET", workload.floor(world)[0]))
        assert mine == other, f"{workload.name}: {str(mine)[:300]} is not {str(other)[:300]}"


def _plain(answer: Any) -> list[dict[str, Any]]:
    """The rows of an answer as far as both sides tell them, numbers by value."""
    rows = answer.get("items", answer.get("rows", [answer]))
    plain = [
        {
            key: Decimal(str(value)).normalize() if isinstance(value, int | float) else value
            for key, value in row.items()
        }
        for row in rows
        if row.get("stage", "") is not None
    ]
    return sorted(plain, key=lambda row: json.dumps(row, default=str, sort_keys=True))
