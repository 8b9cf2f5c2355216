"""A write by name becomes a `WritePlan`: what may be written, how new rows are made, and everything that judges them.

All conditions of one write are judged together and answered together; the statement writes only where none is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.base.errors import Refused
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.planned import Image, Join, PlannedAggregate, own, with_image
from engine.plan.read import Output
from engine.plan.request import Operation, RecordWrite
from engine.plan.upkeep import Upkeep, plan_upkeep
from engine.release.identity import SYSTEM_COLUMNS, entered_at
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DATETIME, DURATION, TEXT
from metamodel.kinds.common import Text
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.process import Move, Process
from metamodel.names import did_you_mean

HISTORICAL = ("owner", "created_at", "created_by", "modified_at", "modified_by")
STAGE_ENTERED = "stage_entered_at"
NEVER_BLANK = ("boolean", "stage")


@dataclass(frozen=True, slots=True)
class Column:
    """A stored column of the object. `given` columns come from the payload; `default` fills blanks on create.

    `partial`: some rows of the batch give it and some do not, so the row's list `_absent` decides. `kept`: a roll-up
    that the upkeep recounts; it begins with the value of no children and is no part of the history.
    """

    name: str
    field: str
    type: str
    given: bool
    default: Node | None = None
    partial: bool = False
    sequence: TableRef | None = None
    format: str | None = None
    kept: bool = False


@dataclass(frozen=True)
class Check:
    """A condition over the new and old image. It is broken where `holds` is not true, among rows where `when` is.

    `grant`: judged as a right, in which a blank is no yes. Messages and codes stand beside the plan, so that the
    statement's text depends on the conditions only.
    """

    code: str
    field: str | None
    rule: str | None
    message: Text
    holds: Node
    when: Node | None = None
    grant: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A lookup column must hold the id of a live row of `table` that the writer may see."""

    field: str
    column: str
    table: TableRef
    condition: Node | None
    joins: tuple[Join, ...]
    changed_only: bool


@dataclass(frozen=True, slots=True)
class Unique:
    """These columns together must not occur in another live row."""

    field: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class InUse:
    """Live rows of `table` may not point with `via` to a row that is deleted."""

    object: str
    table: TableRef
    via: str


@dataclass(frozen=True)
class WritePlan:
    """Everything that the statement needs (and, in `Check`, what its refusals say)."""

    operation: Operation
    object: str
    zone: str
    table: TableRef
    history: TableRef
    stage_history: TableRef
    events: TableRef
    columns: tuple[Column, ...]
    stage: str | None
    access: Node | None
    access_joins: tuple[Join, ...]
    raw_joins: tuple[Join, ...]
    checks: tuple[Check, ...]
    check_joins: tuple[Join, ...]
    references: tuple[Reference, ...]
    uniques: tuple[Unique, ...]
    in_use: tuple[InUse, ...]
    historical: bool
    outputs: tuple[Output, ...]
    output_joins: tuple[Join, ...]
    visible: Node | None
    single: bool
    queued: bool
    anchored: bool
    upkeep: tuple[Upkeep, ...]


def plan_write(
    request: RecordWrite, rights: Rights, given: frozenset[str], partial: frozenset[str], outputs: Sequence[str]
) -> WritePlan:
    """The plan of a batch whose rows give the fields `given` (`partial`: not all rows do).

    `rights` are the writer's; the rules are judged in the system's view. Raises Refused `access.denied`,
    `object.unknown`.
    """
    release, obj, operation = rights.release, request.object, request.operation
    verb = {"create": "create", "update": "edit", "delete": "delete", "restore": "delete"}[operation]
    allowed(rights, obj, verb)
    reader, system = Names(release, rights), Names(release, None)
    columns = tuple(_columns(release, obj, operation, given, partial, system))
    stage = release.stage_field(obj)
    access = system.grant(rights.rows(obj, verb), obj)
    checks = tuple(_checks(request, rights, given, system))
    shown = tuple(Output(name, reader.field(obj, name)) for name in outputs)
    visible = reader.visible(obj)
    trees = [tree for check in checks for tree in (check.holds, check.when)]
    return WritePlan(
        operation=operation,
        object=obj,
        zone=release.model.settings.time_zone,
        table=release.table(obj),
        history=release.system("_history"),
        stage_history=release.system("_stage_history"),
        events=release.system("_event"),
        columns=columns,
        stage=release.column(obj, stage[0].name) if stage else None,
        access=access if operation != "create" else None,
        access_joins=system.joins((access,), obj) if operation != "create" else (),
        raw_joins=system.joins((c.default for c in columns), obj),
        checks=checks,
        check_joins=system.joins(trees, obj),
        references=tuple(_references(release, obj, operation, given, reader)),
        uniques=tuple(_uniques(release, obj, operation, given)),
        in_use=tuple(_in_use(release, obj)) if operation == "delete" else (),
        historical=request.historical,
        outputs=shown,
        output_joins=reader.joins((visible, *(o.tree for o in shown)), obj),
        visible=visible,
        single=not request.many,
        queued=obj in release.watched and not request.historical,
        anchored=operation == "delete" or any(
            isinstance(node, PlannedAggregate) for tree in trees if tree is not None for node in own(tree)
        ),
        upkeep=plan_upkeep(release, obj, given if operation == "update" and not request.historical else None),
    )


def allowed(rights: Rights, obj: str, verb: str) -> None:
    """Refuses an object that the actor can not see, and a verb that is not granted."""
    if obj not in rights.release.model.objects or not (rights.allows(obj, "read") or rights.allows(obj, verb)):
        raise Refused("object.unknown", f'there is no object "{obj}"')
    if not rights.allows(obj, verb):
        raise Refused("access.denied", f"your roles do not allow to {verb} records of {obj}")


def refused_field(rights: Rights, obj: str, name: str, verb: str, historical: bool) -> tuple[str, str] | None:
    """Why a field of the body can not be written: (code, detail), or None where it can."""
    declared = rights.release.object(obj).fields.get(name)
    readable = rights.readable(obj)
    writable = rights.writable(obj, verb)
    if declared is None or (name not in readable and name not in writable):
        hint = did_you_mean(name, readable)
        return "record.field_unknown", f'there is no field "{name}"' + (f"; {hint}" if hint else "")
    if historical and name in HISTORICAL:
        return None
    if not FIELD_TYPES[declared.type].writable or (declared.system and name != "owner"):
        return "record.field_read_only", f'"{name}" is computed'
    if name not in writable:
        return "record.field_read_only", f'your roles do not allow to write "{name}"'
    return None


def _columns(
    release: Release, obj: str, operation: Operation, given: frozenset[str], partial: frozenset[str], system: Names
) -> list[Column]:
    found = []
    for f in release.stored(obj):
        if f.name in SYSTEM_COLUMNS:
            continue
        column, type_ = release.column(obj, f.name), FIELD_TYPES[f.type].column or ""
        default = None
        if operation == "create":
            default = _default(release, obj, f.name, system)
        found.append(Column(
            column, f.name, type_, f.name in given, default, f.name in partial,
            release.sequence(obj, f.name) if f.type == "auto_number" else None, f.format,
        ))
    for f in release.kept(obj):
        default = system.computed(obj, f.name) if operation == "create" else None
        found.append(
            Column(release.column(obj, f.name), f.name, release.column_type(obj, f.name), False, default, kept=True)
        )
    return found


def _default(release: Release, obj: str, name: str, system: Names) -> Node | None:
    declared = release.object(obj).fields[name]
    if declared.default:
        return system.tree(release.model.typed[declared.default.key], obj)
    if declared.type == "stage" and (process := release.model.stage_process(declared)):
        return Literal(TEXT, process.start[0])
    return Literal(BOOLEAN, False) if declared.type == "boolean" else None


def _checks(request: RecordWrite, rights: Rights, given: frozenset[str], system: Names) -> list[Check]:
    if request.operation == "delete":
        return []
    release, obj = rights.release, request.object
    found = _access_checks(request, rights, given)
    whole = request.operation != "update"
    for f in release.object(obj).fields.values():
        if (f.name in given and (f.required or f.type in NEVER_BLANK)) or (f.required and whole and not f.system):
            found.append(Check("record.required", f.name, None, {}, _filled(system.field(obj, f.name))))
        if f.required_when:
            when = system.tree(release.model.typed[f.required_when.key], obj)
            found.append(Check("record.required", f.name, None, {}, _filled(system.field(obj, f.name)), when))
    event = "create" if request.operation == "create" else "update"
    for rule in release.object(obj).rules.values():
        if event in rule.on:
            holds = system.tree(release.model.typed[rule.valid_when.key], obj)
            found.append(Check("record.rule", rule.field, rule.name, rule.message, holds))
    stage = release.stage_field(obj)
    if stage:
        found += _stage_checks(request, rights, stage[1], stage[0].name, given, system)
    return found


def _access_checks(request: RecordWrite, rights: Rights, given: frozenset[str]) -> list[Check]:
    """The new row, too, must be one that the actor may write, and each given field writable in it."""
    verb = "create" if request.operation == "create" else "edit"
    if request.operation == "restore":
        return []
    system, obj = Names(rights.release, None), request.object
    found = []
    for needed in (verb, "import") if request.imported else (verb,):
        rows = system.grant(rights.rows(obj, needed), obj)
        if rows is not None:
            found.append(Check("access.row", None, None, {}, rows, grant=True))
    image: Image = "new" if verb == "create" else "old"
    for name in sorted(given - set(HISTORICAL) if request.historical else given):
        where = system.grant(rights.where_writable(obj, name, verb), obj)
        if where is not None:
            found.append(Check("record.field_read_only", name, None, {}, with_image(where, image), grant=True))
    return found


def _stage_checks(
    request: RecordWrite, rights: Rights, process: Process, field: str, given: frozenset[str], system: Names
) -> list[Check]:
    obj, create = request.object, request.operation == "create"
    gate = not request.historical and request.operation != "restore"
    new, old = system.field(obj, field), system.field(obj, field, "old")
    moving = _not(_same(new, old))
    found: list[Check] = []
    if create and gate:
        found.append(Check("stage.start", field, None, {}, _among(new, process.start)))
    if not create and gate and field in given:
        found += _move_checks(rights, process, field, new, old, obj, system)
    order = list(process.stages)
    for stage in process.stages.values():
        here = _among(new, (stage.name,))
        for name in stage.required:
            if not create and field not in given and name not in given:
                continue
            found.append(Check("stage.required", name, stage.name, stage.label, _filled(system.field(obj, name)), here))
        for name in stage.read_only:
            if not create and name in given and gate:
                kept = _same(system.field(obj, name), system.field(obj, name, "old"))
                found.append(
                    Check("stage.read_only", name, stage.name, stage.label, kept, _among(old, (stage.name,)))
                )
        if not gate or not (create or field in given):
            continue
        entering = here if create else _and(here, moving)
        for criterion in stage.entry.values():
            holds = system.tree(rights.release.model.typed[criterion.valid_when.key], obj)
            found.append(Check("stage.entry", field, criterion.name, criterion.message, holds, entering))
        onward = tuple(n for n in order[order.index(stage.name) + 1:] if process.stages[n].category in ("open", "won"))
        if create or not onward:
            continue
        for criterion in stage.exit.values():
            holds = system.tree(rights.release.model.typed[criterion.valid_when.key], obj)
            leaving = _and(_among(old, (stage.name,)), _among(new, onward))
            found.append(Check("stage.exit", field, criterion.name, criterion.message, holds, leaving))
    return found


def _move_checks(
    rights: Rights, process: Process, field: str, new: Node, old: Node, obj: str, system: Names
) -> list[Check]:
    """A move must be listed, be open to one of the actor's roles, and meet what its listing asks for."""
    listed: dict[tuple[str, str], list[Move]] = {}
    for move in process.moves:
        listed.setdefault((move.source, move.target), []).append(move)
    moving = _not(_same(new, old))
    found = []
    for source, stage in process.stages.items():
        targets = tuple(target for start, target in listed if start == source)
        leaving = _and(_among(old, (source,)), moving)
        found.append(Check("stage.unlisted", field, source, stage.label, _among(new, targets), leaving))
    for (source, target), choices in listed.items():
        made, label = _and(_among(old, (source,)), _among(new, (target,))), process.stages[target].label
        chosen = next((m for m in choices if open_to(m, rights)), None)
        if chosen is None:
            found.append(Check("stage.role", field, target, label, Literal(BOOLEAN, False), made))
        else:
            found += _move_conditions(chosen, rights, field, label, made, obj, system)
    return found


def _move_conditions(
    move: Move, rights: Rights, field: str, label: Text, made: Node, obj: str, system: Names
) -> list[Check]:
    found = []
    if move.when:
        holds = system.tree(rights.release.model.typed[move.when.key], obj)
        found.append(Check("stage.guard", field, move.target, label, holds, made))
    if move.reason:
        found.append(Check("stage.reason", field, move.target, label, _filled(Field(TEXT, (), obj, "_reason")), made))
    if move.within_days is not None:
        entered = Field(DATETIME, (), obj, entered_at(rights.release.column(obj, field)), 0, "old")
        span = Call(DURATION, "datetimes_between", (System(DATETIME.blank(False), "now"), entered))
        limit = Literal(DURATION.blank(False), Decimal(move.within_days * 86_400))
        found.append(Check("stage.period", field, move.target, label, Call(BOOLEAN, "<=", (span, limit)), made))
    return found


def open_to(move: Move, rights: Rights) -> bool:
    """Whether one of the actor's roles may make the move; of several for one pair the first open one decides."""
    return rights.everything or not move.by or bool(set(move.by) & set(rights.roles))


def _references(
    release: Release, obj: str, operation: Operation, given: frozenset[str], reader: Names
) -> list[Reference]:
    found = []
    for f in release.stored(obj):
        target = f.to
        if target is None or f.name in ("id", "created_by", "modified_by"):
            continue
        if operation == "update" and f.name not in given:
            continue
        if operation == "create" and f.name not in given and f.default is None:
            continue
        if operation == "delete":
            continue
        condition = reader.visible(target) if f.name in given and operation != "restore" else None
        found.append(Reference(
            f.name, release.column(obj, f.name), release.table(target), condition,
            reader.joins((condition,), target), operation == "update",
        ))
    return found


def _uniques(release: Release, obj: str, operation: Operation, given: frozenset[str]) -> list[Unique]:
    declared = release.object(obj)
    keys = [(fields[0], fields) for fields in declared.unique.values()]
    keys += [(f.name, (f.name,)) for f in release.stored(obj) if f.unique and not f.system]
    found = []
    for name, fields in keys:
        if operation in ("create", "restore") or (operation == "update" and given & set(fields)):
            types = {f.name: FIELD_TYPES[f.type].column or "" for f in release.stored(obj)}
            found.append(Unique(name, tuple((release.column(obj, f), types[f]) for f in fields)))
    return found


def _in_use(release: Release, obj: str) -> list[InUse]:
    return [
        InUse(other.name, release.table(other.name), release.column(other.name, f.name))
        for other in release.model.objects.values()
        for f in release.stored(other.name)
        if f.to == obj
        and not f.system and (f.on_delete or "restrict") == "restrict"
    ]


def _same(a: Node, b: Node) -> Node:
    return Call(BOOLEAN, "=", (a, b))


def _and(*tests: Node) -> Node:
    return Call(BOOLEAN, "and", tests)


def _not(test: Node) -> Node:
    return Call(BOOLEAN, "not", (test,))


def _filled(value: Node) -> Node:
    if value.type.kind == "boolean":
        return Call(BOOLEAN, "or", (value, _not(value)))
    return _not(Call(BOOLEAN, "isblank", (value,)))


def _among(value: Node, names: Sequence[str]) -> Node:
    if not names:
        return Literal(BOOLEAN, False)
    return Call(BOOLEAN, "in", (value, *(Literal(TEXT.blank(False), name) for name in names)))
