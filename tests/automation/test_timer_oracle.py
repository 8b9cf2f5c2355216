"""Random records under random timers: each moment has one run, as a loop over all days finds them, whenever is swept."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from engine.automation.timers import OVERLAP, sweep
from engine.base.settings import Settings
from engine.lifecycle.apply import apply
from engine.plan.request import RecordWrite
from engine.records.write import write
from engine.runtime import running
from metamodel.build.automation import workflow as built
from metamodel.formula.calendar import Calendar
from metamodel.kinds.workflow import Trigger
from metamodel.load import load_tenant
from metamodel.model_schema import ModelSchema
from tests.automation.support import ROOT, Probe
from tests.tenancy import write_pack

RECORDS, SWEEPS = 60, 40
HOURS = ["09:00-12:00", "13:00-17:30"]
CALENDARS: list[dict[str, Any]] = [
    {"kind": "calendar", "name": "office", "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), HOURS), "country": "DE"},
    {"kind": "calendar", "name": "nights", "time_zone": "America/New_York", "week": {"sun": ["00:00-06:00"], "wed": ["20:00-24:00"], "sat": ["08:00-09:00"]},
     "holidays": {"2026-10-28": "Free"}, "workdays": ["2026-11-02"]},
]  # fmt: skip


def triggers(draw: random.Random) -> Iterator[dict[str, Any]]:
    """Timers of every form."""
    for calendar in (None, "office", "nights"):
        named = {"calendar": calendar} if calendar else {}
        for field in ("day", "moment"):
            offset = {"offset": f"{draw.randrange(-9, 10)} days"}
            yield {"on": "date", "field": field, **offset, **named}
            yield {"on": "date", "field": field, **offset, "at": f"{draw.randrange(24):02}:{draw.randrange(60):02}", **named}
        yield {"on": "date", "field": "moment", "offset": f"{draw.choice((1, -1)) * draw.randrange(1, 90)} hours", **named}
        yield {"on": "untouched", "days": draw.randrange(1, 9), **named}
        yield {"on": "untouched", "days": draw.randrange(1, 9), "every": f"{draw.randrange(1, 6)} days", **named}
    yield {"on": "limit"}
    yield {"on": "limit", "stage": "open", "offset": "-1 day", "at": "07:30"}


def pack(folder: Path, chosen: list[dict[str, Any]]) -> Path:
    stages = {"open": {"category": "open", "limit": "6 days"}, "later": {"category": "open", "limit": "2 days"}, "done": {"category": "won"}}
    fields = {"name": {"type": "text", "required": True}, "day": {"type": "date"}, "moment": {"type": "datetime"},
              "stage": {"type": "stage", "process": "life"}}  # fmt: skip
    documents: list[dict[str, Any]] = [
        {"kind": "pack", "name": "oracle", "version": "1.0.0", "language": 1, "depends": {"core": "*"}},
        {"kind": "object", "name": "item", "title": "name", "fields": fields},
        {"kind": "process", "name": "life", "object": "item", "field": "stage", "start": list(stages), "stages": stages},
        {"kind": "role", "name": "robot"},
    ]
    documents += [
        {"kind": "workflow", "name": f"w{n}", "object": "item", "trigger": trigger, "run_as": "robot", "when": 'name <> "skipped"',
         "actions": [{"notify": "owner", "message": "due"}]}
        for n, trigger in enumerate(chosen)
    ]  # fmt: skip
    return write_pack(folder / "oracle", json.loads(json.dumps([*documents, *CALENDARS])))


class Naive:
    """All due moments of a record, one after the other."""

    def __init__(self, trigger: Trigger, calendar: Calendar | None) -> None:
        self.trigger, self.calendar = trigger, calendar
        self.zone = ZoneInfo(calendar.zone if calendar else "Europe/Berlin")

    def local(self, day: date, at: time) -> datetime:
        """Of two times that look alike the second, in a gap that before the change: as the language has it."""
        made = datetime.combine(day, at, self.zone)
        later = made.replace(fold=1)
        ambiguous = made.utcoffset() > later.utcoffset()  # type: ignore[operator]
        return (later if ambiguous else made).astimezone(UTC)

    def days_on(self, base: date | datetime, steps: int) -> datetime:
        here = base.astimezone(self.zone) if isinstance(base, datetime) else None
        day, at = (here.date(), here.time()) if here else (base, time())
        for _ in range(abs(steps)):
            day += timedelta(1 if steps > 0 else -1)
            while self.calendar and not self.calendar.worked(day):
                day += timedelta(1 if steps > 0 else -1)
        if self.trigger.at is not None:
            at = time(self.trigger.at // 60, self.trigger.at % 60)
        return self.local(day, at)

    def minutes_on(self, base: datetime, steps: int) -> datetime:
        if self.calendar is None:
            return base + timedelta(minutes=steps)
        at, side = base, 1 if steps > 0 else -1
        while steps:
            minute = at if side > 0 else at - timedelta(minutes=1)
            local = minute.astimezone(self.zone)
            inside = local.hour * 60 + local.minute
            if any(opens <= inside < closes for opens, closes in self.calendar.hours(local.date())):
                steps -= side
            at += timedelta(minutes=side)
        return at

    def moments(self, row: dict[str, Any]) -> list[datetime]:
        trigger = self.trigger
        count = trigger.offset.count if trigger.offset else 0
        if trigger.event == "limit":
            limit = {"open": 6, "later": 2}.get(row["stage"])
            wanted = limit and trigger.stage in (None, row["stage"])
            return [self.days_on(row["stage__entered_at"], limit + count)] if limit and wanted else []
        if trigger.event == "untouched":
            further = range(60) if trigger.every else range(1)
            return [self.days_on(row["modified_at"], (trigger.days or 0) + n * (trigger.every or 0)) for n in further]
        base = row[trigger.field]
        if base is None:
            return []
        minutes = trigger.offset and trigger.offset.unit == "minutes"
        return [self.minutes_on(base, count) if minutes else self.days_on(base, count)]


@pytest.mark.parametrize("seed", range(3))
async def test_moments_are_those_that_a_loop_finds(database_url: str, tmp_path: Path, seed: int) -> None:
    """Around the end of summer time, with changes between the sweeps. A moment that a change brings counts up to ten
    minutes before the sweep before; of several repetitions between two sweeps the last one is made."""
    draw = random.Random(seed)
    chosen = list(triggers(draw))
    begin = datetime(2026, 10, 20, 9, 30, tzinfo=UTC)
    file = tmp_path / f"moments{seed}.yaml"
    file.write_text(f"kind: tenant\nname: moments{seed}\npacks: {{core: '*', oracle: '*'}}\nsettings: {{time_zone: Europe/Berlin}}\n", "utf-8")
    async with running(Settings(database_url=database_url, pool_size=4)) as rt:
        rt.clock.set(begin)
        release = (await apply(rt, f"moments{seed}", load_tenant(file, [pack(tmp_path, chosen).parent, ROOT / "tenant_configs"]))).release
        p = Probe(rt, release, {})
        calendars = ModelSchema(release.model).organisation.calendars
        naive = [Naive(built("w", {"object": "item", "trigger": t, "actions": []}, lambda path: None).trigger, calendars.get(t.get("calendar", "")))
                 for t in chosen]  # fmt: skip
        wanted: set[tuple[str, UUID, datetime]] = set()
        rows = tuple(values(draw, begin) for _ in range(RECORDS))
        made = await write(rt, p.context(None), release, RecordWrite(object="item", operation="create", rows=rows, many=True))
        ids, swept, now = [UUID(int=id_.int) for id_, _ in made.changed], begin, begin
        for _ in range(SWEEPS):
            held = await p.rows("SELECT * FROM {s}item")
            after = now + timedelta(minutes=draw.choice((1, 7, 61, 400, 3000)), seconds=draw.randrange(60))
            for n, timer in enumerate(naive):
                for row in held:
                    if row["name"] != "skipped":
                        due = [m for m in timer.moments(row) if swept - OVERLAP < m <= after]
                        wanted |= {(f"w{n}", UUID(int=row["id"].int), m) for m in due[-1:]}
            rt.clock.set(after)
            await sweep(rt)
            swept = now = after
            for record in draw.sample(ids, 3):
                await p.update(record, obj="item", **values(draw, now, first=False))
        found = await p.rows("SELECT workflow, record, due FROM {s}_run")
        runs = {(run["workflow"], UUID(int=run["record"].int), run["due"]) for run in found}
        told = [("missing" if run in wanted else "too much", chosen[int(run[0][1:])], str(run[2])) for run in wanted ^ runs]
        assert told == [] and len(runs) == len(found) > 200


def values(draw: random.Random, now: datetime, first: bool = True) -> dict[str, Any]:
    day = (now + timedelta(days=draw.randrange(-12, 20))).date()
    moment = (now + timedelta(minutes=draw.randrange(-12 * 1440, 20 * 1440))).replace(second=0, microsecond=0)
    row: dict[str, Any] = {"name": draw.choice(("a", "b", "skipped")), "day": draw.choice((None, day.isoformat())), "moment": draw.choice((None, moment.isoformat()))}
    return row | ({"stage": draw.choice(("open", "later", "done"))} if first else {})
