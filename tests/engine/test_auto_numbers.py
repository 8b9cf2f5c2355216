"""Auto numbers without gaps: whatever is refused or undone leaves no hole, and nobody gets a number twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.db.transaction import transaction
from tests.engine.support import Yard


async def numbers(yard: Yard, field: str, **equals: str) -> list[str]:
    where = " AND ".join(f'{name} = "{value}"' for name, value in equals.items())
    found = await yard.listed("receipt", fields=(field,), **({"where": where} if where else {}))
    return sorted(row[field] for row in found)


async def test_gapless_numbers_of_many_writers(yard: Yard) -> None:
    """Eight writers at once, one and several records at a time, a third of them refused or rolled back."""
    before = len(await numbers(yard, "number"))

    async def work(writer: int) -> int:
        made = 0
        for n in range(15):
            rows = [{"amount": 13 if (writer + n + k) % 3 == 0 else 1, "town": "many"} for k in range(1 + n % 2)]
            try:
                if n % 5 == 4:
                    async with transaction(yard.rt.writes, yard.release.role) as conn:
                        await yard.write("receipt", "create", rows=({"amount": 1, "town": "many"},), conn=conn)
                        raise ZeroDivisionError
                made += len(await yard.many("receipt", rows))
            except (Refused, ZeroDivisionError):
                pass
        return made

    made = sum(await asyncio.gather(*(work(n) for n in range(8))))
    found = await numbers(yard, "number")
    assert len(found) == before + made > before + 20
    assert found == [f"R-{n + 1:04}" for n in range(len(found))]


async def test_rows_of_a_batch_are_counted_in_their_order(yard: Yard) -> None:
    made = await yard.many("receipt", [{"amount": n, "town": "order"} for n in (3, 1, 2)])
    own = [(await yard.get("receipt", record, None, "own"))["own"] for record in made]
    assert own == ["order-01", "order-02", "order-03"]


async def test_numbers_begin_again(yard: Yard) -> None:
    """`reset: monthly` in the tenant's time zone."""

    async def at(*when: int) -> Any:
        now = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type]
        done = await yard.write("receipt", "create", rows=({"town": "again"},), now=now)
        return (await yard.get("receipt", done.changed[0][0], None, "monthly"))["monthly"]

    assert [await at(2031, 1, 31, 23, 59), await at(2031, 1, 5), await at(2031, 2, 1)] == [
        "3101-001", "3101-002", "3102-001",
    ]  # fmt: skip


async def test_values_are_counted_apart(yard: Yard) -> None:
    """`per: town`, also where the town is a default."""
    rows = [{"town": "Ulm"}, {"town": "Bonn"}, {"town": "Ulm"}, {}]
    made = await yard.many("receipt", rows)
    own = [(await yard.get("receipt", record, None, "own"))["own"] for record in made]
    assert own[:3] == ["Ulm-01", "Bonn-01", "Ulm-02"] and own[3].startswith("X-")


async def test_numbers_stay_with_their_records(yard: Yard) -> None:
    record = await yard.create("receipt", town="stay")
    number = (await yard.get("receipt", record, None, "number"))["number"]
    await yard.delete("receipt", record)
    await yard.create("receipt", town="stay")
    await yard.restore("receipt", record)
    assert (await yard.get("receipt", record, None, "number"))["number"] == number
    refused = await yard.codes(yard.update("receipt", record, number="R-1"))
    assert refused == {"record.field_read_only"} and isinstance(record, UUID)
