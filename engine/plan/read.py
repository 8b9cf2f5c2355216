"""A query by name becomes a `ReadPlan`: resolved, typed, the access condition in, the caller's constants outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.base.errors import Fault, Refused
from engine.base.limits import PAGE_MAX
from engine.plan.access import Rights
from engine.plan.names import Names, shown
from engine.plan.passes import FILTER, ROWS, run
from engine.plan.planned import Join
from engine.plan.request import RecordQuery
from engine.plan.values import from_text
from engine.release.release import TableRef
from metamodel.formula import limits
from metamodel.formula.check import check
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope, Where
from metamodel.formula.typed import Call, Field, Literal, Node, Param, Property, rewrite
from metamodel.formula.types import BOOLEAN, TEXT, Type
from metamodel.formula.weight import weight
from metamodel.kinds.composites import COMPOSITES, parts
from metamodel.kinds.field_types import FILES
from metamodel.kinds.object import Field as Declared
from metamodel.model_schema import stored_type
from metamodel.names import did_you_mean

UNORDERED = {"list": "several values", "json": "JSON", "geo": "a place"}
"""The kinds by which nothing can be sorted, and what they hold."""


@dataclass(frozen=True, slots=True)
class Output:
    """A value of the answer under its key; with `parts` a JSON object of them, blank where all are;
    with `files` the rows of that table whose ids the value holds, of which there are `many` or one."""

    key: str
    tree: Node
    parts: tuple[Output, ...] = ()
    files: TableRef | None = None
    many: bool = False

    @property
    def trees(self) -> tuple[Node, ...]:
        """What the value is made of."""
        own = (self.tree,) if self.files or not self.parts else ()
        return (*own, *(tree for part in self.parts for tree in part.trees))


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key. Blanks count as the greatest values."""

    tree: Node
    descending: bool


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Everything that the statement needs. Equal plans have equal statements.

    `access` is judged as a grant over the row. `after` says of each sort key whether the cursor's value is blank
    (None: from the start); the cursor's values follow the caller's own.
    """

    table: TableRef
    zone: str
    single: bool
    access: Node | None
    where: Node | None
    order: tuple[Order, ...]
    after: tuple[bool, ...] | None
    first_cursor_value: int
    count: bool
    limit: int
    outputs: tuple[Output, ...]
    errors: bool
    filter_joins: tuple[Join, ...]
    output_joins: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with the caller's values for its parameters."""

    plan: ReadPlan
    values: tuple[Any, ...]

    def behind(self, cursor: Sequence[str | None]) -> tuple[Any, ...]:
        """The caller's values and those of the cursor that the plan continues behind."""
        keys = zip(self.plan.order, cursor, strict=False)
        return (*self.values, *(None if text is None else from_text(o.tree.type.kind, text) for o, text in keys))


def plan_read(query: RecordQuery, rights: Rights, names: Names, after: tuple[bool, ...] | None) -> Planned:
    """The plan of a query; `after` as in `ReadPlan`.

    Raises Refused: `object.unknown` (or not readable), `query.invalid` with a fault for each thing wrong.
    """
    obj = query.object
    if obj not in rights.release.model.objects or not rights.allows(obj, "read"):
        raise Refused("object.unknown", f'there is no object "{obj}"')
    faults: list[Fault] = []
    asked = query.fields if query.fields is not None else default_fields(rights, obj, export=query.export)
    if query.export:
        taken = rights.writable(obj, "export")
        faults += [
            Fault("query.invalid", f'your roles do not allow to export "{key}"', "fields")
            for key in asked if key not in taken and key.split(".")[0] not in taken
        ]
    outputs = tuple(
        made for key in dict.fromkeys(asked) if (made := _output(key, obj, names, faults)) is not None
    )
    values: list[Any] = []
    conditions = [_equal(name, text, obj, names, values, faults) for name, text in query.equals]
    if query.where is not None:
        conditions.append(_where(query.where, obj, names, values, faults))
    order = () if query.single else _order(query.order, obj, names, faults)
    if not 1 <= query.limit <= PAGE_MAX:
        faults.append(Fault("query.invalid", f"limit is a number from 1 to {PAGE_MAX}", "limit"))
    if faults:
        raise Refused("query.invalid", faults[0].detail, faults=faults)
    known = [condition for condition in conditions if condition is not None]
    where = run(FILTER, _all(known)) if known else None
    if after is not None and len(after) != len(order):
        raise Refused("query.cursor")
    verbs = ("read", "export") if query.export else ("read",)
    granted = [c for verb in verbs if (c := names.grant(rights.rows(obj, verb), obj, ROWS)) is not None]
    access = _all(granted) if granted else None
    plan = ReadPlan(
        table=rights.release.table(obj),
        zone=rights.release.model.settings.time_zone,
        single=query.single,
        access=access,
        where=where,
        order=order,
        after=after,
        first_cursor_value=len(values),
        count=query.count,
        limit=1 if query.single else query.limit,
        outputs=outputs,
        errors=query.errors,
        filter_joins=names.joins((access, where, *(o.tree for o in order)), obj),
        output_joins=names.joins((tree for o in outputs for tree in o.trees), obj),
    )
    return Planned(plan, tuple(values))


def default_fields(rights: Rights, obj: str, *, export: bool = False) -> tuple[str, ...]:
    """Every field of the object that the actor may read (and may `export`), in declared order.

    An export has the parts of composite fields for the wholes, as an import takes them.
    """
    readable = rights.readable(obj) & rights.writable(obj, "export") if export else rights.readable(obj)
    fields = rights.release.object(obj).fields.values()
    if export:
        return tuple(f.name for f in fields if f.name in readable and f.type not in COMPOSITES and not f.targets)
    return tuple(f.name for f in fields if f.name in readable and f.whole is None)


def checked(
    text: str, obj: str, names: Names, where: Where, values: list[Any], faults: list[Fault], pointer: str,
    *, expect: Type | None = None, measure: bool = False,
) -> Node | None:
    """A caller's formula, checked against what the caller may name; its constants are appended to `values`."""
    scope = Scope(names.schema, where, row=None if measure else obj, rows=obj if measure else None)
    try:
        result = check(parse(text), scope, expect=expect, lift_literals=True)
        diagnostics, tree = result.diagnostics, result.tree
    except FormulaError as error:
        diagnostics, tree = tuple(error.diagnostics), None
    for found in diagnostics:
        if found.code.startswith("E"):
            hint = f" ({found.hint})" if found.hint else ""
            faults.append(
                Fault(f"formula.{found.code}", f"{found.message}{hint}, at character {found.start + 1}", pointer)
            )
    if tree is None or any(d.code.startswith("E") for d in diagnostics):
        return None
    base = len(values)
    values.extend(result.values)
    planned = names.tree(_renumber(tree, base), obj)
    if weight(planned) > limits.WEIGHT:
        faults.append(Fault("formula.E605", "with the formula fields that it names it is too much work", pointer))
    return planned


def _renumber(tree: Node, base: int) -> Node:
    return tree if base == 0 else rewrite(
        tree, lambda node: Param(node.type, node.index + base) if isinstance(node, Param) else node
    )


def _where(text: str, obj: str, names: Names, values: list[Any], faults: list[Fault]) -> Node | None:
    return checked(text, obj, names, "query", values, faults, "where", expect=BOOLEAN)


def output(name: str, obj: str, names: Names) -> Output:
    """The value of a field of the row itself."""
    return _whole(name, names.field(obj, name), (), obj, name, names)


def _output(key: str, obj: str, names: Names, faults: list[Fault]) -> Output | None:
    found = _find(key, obj, names, faults, "fields")
    return _whole(key, found.tree, found.path, found.object, found.name, names, obj) if found else None


def _whole(
    key: str, tree: Node, path: tuple[str, ...], obj: str, name: str, names: Names, row: str | None = None
) -> Output:
    """The output of a field at the end of `path`; of a composite one with its parts and, if it shows it, its value."""
    fields = names.release.object(obj).fields
    declared, known = fields[name], COMPOSITES.get(fields[name].type)
    made = tuple(
        Output(part.name.partition(".")[2], names.tree(Field(_type_of(part), path, obj, part.name), row or obj))
        for part in parts(fields, name)
    )
    if declared.targets:
        return Output(key, tree, (made[0], Output("id", tree), Output("title", _titles(name, path, obj, names, row))))
    if declared.type in FILES:
        return Output(key, tree, made, names.release.system("_file"), declared.many)
    return Output(key, tree, (*made, Output(known.shown, tree)) if known and known.shown else made)


def _type_of(part: Declared) -> Type:
    return TEXT if part.formula else stored_type(part)


def _titles(name: str, path: tuple[str, ...], obj: str, names: Names, row: str | None) -> Node:
    """The title of the record that a lookup to several objects points to, as far as it may be read."""
    found = []
    for target in names.release.object(obj).fields[name].targets:
        shape, title = names.schema.object(target), names.release.object(target).title
        if shape is not None and title in shape.fields:
            hop = (*path, f"{name}.{target}")
            found.append(names.tree(Field(shape.fields[title].type.blank(), hop, target, title), row or obj))
    if not found:
        return Literal(TEXT, None)
    return found[0] if len(found) == 1 else Call(TEXT, "BLANKVALUE", tuple(found))


@dataclass(frozen=True, slots=True)
class _Found:
    """The value at the end of a path."""

    path: tuple[str, ...]
    object: str
    name: str
    tree: Node


def _path(key: str, obj: str, names: Names, faults: list[Fault], pointer: str) -> Node | None:
    """The value at a dotted path of names (`account.name`, `address.city`, `stage.probability`)."""
    found = _find(key, obj, names, faults, pointer)
    return found.tree if found else None


def _find(key: str, obj: str, names: Names, faults: list[Fault], pointer: str) -> _Found | None:
    shape, steps, path = names.schema.object(obj), key.split("."), tuple[str, ...]()
    while shape is not None:
        # A part of a composite field is one name.
        width = 2 if ".".join(steps[:2]) in shape.fields and len(steps) > 1 else 1
        step, steps = ".".join(steps[:width]), steps[width:]
        found = shape.fields.get(step)
        if found is None:
            break
        if not steps:
            kind = shown(found.type.blank(found.type.nullable or bool(path)))
            return _Found(path, shape.name, step, names.tree(Field(kind, path, shape.name, step), obj))
        if steps[0] in found.properties and len(steps) == 1:
            kind, held = found.properties[steps[0]], Field(found.type, path, shape.name, step)
            told = Property(shown(kind.blank(kind.nullable or bool(path))), held, steps[0])
            return _Found(path, shape.name, step, names.tree(told, obj))
        path, shape = (*path, step), names.schema.object(found.target) if found.target else None
    hint = did_you_mean(step, list(shape.fields)) if shape else None
    faults.append(Fault("query.invalid", f'there is no field "{key}"' + (f"; {hint}" if hint else ""), pointer))
    return None


def _equal(name: str, text: str, obj: str, names: Names, values: list[Any], faults: list[Fault]) -> Node | None:
    tree = _path(name, obj, names, faults, name)
    if tree is None:
        return None
    if text == "":
        return Call(BOOLEAN, "isblank", (tree,))
    try:
        value = from_text(tree.type.kind, text)
    except Refused as refused:
        faults.append(Fault("query.invalid", refused.detail, name))
        return None
    values.append(value)
    return Call(BOOLEAN, "=", (tree, Param(tree.type.blank(False), len(values) - 1)))


def _order(keys: Sequence[str], obj: str, names: Names, faults: list[Fault]) -> tuple[Order, ...]:
    """The sort keys with the id behind them, in the last key's direction, so that every order is total."""
    order: list[Order] = []
    for key in keys or ("id",):
        descending = key.startswith("-")
        tree = _path(key.removeprefix("-"), obj, names, faults, "order")
        if tree is not None and tree.type.kind in UNORDERED:
            what = f'"{key}" holds {UNORDERED[tree.type.kind]} and gives no order'
            faults.append(Fault("query.invalid", what, "order"))
        elif tree is not None:
            order.append(Order(tree, descending))
    tie = names.field(obj, "id")
    if order and order[-1].tree != tie:
        order.append(Order(tie, order[-1].descending))
    return tuple(order)


def _all(conditions: Sequence[Node]) -> Node:
    return Call(BOOLEAN, "and", tuple(conditions)) if len(conditions) > 1 else conditions[0]
