"""Timers over columns: from which moment of a record is counted, and where to look for the records that are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from metamodel.kinds.process import Stage
from metamodel.kinds.workflow import AGED, Span, Workflow
from metamodel.model_schema import ModelSchema

DAY = timedelta(days=1)
SHIFT = timedelta(hours=2)
"""More than the clock is ever changed by."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far the due moment lies from that of the record, for records in a stage and process (None: any). Days and
    times are those of `zone`; with a `calendar` only what it works counts."""

    count: int
    zone: str
    calendar: Calendar | None = None
    stage: str | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True)
class TimerPlan:
    """When a record of `table` is due: `steps` of the `unit` after its `base` (None: on schedule), at the minute `at`
    of the day where that is given, and again after each `every` further ones. `staged` is there where the
    steps name stages. Formulas are read in the zone `home` of the tenant."""

    table: TableRef
    home: str
    base: Node | None
    unit: str
    at: int | None
    steps: tuple[Step, ...]
    every: int | None
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
    staged = release.staged(obj) if trigger.event in ("limit", AGED) else None
    span = trigger.offset or Span(0, "days")
    base: Node | None = None
    named = calendar(release, trigger.calendar)
    step = Step(span.count, zone(release, named), named)
    steps: tuple[Step, ...] = (step,)
    if staged:
        base = Field(DATETIME, (), obj, staged.entered)
        steps = tuple(_in_stages(release, workflow, staged, span.count))
    elif trigger.event == "untouched":
        base, steps = system.field(obj, "modified_at"), (replace(step, count=trigger.days or 0),)
    elif trigger.field:
        base = system.field(obj, trigger.field)
    when = system.tree(release.model.typed[workflow.when.key], obj) if workflow.when else None
    return TimerPlan(
        table=release.table(obj),
        home=release.model.settings.time_zone,
        base=base,
        unit=span.unit,
        at=trigger.at,
        steps=steps,
        every=trigger.every,
        staged=staged,
        when=when,
        joins=system.joins((when, base), obj),
    )


def calendar(release: Release, name: str | None) -> Calendar | None:
    return ModelSchema(release.model).organisation.calendars.get(name or "")


def zone(release: Release, named: Calendar | None) -> str:
    """The zone of days and times: the calendar's, else the tenant's."""
    return named.zone if named else release.model.settings.time_zone


def _in_stages(release: Release, workflow: Workflow, staged: Staged, more: int) -> Iterator[Step]:
    """One step for each stage that the trigger is about: its limit, or the days of an automatic move."""
    trigger = workflow.trigger
    codes = release.codes(release.object(workflow.object).fields[staged.field].choice or "")
    for process in staged.processes:
        for stage in process.stages.values():
            aged = trigger.event == AGED
            days, named = (trigger.days, None) if aged else (stage.limit_days, stage.limit_calendar)
            if days and trigger.stage in (None, stage.name) and trigger.process in (None, process.name):
                followed, found = process.name if staged.followed else None, calendar(release, named)
                yield Step(days + more, zone(release, found), found, codes.get(stage.name, stage.name), followed)


def due_at(release: Release, stage: Stage, entered: datetime) -> datetime | None:
    """When the limit of a stage is over that was entered at a moment; None where it has none."""
    if not stage.limit_days:
        return None
    found = calendar(release, stage.limit_calendar)
    local = entered.astimezone(ZoneInfo(zone(release, found)))
    day = local.date()
    there = found.shifted(day, stage.limit_days) if found else day + timedelta(days=stage.limit_days)
    return datetime.combine(there, local.time(), local.tzinfo).astimezone(UTC)


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
    first = plan.steps[0]
    for repeated in count(1):
        step = replace(first, count=first.count + repeated * plan.every)
        window = _window(plan, step, since, until)
        if window and _instant(window.high, step.zone) < oldest - DAY:
            return found
        if window:
            found.append(window)
        elif until - timedelta(days=step.count) < oldest - DAY:
            return found
    return found


def _window(plan: TimerPlan, step: Step, since: datetime, until: datetime) -> Window | None:
    if plan.unit == "minutes":
        return _in_minutes(step, since, until)
    local = ZoneInfo(step.zone)
    first, last = since.astimezone(local), until.astimezone(local)
    if step.calendar is None:
        away = timedelta(days=step.count)
        low, high = first.date() - away, last.date() - away
        if not plan.of_days and plan.at is None:
            # The time of the day is that of the base.
            early, late = first.replace(tzinfo=None) - away - SHIFT, last.replace(tzinfo=None) - away + SHIFT
            return Window(early.replace(tzinfo=local).astimezone(UTC), late.replace(tzinfo=local).astimezone(UTC), step)
    else:
        days = _worked(step.calendar, step.count, first.date(), last.date())
        if days is None:
            return None
        low, high = days
    if plan.of_days:
        return Window(low, high, step)
    return Window(_instant(low, step.zone), _instant(high + DAY, step.zone), step)


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


def _in_minutes(step: Step, since: datetime, until: datetime) -> Window:
    if step.calendar is None:
        away = timedelta(minutes=step.count)
        return Window(since - away, until - away, step)
    local, side = ZoneInfo(step.zone), -1 if step.count > 0 else 1
    day, left = (since if side < 0 else until).astimezone(local).date(), abs(step.count)
    while left > 0:
        day += side * DAY
        left -= sum(closes - opens for opens, closes in step.calendar.hours(day))
    edge = _instant(day + side * DAY, step.zone)
    return Window(min(edge, since), max(edge, until), step)


def _instant(day: date, zone: str) -> datetime:
    """The moment of a window's end; of a date its midnight."""
    if isinstance(day, datetime):
        return day
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
