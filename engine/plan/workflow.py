"""Workflows over columns: which events cause a run, and the values that an action writes. All in the system's view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.plan.conditions import all_of, among, code, followed, same
from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.read import Output
from engine.release.release import Release, Staged, TableRef
from metamodel.formula.typed import Call, Field, Literal, Node, System, walk
from metamodel.formula.types import BOOLEAN, DATETIME, DURATION, TEXT
from metamodel.kinds.common import Formula
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.workflow import AUTOMATIC, Trigger, Workflow


@dataclass(frozen=True, slots=True)
class Images:
    """Where the record of an event is found as it is now and, from the history of that event, as it was before.

    `columns` holds every stored column with its type; `stage` is the column of the stage.
    """

    object: str
    zone: str
    table: TableRef
    events: TableRef
    history: TableRef
    stage_history: TableRef
    columns: tuple[tuple[str, str], ...]
    stage: str | None


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """The events that cause a run: of one of `kinds`, with a change in one of `changed` (empty: in anything), into the
    stage `entered` ("": any stage), over a record in which `when` holds."""

    images: Images
    kinds: tuple[str, ...]
    changed: tuple[str, ...]
    entered: str | None
    when: Node | None
    joins: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class ValuesPlan:
    """Values over a record of `table` (None: over none), with `images` over the one of an event; `present` are columns
    to answer beside them, as (key, column, type)."""

    zone: str
    table: TableRef | None
    images: Images | None
    values: tuple[Output, ...]
    present: tuple[tuple[str, str, str], ...]
    joins: tuple[Join, ...]


def plan_trigger(release: Release, workflow: Workflow) -> TriggerPlan:
    """Which events of the workflow's object cause a run of it."""
    system, trigger = Names(release, None), workflow.trigger
    when = system.tree(release.model.typed[workflow.when.key], workflow.object) if workflow.when else None
    staged = release.staged(workflow.object)
    if trigger.event == AUTOMATIC and staged:
        when = all_of(_stands(system, workflow.object, staged, trigger), when)
    entered = None
    if trigger.event == "stage_entered" and staged:
        codes = release.codes(release.object(workflow.object).fields[staged.field].choice or "")
        entered = codes.get(trigger.stage, trigger.stage) if trigger.stage else ""
    return TriggerPlan(
        images=_images(release, workflow.object),
        kinds={"created": ("created",), "changed": ("changed",)}.get(trigger.event, ("created", "changed")),
        changed=tuple(sorted(_columns(release, workflow.object, trigger.fields))),
        entered=entered,
        when=when,
        joins=system.joins((when,), workflow.object),
    )


def _stands(system: Names, obj: str, staged: Staged, trigger: Trigger) -> Node:
    """Where a record stands in the trigger's stage of its process, and for its days."""
    tests = [among(system.field(obj, staged.field), (trigger.stage or "",))]
    if staged.followed:
        process = followed(staged, Field(TEXT, (), obj, staged.column))
        tests.append(same(process, code(trigger.process or "")))
    if trigger.days:
        entered = Field(DATETIME, (), obj, staged.entered)
        span = Call(DURATION, "datetimes_between", (System(DATETIME.blank(False), "now"), entered))
        days = Literal(DURATION.blank(False), Decimal(trigger.days * 86_400))
        tests.append(Call(BOOLEAN, ">=", (span, days)))
    return all_of(*tests)


def plan_values(
    release: Release, obj: str, values: Mapping[str, Formula], present: Iterable[str] = (), *, event: bool = True
) -> ValuesPlan:
    """The formulas of an action over a record of `obj` (empty: over none), that of an event or any; `present` names
    fields whose values now are answered too."""
    system = Names(release, None)
    outputs = tuple(Output(name, system.tree(release.model.typed[f.key], obj)) for name, f in values.items())
    kept = tuple(
        (name, release.column(obj, name), FIELD_TYPES[release.object(obj).fields[name].type].column or "")
        for name in present
    )
    table, images = release.table(obj) if obj else None, _images(release, obj) if event else None
    joins = system.joins((o.tree for o in outputs), obj)
    return ValuesPlan(release.model.settings.time_zone, table, images, outputs, kept, joins)


def _images(release: Release, obj: str) -> Images:
    staged = release.staged(obj)
    kept = (*release.stored(obj), *release.kept(obj))
    columns = [(release.column(obj, f.name), release.column_type(obj, f.name)) for f in kept]
    return Images(
        object=obj,
        zone=release.model.settings.time_zone,
        table=release.table(obj),
        events=release.system("_event"),
        history=release.system("_history"),
        stage_history=release.system("_stage_history"),
        columns=(*columns, *staged.beside.items()) if staged else tuple(columns),
        stage=staged.column if staged else None,
    )


def _columns(release: Release, obj: str, fields: Iterable[str]) -> set[str]:
    """The columns behind fields; for a computed field those of the same record that it is computed from."""
    found: set[str] = set()
    seen: set[str] = set()
    wanted = list(fields)
    while wanted:
        name = wanted.pop()
        declared = release.object(obj).fields[name]
        if name in seen:
            continue
        seen.add(name)
        if declared.formula is None:
            found.add(release.column(obj, name))
            continue
        for node in walk(release.model.typed[declared.formula.key]):
            if isinstance(node, Field) and node.level == 0:
                wanted += [node.path[0]] if node.path else [node.name] if node.object == obj else []
    return found
