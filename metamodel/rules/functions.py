"""A declared function has a name that the language leaves free, and parameters with a default come last."""

from __future__ import annotations

from itertools import pairwise

from metamodel.formula.functions.registry import aggregate, lookup
from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places

RESERVED = frozenset(
    "YTD QTD MTD WTD FYTD PTD RUNNINGTOTAL MOVINGSUM MOVINGAVG PRIORPERIOD SAMEPERIODLASTYEAR DELTA GROWTH RATIO "
    "PERCENTOFTOTAL PARENTGROUPVAL PREVGROUPVAL RANK OPENING CLOSING TARGET ATTAINMENT PACE TIERED TIERRATE RATETABLE "
    "PRORATE LET LAMBDA".split()
)
"""Names that the language keeps for itself (docs/decisions/0006-functions-of-the-grid.md)."""


def check(model: Model, at: Places, issues: Collector) -> None:
    for function in model.functions.values():
        name = function.name.upper()
        if name in RESERVED or lookup(name) or aggregate(name):
            message = f"the language has or reserves the function {name}"
            issues.add("M229", message, at.value("function", function.name, "name"), "choose another name")
        for before, after in pairwise(function.params.values()):
            if before.default and not after.default:
                issues.add(
                    "M230", f"{after.name} has no default, {before.name} before it has one",
                    at.key("function", function.name, "params", after.name), f"move {before.name} behind it",
                )  # fmt: skip
