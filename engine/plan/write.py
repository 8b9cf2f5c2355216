"""A write by name becomes a `WritePlan`: what may be written, how new rows are made, and everything that judges them.

All conditions of one write are judged together and answered together; the statement writes only where none is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.plan.access import Rights, allowed
from engine.plan.anchors import Anchor, is_late, plan_anchors
from engine.plan.checks import Check, record_checks
from engine.plan.composites import with_wholes
from engine.plan.computed import rounded
from engine.plan.duplicates import Search, searches
from engine.plan.files import Attached, attached
from engine.plan.keys import InUse, Reference, Unique, in_use, references, uniques
from engine.plan.names import Names
from engine.plan.options import option_checks
from engine.plan.planned import Join, with_image
from engine.plan.read import Output, output
from engine.plan.request import Operation, RecordWrite
from engine.plan.stages import stage_checks
from engine.plan.upkeep import Upkeep, plan_upkeep
from engine.release.identity import SYSTEM_COLUMNS
from engine.release.release import Release, Staged, TableRef
from metamodel.formula.depends import reads
from metamodel.formula.typed import Literal, Node
from metamodel.formula.types import BOOLEAN, TEXT
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field
from metamodel.model_schema import ModelSchema

STAGE_ENTERED = "stage_entered_at"


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a gapless number is counted: rows of `table` for the `field` of an object, by the text of the column `per`
    and by the period that `reset` names."""

    table: TableRef
    object: str
    field: str
    per: str | None
    reset: str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A stored column of the object. `given` columns come from the payload; `default` fills blanks on create.

    `partial`: some rows of the batch give it and some do not, so the row's list `_absent` decides. `kept`: a roll-up
    that the upkeep recounts; it begins with the value of no children and is no part of the history. `logged`: the
    history keeps its changes.
    """

    name: str
    field: str
    type: str
    given: bool
    default: Node | None = None
    partial: bool = False
    sequence: TableRef | None = None
    counter: Counter | None = None
    format: str | None = None
    kept: bool = False
    logged: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """Which process each record follows: the first one whose condition holds, else the default.

    `starts` are the stages that records begin in, by process. `again`: an update gives what a condition reads.
    """

    conditions: tuple[tuple[str, Node], ...]
    starts: Mapping[str, str]
    again: bool


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
    staged: Staged | None
    choice: Choice | None
    confirming: bool
    acknowledging: bool
    versions: Mapping[str, int]
    access: Node | None
    access_joins: tuple[Join, ...]
    raw_joins: tuple[Join, ...]
    choice_joins: tuple[Join, ...]
    checks: tuple[Check, ...]
    check_joins: tuple[Join, ...]
    references: tuple[Reference, ...]
    uniques: tuple[Unique, ...]
    searches: tuple[Search, ...]
    search_joins: tuple[Join, ...]
    in_use: tuple[InUse, ...]
    files: TableRef
    attached: tuple[Attached, ...]
    historical: bool
    outputs: tuple[Output, ...]
    output_joins: tuple[Join, ...]
    visible: Node | None
    single: bool
    queued: bool
    anchors: tuple[Anchor, ...]
    upkeep: tuple[Upkeep, ...]

    @property
    def late(self) -> bool:
        """Whether something is judged after the rows are written."""
        return any(check.late for check in self.checks)

    @property
    def noting(self) -> bool:
        """Whether the statement tells of what is broken and refuses nothing."""
        return any(check.severity == "info" and not check.late for check in self.checks)

    @property
    def moving(self) -> bool:
        """Whether the write gives the stage."""
        return self.staged is not None and any(c.given and c.name == self.staged.column for c in self.columns)

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns beside the stage that the write changes."""
        if self.staged is None:
            return ()
        wanted = {
            self.staged.entered: self.moving or self.choice is not None,
            self.staged.followed: self.choice is not None,
            self.staged.confirmed: self.moving or self.confirming,
        }
        return tuple(name for name, there in wanted.items() if name and there)


def plan_write(
    request: RecordWrite, rights: Rights, given: frozenset[str], partial: frozenset[str], outputs: Sequence[str],
    into: str | None = None,
) -> WritePlan:
    """The plan of a batch whose rows give the fields `given` (`partial`: not all rows do), and the stage `into` where
    it is one and the same.

    `rights` are the writer's; the rules are judged in the system's view. Raises Refused `access.denied`,
    `object.unknown`.
    """
    release, obj, operation = rights.release, request.object, request.operation
    verb = {"create": "create", "update": "edit", "delete": "delete", "restore": "delete"}[operation]
    allowed(rights, obj, verb)
    reader, system = Names(release, rights), Names(release, None)
    columns = tuple(_columns(release, obj, operation, given, partial, system))
    named = with_wholes(release, obj, given)
    staged = release.staged(obj)
    choice = _choice(release, obj, operation, named, system)
    access = system.grant(rights.rows(obj, verb), obj)
    again = choice is not None and choice.again
    checks = (
        *record_checks(request, rights, named, system), *option_checks(request, release, given, system),
        *stage_checks(request, rights, named, again, system, into=into),
    )
    stale = plan_upkeep(release, obj, given if operation == "update" and not request.historical else None)
    checks = tuple(
        replace(check, late=check.alone or is_late(release, obj, check, request.together, stale)) for check in checks
    )
    shown = tuple(output(name, obj, reader) for name in outputs)
    visible = reader.visible(obj)
    trees = [tree for check in checks for tree in (check.holds, check.when)]
    sought = tuple(searches(rights, obj, reader, system))
    chosen = [condition for _, condition in choice.conditions] if choice else []
    return WritePlan(
        operation=operation,
        object=obj,
        zone=release.model.settings.time_zone,
        table=release.table(obj),
        history=release.system("_history"),
        stage_history=release.system("_stage_history"),
        events=release.system("_event"),
        columns=columns,
        staged=staged,
        choice=choice,
        confirming=request.confirming,
        acknowledging=request.acknowledging,
        versions={process.name: release.version(process.name) for process in staged.processes} if staged else {},
        access=access if operation != "create" else None,
        access_joins=system.joins((access,), obj) if operation != "create" else (),
        raw_joins=system.joins((c.default for c in columns), obj),
        choice_joins=system.joins((*chosen, *(with_image(c, "old") for c in chosen)), obj),
        checks=checks,
        check_joins=system.joins(trees, obj),
        references=tuple(references(release, obj, operation, given, reader)),
        uniques=tuple(uniques(release, obj, operation, given)),
        searches=sought,
        search_joins=system.joins([tree for one in sought for tree in (one.found, one.when)], obj),
        in_use=tuple(in_use(release, obj)) if operation == "delete" else (),
        files=release.system("_file"),
        attached=attached(release, obj, given),
        historical=request.historical,
        outputs=shown,
        output_joins=reader.joins((visible, *(tree for o in shown for tree in o.trees)), obj),
        visible=visible,
        single=not request.many,
        queued=obj in release.watched and not request.historical,
        anchors=plan_anchors(release, obj, operation, checks, stale),
        upkeep=stale,
    )


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
            release.sequence(obj, f.name) if f.type == "auto_number" and not f.gapless else None,
            _counter(release, obj, f) if f.gapless else None, f.format,
            logged=release.object(obj).fields[f.whole or f.name].history,
        ))
    for f in release.kept(obj):
        default = system.computed(obj, f.name) if operation == "create" else None
        found.append(
            Column(release.column(obj, f.name), f.name, release.column_type(obj, f.name), False, default, kept=True)
        )
    return found


def _counter(release: Release, obj: str, f: Field) -> Counter:
    identity = release.identity["objects"][obj]
    per = release.column(obj, f.per) if f.per else None
    return Counter(release.system("_counter"), identity["id"], identity["fields"][f.name]["id"], per, f.reset)


def _choice(
    release: Release, obj: str, operation: Operation, given: frozenset[str], system: Names
) -> Choice | None:
    staged = release.staged(obj)
    if staged is None or not staged.followed or operation not in ("create", "update"):
        return None
    trees = [(process.name, release.model.typed[process.when.key]) for process in staged.processes if process.when]
    schema = ModelSchema(release.model)
    read = {name for _, tree in trees for owner, name in reads(tree, schema, obj).fields if owner == obj}
    again = operation == "update" and bool(read & given)
    if operation == "update" and not again:
        return None
    conditions = tuple((name, system.tree(tree, obj)) for name, tree in trees)
    return Choice(conditions, {process.name: process.start[0] for process in staged.processes}, again)


def _default(release: Release, obj: str, name: str, system: Names) -> Node | None:
    declared = release.object(obj).fields[name]
    if declared.default:
        return system.tree(rounded(declared, release.model.typed[declared.default.key]), obj)
    staged = release.staged(obj)
    if staged and staged.field == name and not staged.followed:
        return Literal(TEXT, staged.default.start[0])
    return Literal(BOOLEAN, False) if declared.type == "boolean" else None
