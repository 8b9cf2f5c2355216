"""The conditions that judge a write: required fields, rules, and the rights to the new row and to each given field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.plan.access import HISTORICAL, Rights, made_of, own_names
from engine.plan.conditions import all_of, any_of, code, filled, negated, same
from engine.plan.duplicates import asked_by, rules_of, unduplicated
from engine.plan.names import Names
from engine.plan.planned import Image, with_image
from engine.plan.request import RecordWrite
from metamodel.formula.typed import Call, Field, Literal, Node, System
from metamodel.formula.types import BOOLEAN, DATE, Type
from metamodel.kinds.common import Formula, Text
from metamodel.kinds.composites import COMPOSITES, Composite, parts
from metamodel.kinds.object import Object, Rule, Severity

NEVER_BLANK = ("boolean", "stage")
ACKNOWLEDGED = "_ack"
"""The column of the new rows with the names of the rules whose warnings are acknowledged."""
DUPLICATE = "record.duplicate"


@dataclass(frozen=True)
class Check:
    """A condition over the new and old image. It is broken where `holds` is not true, among rows where `when` is.

    `grant`: judged as a right, in which a blank is no yes. `late`: judged after the rows are written; `alone`: so, and
    while nobody else writes what could break it together with this write. What is "info"
    refuses nothing and is told. Messages and codes, the `formula` that `holds` was written as and the `stage` that asks
    for it stand beside the plan, so that the statement's text depends on the conditions only.
    """

    code: str
    field: str | None
    rule: str | None
    message: Text
    holds: Node
    when: Node | None = None
    grant: bool = False
    late: bool = False
    alone: bool = False
    formula: Formula | None = None
    severity: Severity = "error"
    stage: str | None = None


def record_checks(request: RecordWrite, rights: Rights, given: frozenset[str], system: Names) -> list[Check]:
    """What judges a record whatever its stage."""
    judged = _Judged(request, rights, given, system)
    found = [*_access_checks(request, rights, given), *judged.required()] if request.operation != "delete" else []
    return [*found, *judged.kept(), *judged.rules(), *judged.duplicates(), *judged.trees()]


@dataclass(frozen=True, slots=True)
class _Judged:
    request: RecordWrite
    rights: Rights
    given: frozenset[str]
    system: Names

    @property
    def declared(self) -> Object:
        return self.rights.release.object(self.request.object)

    def tree(self, formula: Formula) -> Node:
        return self.system.tree(self.rights.release.model.typed[formula.key], self.request.object)

    def field(self, name: str, image: Image = "new") -> Node:
        return self.system.field(self.request.object, name, image)

    def bound(self, exempt: Sequence[str]) -> bool:
        """Whether a rule binds the actor; those with all rights have no role that could free them."""
        return self.rights.everything or not set(exempt) & set(self.rights.roles)

    def required(self) -> Iterator[Check]:
        whole = self.request.operation != "update"
        for f in self.declared.fields.values():
            given = f.name in self.given and (f.required or f.type in NEVER_BLANK)
            if given or (f.required and whole and not f.system):
                yield Check("record.required", f.name, None, {}, filled(self.field(f.name)))
            if f.name in self.given and (known := COMPOSITES.get(f.type)):
                yield from _essential(f.name, known, self.request.object, self.system)
            if f.required_when:
                yield Check("record.required", f.name, None, {}, filled(self.field(f.name)), self.tree(f.required_when))

    def kept(self) -> Iterator[Check]:
        """What can not be changed any more, by the record as it was. A condition that is an error keeps it, too."""
        obj, update = self.declared, self.request.operation == "update"
        if self.request.relinked:
            return
        for f in obj.fields.values():
            if not update or f.name not in self.given:
                continue
            if f.set_once:
                yield Check("record.read_only", f.name, None, {}, self.same(f.name), filled(self.field(f.name, "old")))
            if f.read_only_when:
                kept = Call(BOOLEAN, "or", (self.same(f.name), self.was_not(f.read_only_when)))
                yield Check("record.read_only", f.name, None, {}, kept)
        yield from self.locked()

    def locked(self) -> Iterator[Check]:
        lock, confirming = self.declared.lock, self.request.confirming
        fields = [self.declared.fields[name] for name in sorted(self.given)]
        closed = [f.name for f in fields if lock and not f.formula and not {f.name, f.whole} & set(lock.open)]
        changes = self.request.operation == "update" and (closed or confirming)
        if lock is None or not self.bound(lock.roles) or not (changes or self.request.operation == "delete"):
            return
        free = self.was_not(lock.when)
        if changes and not confirming:
            free = Call(BOOLEAN, "or", (all_of(*map(self.same, closed)), free))
        yield Check("record.locked", None, None, lock.message, free)

    def same(self, name: str) -> Node:
        """Where a field, with its parts, is as it was."""
        fields = self.declared.fields
        stored = [f.name for f in (fields[name], *parts(fields, name)) if not f.formula] or [name]
        return all_of(*(same(self.field(part), self.field(part, "old")) for part in stored))

    def was_not(self, formula: Formula) -> Node:
        return negated(with_image(self.tree(formula), "old"))

    def rules(self) -> Iterator[Check]:
        event = {"create": "create", "delete": "delete"}.get(self.request.operation, "update")
        for rule in self.declared.rules.values():
            if event in rule.on and self.bound(rule.exempt):
                holds = self.tree(rule.valid_when)
                severity, asked = self.severity(rule.name, rule.severity)
                conditions = [*self.days(rule), *asked]
                if rule.edited_only and event == "update":
                    conditions.append(self.edited(rule, holds))
                yield Check(
                    "record.warning" if severity == "warning" else "record.rule", rule.field, rule.name, rule.message,
                    holds, all_of(*conditions) if conditions else None, severity=severity,
                )

    def days(self, rule: Rule) -> Iterator[Node]:
        """The days on which a rule is judged."""
        for day, relation in ((rule.start, ">="), (rule.end, "<")):
            if day is not None:
                kind = DATE.blank(False)
                yield Call(BOOLEAN, relation, (System(kind, "today"), Literal(kind, day)))

    def severity(self, name: str, declared: Severity) -> tuple[Severity, list[Node]]:
        """How a rule judges this write, and where a warning is not acknowledged."""
        if declared == "warning" and self.request.unattended:
            return "info", []
        if declared == "warning" and self.request.acknowledging:
            names = Field(Type("list"), (), self.request.object, ACKNOWLEDGED)
            return declared, [negated(Call(BOOLEAN, "INCLUDES", (names, code(name))))]
        return declared, []

    def trees(self) -> Iterator[Check]:
        """Nothing is above itself. Only an update can make it so: what is new has nothing below."""
        release, obj = self.rights.release, self.request.object
        for f in self.declared.fields.values() if self.request.operation == "update" else ():
            if f.tree and f.name in self.given:
                ref = release.table(obj)
                names = (code(f'"{ref.schema}"."{ref.name}"'), code(release.column(obj, f.name)))
                holds = Call(BOOLEAN, "nowhereup", (*names, self.field("id")))
                yield Check("record.tree", f.name, None, {}, holds, negated(self.same(f.name)), alone=True)

    def duplicates(self) -> Iterator[Check]:
        """Others that agree with what is written, where it is new or something that they are looked for by changes."""
        release, operation = self.rights.release, self.request.operation
        for rule in rules_of(release, self.request.object) if operation != "delete" else ():
            severity, conditions = self.severity(rule.name, rule.severity)
            if rule.when:
                conditions.append(self.tree(rule.when))
            if operation == "update":
                changed = [negated(self.same(name)) for name in sorted(asked_by(release, rule) & self.given)]
                if not changed:
                    continue
                conditions.append(any_of(*changed))
            yield Check(
                DUPLICATE, None, rule.name, rule.message, unduplicated(release, rule, self.system),
                all_of(*conditions) if conditions else None, severity=severity,
            )

    def edited(self, rule: Rule, holds: Node) -> Node:
        """Where something that the rule reads in its own row is changed, or it was met before."""
        release, obj = self.rights.release, self.request.object
        read = made_of(release, obj, own_names(release.model.typed[rule.valid_when.key]))
        changed = [negated(self.same(name)) for name in read if name in self.given]
        return Call(BOOLEAN, "or", (*changed, with_image(holds, "old"))) if changed else with_image(holds, "old")


def _essential(name: str, known: Composite, obj: str, system: Names) -> list[Check]:
    """Parts that have a value as soon as any other part has."""
    every = {part.name: filled(system.field(obj, f"{name}.{part.name}")) for part in known.parts}
    return [
        Check(
            "record.required", f"{name}.{part}", None, {}, every[part],
            Call(BOOLEAN, "or", tuple(test for other, test in every.items() if other != part)),
        )
        for part in known.essential
    ]


def _access_checks(request: RecordWrite, rights: Rights, given: frozenset[str]) -> list[Check]:
    """The new row, too, must be one that the actor may write, and each given field writable in it."""
    verb = "create" if request.operation == "create" else "edit"
    if request.operation == "restore":
        return []
    system, obj = Names(rights.release, None), request.object
    found = []
    for needed in (verb, "import") if request.imported else (verb,):
        rows = system.grant(rights.rows(obj, needed), obj)
        if rows is not None:
            found.append(Check("access.row", None, None, {}, rows, grant=True))
    image: Image = "new" if verb == "create" else "old"
    fields = rights.release.object(obj).fields
    for name in sorted(given - set(HISTORICAL) if request.historical else given):
        if fields[name].whole:
            continue
        where = system.grant(rights.where_writable(obj, name, verb), obj)
        if where is not None:
            found.append(Check("record.field_read_only", name, None, {}, with_image(where, image), grant=True))
    return found
