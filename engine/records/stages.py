"""Moves of a record between stages: which are open, and what stands in the way of the others.

A move itself is a write of the stage field; this answers before it is tried, from the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import Fault, Refused
from engine.db import execute
from engine.plan.access import Rights
from engine.plan.criteria import Condition
from engine.plan.moves import MovesPlan, part_key, plan_moves, task_key
from engine.plan.request import RecordQuery
from engine.plan.stages import may_move
from engine.plan.timers import due_at
from engine.records.read import read_record
from engine.records.violations import explain
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.moves import moves_statement
from engine.sql.statement import Statement
from metamodel.kinds.common import in_locale
from metamodel.kinds.process import Move, Process


async def moves(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> dict[str, Any]:
    """Where a record stands in its process and where it can go.

    `{"process", "version", "stage", "entered_at", "due_at": the end of the stage's limit, "missing": [fault], "tasks":
    [{"name", "label", "guidance", "required", "done", "confirmed", "fill", "create"}], "moves": [{"to", "label", "way",
    "allowed", "automatic", "reason": needed, "reasons": options, "blocked_by": [fault]}]}`; a fault has `code, pointer,
    rule, detail`, a warning (which a move may acknowledge) its `severity`, and, where a condition is not met, `unmet`:
    for each part of it that has to hold `{"condition", "any": [{"of", "is", "must", "be"}]}`. Every move that the
    process lists from the present stage is answered; `missing` is what the present stage asks for.

    Raises Refused "record.unknown", "object.unknown", or "request.unknown" for an object without stages.
    """
    staged = release.staged(obj) if obj in release.model.objects else None
    rights = rt.rights(ctx.actor, release)
    if staged is None or staged.field not in rights.readable(obj):
        await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
        raise Refused("request.unknown", f"records of {obj} have no stages")
    asked = tuple(f"{staged.field}{part}" for part in ("", ".process", ".entered_at"))
    found = await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=asked), record)
    now, name, entered = (msgspec.json.decode(found.body)[key] for key in asked)
    process = next((p for p in staged.processes if p.name == name), staged.default)
    answer = {"process": name, "version": release.version(process.name), "stage": now, "entered_at": entered}
    stage = process.stages.get(now)
    answer["due_at"] = due_at(release, stage, datetime.fromisoformat(entered)) if stage and entered else None
    listed: dict[str, list[Move]] = {}
    for move in process.moves:
        if move.source == now:
            listed.setdefault(move.target, []).append(move)
    if now not in process.stages or not rights.allows(obj, "edit"):
        return answer | {"missing": [], "tasks": [], "moves": []}
    key = (release, ctx.actor.roles, ctx.actor.operator, obj, "moves", process.name, now)
    plan, statement = rt.statements.get(key, lambda: _prepare(rt, rights, obj, process, now))
    body, _ = await execute.read(rt.reads, release.role, statement.text, statement.arguments(ctx, (), id=record))
    judged = {target: rest for target, *rest in msgspec.json.decode(body)} if body else {}
    if not judged:
        return answer | {"missing": [], "tasks": [], "moves": []}
    told = _Told(release, plan, ctx.locale)
    return answer | {
        "missing": told.faults(judged[now]),
        "tasks": told.tasks(process, now, judged[now][2]),
        "moves": [told.move(process, now, choices, rights, judged[target]) for target, choices in listed.items()],
    }


def _prepare(rt: Runtime, rights: Rights, obj: str, process: Process, now: str) -> tuple[MovesPlan, Statement]:
    plan = plan_moves(rights, rt.names(rights, rights.release), obj, process, now)
    return plan, moves_statement(plan, rt.collation)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the numbers of one record mean, in words of a locale."""

    release: Release
    plan: MovesPlan
    locale: str

    def faults(self, judged: Sequence[Any]) -> list[dict[str, Any]]:
        """What is broken, with the parts of conditions that are not met."""
        broken, values, held = judged
        found = []
        for number in broken:
            for fault in explain(self.release, self.plan.write, [(0, [number])], self.locale, many=False):
                if fault.code == "stage.reason" or fault.severity == "info":
                    continue  # a reason is given with the move
                parts = enumerate(self.plan.parts.get(number, ()))
                unmet = [self.condition(part, values) for n, part in parts if not held.get(part_key(number, n))]
                found.append(_fault(fault) | ({"unmet": unmet} if unmet else {}))
        return found

    def condition(self, condition: Condition, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"condition": condition.text, "any": [
            {"of": leaf.of, "must": leaf.must, "be": leaf.be}
            | ({"is": values.get(self.plan.values[leaf.value])} if leaf.value is not None else {})
            | ({"bound": values.get(self.plan.values[leaf.bound])} if leaf.bound is not None else {})
            for leaf in condition.leaves
        ]}  # fmt: skip

    def tasks(self, process: Process, now: str, done: Mapping[str, bool]) -> list[dict[str, Any]]:
        return [
            {
                "name": task.name, "label": in_locale(task.label, self.locale),
                "guidance": in_locale(task.guidance, self.locale), "required": task.required,
                "done": bool(done.get(task_key(task.name))), "confirmed": task.confirmed, "fill": task.fields,
                "create": task.relation,
            }
            for task in process.stages[now].tasks.values()
        ]

    def move(
        self, process: Process, now: str, choices: Sequence[Move], rights: Rights, judged: Sequence[Any]
    ) -> dict[str, Any]:
        target = choices[0].target
        faults = self.faults(judged)
        move = next((m for m in choices if may_move(m, rights) is not False), choices[0])
        reasons = self.release.model.value_sets[move.reasons].options.values() if move.reasons else ()
        return {
            "to": target,
            "label": in_locale(process.stages[target].label, self.locale),
            "way": process.way(now, target),
            "allowed": all("severity" in fault for fault in faults),
            "automatic": any(m.automatic for m in choices),
            "reason": move.reason,
            "reasons": [{"name": o.name, "label": in_locale(o.label, self.locale)} for o in reasons if o.active],
            "blocked_by": faults,
        }


def _fault(fault: Fault) -> dict[str, Any]:
    told = {"code": fault.code, "pointer": fault.pointer, "rule": fault.rule, "detail": fault.detail}
    return told if fault.severity == "error" else {**told, "severity": fault.severity}
