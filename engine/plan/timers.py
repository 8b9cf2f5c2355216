"""Timers over columns: from which moment of a record is counted, and where to look for the records that are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import count, takewhile
from operator import ge
from zoneinfo import ZoneInfo

from cronsim import CronSim

from engine.plan.names import Names
from engine.plan.planned import Join
from engine.release.release import Release, Staged, TableRef
from metamodel.formula.calendar import Calendar
from metamodel.formula.typed import Field, Node
from metamodel.formula.types import DATETIME
from metamodel.kinds.workflow import Span, Workflow
from metamodel.model_schema import ModelSchema

DAY = timedelta(days=1)
SHIFT = timedelta(hours=2)
"""More than the clock is ever changed by."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far the due moment lies from that of the record, for records in a stage and process (None: any)."""

    count: int
    stage: str | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True)
class TimerPlan:
    """When a record of `table` is due: `steps` of the `unit` after its `base` (None: on schedule), at the minute `at`
    of the day where that is given, and again after each `every` further ones. `staged` is there where the
    steps name stages. Days and times are those of `zone`; formulas are read in the tenant's, which is `home`."""

    table: TableRef
    home: str
    zone: str
    base: Node | None
    unit: str
    at: int | None
    steps: tuple[Step, ...]
    every: int | None
    calendar: Calendar | None
    staged: Staged | None
    when: Node | None
    joins: tuple[Join, ...]

    @property
    def of_days(self) -> bool:
        """Whether the base is a date without a time."""
        return self.base is not None and self.base.type.kind == "date"


@dataclass(frozen=True, slots=True)
class Window:
    """The values of the base, both ends included, among which are all those that a step makes due; others may be."""

    low: date
    high: date
    step: Step


def plan_timer(release: Release, workflow: Workflow) -> TimerPlan:
    """The timer of a workflow whose trigger is one of time, over an object."""
    system, trigger, obj = Names(release, None), workflow.trigger, workflow.object
    staged = release.staged(obj) if trigger.event == "limit" else None
    span = trigger.offset or Span(0, "days")
    base: Node | None = None
    steps: tuple[Step, ...] = (Step(0),)
    if staged:
        base = Field(DATETIME, (), obj, staged.entered)
        steps = tuple(_limits(release, workflow, staged, span.count))
    elif trigger.event == "untouched":
        base, steps = system.field(obj, "modified_at"), (Step(trigger.days or 0),)
    elif trigger.field:
        base, steps = system.field(obj, trigger.field), (Step(span.count),)
    when = system.tree(release.model.typed[workflow.when.key], obj) if workflow.when else None
    return TimerPlan(
        table=release.table(obj),
        home=release.model.settings.time_zone,
        zone=zone(release, workflow),
        base=base,
        unit=span.unit,
        at=trigger.at,
        steps=steps,
        every=trigger.every,
        calendar=calendar(release, workflow),
        staged=staged,
        when=when,
        joins=system.joins((when, base), obj),
    )


def calendar(release: Release, workflow: Workflow) -> Calendar | None:
    """The calendar that the trigger names."""
    return ModelSchema(release.model).organisation.calendars.get(workflow.trigger.calendar or "")


def zone(release: Release, workflow: Workflow) -> str:
    """The zone of the trigger's days and times: its calendar's, else the tenant's."""
    found = calendar(release, workflow)
    return found.zone if found else release.model.settings.time_zone


def _limits(release: Release, workflow: Workflow, staged: Staged, more: int) -> Iterator[Step]:
    only = workflow.trigger.stage
    codes = release.codes(release.object(workflow.object).fields[staged.field].choice or "")
    for process in staged.processes:
        for stage in process.stages.values():
            if stage.limit_days and only in (None, stage.name):
                followed = process.name if staged.followed else None
                yield Step(stage.limit_days + more, codes.get(stage.name, stage.name), followed)


def scheduled(cron: str, zone: str, calendar: Calendar | None, since: datetime, until: datetime) -> datetime | None:
    """The last time of a cron line after `since` and not after `until`, None where there is none; with a calendar only
    on its working days. A time that the clock leaves out counts when it goes on, one that comes twice the first time;
    lines with `*` for the minute or the hour go by the time that passes."""
    after = until.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    for start in CronSim(cron, after, reverse=True):
        # Backwards the library leaves times out that come twice.
        for found in reversed([start, *takewhile(partial(ge, until), CronSim(cron, start))]):
            moment = found.astimezone(UTC)
            if moment <= since:
                return None
            if moment <= until and (calendar is None or calendar.worked(found.date())):
                return moment
        until = start.astimezone(UTC)
    return None


def windows(plan: TimerPlan, since: datetime, until: datetime, oldest: datetime | None = None) -> list[Window]:
    """Where to look for the moments after `since` and not after `until`. `oldest` is the least base there is, for
    those that come again and again."""
    found = [window for step in plan.steps if (window := _window(plan, step, since, until))]
    if plan.every is None or oldest is None:
        return found
    first = plan.steps[0].count
    for repeated in count(1):
        step = Step(first + repeated * plan.every)
        window = _window(plan, step, since, until)
        if window and _instant(window.high, plan.zone) < oldest - DAY:
            return found
        if window:
            found.append(window)
        elif until - timedelta(days=step.count) < oldest - DAY:
            return found
    return found


def _window(plan: TimerPlan, step: Step, since: datetime, until: datetime) -> Window | None:
    if plan.unit == "minutes":
        return _in_minutes(plan, step, since, until)
    local = ZoneInfo(plan.zone)
    first, last = since.astimezone(local), until.astimezone(local)
    if plan.calendar is None:
        away = timedelta(days=step.count)
        low, high = first.date() - away, last.date() - away
        if not plan.of_days and plan.at is None:
            # The time of the day is that of the base.
            early, late = first.replace(tzinfo=None) - away - SHIFT, last.replace(tzinfo=None) - away + SHIFT
            return Window(early.replace(tzinfo=local).astimezone(UTC), late.replace(tzinfo=local).astimezone(UTC), step)
    else:
        days = _worked(plan.calendar, step.count, first.date(), last.date())
        if days is None:
            return None
        low, high = days
    if plan.of_days:
        return Window(low, high, step)
    return Window(_instant(low, plan.zone), _instant(high + DAY, plan.zone), step)


def _worked(calendar: Calendar, steps: int, first: date, last: date) -> tuple[date, date] | None:
    """The days from which so many working days lead to one from `first` to `last`; None where there is none."""
    if steps == 0:
        return first, last
    first, last = calendar.nearest(first, 1), calendar.nearest(last, -1)
    if first > last:
        return None
    low, high = calendar.shifted(first, -steps), calendar.shifted(last, -steps)
    # Days that are not worked count from the working day before them, or back from the one behind.
    return (low, calendar.shifted(high, 1) - DAY) if steps > 0 else (calendar.shifted(low, -1) + DAY, high)


def _in_minutes(plan: TimerPlan, step: Step, since: datetime, until: datetime) -> Window:
    if plan.calendar is None:
        away = timedelta(minutes=step.count)
        return Window(since - away, until - away, step)
    local, side = ZoneInfo(plan.calendar.zone), -1 if step.count > 0 else 1
    day, left = (since if side < 0 else until).astimezone(local).date(), abs(step.count)
    while left > 0:
        day += side * DAY
        left -= sum(closes - opens for opens, closes in plan.calendar.hours(day))
    edge = _instant(day + side * DAY, plan.calendar.zone)
    return Window(min(edge, since), max(edge, until), step)


def _instant(day: date, zone: str) -> datetime:
    """The moment of a window's end; of a date its midnight."""
    if isinstance(day, datetime):
        return day
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
