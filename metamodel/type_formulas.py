"""Every formula of a model -> its typed tree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, ValuesView
from dataclasses import replace
from functools import cached_property
from typing import Any

from metamodel.formula import limits, typed
from metamodel.formula.check import check
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.mentions import mentions
from metamodel.formula.parse import parse
from metamodel.formula.scope import ChildShape, FieldShape, ObjectShape, Scope
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import ERROR, INTEGER, NULL, Type
from metamodel.formula.weight import Weights
from metamodel.issues import Collector, Issue, Place, Severity
from metamodel.kinds.common import Formula
from metamodel.kinds.composites import COMPOSITES
from metamodel.kinds.function import FunctionDeclaration
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.model_schema import ModelSchema, ModelShape, stored_type
from metamodel.overlay import Places
from metamodel.placed import Task, function_tasks, tasks
from metamodel.source import Item

NOWHERE = Places(Item({}, None))
NO_VALUE = frozenset({"set", "list", "geo", "json", "null", "period", "error"})
"""Kinds that a formula field, a group or a measure can not have."""
KINDS = {"rollup": "roll-up"}
"""What field types are called in messages, where it is not their own name."""
MISSING = frozenset({"E303", "E305"})
"""The problems of a formula whose function is not installed."""


def type_formulas(model: Model, issues: Collector, places: Places = NOWHERE, *, lenient: bool = False) -> Model:
    """The model with `typed` filled in. Formulas that can not be typed are left out of it and reported.

    With `lenient` a formula that calls a function which is not installed, and what is computed from it, is typed as
    the error REF and listed in `broken` with the reason: the rest of the model goes on.
    """
    typer = _Typer(model, issues, places, lenient)
    for function in model.functions.values():
        typer.check_function(function)
    for owner in model.objects.values():
        for f in owner.fields.values():
            typer.type_field(owner, f)
    for task in tasks(model):
        if not task.object or task.object in model.objects:
            typer.type_task(task)
    return replace(model, typed=typer.typed | typer.errors(), broken=typer.broken)


class _Needs(Exception):
    """A formula names a computed field whose type is not known yet."""

    def __init__(self, owner: Object, field: Field) -> None:
        self.owner, self.field = owner, field


class _TypingSchema(ModelSchema):
    """The schema while types are still being found, and while parts of the packs may be refused."""

    def __init__(self, typer: _Typer) -> None:
        super().__init__(typer.model)
        self.typer = typer
        self.loose = typer.places.gone("object") or any(p[0] == "object" for p in typer.places.broken)

    def object(self, name: str) -> ObjectShape | None:
        found = super().object(name)
        if found is None and self.typer.places.gone("object", name):
            return _Anything(name)
        if isinstance(found, ModelShape) and self.loose and name not in self._loosened:
            self._loosened.add(name)
            found.fields = _Forgiving(found.fields, self.typer.places, name)
            found.__dict__["children"] = _AnyChild(found.children)
        return found

    @cached_property
    def _loosened(self) -> set[str]:
        return set()

    def refuse(self, function: str) -> None:
        """What is wrong with a function is told where it is declared, not at each call."""
        self.functions[function] = replace(self.functions[function], body=None)

    def options(self, of: str) -> Collection[str]:
        found = super().options(of)
        places = self.typer.places
        gone = places.gone("process", of) or places.gone("value_set", of) or any(of in part for part in places.broken)
        inline = "." in of and places.gone("object", of.split(".")[0])
        return _Everything(found) if gone or inline else found

    @property
    def roles(self) -> Collection[str]:
        found = super().roles
        return _Everything(found) if self.typer.places.gone("role") else found

    def granting(self, permission: str) -> Collection[str] | None:
        found = super().granting(permission)
        gone = self.typer.places.gone("object", permission.partition(".")[0])
        return () if found is None and gone else found

    def computed(self, owner: Object, f: Field, formula: Formula) -> Type:
        if formula.key in self.typer.failed:
            return ERROR
        if formula.key not in self.typer.typed:
            raise _Needs(owner, f)
        return self.typer.typed[formula.key].type


class _Forgiving(Mapping[str, FieldShape]):
    """Fields of which some were refused: those are of the error type, which stops further complaints."""

    def __init__(self, known: Mapping[str, FieldShape], places: Places, owner: str) -> None:
        self.known, self.places, self.owner = known, places, owner

    def __getitem__(self, name: str) -> FieldShape:
        if name not in self.known and ("object", self.owner, "fields", name) in self.places.broken:
            return FieldShape(name, ERROR)
        return self.known[name]

    def __contains__(self, name: object) -> bool:
        return name in self.known or ("object", self.owner, "fields", name) in self.places.broken

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)

    def values(self) -> ValuesView[FieldShape]:
        return self.known.values()


class _AnyField(Mapping[str, FieldShape]):
    def __getitem__(self, name: str) -> FieldShape:
        return FieldShape(name, ERROR)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _AnyChild(dict[str, ChildShape]):
    def __missing__(self, name: str) -> ChildShape:
        return ChildShape(name, "", "")


class _Anything:
    """An object that was refused: it may have had any field."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: Mapping[str, FieldShape] = _AnyField()
        self.children: Mapping[str, ChildShape] = {}


class _Everything(Collection[str]):
    def __init__(self, known: Collection[str]) -> None:
        self.known = known

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


class _Typer:
    """Types computed fields in the order of their dependencies, then everything else."""

    def __init__(self, model: Model, issues: Collector, places: Places, lenient: bool) -> None:
        self.lenient = lenient
        self.expected: dict[str, Type] = {}
        self.broken: dict[str, str] = {}
        self.model = model
        self.issues = issues
        self.places = places
        self.typed: dict[str, Node] = {}
        self.failed: set[str] = set()
        self.parsed: dict[str, Any] = {}
        self.user = "user" if "user" in model.objects else None
        self.schema = _TypingSchema(self)
        self.weights = Weights(self.written)

    def type_field(self, owner: Object, f: Field) -> None:
        """Types a computed field after those it names. An explicit stack: chains may be long."""
        stack = [(owner, f)]
        while stack:
            at, top = stack[-1]
            if top.formula is None or top.formula.key in self.typed or top.formula.key in self.failed:
                stack.pop()
                continue
            if top.targets:
                # References to different objects have no type in common that a formula could be written in.
                links = (f for f in at.fields.values() if f.whole == top.name and f.to)
                named = tuple(typed.Field(stored_type(f), (), at.name, f.name) for f in links)
                self.typed[top.formula.key] = Call(Type("reference"), "BLANKVALUE", named)
                continue
            try:
                scope = Scope(self.schema, "field", row=at.name, user=self.user)
                expect = stored_type(top) if top.type in COMPOSITES else None
                self.type_formula(top.formula, scope, expect, top.scale, top.indexed)
                stack.pop()
            except _Needs as needs:
                wanted = (needs.owner, needs.field)
                if wanted in stack:
                    self.circle(stack[stack.index(wanted) :])
                else:
                    stack.append(wanted)

    def check_function(self, declared: FunctionDeclaration) -> None:
        """Checks the formula of a function over its parameters; what stands for calls is typed anew at each of them."""
        right = all(path[:2] != ("function", declared.name) for path in self.places.broken)
        for task in function_tasks(declared) if right else ():
            self.type_task(task)
            right &= self.typed.pop(task.formula.key, None) is not None
        if not right:
            self.schema.refuse(declared.name)

    def circle(self, hops: list[tuple[Object, Field]]) -> None:
        """Reports formulas that depend on each other, each with the way to the next and the place that names it."""
        self.failed |= {f.formula.key for _, f in hops if f.formula}
        chain, seats = [], []
        for (owner, f), (to, target) in zip(hops, (*hops[1:], hops[0]), strict=True):
            assert f.formula is not None
            found = mentions(self.parsed[f.formula.key], owner.name, self)
            named = next((m for m in found if (m.object, m.name) == (to.name, target.name)), None)
            via = f" via {'.'.join(named.via)}" if named and named.via else ""
            chain.append(f"{owner.name}.{f.name} ({KINDS.get(f.type, f.type)}{via})")
            at = f.formula.at.place(named.start, named.end) if f.formula.at and named else _start(f.formula)
            seats.append((f"{owner.name}.{f.name}", at))
        where = "; ".join(f"{name} at {at.file}:{at.line}:{at.column}" for name, at in seats if at)
        start = f"{hops[0][0].name}.{hops[0][1].name}"
        text = f"formulas depend on each other in a circle: {' -> '.join((*chain, start))}"
        self.issues.add("M301", text, seats[0][1], where or None)

    def leads(self, obj: str, name: str) -> tuple[str, bool] | None:
        """The object that a lookup or child set leads to (`mentions.Relations`)."""
        whole, _, several = obj.partition(".")
        owner = self.model.objects.get(whole)
        if owner is None:
            return None
        if several:
            declared = owner.fields.get(f"{several}.{name}")
            return (declared.to, False) if declared and declared.to else None
        child = self.model.children[obj].get(name)
        declared = owner.fields.get(name)
        if declared and declared.targets:
            return f"{obj}.{name}", False
        if declared:
            return (declared.to, False) if declared.to else None
        return (child.object, True) if child else None

    def written(self, field: typed.Field) -> Node | None:
        """The tree of a formula field."""
        owner = self.model.objects.get(field.object)
        formula = owner.fields[field.name].formula if owner and field.name in owner.fields else None
        return self.typed.get(formula.key) if formula else None

    def type_task(self, task: Task) -> None:
        self.type_formula(task.formula, task.scope(self.schema, self.user), task.expect)

    def type_formula(
        self, formula: Formula, scope: Scope, expect: Type | None, scale: int | None = None, indexed: bool = False
    ) -> None:
        """Parses and checks one formula; its tree goes to `typed`, or its diagnostics to the issues."""
        self.expected[formula.key] = expect or NULL
        try:
            if formula.key not in self.parsed:
                self.parsed[formula.key] = parse(formula.text)
            checked = check(self.parsed[formula.key], scope, expect=expect, blanks=formula.blanks)
        except FormulaError as error:
            self.report(formula, error.diagnostics)
            return
        tree = checked.tree
        if not self.report(formula, checked.diagnostics) or tree is None or tree.type.kind == "error":
            self.failed.add(formula.key)
            return
        if expect is None and tree.type.kind in NO_VALUE:
            self.issues.add(
                "M302",
                f"the formula gives a {tree.type}, which can not be shown as a value",
                _start(formula),
                "use a function that gives one value",
            )
            self.failed.add(formula.key)
            return
        tree = self.rounded(formula, tree, scale)
        if self.weights.whole(tree) > limits.WEIGHT or (indexed and self.weights.flat(tree) > limits.WEIGHT):
            shown = "with the formula fields that it names the formula is too much work for the database"
            hint = "an index holds all of it in one expression" if indexed else "name fewer of them"
            self.report(formula, [Diagnostic("E605", 0, len(formula.text), shown, hint)])
            return
        self.typed[formula.key] = tree

    def rounded(self, formula: Formula, tree: Node, scale: int | None) -> Node:
        if scale is None or tree.type.kind == "integer":
            return tree
        if not tree.type.number:
            self.issues.add(
                "M302", f"scale is for numbers, the formula gives a {tree.type}", _start(formula), "remove the scale"
            )
            return tree
        return Call(
            tree.type.rough(False),
            "round",
            (tree, Literal(INTEGER.blank(False), scale)),
        )

    def errors(self) -> dict[str, Node]:
        """What stands for the formulas that are broken, and for those that name a broken field."""
        failed = self.failed if self.lenient and not self.issues.errors else frozenset()
        self.broken |= {key: "a field that it names is broken" for key in sorted(failed) if key not in self.broken}
        return {key: Call(self.expected[key].blank(), "broken", ()) for key in failed}

    def report(self, formula: Formula, diagnostics: Iterable[Diagnostic]) -> bool:
        """Whether the formula is free of errors; every diagnostic becomes an issue at its place in the file."""
        good = True
        if self.lenient and diagnostics and all(d.warning or d.code in MISSING for d in diagnostics):
            reasons = [d.message for d in diagnostics if not d.warning]
            if reasons:
                self.broken[formula.key] = reasons[0]
            return not reasons
        for d in diagnostics:
            severity: Severity = "warning" if d.code.startswith("W") else "error"
            good = good and severity == "warning"
            place = formula.at.place(d.start, d.end) if formula.at else None
            message = d.message if place else f"{d.message} (in {formula.key})"
            self.issues.issues.append(Issue(d.code, message, place, d.hint, severity))
        if not good:
            self.failed.add(formula.key)
        return good


def _start(formula: Formula) -> Place | None:
    return formula.at.place(0, len(formula.text)) if formula.at else None
