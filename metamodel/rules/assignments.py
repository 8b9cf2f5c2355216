"""An assignment sets a user field that can be written; its entries have what their strategies and caps need, and
nothing that no strategy looks at."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.kinds.assignment import RESERVED, USER, Assignment, Entry, Pool
from metamodel.kinds.object import Object
from metamodel.kinds.workflow import Assign, GiveBack
from metamodel.model import Model
from metamodel.names import did_you_mean
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field, find_object, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    pooled: dict[str, str] = {}
    for assignment in model.assignments.values():
        root: Path = ("assignment", assignment.name)
        owner = find_object(model, assignment.object, (*root, "object"), at, issues)
        find_object(model, USER, (*root, "name"), at, issues)
        f = find_field(owner, assignment.field, (*root, "field"), at, issues) if owner else None
        if f and (f.type != "user" or not writable(f)):
            place = at.value(*root, "field")
            issues.add("M246", f"{assignment.object}.{f.name} is no user field that can be written", place,
                       f"it is of type {f.type}")  # fmt: skip
        for entry in assignment.entries.values():
            _entry(assignment, entry, (*root, "entries", entry.name), at, issues)
        if assignment.pool and owner:
            _pool(owner, assignment.pool, (*root, "pool"), at, issues)
            if pooled.setdefault(owner.name, assignment.name) != assignment.name:
                text = f"the records of {owner.name} have pools already: {pooled[owner.name]}"
                issues.add("M249", text, at.key(*root, "pool"), "declare the pools once")
        uses = any(e.cap_open or e.strategy == "least_open" for e in assignment.entries.values())
        if assignment.open_when and not uses:
            issues.add("M247", "no entry counts open records", at.value(*root, "open_when"), "remove it")
    for workflow in model.workflows.values():
        for index, action in enumerate(workflow.actions):
            if isinstance(action, (Assign, GiveBack)):
                word = "assign" if isinstance(action, Assign) else "release"
                _named(model, action, workflow.object, ("workflow", workflow.name, "actions", index, word), at, issues)


def _pool(owner: Object, pool: Pool, path: Path, at: Places, issues: Collector) -> None:
    link = find_field(owner, pool.field, (*path, "field"), at, issues)
    if link and (link.type != "lookup" or not link.to):
        hint = f"it is of type {link.type}"
        issues.add("M249", f"{owner.name}.{link.name} is no lookup of one object", at.value(*path, "field"), hint)


def _entry(assignment: Assignment, entry: Entry, path: Path, at: Places, issues: Collector) -> None:
    if entry.name in RESERVED:
        issues.add("M247", f'an entry can not be called "{entry.name}"', at.key(*path), "choose another name")
    if entry.user and (entry.weight or entry.strategy != "round_robin"):
        place = at.key(*path, "weight" if entry.weight else "strategy")
        issues.add("M247", "there is nobody to choose between", place, "remove it, or name members")
    elif entry.strategy == "weighted" and not entry.weight:
        place = at.value(*path, "strategy")
        issues.add("M247", "the strategy weighted needs a weight", place, 'add "weight: <formula>"')
    elif entry.weight and entry.strategy != "weighted":
        issues.add("M247", "only the strategy weighted looks at a weight", at.value(*path, "weight"), "remove it")
    if (entry.cap_open or entry.strategy == "least_open") and not assignment.open_when:
        issues.add("M247", "what counts as open is not told", at.key(*path), 'add "open_when: <formula>"')


def _named(model: Model, action: Assign | GiveBack, obj: str, path: Path, at: Places, issues: Collector) -> None:
    found = model.assignments.get(action.assignment)
    if found is None and not at.gone("assignment", action.assignment):
        known = [a.name for a in model.assignments.values() if a.object == obj]
        hint = did_you_mean(action.assignment, known) or "declare it"
        issues.add("M248", f'there is no assignment "{action.assignment}"', at.value(*path), hint)
    elif found and found.object != obj:
        issues.add("M248", f"{found.name} assigns records of {found.object}, not of {obj}", at.value(*path), None)
    elif found and isinstance(action, GiveBack) and not found.pool:
        issues.add("M248", f"{found.name} has no pool", at.value(*path), 'add "pool: ..." to it')
