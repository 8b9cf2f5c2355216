"""What a stage process demands of a write: where records start, which moves are open, what each stage asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from engine.plan.access import Rights
from engine.plan.checks import Check
from engine.plan.conditions import ALWAYS, NEVER, all_of, among, code, filled, followed, negated, same
from engine.plan.names import Names
from engine.plan.planned import Image, with_image
from engine.plan.request import RecordWrite
from engine.release.release import Staged
from metamodel.formula.typed import Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DATETIME, DURATION, TEXT, Type
from metamodel.kinds.common import Formula, Text
from metamodel.kinds.process import OWNER, OWNER_MANAGER, Move, Process, Stage, Task

REASON, CONFIRMED, SAID = "_reason", "_confirmed", "_said"
"""Columns of the new rows beside those of the table: the reason of a move, the tasks of the stage that are done by
somebody's word, and those of which this write says something."""
ONWARD = ("open", "won")
"""The categories of stages that lie ahead; criteria and tasks are owed on the way to these only."""
USER = System(Type("reference", nullable=False, of="user"), "user.id")


def stage_checks(
    request: RecordWrite, rights: Rights, given: frozenset[str], again: bool, system: Names,
    only: Process | None = None, into: str | None = None,
) -> list[Check]:
    """What the object's processes, or `only` one of them, ask of a create, an update or a restore; nothing where it has
    none.

    `again`: which process a record follows is told anew. `into`: the one stage that every row of the write gives, so
    that what other stages ask is left out.
    """
    staged = rights.release.staged(request.object)
    if staged is None or request.operation == "delete":
        return []
    gate = _Gate(request, rights, given, again, system, staged, into)
    processes = staged.processes if only is None else (only,)
    found = [check for process in processes for check in gate.process(process)] + list(gate.said())
    owed = (check for check in found if check.when != NEVER and check.holds != ALWAYS)
    return [replace(check, when=None) if check.when == ALWAYS else check for check in owed]


def stage_tasks(
    request: RecordWrite, rights: Rights, system: Names, staged: Staged, stage: Stage
) -> list[tuple[str, Node]]:
    """The tasks of a stage, each with the condition that it is done."""
    gate = _Gate(request, rights, frozenset(), False, system, staged)
    return [(task.name, gate.done(task)) for task in stage.tasks.values()]


def may_move(move: Move, rights: Rights) -> bool | None:
    """Whether the actor may make the move; None where that hangs on the record."""
    if rights.everything or not (move.by or move.who) or set(move.by) & set(rights.roles):
        return True
    return None if move.who or {OWNER, OWNER_MANAGER} & set(move.by) else False


@dataclass(frozen=True)
class _Gate:
    request: RecordWrite
    rights: Rights
    given: frozenset[str]
    again: bool
    system: Names
    staged: Staged
    into: str | None = None

    @property
    def object(self) -> str:
        return self.request.object

    @property
    def create(self) -> bool:
        return self.request.operation == "create"

    @property
    def closed(self) -> bool:
        """Whether moves are judged: not those of history, and not what comes back from the bin."""
        return not self.request.historical and self.request.operation != "restore"

    @property
    def moving(self) -> bool:
        """Whether the write may move records."""
        return self.staged.field in self.given

    @cached_property
    def new(self) -> Node:
        return code(self.into) if self.into else self.system.field(self.object, self.staged.field)

    @cached_property
    def old(self) -> Node:
        return self.system.field(self.object, self.staged.field, "old")

    def follows(self, process: Process, image: Image = "new") -> Node | None:
        """Where a record follows the process; None where every record does."""
        if self.staged.followed is None:
            return None
        held = followed(self.staged, Field(TEXT, (), self.object, self.staged.column, 0, image))
        return same(held, code(process.name))

    def tree(self, formula: Formula) -> Node:
        return self.system.tree(self.rights.release.model.typed[formula.key], self.object)

    def check(
        self, what: str, rule: str | None, message: Text, holds: Node, *when: Node | None,
        formula: Formula | None = None,
    ) -> Check:
        there = [test for test in when if test is not None]
        return Check(what, self.staged.field, rule, message, holds, all_of(*there) if there else None, formula=formula)

    def process(self, process: Process) -> Iterator[Check]:
        """What one process asks of the records that follow it."""
        here = self.follows(process)
        if self.create and self.closed:
            yield self.check("stage.start", None, {}, among(self.new, process.start), here)
        if here is not None and (self.create or self.moving or self.again):
            yield self.check("stage.process", process.name, process.label, among(self.new, list(process.stages)), here)
        if not self.create and self.closed and self.moving:
            yield from self.moves(process, here)
        elif self.again and self.closed:
            yield from self.switched(process, here)
        for stage in process.stages.values():
            yield from self.stage(process, stage, here)

    def switched(self, process: Process, here: Node | None) -> Iterator[Check]:
        """A record that begins to follow another process keeps its stage, or starts there."""
        start = Call(BOOLEAN, "or", (same(self.new, self.old), among(self.new, process.start)))
        came = negated(self.follows(process, "old") or ALWAYS)
        yield self.check("stage.start", process.name, process.label, start, here, came)

    def moves(self, process: Process, here: Node | None) -> Iterator[Check]:
        """A move must be listed, be open to the actor, and meet what its listing asks for."""
        if self.again:
            yield from self.switched(process, here)
            here = all_of(here, self.follows(process, "old"))
        listed: dict[tuple[str, str], list[Move]] = {}
        for move in process.moves:
            listed.setdefault((move.source, move.target), []).append(move)
        moved = negated(same(self.new, self.old))
        for source, stage in process.stages.items():
            targets = [target for start, target in listed if start == source]
            leaving = NEVER if source == self.into else all_of(among(self.old, (source,)), moved)
            yield self.check("stage.unlisted", source, stage.label, among(self.new, targets), here, leaving)
        for (source, target), choices in listed.items():
            made, label = all_of(among(self.old, (source,)), among(self.new, (target,))), process.stages[target].label
            yield from self.listed(target, label, choices, here, made)

    def listed(
        self, target: str, label: Text, choices: list[Move], here: Node | None, made: Node
    ) -> Iterator[Check]:
        """Of several listings of a move the first one that is open to the actor decides."""
        for move in choices:
            may = may_move(move, self.rights)
            if may is False:
                continue
            who = None if may else self.who(move)
            yield from self.conditions(move, label, here, made if who is None else all_of(made, who))
            if who is None:
                return
            made = all_of(made, negated(who))
        yield self.check("stage.role", target, label, NEVER, here, made)

    def who(self, move: Move) -> Node:
        """Where the record, as it was, opens the move to the actor."""
        owner = Field(Type("reference", of="user"), (), self.object, "owner", 0, "old")
        manager = Field(Type("reference", of="user"), ("owner",), "user", "manager", 0, "old")
        people = {OWNER: owner, OWNER_MANAGER: manager}
        tests = [self.system.tree(same(people[name], USER), self.object) for name in move.by if name in people]
        if move.who:
            tests.append(with_image(self.tree(move.who), "old"))
        return tests[0] if len(tests) == 1 else Call(BOOLEAN, "or", tuple(tests))

    def conditions(self, move: Move, label: Text, here: Node | None, made: Node) -> Iterator[Check]:
        if move.when:
            yield self.check("stage.guard", move.target, label, self.tree(move.when), here, made, formula=move.when)
        if move.reason:
            given: Node = Field(TEXT, (), self.object, REASON)
            chosen = self.rights.release.model.value_sets[move.reasons].options if move.reasons else {}
            known = among(given, [name for name, option in chosen.items() if option.active]) if move.reasons else None
            yield self.check("stage.reason", move.target, label, known or filled(given), here, made)
        if move.within_days is not None:
            entered = Field(DATETIME, (), self.object, self.staged.entered, 0, "old")
            span = Call(DURATION, "datetimes_between", (System(DATETIME.blank(False), "now"), entered))
            limit = Literal(DURATION.blank(False), Decimal(move.within_days * 86_400))
            yield self.check("stage.period", move.target, label, Call(BOOLEAN, "<=", (span, limit)), here, made)

    def stage(self, process: Process, stage: Stage, here: Node | None) -> Iterator[Check]:
        """What a stage asks of the records that stand in it, enter it or go on from it."""
        obj, system = self.object, self.system
        stands = all_of(here, among(self.new, (stage.name,)))
        for name in stage.required:
            if self.create or self.moving or self.again or name in self.given:
                there = filled(system.field(obj, name))
                yield Check("stage.required", name, stage.name, stage.label, there, stands, stage=stage.name)
        stood = all_of(self.follows(process, "old"), among(self.old, (stage.name,)))
        for name in stage.read_only:
            if not self.create and name in self.given and self.closed and not self.request.relinked:
                kept = same(system.field(obj, name), system.field(obj, name, "old"))
                yield Check("stage.read_only", name, stage.name, stage.label, kept, stood)
        if not self.closed or not (self.create or self.moving):
            return
        entering = stands if self.create else all_of(stands, negated(same(self.new, self.old)))
        for criterion in stage.entry.values():
            holds, made = self.tree(criterion.valid_when), criterion.valid_when
            entry = self.check("stage.entry", criterion.name, criterion.message, holds, entering, formula=made)
            yield replace(entry, stage=stage.name)
        order = list(process.stages)
        ahead = [n for n in order[order.index(stage.name) + 1 :] if process.stages[n].category in ONWARD]
        if self.create or not ahead:
            return
        leaving = all_of(stood, here if self.again else None, among(self.new, ahead))
        for criterion in stage.exit.values():
            holds, made = self.tree(criterion.valid_when), criterion.valid_when
            yield self.check("stage.exit", criterion.name, criterion.message, holds, leaving, formula=made)
        for task in stage.tasks.values():
            if task.required:
                done = self.done(task)
                yield self.check("stage.task", task.name, task.label, done, leaving, formula=task.done_when)

    def done(self, task: Task) -> Node:
        """Where the task is done."""
        if task.done_when:
            return self.tree(task.done_when)
        if task.fields:
            return all_of(*(filled(self.system.field(self.object, name)) for name in task.fields))
        return self.among_tasks(CONFIRMED, task.name)

    def among_tasks(self, column: str, name: str) -> Node:
        return Call(BOOLEAN, "INCLUDES", (Field(Type("list"), (), self.object, column), code(name)))

    def said(self) -> Iterator[Check]:
        """Only what is a task of the stage, and done by somebody's word, can be said to be done."""
        if not self.request.confirming:
            return
        stages: dict[str, list[tuple[Process, str]]] = {}
        for process in self.staged.processes:
            for stage in process.stages.values():
                for task in stage.tasks.values():
                    if task.confirmed:
                        stages.setdefault(task.name, []).append((process, stage.name))
        image: Image = "new" if self.create else "old"
        stands = self.new if self.create else self.old
        for name, places in stages.items():
            there = [all_of(self.follows(process, image), among(stands, (stage,))) for process, stage in places]
            holds = there[0] if len(there) == 1 else Call(BOOLEAN, "or", tuple(there))
            yield self.check("stage.task_unknown", name, {"en": name}, holds, self.among_tasks(SAID, name))
