"""Looking for disagreements: hypothesis draws formulas, a bench compares them over its rows."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.reference.formula.compare import Bench, Blanks

PAIRS = int(os.environ.get("FIELDWRIGHT_PAIRS", "100000"))
"""(formula, row) pairs that are compared in all."""
SEED = int(os.environ.get("FIELDWRIGHT_SEED", "1"))
"""Every run draws the same formulas and rows unless it names another seed."""
ROWS = 40


class Disagreement(AssertionError):
    """SQL and specification give different answers."""


def hunt(bench: Bench, formulas: st.SearchStrategy[str], examples: int, name: str, *, shrink: bool = True) -> int:
    """Compare that many formulas; gives the number of pairs. Runs of another name draw others. Raises `Disagreement`
    with the smallest formula found."""
    pairs = 0

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(formulas, st.sampled_from(bench.blanks))
    def run(text: str, blanks: Blanks) -> None:
        nonlocal pairs
        found = bench.differences(text, blanks)
        if found is None:
            return
        pairs += len(bench.records)
        if found:
            raise Disagreement(str(found[0]))

    seed(f"{SEED} {name}")(run)()
    return pairs


def shares(weights: dict[str, int], pairs: int) -> list[tuple[str, int]]:
    """How many formulas each part draws so that all together make that many pairs, refused ones allowed for."""
    total = sum(weights.values())
    return [(name, max(1, round(pairs * 1.1 * weight / total / ROWS))) for name, weight in weights.items()]
