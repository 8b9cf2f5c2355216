"""Which other rows a write has to lock before it judges, and which of its checks can be judged only after it.

A condition that counts rows among which the written ones are (the other children of a parent) is true or not only once
they are written, and stays so only while nobody else writes such rows: the row that they have in common is its anchor,
locked by an earlier statement. A condition that reads a parent needs the same where the parent's own conditions count
such rows, or each could be judged by what the other is about to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.plan.checks import Check
from engine.plan.planned import PlannedAggregate, everywhere, own
from engine.plan.request import Operation
from engine.plan.upkeep import Upkeep
from engine.release.release import Release, TableRef
from metamodel.formula.typed import Aggregate, Field, Node, walk
from metamodel.placed import tasks

Way = tuple[tuple[TableRef, str], ...]
"""How a row is reached from a written one: the columns to follow, each with its table; nothing for the row itself."""


@dataclass(frozen=True)
class Anchor:
    """Rows of `object` that are locked, `shared` with others who only read them too; without any way all that write
    rows of it wait for each other. `fields` names the lookup of the written row that each way begins with."""

    object: str
    table: TableRef
    ways: tuple[Way, ...]
    fields: tuple[str, ...]
    shared: bool


def is_late(release: Release, obj: str, check: Check, together: frozenset[str], upkeep: Iterable[Upkeep]) -> bool:
    """Whether the check counts rows of the object that is written or of those written `together` with it, reaches one
    of the latter, or reads roll-ups that the write makes stale."""
    stale = {(kept.object, k.column) for kept in upkeep for k in kept.fields}
    tables = {release.table(name) for name in together | {obj}}
    for node in (node for tree in (check.holds, check.when) if tree is not None for node in everywhere(tree)):
        if isinstance(node, PlannedAggregate) and node.table in tables:
            return True
        if isinstance(node, Field) and ((node.object, node.name) in stale or (node.path and node.object in together)):
            return True
    return False


def plan_anchors(
    release: Release, obj: str, operation: Operation, checks: Iterable[Check], upkeep: Iterable[Upkeep]
) -> tuple[Anchor, ...]:
    """What is locked before rows of `obj` are written, by the names of objects, so that all lock in one order; with
    the rows themselves where the checks count rows that hang on them, and before a deletion. What warns may miss what
    another writes at the same time."""
    found: dict[str, dict[tuple[str, ...], bool]] = {}

    def lock(path: tuple[str, ...], shared: bool) -> None:
        if not path and operation == "create":
            return
        ways = found.setdefault(_end(release, obj, path), {})
        ways[path] = ways.get(path, True) and shared

    for check in (check for check in checks if check.severity == "error"):
        if check.alone:
            found.setdefault(obj, {})
        for node in (node for tree in (check.holds, check.when) if tree is not None for node in own(tree)):
            path = tuple(hop.rstrip("!") for hop in node.path)
            if isinstance(node, PlannedAggregate) and node.whole:
                if node.object == obj:
                    found.setdefault(obj, {})
            elif isinstance(node, PlannedAggregate):
                if node.table == release.table(obj) or not path:
                    lock(path, False)
            elif len(path) == 1 and (_end(release, obj, path), obj) in counted(release):
                lock(path, True)
    for kept in upkeep:
        for via in kept.via:
            lock((via,), False)
    if operation == "delete":
        lock((), False)
    return tuple(_anchor(release, obj, name, found[name]) for name in sorted(found))


def counted(release: Release) -> frozenset[tuple[str, str]]:
    """The pairs of an object and one whose rows its conditions count. Kept with the release."""
    return release.derived("counted", lambda: frozenset(_counted(release)))


def _counted(release: Release) -> Iterator[tuple[str, str]]:
    for task in tasks(release.model):
        tree = release.model.typed.get(task.formula.key)
        if task.where in ("rule", "access") and tree is not None:
            yield from ((task.object, name) for name in _sets(release, tree, set()))


def _sets(release: Release, tree: Node, seen: set[str]) -> Iterator[str]:
    """The objects whose rows a condition counts, by formula fields too."""
    for node in walk(tree):
        if isinstance(node, Aggregate):
            yield node.object
        if isinstance(node, Field):
            formula = release.object(node.object).fields[node.name].formula
            if formula and formula.key not in seen and formula.key in release.model.typed:
                seen.add(formula.key)
                yield from _sets(release, release.model.typed[formula.key], seen)


def _anchor(release: Release, obj: str, name: str, paths: dict[tuple[str, ...], bool]) -> Anchor:
    return Anchor(
        name, release.table(name), tuple(_way(release, obj, path) for path in paths),
        tuple(path[0] if path else "" for path in paths), all(paths.values()),
    )


def _way(release: Release, obj: str, path: tuple[str, ...]) -> Way:
    steps = []
    for name in path:
        steps.append((release.table(obj), release.column(obj, name)))
        obj = release.object(obj).fields[name].to or obj
    return tuple(steps)


def _end(release: Release, obj: str, path: tuple[str, ...]) -> str:
    for name in path:
        obj = release.object(obj).fields[name].to or obj
    return obj
