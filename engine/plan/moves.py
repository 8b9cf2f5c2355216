"""The moves of a record and the tasks of its stage, planned to be judged together without a write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.plan.access import Rights
from engine.plan.criteria import Condition, conditions
from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.request import RecordWrite
from engine.plan.stages import stage_tasks
from engine.plan.write import WritePlan, plan_write
from metamodel.formula.typed import Node
from metamodel.kinds.process import Process


@dataclass(frozen=True)
class MovesPlan:
    """What `write` would judge of a move to each of `targets` (the present stage first), and over the record the
    `tests` by key and the `values` that are told, each with its key; with all their `joins`.

    `parts` are those of the conditions behind checks, by the number of the check. Keys of tests are made by
    `part_key` and `task_key`.
    """

    write: WritePlan
    targets: Sequence[str]
    tests: Mapping[str, Node]
    values: Mapping[Node, str]
    joins: Sequence[Join]
    parts: Mapping[int, tuple[Condition, ...]]


def plan_moves(rights: Rights, reader: Names, obj: str, process: Process, now: str) -> MovesPlan:
    """The plan for records of `obj` that stand in the stage `now` of a process; `reader` is the asker's view."""
    release = rights.release
    staged = release.staged(obj)
    assert staged is not None
    request, system = RecordWrite(object=obj, operation="update"), Names(release, None)
    write = plan_write(request, rights, frozenset({staged.field}), frozenset(), ("id",))
    parts = {
        number: conditions(check.formula, obj, rights, system, reader, staged.field)
        for number, check in enumerate(write.checks) if check.formula
    }
    tasks = stage_tasks(request, rights, system, staged, process.stages[now])
    tests = {task_key(name): tree for name, tree in tasks}
    tests |= {part_key(number, n): part.holds for number, found in parts.items() for n, part in enumerate(found)}
    leaves = [leaf for found in parts.values() for part in found for leaf in part.leaves]
    told = dict.fromkeys(node for leaf in leaves for node in (leaf.value, leaf.bound) if node is not None)
    joins = dict.fromkeys((*write.check_joins, *system.joins(tests.values(), obj), *reader.joins(told, obj)))
    return MovesPlan(
        write=write,
        targets=(now, *dict.fromkeys(move.target for move in process.moves if move.source == now)),
        tests=tests,
        values={node: str(number) for number, node in enumerate(told)},
        joins=tuple(sorted(joins, key=lambda join: len(join.path))),
        parts=parts,
    )


def task_key(name: str) -> str:
    return f"task {name}"


def part_key(check: int, part: int) -> str:
    return f"{check} {part}"
