"""A declared function has a name that the language does not have, and the parameters with a default come last."""

from __future__ import annotations

from metamodel.formula.functions.registry import aggregate, lookup
from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places


def check(model: Model, at: Places, issues: Collector) -> None:
    for function in model.functions.values():
        name = function.name.upper()
        if lookup(name) or aggregate(name):
            issues.add(
                "M229", f"{name} is a function of the language", at.value("function", function.name, "name"),
                "choose another name",
            )  # fmt: skip
        params = list(function.params.values())
        for before, after in zip(params, params[1:], strict=False):
            if before.default and not after.default:
                issues.add(
                    "M230", f"{after.name} has no default, {before.name} before it has one",
                    at.key("function", function.name, "params", after.name), f"move {before.name} behind it",
                )  # fmt: skip
