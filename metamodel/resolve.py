"""The merged tree of plain data -> a Model whose formulas are not typed yet."""

from __future__ import annotations

from metamodel.build import automation, processes, tenant
from metamodel.build import objects as build
from metamodel.build.parts import At, Data, text
from metamodel.kinds.value_set import ValueSet
from metamodel.model import Model


def resolve(data: Data, at: At = lambda path: None) -> Model:
    """Builds every declaration of the tree (shape: `metamodel/overlay.py`) and puts them into a Model.

    The data must have passed its schemas; names that lead nowhere are left for the rules to report.
    """
    objects = {name: build.object_(name, body, at) for name, body in data.get("object", {}).items()}
    sets: dict[str, ValueSet] = {
        name: build.value_set(name, text(body.get("label"), name), body["options"])
        for name, body in data.get("value_set", {}).items()
    }
    for name, body in data.get("object", {}).items():
        sets |= build.inline_sets(name, body)
    return Model(
        settings=tenant.settings(data.get("settings", {})),
        packs={name: tenant.pack(name, body) for name, body in data.get("packs", {}).items()},
        objects=objects,
        value_sets=sets,
        functions={name: build.function(name, body, at) for name, body in data.get("function", {}).items()},
        processes={name: processes.process(name, body, at) for name, body in data.get("process", {}).items()},
        conversions={name: processes.conversion(name, body, at) for name, body in data.get("conversion", {}).items()},
        duplicate_rules={
            name: processes.duplicate_rule(name, body, at) for name, body in data.get("duplicate_rule", {}).items()
        },
        reports={name: tenant.report(name, body, at) for name, body in data.get("report", {}).items()},
        workflows={name: automation.workflow(name, body, at) for name, body in data.get("workflow", {}).items()},
        assignments={name: automation.assignment(name, body, at) for name, body in data.get("assignment", {}).items()},
        roles={name: tenant.role(name, body, objects, at) for name, body in data.get("role", {}).items()},
        seeds={name: tenant.seed(name, body) for name, body in data.get("seed", {}).items()},
        calendars={name: tenant.calendar(name, body) for name, body in data.get("calendar", {}).items()},
    )
