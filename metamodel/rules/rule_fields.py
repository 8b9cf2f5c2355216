"""The field beside which a rule's message is shown exists."""

from __future__ import annotations

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import find_field


def check(model: Model, at: Places, issues: Collector) -> None:
    for owner in model.objects.values():
        for rule in owner.rules.values():
            if rule.field:
                find_field(
                    owner,
                    rule.field,
                    ("object", owner.name, "rules", rule.name, "field"),
                    at,
                    issues,
                )
