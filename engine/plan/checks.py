"""The conditions that judge a write: required fields, rules, and the rights to the new row and to each given field."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan.access import HISTORICAL, Rights
from engine.plan.conditions import filled
from engine.plan.names import Names
from engine.plan.planned import Image, with_image
from engine.plan.request import RecordWrite
from metamodel.formula.typed import Call, Node
from metamodel.formula.types import BOOLEAN
from metamodel.kinds.common import Formula, Text
from metamodel.kinds.composites import COMPOSITES, Composite

NEVER_BLANK = ("boolean", "stage")


@dataclass(frozen=True)
class Check:
    """A condition over the new and old image. It is broken where `holds` is not true, among rows where `when` is.

    `grant`: judged as a right, in which a blank is no yes. `late`: judged after the rows are written. Messages and
    codes, the `formula` that `holds` was written as and the `stage` that asks for it stand beside the plan, so that the
    statement's text depends on the conditions only.
    """

    code: str
    field: str | None
    rule: str | None
    message: Text
    holds: Node
    when: Node | None = None
    grant: bool = False
    late: bool = False
    formula: Formula | None = None
    stage: str | None = None


def record_checks(request: RecordWrite, rights: Rights, given: frozenset[str], system: Names) -> list[Check]:
    """What judges a record whatever its stage."""
    if request.operation == "delete":
        return []
    release, obj = rights.release, request.object
    found = _access_checks(request, rights, given)
    whole = request.operation != "update"
    for f in release.object(obj).fields.values():
        if (f.name in given and (f.required or f.type in NEVER_BLANK)) or (f.required and whole and not f.system):
            found.append(Check("record.required", f.name, None, {}, filled(system.field(obj, f.name))))
        if f.name in given and (known := COMPOSITES.get(f.type)):
            found += _essential(f.name, known, obj, system)
        if f.required_when:
            when = system.tree(release.model.typed[f.required_when.key], obj)
            found.append(Check("record.required", f.name, None, {}, filled(system.field(obj, f.name)), when))
    event = "create" if request.operation == "create" else "update"
    for rule in release.object(obj).rules.values():
        if event in rule.on:
            holds = system.tree(release.model.typed[rule.valid_when.key], obj)
            found.append(Check("record.rule", rule.field, rule.name, rule.message, holds))
    return found


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
