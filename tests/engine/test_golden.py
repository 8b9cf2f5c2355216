"""The statements of typical plans as text: a change of what is sent to the database is read like code.

`pytest tests/engine/test_golden.py --rewrite-golden` writes them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.plan.access import Rights
from engine.plan.assignment import plan_assignment
from engine.plan.moves import plan_moves
from engine.plan.names import Names
from engine.plan.read import plan_read
from engine.plan.report import plan_aggregate
from engine.plan.request import AggregateQuery, RecordQuery, RecordWrite
from engine.plan.write import plan_write
from engine.release.release import Release, make
from engine.sql.assignment import facts_statement
from engine.sql.moves import moves_statement
from engine.sql.read import read_statement
from engine.sql.report import report_statement
from engine.sql.write import write_statement
from tests.engine.support import PACK
from tests.tenancy import load_folder

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def release() -> Release:
    loaded = load_folder(PACK)
    return make("yard", "t_yard", 1, loaded.data, None, model=loaded.model)


def _read(roles: tuple[str, ...], after: tuple[bool, ...] | None = None, **query: object) -> Callable[[Release], str]:
    def text(release: Release) -> str:
        rights = Rights(release, roles)
        asked = RecordQuery(object="job", **query)  # type: ignore[arg-type]
        return read_statement(plan_read(asked, rights, Names(release, rights), after).plan, None).text

    return text


def _write(operation: str, roles: tuple[str, ...], *given: str, into: str | None = None) -> Callable[[Release], str]:
    def text(release: Release) -> str:
        request = RecordWrite(object="job", operation=operation)  # type: ignore[arg-type]
        plan = plan_write(
            request, Rights(release, roles), frozenset(given), frozenset(), ("id", "name", "stage"), into
        )
        return write_statement(plan, None).text

    return text


def _aggregate(release: Release) -> str:
    rights = Rights(release, ("worker",))
    query = AggregateQuery(object="job", by={"kind": "kind"}, measures={"parts": "SUM(priced)"}, where="cost > 1")
    return report_statement(plan_aggregate(query, rights, Names(release, rights)).plan, None).text


def _moves(release: Release) -> str:
    rights = Rights(release, ("worker",))
    plan = plan_moves(rights, Names(release, rights), "job", release.model.processes["job_life"], "draft")
    return moves_statement(plan, None).text


def _assignment(_: Release) -> str:
    """That of the sales pack with the most entries, with caps and absence."""
    loaded = load_folder(ROOT / "tenant_configs/sales")
    release = make("sales", "t_sales", 1, loaded.data, None, model=loaded.model)
    chosen = max(release.model.assignments.values(), key=lambda assignment: len(assignment.entries))
    rights = Rights(release, ("sales_manager",))
    return facts_statement(plan_assignment(release, Names(release, rights), chosen), None).text


PLANS: dict[str, Callable[[Release], str]] = {
    "read_single": _read(("boss",), single=True, fields=("id", "name", "total", "site.name")),
    "read_page": _read(("boss",), fields=("id", "name"), where="cost > 40 AND kind = 'small'", order=("-due",)),
    "read_page_behind_cursor": _read(
        ("boss",), (False, False), fields=("id",), order=("due",)
    ),
    "read_page_with_access": _read(
        ("worker",), fields=("id", "site.name", "priced"), where="site.zone = 'north'", count=True
    ),
    "read_page_by_rollup": _read(("boss",), fields=("id", "priced"), where="priced > 3", order=("-priced",)),
    "read_masked_cells": _read(("worker", "planner"), fields=("id", "cost", "total", "site.zone")),
    "aggregate_lateral": _aggregate,
    "create": _write("create", ("worker",), "name", "site", "code"),
    "update": _write("update", ("boss",), "name"),
    "update_into_stage": _write("update", ("worker",), "qty", "stage", into="planned"),
    "update_stage": _write("update", ("worker",), "stage", "qty"),
    "delete": _write("delete", ("boss",)),
    "moves": _moves,
    "assignment": _assignment,
}


@pytest.mark.parametrize("name", PLANS)
def test_statements_are_as_reviewed(name: str, release: Release, request: pytest.FixtureRequest) -> None:
    file, text = GOLDEN / f"{name}.sql", PLANS[name](release).strip() + "\n"
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if request.config.getoption("--rewrite-golden"):
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, "run with --rewrite-golden and read the difference"


def test_no_statement_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*.sql")} == set(PLANS)
