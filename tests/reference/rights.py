"""A naive reader of records: what a user with roles sees of plain rows, written from the rules of access alone.

A row is visible where the condition of one grant is true; conditions are three-valued, and a blank is no yes. A cell is
visible where one grant allows both its row and its field, and where all fields of the row that it is computed from are
visible; a field that no grant allows, or that is computed from one, does not exist. What hangs on a hidden row or cell
is blank. Sets of children hold the visible ones. It knows nothing of plans and SQL. Slow and obvious on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from metamodel.formula import ast
from metamodel.formula.parse import parse
from metamodel.kinds.object import Field
from metamodel.kinds.role import Grant
from metamodel.model import Child, Model

Row = Mapping[str, Any]
ALWAYS = frozenset({"id", "version"})


class Unknown(Exception):
    """A query names what does not exist for the reader."""


@dataclass(frozen=True)
class World:
    """The model and all live rows by object."""

    model: Model
    rows: Mapping[str, Sequence[Row]]

    def find(self, obj: str, id_: Any) -> Row | None:
        return next((row for row in self.rows[obj] if row["id"] == id_), None)

    def target(self, obj: str, lookup: str) -> str:
        return self.model.objects[obj].fields[lookup].to or "user"

    def child(self, obj: str, name: str) -> Child | None:
        return self.model.children[obj].get(name)


@dataclass(frozen=True)
class View:
    """Rows and cells as someone sees them; without roles as the system does: everything."""

    world: World
    roles: tuple[str, ...] | None
    user: Mapping[str, Any]

    @cached_property
    def system(self) -> View:
        return View(self.world, None, self.user)

    def grants(self, obj: str) -> list[Grant]:
        roles = (self.world.model.roles[name] for name in self.roles or ())
        return [role.objects[obj]["read"] for role in roles if "read" in role.objects.get(obj, {})]

    def holds(self, grant: Grant, obj: str, row: Row) -> bool:
        if grant.where is None:
            return True
        return Formula(self.system, three=True).value(parse(grant.where.text), ((obj, row),)) is True

    def visible(self, obj: str, row: Row) -> bool:
        return self.roles is None or any(self.holds(grant, obj, row) for grant in self.grants(obj))

    # -- which fields there are --------------------------------------------------------------------------------------

    @cached_property
    def readable(self) -> Mapping[str, frozenset[str]]:
        """The fields that exist for this reader, by object."""
        objects = self.world.model.objects
        if self.roles is None:
            return {name: frozenset(obj.fields) for name, obj in objects.items()}
        found = {
            name: {
                f
                for grant in self.grants(name)
                for f in (obj.fields if grant.fields is None else grant.fields | ALWAYS)
            }
            for name, obj in objects.items()
        }
        while True:
            lost = [
                (name, f.name)
                for name, obj in objects.items()
                for f in obj.fields.values()
                if f.name in found[name] and f.formula
                and any(part not in found[of] for of, part in self.names(parse(f.formula.text), (name,)))
            ]  # fmt: skip
            if not lost:
                return {name: frozenset(fields) for name, fields in found.items()}
            for name, part in lost:
                found[name].discard(part)

    def names(self, node: ast.Node, objects: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """(object, field) of everything that a formula over a record of objects[0] names."""
        if isinstance(node, ast.Path):
            yield from self.steps(node, objects)
            return
        for part in ast.children(node):
            yield from self.names(part, objects)

    def steps(self, path: ast.Path, objects: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        steps = list(path.steps)
        if steps[0].name == "$user":
            if steps[1].name != "id":
                yield "user", steps[1].name
            return
        obj = objects[0]
        if steps[0].name == "this":
            obj, steps = objects[-1], steps[1:]
        for n, step in enumerate(steps):
            child = self.world.child(obj, step.name)
            if child:
                yield child.object, child.via
                if step.filter:
                    yield from self.names(step.filter, (child.object, *objects))
                obj = child.object
                continue
            yield obj, step.name
            declared = self.world.model.objects[obj].fields.get(step.name)
            if n < len(steps) - 1:
                if declared is None or declared.type not in ("lookup", "user"):
                    return
                obj = self.world.target(obj, step.name)

    # -- cells -------------------------------------------------------------------------------------------------------

    def shows(self, obj: str, row: Row, field: str) -> bool:
        """Whether the cell of a visible row is visible."""
        if self.roles is None:
            return True
        grants = self.grants(obj)
        if not any((g.fields is None or field in g.fields | ALWAYS) and self.holds(g, obj, row) for g in grants):
            return False
        declared = self.world.model.objects[obj].fields[field]
        return declared.formula is None or all(
            self.shows(obj, row, part)
            for part in {path.steps[0].name for path in paths(parse(declared.formula.text))}
            if part in self.world.model.objects[obj].fields
        )

    def cell(self, obj: str, row: Row, field: str) -> Any:
        if not self.shows(obj, row, field):
            return None
        declared: Field = self.world.model.objects[obj].fields[field]
        if declared.formula is None:
            return row[field]
        return Formula(self).value(parse(declared.formula.text), ((obj, row),))

    def parent(self, obj: str, row: Row, lookup: str) -> tuple[str, Row] | None:
        target = self.world.target(obj, lookup)
        found = self.world.find(target, self.cell(obj, row, lookup))
        return (target, found) if found is not None and self.visible(target, found) else None

    def at(self, obj: str, row: Row, path: Sequence[str]) -> Any:
        for lookup in path[:-1]:
            found = self.parent(obj, row, lookup)
            if found is None:
                return None
            obj, row = found
        return self.cell(obj, row, path[-1])

    def children(self, obj: str, row: Row, child: Child) -> list[Row]:
        return [
            r for r in self.world.rows[child.object]
            if r[child.via] == row["id"] and self.visible(child.object, r)
        ]  # fmt: skip

    # -- queries -----------------------------------------------------------------------------------------------------

    def check(self, obj: str, path: Sequence[str]) -> None:
        for n, name in enumerate(path):
            if name not in self.readable[obj]:
                raise Unknown(".".join(path))
            if n < len(path) - 1:
                obj = self.world.target(obj, name)

    def query(
        self, obj: str, fields: Sequence[str], where: str | None = None, order: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """The records that a query finds, in order. Raises Unknown."""
        for name in (*fields, *(key.removeprefix("-") for key in order)):
            self.check(obj, name.split("."))
        condition = parse(where) if where else None
        if condition is not None:
            for of, part in self.names(condition, (obj,)):
                if part not in self.readable[of]:
                    raise Unknown(part)
        found = [row for row in self.world.rows[obj] if self.visible(obj, row)]
        if condition is not None:
            found = [row for row in found if Formula(self).value(condition, ((obj, row),)) is True]
        keys = list(order) or ["id"]
        if keys[-1].removeprefix("-") != "id":
            keys.append("-id" if keys[-1].startswith("-") else "id")
        for key in reversed(keys):
            path = key.removeprefix("-").split(".")
            found.sort(key=lambda row: blanks_last(self.at(obj, row, path)), reverse=key.startswith("-"))
        return [{name: self.at(obj, row, name.split(".")) for name in fields} for row in found]


def blanks_last(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value is None else (False, value)


def paths(node: ast.Node) -> Iterator[ast.Path]:
    """The paths of a formula that begin at its own record."""
    if isinstance(node, ast.Path):
        yield node
    else:
        for part in ast.children(node):
            yield from paths(part)


@dataclass(frozen=True)
class Formula:
    """Evaluates the part of the language that these tests use; `three`: a condition of access."""

    view: View
    three: bool = False

    def value(self, node: ast.Node, rows: tuple[tuple[str, Row], ...]) -> Any:
        match node:
            case ast.Literal():
                return node.value
            case ast.Path():
                return self.path(node, rows)
            case ast.Logic():
                return self.logic(node.op, [self.value(item, rows) for item in node.items])
            case ast.Unary(op="not"):
                inner = self.value(node.operand, rows)
                return None if self.three and inner is None else not inner
            case ast.In():
                value = self.value(node.operand, rows)
                if self.three and value is None:
                    return None
                return (value in [self.value(item, rows) for item in node.items]) is not node.negated
            case ast.Binary():
                return self.binary(node.op, self.value(node.left, rows), self.value(node.right, rows))
            case ast.Call():
                return CALLS[node.name.upper()](self, node.args, rows)
        raise AssertionError(node)

    def path(self, node: ast.Path, rows: tuple[tuple[str, Row], ...]) -> Any:
        names = [step.name for step in node.steps]
        if names[0] == "$user":
            return self.view.user[names[1]]
        obj, row = rows[0]
        if names[0] == "this":
            (obj, row), names = rows[-1], names[1:]
        return self.view.at(obj, row, names)

    def logic(self, op: str, values: list[Any]) -> bool | None:
        decisive = op == "or"
        if not self.three:
            values = [value is True for value in values]
        if any(value is decisive for value in values):
            return decisive
        return None if self.three and None in values else not decisive

    def binary(self, op: str, a: Any, b: Any) -> Any:
        if op in COMPARE:
            if a is None or b is None:
                if self.three:
                    return None
                return {"=": a is b, "<>": a is not b}.get(op, False)
            return COMPARE[op](a, b)
        return None if a is None or b is None else ARITHMETIC[op](Decimal(a), Decimal(b))

    def set(self, node: ast.Node, rows: tuple[tuple[str, Row], ...]) -> list[Any]:
        """The values of `children[filter].field`, or the rows of `children[filter]`."""
        assert isinstance(node, ast.Path)
        obj, row = rows[0]
        child = self.view.world.child(obj, node.steps[0].name)
        assert child
        found = self.view.children(obj, row, child)
        if condition := node.steps[0].filter:
            found = [r for r in found if self.value(condition, ((child.object, r), *rows)) is True]
        if len(node.steps) == 1:
            return found
        values = (self.view.at(child.object, r, [s.name for s in node.steps[1:]]) for r in found)
        return [value for value in values if value is not None]


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
CALLS: dict[str, Callable[[Formula, tuple[ast.Node, ...], tuple[tuple[str, Row], ...]], Any]] = {
    "ISBLANK": lambda f, args, rows: f.value(args[0], rows) is None,
    "BLANKVALUE": lambda f, args, rows: next((v for a in args if (v := f.value(a, rows)) is not None), None),
    "COUNT": lambda f, args, rows: len(f.set(args[0], rows)),
    "SUM": lambda f, args, rows: sum(f.set(args[0], rows), Decimal(0)),
    "MAX": lambda f, args, rows: max(f.set(args[0], rows), default=None),
}
