"""Eight clients at the same time: no change is lost, no rule is broken between two of them, no number is left out.

`FIELDWRIGHT_TEST_TRANSACTIONS` says how many transactions there are (10,000 where it is missing).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.release.release import Release
from engine.runtime import Runtime
from tests.proofs.vault import furnish
from tests.tenancy import context, create, opened, read

TRANSACTIONS = int(os.environ.get("FIELDWRIGHT_TEST_TRANSACTIONS", "10000"))
CLIENTS, VAULTS, WARDS, NURSES = 8, 5, 4, 4


class Client:
    """One of the writers, with what it was told was done."""

    def __init__(self, number: int, rt: Runtime, release: Release, world: dict[str, list[UUID]]) -> None:
        self.rt, self.release, self.world, self.number = rt, release, world, number
        self.chance = random.Random(number)
        self.slips: list[str] = []
        self.words: list[str] = []
        self.told: Counter[str] = Counter()

    async def go(self, count: int) -> None:
        steps = (self.pay, self.pay, self.say, self.leave)
        for _ in range(count):
            step = self.chance.choice(steps)
            try:
                await step()
                self.told[f"{step.__name__} done"] += 1
            except Refused as refused:
                self.told[f"{step.__name__} {refused.faults[0].code if refused.faults else refused.code}"] += 1

    async def pay(self) -> None:
        """In or out, under a slip that another one may take at the same moment."""
        slip = str(self.chance.randrange(TRANSACTIONS))
        row = {"vault": str(self.chance.choice(self.world["vault"])), "amount": self.chance.randint(-9, 9), "slip": slip}
        await self.write("entry", "create", row)
        self.slips.append(slip)

    async def say(self) -> None:
        """One more word at the end of what was read."""
        page, word = self.chance.choice(self.world["page"]), f"{self.number}.{len(self.words)}"
        (row,) = await read(self.rt, self.release, "page", "words", "version", where=f'id = "{page}"')
        await self.write("page", "update", {"words": f"{row['words'] or ''} {word}"}, page, row["version"])
        self.words.append(word)

    async def leave(self) -> None:
        """Goes, or comes back."""
        nurse = self.chance.choice(self.world["nurse"])
        await self.write("nurse", "update", {"on_call": self.chance.random() < 0.3}, nurse)

    async def write(
        self, obj: str, operation: Any, row: dict[str, Any], record: UUID | None = None, version: int | None = None
    ) -> None:
        given: dict[str, Any] = {"ids": (record,), "versions": (version,)} if record else {}
        request = RecordWrite(object=obj, operation=operation, rows=(row,), **given)
        await write(self.rt, context(self.release), self.release, request)


def test_no_anomaly(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()

    async def go() -> None:
        async with opened(url, pool_size=CLIENTS + 2) as rt:
            release = await furnish(rt, tmp_path)
            wards = await create(rt, release, "ward", *({"name": f"w{n}"} for n in range(WARDS)))
            world = {
                "vault": await create(rt, release, "vault", *({"name": f"v{n}"} for n in range(VAULTS))),
                "page": await create(rt, release, "page", *({"name": f"p{n}"} for n in range(2))),
                "nurse": await create(rt, release, "nurse", *(
                    {"name": f"n{n}", "ward": str(ward), "on_call": True} for ward in wards for n in range(NURSES)
                )),
            }  # fmt: skip
            clients = [Client(n, rt, release, world) for n in range(CLIENTS)]
            began = time.monotonic()
            await asyncio.gather(*(client.go(TRANSACTIONS // CLIENTS) for client in clients))
            took = time.monotonic() - began
            told = sum((client.told for client in clients), Counter())
            print(f"{TRANSACTIONS} transactions in {took:.1f} s: {dict(sorted(told.items()))}")
            assert all(told[f"{step} done"] > TRANSACTIONS / 50 for step in ("pay", "say", "leave"))
            assert told["pay record.rule"] and told["pay record.unique"] and told["leave record.rule"]
            assert not [code for code in told if "database" in code or "internal" in code]
            await judge(rt, release, clients)

    asyncio.run(go())


async def judge(rt: Runtime, release: Release, clients: list[Client]) -> None:
    async with rt.writes.connection() as conn:

        async def rows(text: str) -> list[Any]:
            return list(await conn.fetch(text.replace("{s}", f'"{release.schema}"')))

        entries = await rows("SELECT slip, no FROM {s}.entry")
        assert sorted(row["slip"] for row in entries) == sorted(slip for client in clients for slip in client.slips)
        assert sorted(int(row["no"]) for row in entries) == list(range(1, len(entries) + 1))
        drift = await rows(
            "SELECT v.name, v.balance, sum(e.amount) AS real FROM {s}.vault v JOIN {s}.entry e ON e.vault = v.id "
            "GROUP BY v.name, v.balance HAVING v.balance IS DISTINCT FROM sum(e.amount) OR v.balance < 0"
        )
        assert drift == []
        empty = await rows("SELECT ward FROM {s}.nurse GROUP BY ward HAVING NOT bool_or(on_call)")
        assert empty == []
        pages = [row["words"].split() for row in await rows("SELECT words FROM {s}.page")]
        versions = await rows("SELECT sum(version - 1) AS changes FROM {s}.page")
    said = [word for page in pages for word in page]
    assert sorted(said) == sorted(word for client in clients for word in client.words)
    assert versions[0]["changes"] == len(said)
    for client in clients:
        for page in pages:
            own = [int(word.split(".")[1]) for word in page if word.startswith(f"{client.number}.")]
            assert own == sorted(own)
