"""What a stage process demands of a write: where records start, which moves are open, what each stage asks for."""

from __future__ import annotations

from decimal import Decimal

from engine.plan.access import Rights
from engine.plan.checks import Check
from engine.plan.conditions import all_of, among, filled, negated, same
from engine.plan.names import Names
from engine.plan.request import RecordWrite
from engine.release.identity import entered_at
from metamodel.formula.typed import Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DATETIME, DURATION, TEXT
from metamodel.kinds.common import Text
from metamodel.kinds.process import Move, Process


def stage_checks(request: RecordWrite, rights: Rights, given: frozenset[str], system: Names) -> list[Check]:
    """What the object's stage process asks of a create, an update or a restore; nothing where it has none."""
    staged = rights.release.stage_field(request.object)
    if staged is None or request.operation == "delete":
        return []
    field, process = staged[0].name, staged[1]
    obj, create = request.object, request.operation == "create"
    gate = not request.historical and request.operation != "restore"
    new, old = system.field(obj, field), system.field(obj, field, "old")
    moving = negated(same(new, old))
    found: list[Check] = []
    if create and gate:
        found.append(Check("stage.start", field, None, {}, among(new, process.start)))
    if not create and gate and field in given:
        found += _move_checks(rights, process, field, new, old, obj, system)
    order = list(process.stages)
    for stage in process.stages.values():
        here = among(new, (stage.name,))
        for name in stage.required:
            if not create and field not in given and name not in given:
                continue
            found.append(Check("stage.required", name, stage.name, stage.label, filled(system.field(obj, name)), here))
        for name in stage.read_only:
            if not create and name in given and gate:
                kept = same(system.field(obj, name), system.field(obj, name, "old"))
                found.append(
                    Check("stage.read_only", name, stage.name, stage.label, kept, among(old, (stage.name,)))
                )
        if not gate or not (create or field in given):
            continue
        entering = here if create else all_of(here, moving)
        for criterion in stage.entry.values():
            holds = system.tree(rights.release.model.typed[criterion.valid_when.key], obj)
            found.append(Check("stage.entry", field, criterion.name, criterion.message, holds, entering))
        onward = tuple(n for n in order[order.index(stage.name) + 1:] if process.stages[n].category in ("open", "won"))
        if create or not onward:
            continue
        for criterion in stage.exit.values():
            holds = system.tree(rights.release.model.typed[criterion.valid_when.key], obj)
            leaving = all_of(among(old, (stage.name,)), among(new, onward))
            found.append(Check("stage.exit", field, criterion.name, criterion.message, holds, leaving))
    return found


def _move_checks(
    rights: Rights, process: Process, field: str, new: Node, old: Node, obj: str, system: Names
) -> list[Check]:
    """A move must be listed, be open to one of the actor's roles, and meet what its listing asks for."""
    listed: dict[tuple[str, str], list[Move]] = {}
    for move in process.moves:
        listed.setdefault((move.source, move.target), []).append(move)
    moving = negated(same(new, old))
    found = []
    for source, stage in process.stages.items():
        targets = tuple(target for start, target in listed if start == source)
        leaving = all_of(among(old, (source,)), moving)
        found.append(Check("stage.unlisted", field, source, stage.label, among(new, targets), leaving))
    for (source, target), choices in listed.items():
        made, label = all_of(among(old, (source,)), among(new, (target,))), process.stages[target].label
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
        found.append(Check("stage.reason", field, move.target, label, filled(Field(TEXT, (), obj, "_reason")), made))
    if move.within_days is not None:
        entered = Field(DATETIME, (), obj, entered_at(rights.release.column(obj, field)), 0, "old")
        span = Call(DURATION, "datetimes_between", (System(DATETIME.blank(False), "now"), entered))
        limit = Literal(DURATION.blank(False), Decimal(move.within_days * 86_400))
        found.append(Check("stage.period", field, move.target, label, Call(BOOLEAN, "<=", (span, limit)), made))
    return found


def open_to(move: Move, rights: Rights) -> bool:
    """Whether one of the actor's roles may make the move; of several for one pair the first open one decides."""
    return rights.everything or not move.by or bool(set(move.by) & set(rights.roles))
