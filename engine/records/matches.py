"""The records that are duplicates of what is written, as the writer may know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from engine.base.context import Context
from engine.db import execute
from engine.plan.write import WritePlan
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.duplicates import MOST, search_statement
from metamodel.kinds.common import in_locale


@dataclass(slots=True)
class Found:
    """The duplicates of a row by one entry of a rule: those that the caller may read by id and title, and how many
    others there are; `more` than these where not all were counted."""

    rule: str
    against: str
    object: str
    records: list[tuple[UUID, str]] = field(default_factory=list)
    hidden: int = 0
    more: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """As answers show it."""
        items = [{"id": id_, "title": title} for id_, title in self.records]
        return {"against": self.against, "object": self.object, "items": items, "hidden": self.hidden,
                "more": self.more}  # fmt: skip


async def find(
    rt: Runtime, ctx: Context, release: Release, plan: WritePlan, key: object, payload: str
) -> Mapping[int, Sequence[Found]]:
    """By the rows of a payload, what is stored and agrees with them by the rules of the plan's object."""
    statement = rt.statements.get((key, "duplicates"), partial(search_statement, plan, rt.collation))
    found: dict[tuple[int, int], Found] = {}
    async with rt.reads.connection(release.role) as conn:
        rows = await execute.fetch_rows(conn, statement.text, statement.arguments(ctx, (), payload=payload))
    for row in rows:
        search = plan.searches[row["search"]]
        one = found.setdefault(
            (row["row"], row["search"]), Found(search.rule.name, search.against, search.object)
        )
        if len(one.records) + one.hidden == MOST:
            one.more = True
        elif row["seen"]:
            one.records.append((row["id"], row["title"] or ""))
        else:
            one.hidden += 1
    by_row: dict[int, list[Found]] = {}
    for (place, _), one in sorted(found.items()):
        by_row.setdefault(place, []).append(one)
    return by_row


def told(plan: WritePlan, found: Sequence[Found], locale: str) -> list[dict[str, Any]]:
    """The duplicates of one record by rule: `[{"rule", "severity", "message", "found": [...]}]`."""
    rules = {search.rule.name: search.rule for search in plan.searches}
    return [
        {
            "rule": rule.name, "label": in_locale(rule.label, locale), "severity": rule.severity,
            "message": in_locale(rule.message, locale), "found": [one.told for one in found if one.rule == rule.name],
        }
        for rule in rules.values() if any(one.rule == rule.name for one in found)
    ]  # fmt: skip
