"""What a formula names: fields, by which lookups and child sets, and sets; read off the text, without any types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from metamodel.formula import ast
from metamodel.formula.functions.registry import aggregate


class Relations(Protocol):
    """What lookups and child sets lead to."""

    def leads(self, obj: str, name: str) -> tuple[str, bool] | None:
        """The object that a lookup or child set of `obj` leads to, and whether it is a set; None where the name is
        neither."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A field as it is named from `start` to `end`, reached from the formula's record by `via`."""

    object: str
    name: str
    via: tuple[str, ...]
    start: int
    end: int


RECORD = ("this", "old", "prior")
"""Names of the record that the formula belongs to."""
Reached = tuple[str, tuple[str, ...]]
"""The object of some rows, and how they are reached from the record."""
Rows = tuple[Reached, ...]
"""The rows that names may mean, innermost first."""


def mentions(tree: ast.Node, obj: str, relations: Relations) -> Iterator[Mention]:
    """Every field that a formula over a record of `obj` names, in the order written."""
    yield from _mentions(tree, ((obj, ()),), relations)


def sets(tree: ast.Node) -> frozenset[str]:
    """The names of the formula's own record that only a child set can have: what is filtered, has fields, or stands
    where an aggregate takes its set."""
    found, todo = set(), [tree]
    while todo:
        node = todo.pop()
        todo.extend(ast.children(node))
        if isinstance(node, ast.Path):
            first, *rest = node.steps[node.steps[0].name.lower() == "this" :] or node.steps
            found |= {first.name.lower()} if rest or first.filter is not None else set()
        elif isinstance(node, ast.Call) and (over := aggregate(node.name)):
            at = next(n for n, param in enumerate(over.params) if param.of == "set")
            given = node.args[at] if at < len(node.args) else None
            found |= {given.steps[-1].name.lower()} if isinstance(given, ast.Path) else set()
    return frozenset(found)


def _mentions(node: ast.Node, rows: Rows, relations: Relations) -> Iterator[Mention]:
    if isinstance(node, ast.Path):
        yield from _path(node, rows, relations)
        return
    inner = rows
    for n, part in enumerate(ast.children(node)):
        yield from _mentions(part, rows if n == 0 else inner, relations)
        if n == 0 and isinstance(node, ast.Call) and isinstance(part, ast.Path):
            # Behind a set, the arguments of an aggregate are written over its rows.
            reached, many = _follow(part, rows, relations)
            inner = (reached[-1], *rows) if many else rows


def _follow(path: ast.Path, rows: Rows, relations: Relations) -> tuple[list[Reached], bool]:
    """The rows before each step of a path, as far as it leads, and behind its last relation; whether by a set."""
    reached, many = [_first(path, rows)], False
    for step in _steps(path):
        obj, via = reached[-1]
        target = relations.leads(obj, step.name.lower())
        if target is None:
            break
        reached.append((target[0], (*via, step.name.lower())))
        many |= target[1]
    return reached, many


def _first(path: ast.Path, rows: Rows) -> Reached:
    name = path.steps[0].name.lower()
    return rows[-1] if name in RECORD else ("user", ()) if name == "$user" else rows[0]


def _steps(path: ast.Path) -> tuple[ast.Step, ...]:
    return path.steps[1:] if path.steps[0].name.lower() in (*RECORD, "$user") else path.steps


def _path(path: ast.Path, rows: Rows, relations: Relations) -> Iterator[Mention]:
    reached, _ = _follow(path, rows, relations)
    for n, step in enumerate(_steps(path)[: len(reached)]):
        obj, via = reached[n]
        yield Mention(obj, step.name.lower(), via, step.start, step.start + len(step.name))
        if step.filter is not None and n + 1 < len(reached):
            yield from _mentions(step.filter, (reached[n + 1], *rows), relations)
