"""A workflow's trigger names fields, stages and calendars that exist, and only what its event looks at; who acts when
no person caused it is said."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from metamodel.formula.typed import Node
from metamodel.formula.volatility import volatility
from metamodel.issues import Collector
from metamodel.kinds.object import Object
from metamodel.kinds.workflow import EVENTS, NEEDED, Convert, SetFields, Trigger, Workflow
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_calendar, find_field, find_object, find_stage, listed, written_part

Path = tuple[str, ...]
SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
LASTING = frozenset({"immutable", "zoned"})


def check(model: Model, at: Places, issues: Collector) -> None:
    for workflow in model.workflows.values():
        root: Path = ("workflow", workflow.name)
        trigger, path = workflow.trigger, (*root, "trigger")
        owner = _owner(model, workflow, root, at, issues)
        _looked_at(trigger, path, at, issues)
        if trigger.calendar:
            find_calendar(model, trigger.calendar, (*path, "calendar"), at, issues)
        if trigger.timed and workflow.run_as == "initiator":
            what = f"nobody causes a run of {trigger.event}"
            issues.add("M225", what, at.value(*path, "on"), "say run_as: <role>")
        if trigger.cron:
            _cron(trigger.cron, (*path, "cron"), at, issues)
        if owner:
            _fields(owner, trigger, path, at, issues)
            if trigger.event == "date" and trigger.field:
                _moment(model, owner, trigger, path, at, issues)
            if trigger.event in ("stage_entered", "limit"):
                _stages(model, owner, trigger, path, at, issues)


def _owner(model: Model, workflow: Workflow, root: Path, at: Places, issues: Collector) -> Object | None:
    if workflow.object:
        return find_object(model, workflow.object, (*root, "object"), at, issues)
    if workflow.trigger.event != "schedule":
        issues.add("M225", f"{workflow.trigger.event} needs an object", at.key(*root, "trigger"), "say object: <name>")
        return None
    if workflow.when:
        issues.add("M225", "without an object there is no record to judge", at.key(*root, "when"), "remove the when")
    for index, action in enumerate(workflow.actions):
        if isinstance(action, (SetFields, Convert)):
            place = at.value(*root, "actions", index)
            issues.add("M225", "without an object there is no record to change", place, "create, or name an object")
    return None


def _looked_at(trigger: Trigger, path: Path, at: Places, issues: Collector) -> None:
    """Whether all that is given is looked at, and all that is needed is given."""
    given = {
        "fields": trigger.fields, "stage": trigger.stage, "cron": trigger.cron, "field": trigger.field,
        "offset": trigger.offset, "at": trigger.at is not None, "days": trigger.days, "every": trigger.every,
        "calendar": trigger.calendar,
    }  # fmt: skip
    for name in (name for name, value in given.items() if value and name not in EVENTS[trigger.event]):
        used = listed(event for event, names in EVENTS.items() if name in names)
        what = f"the event {trigger.event} does not look at {'a stage' if name == 'stage' else name}"
        issues.add("M225", what, at.key(*path, name), f"use on: {used}, or remove it")
    needed = NEEDED.get(trigger.event)
    if needed and not given[needed] and not at.gone(*path, needed):
        issues.add("M225", f"the event {trigger.event} needs {needed}", at.key(*path, "on"), f"add {needed}")


def _cron(written: str, path: Path, at: Places, issues: Collector) -> None:
    try:
        next(CronSim(written, SOME_DAY))
    except CronSimError as error:
        hint = "minute, hour, day of the month, month, day of the week, such as 0 8 * * 1-5"
        issues.add("M225", f"this is no time of cron: {error}", at.value(*path), hint)
    except StopIteration:
        issues.add("M225", "this time never comes", at.value(*path), "there is no such day")


def _fields(owner: Object, trigger: Trigger, path: Path, at: Places, issues: Collector) -> None:
    for index, name in enumerate(trigger.fields):
        found = find_field(owner, name, (*path, "fields", index), at, issues)
        if found and found.system and name != "owner":
            issues.add(
                "M225",
                f"changes of {owner.name}.{name} cause no event of their own",
                at.value(*path, "fields", index),
                "name a field that is written",
            )


def _moment(model: Model, owner: Object, trigger: Trigger, path: Path, at: Places, issues: Collector) -> None:
    """The field of `on: date` is a date that the clock does not change; what is counted from it has a sense."""
    found = find_field(owner, trigger.field or "", (*path, "field"), at, issues)
    if not found:
        return
    kind = found.type
    if found.formula:
        tree = model.typed.get(found.formula.key)
        if tree is None:
            return
        kind = tree.type.kind
        lasting, part = volatility(tree, lambda named: _behind(model, named.object, named.name))
        if lasting in ("stable", "volatile"):
            what = f"{owner.name}.{found.name} changes by itself: {written_part(part)}"
            issues.add("M225", what, at.value(*path, "field"), "name a field without it")
        elif not (found.indexed or found.stored):
            hint = "say indexed: true at the formula" if lasting in LASTING else "name a field of the record itself"
            issues.warn("M252", f"{owner.name}.{found.name} has no index", at.value(*path, "field"), hint)
    hours = trigger.offset is not None and trigger.offset.unit == "minutes"
    if kind not in ("date", "datetime"):
        issues.add("M225", f"{owner.name}.{found.name} is no date", at.value(*path, "field"), _dates(owner))
    elif hours and kind == "date":
        issues.add("M225", "a date has no hours", at.value(*path, "offset"), "count days, and say at: 08:00")
    elif hours and trigger.at is not None:
        issues.add("M225", "hours are counted from the time of the field", at.key(*path, "at"), "remove one of the two")


def _behind(model: Model, obj: str, name: str) -> Node | None:
    formula = model.objects[obj].fields[name].formula
    return model.typed.get(formula.key) if formula else None


def _dates(owner: Object) -> str:
    return f"it has {listed(f.name for f in owner.fields.values() if f.type in ('date', 'datetime'))}"


def _stages(model: Model, owner: Object, trigger: Trigger, path: Path, at: Places, issues: Collector) -> None:
    processes = [process for f in owner.fields.values() for process in model.processes_of(f)]
    if not processes:
        if not any(f.type == "stage" for f in owner.fields.values()):
            issues.add("M225", f"{owner.name} has no stages", at.value(*path, "on"), "use on: changed")
        return
    named = [process for process in processes if trigger.stage is None or trigger.stage in process.stages]
    if trigger.stage and not named:
        find_stage(processes[0], trigger.stage, (*path, "stage"), at, issues)
    elif trigger.event == "limit":
        stages = (s for p in named for s in p.stages.values() if trigger.stage in (None, s.name))
        if not any(stage.limit_days for stage in stages):
            place = at.value(*path, "stage" if trigger.stage else "on")
            issues.add("M225", "no limit is set there", place, "set the limit of the stage, such as limit: 14 days")
        if trigger.offset and trigger.offset.unit == "minutes":
            issues.add("M225", "a limit is counted in days", at.value(*path, "offset"), "write days")
