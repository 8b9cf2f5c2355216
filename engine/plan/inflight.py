"""Records in flight: what the stages of a process ask of the records that stand in them already."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from engine.plan.access import Rights
from engine.plan.checks import Check
from engine.plan.names import Names
from engine.plan.planned import Join, everywhere
from engine.plan.request import RecordWrite
from engine.plan.stages import stage_checks
from engine.release.identity import SYSTEM_COLUMNS
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Field, Node
from metamodel.kinds.process import Process

ASKED = ("stage.required", "stage.entry")


@dataclass(frozen=True)
class InFlightPlan:
    """`checks` over all records that `visible` shows; `untold` are those that read what is not in the tables yet."""

    zone: str
    table: TableRef
    columns: dict[str, str]
    checks: tuple[Check, ...]
    untold: tuple[Check, ...]
    visible: Node | None
    joins: tuple[Join, ...]


def plan_in_flight(
    release: Release, process: Process, reader: Names | None = None, missing: Container[tuple[TableRef, str]] = ()
) -> InFlightPlan:
    """What the process asks, as if each record entered its stage now; `missing` are columns that are not there yet."""
    obj, system = process.object, Names(release, None)
    request = RecordWrite(object=obj, operation="create")
    everything = Rights(release, (), everything=True)
    found = [
        check for check in stage_checks(request, everything, frozenset(), False, system, only=process)
        if check.code in ASKED
    ]
    untold = [check for check in found if any(column in missing for column in _columns(release, check))]
    told = [check for check in found if check not in untold]
    visible = reader.visible(obj) if reader else None
    trees = [tree for check in told for tree in (check.holds, check.when)]
    joins = dict.fromkeys((*system.joins(trees, obj), *(reader.joins((visible,), obj) if reader else ())))
    staged = release.staged(obj)
    columns = dict(SYSTEM_COLUMNS) | {release.column(obj, f.name): release.column_type(obj, f.name)
                                      for f in release.stored(obj)}  # fmt: skip
    return InFlightPlan(
        zone=release.model.settings.time_zone, table=release.table(obj),
        columns=columns | dict(staged.beside if staged else {}), checks=tuple(told), untold=tuple(untold),
        visible=visible, joins=tuple(sorted(joins, key=lambda join: len(join.path))),
    )


def _columns(release: Release, check: Check) -> Iterator[tuple[TableRef, str]]:
    """The columns that a check reads, in any table."""
    for tree in (check.holds, check.when):
        for node in everywhere(tree) if tree is not None else ():
            if isinstance(node, Field):
                yield release.table(node.object), node.name
