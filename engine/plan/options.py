"""Which options a write may choose: none that is retired (what has it keeps it), only those that go with another field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.plan.checks import Check
from engine.plan.conditions import all_of, among, any_of, code, filled, negated, same
from engine.plan.names import Names
from engine.plan.planned import Image
from engine.plan.request import RecordWrite
from engine.release.release import Release
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import BOOLEAN
from metamodel.kinds.object import Dependence, Field
from metamodel.kinds.value_set import Option


def option_checks(request: RecordWrite, release: Release, given: frozenset[str], system: Names) -> Iterator[Check]:
    """What judges the options of a create or an update; imports of history may hold retired ones."""
    create = request.operation == "create"
    if request.operation not in ("create", "update"):
        return
    for f in release.object(request.object).fields.values():
        options = release.model.value_sets[f.options].options if f.options else {}
        if not options or f.type not in ("select", "multi_select"):
            continue
        if (create or f.name in given) and not request.historical:
            for option in options.values():
                if not option.active:
                    yield Check("record.option", f.name, None, option.label, _kept(request, f, option, system, create))
        if f.depends_on and (create or {f.name, f.depends_on.field} & given):
            fits = _fits(request.object, f, f.depends_on, options, release, system)
            yield Check("record.option_dependent", f.name, None, {}, fits)


def _kept(request: RecordWrite, f: Field, option: Option, system: Names, create: bool) -> Node:
    """The option is not there, or it was there before."""

    def there(image: Image) -> Node:
        return _chosen(system.field(request.object, f.name, image), f, option.name)

    absent = negated(there("new"))
    return absent if create else any_of(absent, there("old"))


def _chosen(value: Node, f: Field, option: str) -> Node:
    if f.type == "multi_select":
        return Call(BOOLEAN, "INCLUDES", (value, code(option)))
    return same(value, code(option))


def _fits(
    obj: str, f: Field, dependence: Dependence, options: Mapping[str, Option], release: Release, system: Names
) -> Node:
    """No option is chosen that does not go with the value of the controlling field."""
    value, control = system.field(obj, f.name), system.field(obj, dependence.field)
    boolean = release.object(obj).fields[dependence.field].type == "boolean"
    blank = Call(BOOLEAN, "isblank", (control,))
    listed = list(dependence.options)
    tests = [negated(filled(value))]
    for key, allowed in dependence.options.items():
        here = same(control, Literal(BOOLEAN, key == "true")) if boolean else same(control, code(key))
        tests.append(all_of(here, _only(value, f, allowed, options)))
    tests.append(all_of(blank, _only(value, f, dependence.blank, options)))
    if not boolean:
        others = all_of(filled(control), negated(among(control, listed)))
        tests.append(all_of(others, _only(value, f, dependence.otherwise, options)))
    return any_of(*tests)


def _only(value: Node, f: Field, allowed: tuple[str, ...], options: Mapping[str, Option]) -> Node:
    """Nothing but these options is chosen."""
    if f.type == "select":
        return among(value, allowed)
    others = [negated(_chosen(value, f, name)) for name in options if name not in allowed]
    return all_of(*others) if others else Literal(BOOLEAN, True)
