"""Names and paths: which field, property, system value or set of records a written path means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from metamodel.formula import ast, limits, typed
from metamodel.formula.checked import Named
from metamodel.formula.functions.registry import names as function_names
from metamodel.formula.scope import FACTS, ChildShape, FieldShape, ObjectShape, Scope
from metamodel.formula.types import ERROR, Type
from metamodel.names import did_you_mean, nearest

POISON = typed.Literal(ERROR, None)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows that names may mean: `objects[0]` the innermost, the last the record that the formula belongs to.
    In a measure the outermost rows belong to no record."""

    objects: tuple[str, ...]
    measure: bool

    def inside(self, name: str) -> Frame:
        """The frame inside an aggregate over rows of that object."""
        return Frame((name, *self.objects), self.measure)


@dataclass(frozen=True, slots=True)
class Rows:
    """A set of rows: how it is reached, its filter, and the value behind it (`lines[...].amount`). `whole`: every row
    of the object."""

    path: tuple[str, ...]
    relation: str | None
    object: str
    via: str | None
    where: typed.Node | None
    value: typed.Node | None
    whole: bool = False


class Checker(Protocol):
    """What resolving needs of the checker."""

    scope: Scope
    bound: Mapping[str, typed.Node]

    def fail(
        self, code: str, at: typed.Node | ast.Node | None, message: str, hint: str | None = None
    ) -> typed.Node: ...
    def node(self, n: ast.Node, frame: Frame, *, raw: bool = False) -> typed.Node: ...
    def old(self, node: typed.Node | None) -> typed.Node: ...
    def refer(self, at: ast.Node, kind: Named, owner: str, name: str) -> None: ...
    def outward(self, node: typed.Node) -> typed.Node: ...
    def at(self, node: typed.Node, place: typed.Node | ast.Node) -> typed.Node: ...


def value(c: Checker, path: ast.Path, frame: Frame) -> typed.Node:
    """The scalar that a path means."""
    made = _value(c, path, frame)
    return made if made.type.kind == "error" else _filtered(c, path.steps) or made


def _filtered(c: Checker, steps: tuple[ast.Step, ...]) -> typed.Node | None:
    """The problem of a filter on a step that is no set."""
    found = next((step.filter for step in steps if step.filter is not None), None)
    return c.fail("E314", found, "only a set of records can be filtered") if found is not None else None


def _value(c: Checker, path: ast.Path, frame: Frame) -> typed.Node:
    first, rest = path.steps[0], path.steps[1:]
    name = first.name.lower()
    if name.startswith("$"):
        return _system(c, path)
    if name in ("old", "prior") and rest and not _own(c, frame, name):
        if not c.scope.old or not frame.objects:
            return c.fail("E402", first, "there is no old record here", "only rules of a change know it")
        made = _walk(c, frame, rest, len(frame.objects) - 1)
        return c.old(made) if isinstance(made, typed.Field) and not made.path else _old_rest(c, made, rest)
    if name in c.bound and not rest and not _own(c, frame, name):
        made = c.bound[name]
        for _ in frame.objects:
            made = c.outward(made)
        return made
    if name == "this":
        if frame.measure or not frame.objects:
            return c.fail("E405", first, "there is no single record here")
        if not rest:
            return c.fail("E301", first, "`this` is the record; name a field of it", "such as this.id")
        return _walk(c, frame, rest, len(frame.objects) - 1)
    if not frame.objects:
        return _outside(c, path)
    return _walk(c, frame, path.steps, 0)


def _own(c: Checker, frame: Frame, name: str) -> bool:
    shape = c.scope.schema.object(frame.objects[0]) if frame.objects else None
    return shape is not None and name in shape.fields


def _old_rest(c: Checker, made: typed.Node, rest: tuple[ast.Step, ...]) -> typed.Node:
    if made.type.kind == "error":
        return made
    if isinstance(made, typed.Property) and isinstance(made.field, typed.Field) and not made.field.path:
        field = c.old(made.field)
        return typed.Property(made.type.blank(), field, made.name) if isinstance(field, typed.Field) else field
    return c.fail("E311", rest[-1], "old values reach no further than the record's own fields")


def _outside(c: Checker, path: ast.Path) -> typed.Node:
    """A bare name where there is no row."""
    first = path.steps[0]
    if c.scope.rows:
        shape = c.scope.schema.object(c.scope.rows)
        if first.name.lower() == "rows":
            return c.fail("E312", path, "`rows` is a set; aggregate it", "such as COUNT(rows)")
        if shape and first.name.lower() in shape.fields:
            return c.fail(
                "E403",
                path,
                f'"{first.name}" differs from row to row; a measure aggregates it',
                f"such as SUM({first.name})",
            )
        if shape:
            return _unknown(c, first, shape, Frame((), True))
    return c.fail("E301", path, f'unknown name "{first.name}"', did_you_mean(first.name, c.bound))


def rows(c: Checker, path: ast.Path, frame: Frame) -> Rows | typed.Node | None:
    """The set of rows that a path means; None where it means no set; the poison node after a problem."""
    steps = path.steps
    if frame.measure and not frame.objects:
        if steps[0].name.lower() != "rows":
            return None
        return _set(c, (), None, str(c.scope.rows), None, steps[0], steps[1:], frame)
    if not frame.objects or steps[0].name.startswith("$"):
        return None
    if steps[0].name.lower() == "this":
        steps = steps[1:]
        if len(frame.objects) > 1:
            found = _find_set(c, frame.objects[-1], steps)
            return c.fail("E313", path, "sets of `this` can not be aggregated inside another set") if found else None
    before, steps = path.steps[: len(path.steps) - len(steps)], _joined(c, frame.objects[0], steps)
    found = _find_set(c, frame.objects[0], steps)
    if found is None:
        return None
    at, child = found
    if wrong := _filtered(c, (*before, *steps[:at])):
        return wrong
    hops = tuple(step.name.lower() for step in steps[:at])
    if len(hops) > limits.HOPS:
        return c.fail("E310", path, f"the path has {len(hops)} hops", f"at most {limits.HOPS}")
    start = frame.objects[0]
    for step in steps[:at]:
        shape = c.scope.schema.object(start)
        assert shape is not None
        c.refer(step, "field", start, step.name.lower())
        start = shape.fields[step.name.lower()].target or ""
    c.refer(steps[at], "child", start, child.name)
    return _set(c, hops, child.name, child.object, child.via, steps[at], steps[at + 1 :], frame)


def every(c: Checker, path: ast.Path, frame: Frame) -> Rows | typed.Node | None:
    """All rows of the object that a path begins with; None where there is no such object."""
    first = path.steps[0]
    name = first.name.lower()
    shape = c.scope.schema.object(name)
    if first.name.startswith("$") or shape is None or not shape.fields:
        return None
    if frame.measure and not frame.objects:
        return c.fail("E405", first, "there is no single record here", "use it inside an aggregate")
    c.refer(first, "object", "", name)
    found = _set(c, (), None, name, None, first, path.steps[1:], frame)
    return replace(found, whole=True) if isinstance(found, Rows) else found


def _joined(c: Checker, start: str, steps: tuple[ast.Step, ...]) -> tuple[ast.Step, ...]:
    """The steps with each part of a composite field (`address.city`) as one step."""
    shape, made, at = c.scope.schema.object(start), list[ast.Step](), 0
    while shape is not None and at < len(steps):
        step, name = steps[at], steps[at].name.lower()
        if at + 1 < len(steps) and (part := f"{name}.{steps[at + 1].name.lower()}") in shape.fields:
            step = replace(steps[at + 1], name=part, start=step.start, filter=step.filter or steps[at + 1].filter)
            name, at = part, at + 1
        made.append(step)
        at += 1
        target = shape.fields[name].target if name in shape.fields else None
        shape = c.scope.schema.object(target) if target else None
    return (*made, *steps[at:])


def _find_set(c: Checker, start: str, steps: tuple[ast.Step, ...]) -> tuple[int, ChildShape] | None:
    """The position of the step that names a child set, reached over references only."""
    shape = c.scope.schema.object(start)
    for at, step in enumerate(steps):
        if shape is None:
            return None
        name = step.name.lower()
        if name in shape.fields:
            target = shape.fields[name].target
            shape = c.scope.schema.object(target) if target else None
        elif name in shape.children:
            return at, shape.children[name]
        else:
            return None
    return None


def _set(
    c: Checker,
    hops: tuple[str, ...],
    relation: str | None,
    name: str,
    via: str | None,
    step: ast.Step,
    rest: tuple[ast.Step, ...],
    frame: Frame,
) -> Rows | typed.Node:
    inner = frame.inside(name)
    where = c.node(step.filter, inner) if step.filter is not None else None
    if where is not None and where.type.kind not in ("boolean", "error"):
        where = c.fail("E201", where, f"a filter is a condition, this is {where.type}", "compare it with something")
    value = None
    if rest:
        if _find_set(c, name, rest) is not None:
            return c.fail(
                "E313",
                rest[0],
                "a set can not be reached through another set in one path",
                f"aggregate twice, such as SUM({relation or 'rows'}, SUM({rest[0].name}.field))",
            )
        value = _walk(c, inner, rest, 0)
        if value.type.kind != "error":
            value = _filtered(c, rest) or value
        value = c.at(value, replace(rest[-1], start=rest[0].start))
    return Rows(hops, relation, name, via, where, value)


def _walk(c: Checker, frame: Frame, steps: tuple[ast.Step, ...], level: int) -> typed.Node:
    """A field reached over to-one hops from the row of that level, or a property of its option."""
    name = frame.objects[level]
    steps = _joined(c, name, steps)
    path: list[str] = []
    for at, step in enumerate(steps):
        shape = c.scope.schema.object(name)
        if shape is None:
            return c.fail("E302", step, f'unknown object "{name}"')
        found = shape.fields.get(step.name.lower())
        if found is None:
            return _unknown(c, step, shape, frame)
        c.refer(step, "field", name, found.name)
        rest = steps[at + 1 :]
        if not rest or (found.target is None and len(rest) == 1):
            field = _field(tuple(path), name, found, level)
            return _property(c, field, found, rest[0]) if rest else field
        if found.target is None:
            return c.fail("E311", step, f'"{step.name}" is {found.type} and leads to no other object')
        path.append(found.name)
        if len(path) > limits.HOPS:
            return c.fail(
                "E310", step, f"the path has more than {limits.HOPS} hops", "name a formula field on the way instead"
            )
        name = found.target
    raise AssertionError("a path has a last step")


def _field(path: tuple[str, ...], name: str, found: FieldShape, level: int) -> typed.Node:
    # The row at the end of a path may be missing, so what is reached may be blank; a condition is FALSE then.
    of = found.type.blank() if path and found.type.kind != "boolean" else found.type
    if of.kind == "null":
        return typed.Literal(of, None)
    return typed.Field(of, path, name, found.name, level)


def _property(c: Checker, field: typed.Node, found: FieldShape, step: ast.Step) -> typed.Node:
    name = step.name.lower()
    if not found.properties:
        hint = did_you_mean(name, found.parts)
        return c.fail("E311", step, f'"{found.name}" is {found.type} and has no "{step.name}"', hint)
    assert isinstance(field, typed.Field)
    if name not in found.properties:
        return c.fail(
            "E306", step, f'"{found.name}" has no property "{step.name}"', did_you_mean(name, found.properties)
        )
    of = found.properties[name]
    return typed.Property(of if of.kind == "boolean" else of.blank(of.nullable or field.type.nullable), field, name)


def _unknown(c: Checker, step: ast.Step, shape: ObjectShape, frame: Frame) -> typed.Node:
    name = step.name.lower()
    if name in shape.children:
        return c.fail(
            "E312",
            step,
            f'"{step.name}" is a set of records; aggregate it',
            f"such as COUNT({step.name}) or SUM({step.name}.field)",
        )
    hint = did_you_mean(name, [*shape.fields, *shape.children])
    if hint is None and len(frame.objects) > 1 and not frame.measure:
        outer = c.scope.schema.object(frame.objects[-1])
        if outer and name in outer.fields:
            hint = f'it is a field of {outer.name}: write "this.{name}"'
    if hint is None and nearest(name, function_names()) in (name.upper(), None) and name.upper() in function_names():
        hint = f"a function is called with brackets: {name.upper()}()"
    if hint is None:
        hint = _nearby(c, shape, name)
    return c.fail("E301", step, f'unknown field "{step.name}" on {shape.name}', hint)


def _nearby(c: Checker, shape: ObjectShape, name: str) -> str | None:
    """A field of that name one hop away."""
    for field in shape.fields.values():
        target = c.scope.schema.object(field.target) if field.target else None
        if target and name in target.fields:
            return f'did you mean "{field.name}.{name}"?'
    return None


def _system(c: Checker, path: ast.Path) -> typed.Node:
    first, rest = path.steps[0], path.steps[1:]
    name = first.name.lower()
    if name not in ("$user", "$org"):
        hint = did_you_mean(first.name, ["$user", "$org"])
        return c.fail("E304", first, f'unknown system value "{first.name}"', hint)
    if len(rest) > 1:
        shown = "the user's own fields" if name == "$user" else "facts of the organisation"
        return c.fail("E311", rest[1], f"only {shown} can be named")
    if name == "$user":
        return user(c, rest[0] if rest else first, rest[0].name if rest else "id")
    return organisation(c, rest[0] if rest else first, rest[0].name if rest else "")


def user(c: Checker, at: ast.Node, name: str) -> typed.Node:
    """A field of the user, named at `at`."""
    if c.scope.user is None:
        return c.fail("E404", at, "there is no user here")
    shape = c.scope.schema.object(c.scope.user)
    if shape is None:
        return c.fail("E302", at, f'unknown object "{c.scope.user}"')
    if name.lower() == "id":
        return typed.System(Type("reference", nullable=False, of=shape.name), "user.id")
    found = shape.fields.get(name.lower())
    if found is None:
        return c.fail("E301", at, f'unknown field "{name}" on {shape.name}', did_you_mean(name, shape.fields))
    c.refer(at, "field", shape.name, found.name)
    return typed.System(found.type, f"user.{found.name}")


def organisation(c: Checker, at: ast.Node, name: str) -> typed.Node:
    """A constant of the tenant."""
    of = FACTS.get(name.lower())
    if of is None:
        return c.fail("E304", at, f'the organisation has no "{name}"', did_you_mean(name, FACTS) or ", ".join(FACTS))
    return typed.Literal(of.blank(False), getattr(c.scope.schema.organisation, name.lower()))
