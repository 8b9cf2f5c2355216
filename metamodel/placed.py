"""The formulas of a model: where each stands, over which object, and what it must give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from metamodel.formula.scope import Schema, Scope, Where
from metamodel.formula.types import BOOLEAN, DECIMAL, Type
from metamodel.kinds.assignment import USER
from metamodel.kinds.common import Formula
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.function import FunctionDeclaration
from metamodel.kinds.workflow import CreateRecord, Notify, SetFields
from metamodel.model import Model
from metamodel.model_schema import PARAMETER_TYPES, stored_type


@dataclass(frozen=True, slots=True)
class Task:
    """A formula of a model: where it stands, over which object, and what it must give."""

    formula: Formula
    where: Where
    object: str
    expect: Type | None = None
    old: bool = False
    params: Mapping[str, Type] = field(default_factory=dict)

    def scope(self, schema: Schema, user: str | None) -> Scope:
        """What the formula may name; `user` is the object of `$user`. The formula of a function has no object."""
        if not self.object:
            return Scope(schema, self.where, user=user, params=self.params)
        row = None if self.where == "measure" else self.object
        rows = self.object if self.where == "measure" else None
        return Scope(schema, self.where, row=row, rows=rows, old=self.old, user=user)


def tasks(model: Model) -> Iterator[Task]:
    """Every formula of the model that is not a field."""
    for owner in model.objects.values():
        for f in owner.fields.values():
            if f.default:
                yield Task(f.default, "default", owner.name, stored_type(f))
            if f.required_when:
                yield Task(f.required_when, "rule", owner.name, BOOLEAN, old=True)
            if f.read_only_when:
                yield Task(f.read_only_when, "rule", owner.name, BOOLEAN)
        for rule in owner.rules.values():
            yield Task(rule.valid_when, "rule", owner.name, BOOLEAN, old=True)
        for key in owner.unique.values():
            if key.where:
                yield Task(key.where, "rule", owner.name, BOOLEAN)
        if owner.lock:
            yield Task(owner.lock.when, "rule", owner.name, BOOLEAN)
    for process in model.processes.values():
        for stage in process.stages.values():
            for criterion in (*stage.entry.values(), *stage.exit.values()):
                yield Task(criterion.valid_when, "rule", process.object, BOOLEAN, old=True)
            for task in stage.tasks.values():
                if task.done_when:
                    yield Task(task.done_when, "rule", process.object, BOOLEAN, old=True)
        conditions = (condition for move in process.moves for condition in (move.when, move.who) if condition)
        for condition in dict.fromkeys(conditions):
            yield Task(condition, "rule", process.object, BOOLEAN, old=True)
        if process.when:
            yield Task(process.when, "rule", process.object, BOOLEAN)
    for role in model.roles.values():
        for target, grants in role.objects.items():
            for grant in grants.values():
                if grant.where:
                    yield Task(grant.where, "access", target, BOOLEAN)
    yield from _conversion_tasks(model)
    yield from _duplicate_tasks(model)
    yield from _report_tasks(model)
    yield from _workflow_tasks(model)
    yield from _assignment_tasks(model)


def function_tasks(declared: FunctionDeclaration) -> Iterator[Task]:
    """The formulas of a pack's function: its own over the parameters, then their defaults."""
    params = {p.name: PARAMETER_TYPES[p.type] for p in declared.params.values()}
    yield Task(declared.formula, "workflow", "", params=params)
    for p in declared.params.values():
        if p.default:
            yield Task(p.default, "workflow", "", params[p.name])


def _conversion_tasks(model: Model) -> Iterator[Task]:
    for conversion in model.conversions.values():
        if conversion.when:
            yield Task(conversion.when, "rule", conversion.object, BOOLEAN)
        yield from _values(model, conversion.sets, "rule", conversion.object, conversion.object)
        for part in conversion.creates.values():
            child = model.children.get(conversion.object, {}).get(part.each or "")
            source = child.object if child else conversion.object
            if part.when:
                yield Task(part.when, "rule", source, BOOLEAN)
            yield from _values(model, part.values, "rule", source, part.object)


def _duplicate_tasks(model: Model) -> Iterator[Task]:
    for rule in model.duplicate_rules.values():
        if rule.when:
            yield Task(rule.when, "rule", rule.object, BOOLEAN)
        for against in rule.against.values():
            if against.where:
                yield Task(against.where, "rule", against.object, BOOLEAN)


def _values(
    model: Model, values: Mapping[str, Formula], where: Where, obj: str, target: str, *, old: bool = False
) -> Iterator[Task]:
    """The formulas that give fields of `target` their values."""
    written = model.objects.get(target)
    for name, value in values.items():
        f = written.fields.get(name) if written else None
        expect = stored_type(f) if f and FIELD_TYPES[f.type].writable else None
        yield Task(value, where, obj, expect, old=old)


def _report_tasks(model: Model) -> Iterator[Task]:
    for report in model.reports.values():
        if report.where:
            yield Task(report.where, "query", report.object, BOOLEAN)
        for column in report.groups.values():
            yield Task(column.value, "group", report.object)
        for column in report.measures.values():
            yield Task(column.value, "measure", report.object)


def _workflow_tasks(model: Model) -> Iterator[Task]:
    for workflow in model.workflows.values():
        old = not workflow.trigger.timed
        if not workflow.object and workflow.trigger.event != "schedule":
            continue  # the rule of triggers tells it
        if workflow.when:
            yield Task(workflow.when, "workflow", workflow.object, BOOLEAN, old=old)
        for action in workflow.actions:
            if isinstance(action, Notify):
                yield Task(action.user, "workflow", workflow.object, Type("reference", of="user"), old=old)
            elif isinstance(action, (SetFields, CreateRecord)):
                target = action.object if isinstance(action, CreateRecord) else workflow.object
                yield from _values(model, action.values, "workflow", workflow.object, target, old=old)


def _assignment_tasks(model: Model) -> Iterator[Task]:
    for assignment in model.assignments.values():
        entries, person = assignment.entries.values(), Type("reference", of=USER)
        over_record: list[tuple[Formula | None, Type]] = [
            (assignment.when, BOOLEAN), (assignment.open_when, BOOLEAN), (assignment.keep_owner_of, person),
            (assignment.fallback, person),
            *((entry.when, BOOLEAN) for entry in entries), *((entry.user, person) for entry in entries),
        ]  # fmt: skip
        over_user: list[tuple[Formula | None, Type]] = [
            (assignment.absent_when, BOOLEAN), *((entry.members, BOOLEAN) for entry in entries),
            *((number, DECIMAL) for entry in entries for number in (entry.weight, entry.cap_open, entry.cap_day)),
        ]  # fmt: skip
        over_pool: list[tuple[Formula | None, Type]] = []
        if pool := assignment.pool:
            over_pool = [(pool.members, BOOLEAN), (pool.claims_per_day, DECIMAL), (pool.reclaim_after, DECIMAL)]
        declared = model.objects.get(assignment.object)
        link = declared.fields.get(assignment.pool.field) if declared and assignment.pool else None
        pools = (link.to if link else None) or ""
        for owner, formulas in ((assignment.object, over_record), (USER, over_user), (pools, over_pool)):
            yield from (Task(f, "workflow", owner, expect) for f, expect in formulas if f and owner)
