"""A model as the formula checker sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, ValuesView
from contextlib import suppress
from datetime import date
from functools import cached_property

from metamodel.formula import ast
from metamodel.formula.calendar import Calendar
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.parse import parse
from metamodel.formula.scope import (
    ChildShape,
    FieldShape,
    FunctionShape,
    ObjectShape,
    Organisation,
    ParamShape,
)
from metamodel.formula.types import (
    DATETIME,
    ERROR,
    INTEGER,
    PERCENT,
    TEXT,
    Type,
)
from metamodel.kinds.calendar import WEEKDAYS, CalendarDeclaration
from metamodel.kinds.common import Formula, in_locale
from metamodel.kinds.composites import parts as parts_of
from metamodel.kinds.field_types import FIELD_TYPES, FILES
from metamodel.kinds.function import PARAMETERS, FunctionDeclaration
from metamodel.kinds.object import Field, Object
from metamodel.kinds.role import CAPABILITIES, VERBS
from metamodel.model import Model

STAGE_PROPERTIES = {
    "probability": PERCENT.blank(False),
    "category": TEXT.blank(False),
    "forecast": TEXT.blank(False),
    "process": TEXT.blank(False),
    "limit": INTEGER,
    "entered_at": DATETIME,
}
Readable = Callable[[Object, Field], bool]


def stored_type(f: Field) -> Type:
    """The type in formulas of a field that is not computed."""
    kind = FIELD_TYPES[f.type].kind
    if kind is None:
        raise ValueError(f"the field {f.name} is computed")
    of = {
        "select": f.choice,
        "reference": f.to,
        "list": f.choice,
    }.get(kind)
    if f.type in FILES:
        return Type("list", nullable=not f.required, item="reference")
    return Type(kind, nullable=not (f.required or f.type in ("boolean", "stage")), of=of)


class ModelSchema:
    """The `formula.scope.Schema` of a model; `readable` leaves out the fields that may not be named."""

    def __init__(self, model: Model, readable: Readable | None = None) -> None:
        self.model = model
        self.readable = readable
        self._shapes: dict[str, ObjectShape] = {}

    @cached_property
    def organisation(self) -> Organisation:
        settings = self.model.settings
        known = {name: calendar(declared, settings.time_zone) for name, declared in self.model.calendars.items()}
        return Organisation(settings.time_zone, settings.currency, settings.fiscal_year_start, known, settings.calendar)

    def object(self, name: str) -> ObjectShape | None:
        if name not in self._shapes and name in self.model.objects:
            self._shapes[name] = ModelShape(self, self.model.objects[name])
        return self._shapes.get(name)

    def options(self, of: str) -> Collection[str]:
        return self.model.choices(of)

    @cached_property
    def functions(self) -> dict[str, FunctionShape]:
        return {name: _function(f) for name, f in self.model.functions.items()}

    def labels(self, of: str) -> Mapping[str, Mapping[str, str]]:
        return {name: choice.label for name, choice in self.model.choices(of).items()}

    @property
    def roles(self) -> Collection[str]:
        return self.model.roles

    def granting(self, permission: str) -> Collection[str] | None:
        obj, _, verb = permission.partition(".")
        roles = self.model.roles.values()
        if verb:
            shape = self.object(obj)
            known = shape is not None and len(shape.fields) > 0 and verb in VERBS
            return {role.name for role in roles if verb in role.objects.get(obj, {})} if known else None
        return {role.name for role in roles if obj in role.capabilities} if obj in CAPABILITIES else None

    def computed(self, owner: Object, f: Field, formula: Formula) -> Type:
        """The type of a formula field or roll-up; in a model with errors it may be unknown."""
        found = self.model.typed.get(formula.key)
        return found.type if found else ERROR


def calendar(declared: CalendarDeclaration, zone: str) -> Calendar:
    """What a calendar means in a tenant of that zone. Days that do not exist are left out, and so are hours that are
    none; the rule of calendars tells them."""
    hours = {day: tuple(minutes(span) for span in spans) for day, spans in declared.week.items()}
    return Calendar(
        declared.name,
        declared.time_zone or zone,
        tuple(hours.get(day, ()) for day in WEEKDAYS),
        "-".join(part for part in (declared.country, declared.subdivision) if part),
        _days(declared.holidays),
        _days(declared.workdays),
    )


def minutes(span: str) -> tuple[int, int]:
    """`09:00-12:00` -> (540, 720)."""
    opens, closes = (int(at[:2]) * 60 + int(at[3:]) for at in span.split("-"))
    return opens, closes


def _days(written: Iterable[str]) -> tuple[date, ...]:
    found = []
    for day in written:
        with suppress(ValueError):
            found.append(date.fromisoformat(day))
    return tuple(found)


def _function(declared: FunctionDeclaration) -> FunctionShape:
    params = tuple(
        ParamShape(p.name, PARAMETER_TYPES[p.type], _parsed(p.default) if p.default else None)
        for p in declared.params.values()
    )
    return FunctionShape(declared.name, params, _parsed(declared.formula), in_locale(declared.description, "en"))


def _parsed(formula: Formula) -> ast.Node | None:
    try:
        return parse(formula.text)
    except FormulaError:
        return None


PARAMETER_TYPES: Mapping[str, Type] = {kind: Type(kind, nullable=kind != "boolean") for kind in PARAMETERS}


class ModelShape:
    """An object as a formula sees it."""

    def __init__(self, schema: ModelSchema, owner: Object) -> None:
        self._schema = schema
        self._owner = owner
        self.name = owner.name
        self.fields: Mapping[str, FieldShape] = _Fields(schema, owner)

    @cached_property
    def children(self) -> Mapping[str, ChildShape]:
        model, readable = self._schema.model, self._schema.readable
        return {
            name: ChildShape(name, child.object, child.via, _keys(model.objects[child.object], child.via))
            for name, child in model.children[self.name].items()
            if readable is None
            or readable(
                model.objects[child.object],
                model.objects[child.object].fields[child.via],
            )
        }


class _Fields(Mapping[str, FieldShape]):
    """The shapes of an object's fields, made when asked for: a computed field's type may not be known earlier."""

    def __init__(self, schema: ModelSchema, owner: Object) -> None:
        self._schema = schema
        self._owner = owner
        self._known: dict[str, FieldShape] = {}

    @cached_property
    def _named(self) -> Mapping[str, Field]:
        readable = self._schema.readable
        fields = self._owner.fields
        return fields if readable is None else {n: f for n, f in fields.items() if readable(self._owner, f)}

    def __getitem__(self, name: str) -> FieldShape:
        if name not in self._known:
            self._known[name] = self._shape(self._named[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def values(self) -> ValuesView[FieldShape]:
        """The shapes of what is not computed: who looks through all fields must not start the typing of them."""
        return {name: self[name] for name, f in self._named.items() if f.formula is None}.values()

    def _shape(self, f: Field) -> FieldShape:
        type_ = self._schema.computed(self._owner, f, f.formula) if f.formula else stored_type(f)
        target = type_.of if type_.kind == "reference" and f.name != "id" else None
        unique = f.unique or any(key.fields == (f.name,) and key.plain for key in self._owner.unique.values())
        parts = tuple(part.name.partition(".")[2] for part in parts_of(self._owner.fields, f.name))
        return FieldShape(f.name, type_, target, STAGE_PROPERTIES if f.processes else {}, unique, parts)


def _keys(owner: Object, via: str) -> frozenset[str]:
    """The fields of which records that refer to the same one by `via` share no value."""
    pairs = (key.fields for key in owner.unique.values() if key.plain and len(key.fields) == 2 and via in key.fields)
    return frozenset(name for key in pairs for name in key if name != via)
