"""The handbook of a process: everything that people have to know, in their language, and nothing hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from metamodel.handbook import WORDS, handbook
from metamodel.load import load_packs

ROOT = Path(__file__).parents[2]
YARD = ROOT / "tests" / "engine" / "pack"


@pytest.fixture(scope="module")
def pages() -> dict[tuple[str, str], str]:
    model = load_packs([YARD], [ROOT / "tenant_configs"]).model
    return {(name, tag): handbook(model, p, tag) for name, p in model.processes.items() for tag in ("en", "zh-CN")}


def test_every_word_has_both_languages() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()


def test_a_page_tells_stages_criteria_tasks_and_moves(pages: dict[tuple[str, str], str]) -> None:
    page = pages["repairs", "en"]
    for line in (
        "# Repairs", '- Followed where: `kind = "repair" AND (ISBLANK(site) OR site.zone <> "south")`',
        "| Mending | open | 60% | commit | – |", "- Thank the caller: Warmly", "- Offer tea (optional)",
        "- Enter the cost (fill Cost)", "- Visit them (create: Visit)", "- Mending (forward, by the owner / Boss)",
        "- Mended (to close, by those for whom `solved_by = $user`, a reason is chosen: Solved / No answer)",
    ):  # fmt: skip
        assert line in page.splitlines(), line
    tickets = pages["tickets", "en"]
    assert "- Answer first" in tickets and "- Asked (to reopen)" in tickets and "- Answer" in tickets.splitlines()


def test_a_page_speaks_the_language(pages: dict[tuple[str, str], str]) -> None:
    page = pages["repairs", "zh-CN"]
    assert "# 维修流程" in page and "- 奉茶 (可选)" in page and "| 维修中 | 进行中 | 60% | 承诺 | – |" in page
    assert "Mending" not in page


def test_what_is_hidden_is_left_out() -> None:
    model = load_packs([YARD], [ROOT / "tenant_configs"]).model
    page = handbook(model, model.processes["repairs"], "en", lambda f: f.name != "cost", lambda formula: False)
    assert "Cost" not in page and "solved_by" not in page and "those for whom …" in page
