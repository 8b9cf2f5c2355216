"""What an assignment looks at: facts about the records as the caller sees them, and about the users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.plan.conversion import RowsPlan
from engine.plan.names import Names
from engine.plan.planned import Join
from engine.plan.read import Output
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Node
from metamodel.kinds.assignment import FALLBACK, KEPT, USER, Assignment
from metamodel.kinds.common import Formula

ACTIVE = "active"
"""The field of a user who works here."""


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """Over the record: `when` and, for an entry that names a `user`, that. Over the user: the others."""

    name: str
    strategy: str
    when: Node | None
    user: Node | None
    members: Node | None = None
    weight: Node | None = None
    cap_open: Node | None = None
    cap_day: Node | None = None

    @property
    def over_record(self) -> tuple[Node | None, ...]:
        return self.when, self.user

    @property
    def over_user(self) -> tuple[Node | None, ...]:
        return self.members, self.weight, self.cap_open, self.cap_day


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """`entries` begin with the user who keeps the record and end with the fallback, where these are declared. `open` is
    planned only where an entry counts open records; `visible` are the records that the caller sees."""

    name: str
    zone: str
    table: TableRef
    column: str
    people: TableRef
    logins: TableRef
    log: TableRef
    visible: Node | None
    when: Node | None
    entries: tuple[EntryPlan, ...]
    open: Node | None
    active: Node | None
    absent: Node | None
    record_joins: tuple[Join, ...]
    open_joins: tuple[Join, ...]
    people_joins: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class VisiblePlan:
    """The rows of `table` that a reader sees."""

    zone: str
    table: TableRef
    visible: Node | None
    joins: tuple[Join, ...]


def plan_assignment(release: Release, reader: Names, assignment: Assignment) -> AssignmentPlan:
    """Conditions are the system's: what the caller may not see decides too."""
    system, obj = Names(release, None), assignment.object

    def tree(formula: Formula | None, of: str) -> Node | None:
        return None if formula is None else system.tree(release.model.typed[formula.key], of)

    def named(name: str, user: Formula | None) -> Iterable[EntryPlan]:
        return (EntryPlan(name, "named", None, tree(user, obj)),) if user else ()

    entries = (
        *named(KEPT, assignment.keep_owner_of),
        *(
            EntryPlan(
                entry.name, "named" if entry.user else entry.strategy, tree(entry.when, obj), tree(entry.user, obj),
                *(tree(formula, USER) for formula in (entry.members, entry.weight, entry.cap_open, entry.cap_day)),
            )
            for entry in assignment.entries.values()
        ),
        *named(FALLBACK, assignment.fallback),
    )
    visible, when = reader.visible(obj), tree(assignment.when, obj)
    over_record = (when, *(node for entry in entries for node in entry.over_record))
    active = system.field(USER, ACTIVE) if ACTIVE in release.object(USER).fields else None
    absent = tree(assignment.absent_when, USER)
    opened = tree(assignment.open_when, obj)
    record_joins = dict.fromkeys((*reader.joins((visible,), obj), *system.joins(over_record, obj)))
    people = (active, absent, *(node for entry in entries for node in entry.over_user))
    return AssignmentPlan(
        name=assignment.name, zone=release.model.settings.time_zone, table=release.table(obj),
        column=release.column(obj, assignment.field), people=release.table(USER), logins=release.system("_login"),
        log=release.system("_assignment_log"), visible=visible, when=when, entries=entries, open=opened, active=active,
        absent=absent, record_joins=tuple(sorted(record_joins, key=lambda join: len(join.path))),
        open_joins=system.joins((opened,), obj), people_joins=system.joins(people, USER),
    )  # fmt: skip


def plan_visible(release: Release, reader: Names, obj: str) -> VisiblePlan:
    """Which records of an object a reader sees."""
    visible = reader.visible(obj)
    return VisiblePlan(
        release.model.settings.time_zone, release.table(obj), visible, reader.joins((visible,), obj)
    )


KEEPER = "keeper"
"""The key of the owner of a pool."""


def plan_pool(release: Release, assignment: Assignment) -> RowsPlan:
    """Over a pool: who keeps its records, whether `$user` may claim them, and the limits."""
    assert assignment.pool is not None
    obj, system = release.object(assignment.object).fields[assignment.pool.field].to or "", Names(release, None)
    formulas = {
        "members": assignment.pool.members, "claims_per_day": assignment.pool.claims_per_day,
        "reclaim_after": assignment.pool.reclaim_after,
    }  # fmt: skip
    trees = {name: system.tree(release.model.typed[f.key], obj) for name, f in formulas.items() if f}
    trees[KEEPER] = system.field(obj, "owner")
    return RowsPlan(
        zone=release.model.settings.time_zone, table=release.table(obj), via=None, visible=None,
        outputs=tuple(Output(name, tree) for name, tree in trees.items()), joins=system.joins(trees.values(), obj),
    )  # fmt: skip
