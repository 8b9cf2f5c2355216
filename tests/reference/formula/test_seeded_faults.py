"""Faults put into the lowerings on purpose: a bounded run of the comparison finds every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st

from engine.sql import expression
from engine.testing.database import Database
from metamodel.formula.functions.guard import first
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from tests.reference.formula import strategies, world
from tests.reference.formula.compare import Bench
from tests.reference.formula.hunt import ROWS, Disagreement, hunt

Patch = pytest.MonkeyPatch
BOUND = 400
"""Formulas that a run may need; the comparison of every change draws about seven times as many."""


@pytest.fixture(scope="module")
def bench(database_url: str) -> Iterator[Bench]:
    database = Database(database_url)
    yield Bench(database, world.world(ROWS, 1))
    database.close()


def change(patch: Patch, name: str, **what: Any) -> None:
    """Another lowering for a function."""
    patch.setitem(FUNCTIONS, name, replace(FUNCTIONS[name], **what))


def no_guard_digits(patch: Patch) -> None:
    change(patch, "FLOOR", sql=lambda site, number, *step: sa.func.floor(number))


def comparison_without_guard_digits(patch: Patch) -> None:
    bare: Callable[..., Any] = lambda site, a, b: a > b  # noqa: E731
    change(patch, ">", sql=bare)


def unknown_order(patch: Patch) -> None:
    patch.setattr(expression, "_held", lambda found, node: found)


def half_to_even(patch: Patch) -> None:
    def even(site: Any, number: Any, *digits: Any) -> Any:
        places = sa.func.least(sa.func.greatest(digits[0], -60), 60) if digits else 0
        scale = sa.func.power(sa.cast(10, sa.Numeric), places)
        moved, whole = number * scale, sa.func.floor(number * scale)
        near = sa.case(
            (moved - whole > 0.5, whole + 1),
            (moved - whole < 0.5, whole),
            (sa.func.mod(whole, 2) == 0, whole),
            else_=whole + 1,
        )
        return near / scale

    change(patch, "ROUND", sql=even)


def short_quotient(patch: Patch) -> None:
    change(patch, "/", sql=lambda site, a, b: sa.func.round(sa.cast(a, sa.Numeric) / sa.func.nullif(b, 0), 16))


def months_without_clamp(patch: Patch) -> None:
    month = sa.literal_column("interval '1 month'")

    def rolled(site: Any, day: Any, months: Any) -> Any:
        start = sa.cast(sa.func.date_trunc("month", sa.cast(day, sa.DateTime)), sa.DateTime)
        count = sa.cast(sa.func.least(sa.func.greatest(months, -900), 900), sa.Integer)
        return sa.cast(start + count * month, sa.Date) + (sa.cast(sa.extract("day", day), sa.Integer) - 1)

    change(patch, "EDATE", sql=rolled)


def error_of_the_branch_not_taken(patch: Patch) -> None:
    right = FUNCTIONS["if"].lazy
    assert right is not None
    change(
        patch, "if", lazy=lambda site, *args: replace(right(site, *args), guard=first(*(arg.guard for arg in args)), nulls=False)
    )


def or_from_the_right(patch: Patch) -> None:
    right = expression.CONNECT["or"]
    patch.setitem(expression.CONNECT, "or", lambda node, row, total: right(replace(node, args=node.args[::-1]), row, total))


def order_without_case(patch: Patch) -> None:
    change(patch, "<", sql=lambda site, a, b: _folded(site, a) < _folded(site, b))


def _folded(site: Any, operand: Any) -> Any:
    return sa.func.lower(operand) if site.args[0].type.kind == "text" else operand


def division_without_guard(patch: Patch) -> None:
    change(patch, "/", errors={}, nulls=True)


def remainder_of_the_other_sign(patch: Patch) -> None:
    change(patch, "MOD", sql=lambda site, a, b: sa.func.mod(sa.cast(a, sa.Numeric), sa.func.nullif(b, 0)))


def sum_of_nothing_is_blank(patch: Patch) -> None:
    right = AGGREGATES["SUM"].sql
    patch.setitem(AGGREGATES, "SUM", replace(AGGREGATES["SUM"], sql=lambda *given: sa.func.nullif(right(*given), 0)))


def zone_of_nobody(patch: Patch) -> None:
    patch.setattr(world, "ZONE", "UTC")


def error_of_a_row_is_dropped(patch: Patch) -> None:
    patch.setattr(expression, "_any_row", lambda guard, meets: None)


def any_case_is_equal(patch: Patch) -> None:
    change(patch, "CONTAINS", sql=lambda site, text, part: sa.func.strpos(sa.func.lower(text), sa.func.lower(part)) > 0)


def wrong_code(patch: Patch) -> None:
    change(patch, "SQRT", errors={"VALUE": FUNCTIONS["SQRT"].errors["NUM"]})


FAULTS: dict[Callable[[Patch], None], tuple[str, ...]] = {
    no_guard_digits: ("FLOOR({N})", "(FLOOR({N} / 9 * 9))"),
    comparison_without_guard_digits: ("({N} > {N})", "(units / 7 * 7 > units)"),
    unknown_order: ("({N} < {N})", "({D} >= {D})"),
    half_to_even: ("ROUND({N}, {d})", "ROUND({N})"),
    short_quotient: ("({N} / {N})", "({N} / {s})"),
    months_without_clamp: ("EDATE({D}, {n})",),
    error_of_the_branch_not_taken: ("IF({B}, {N}, {N})",),
    or_from_the_right: ("({B} OR {B})", "OR({B}, {B})"),
    order_without_case: ("({T} < {T})",),
    division_without_guard: ("({N} / {N})", "ISERROR({N})"),
    remainder_of_the_other_sign: ("MOD({N}, {N})", "MOD({N}, {s})"),
    sum_of_nothing_is_blank: ("SUM(lines.price)", "SUM(lines[{line.B}].price)"),
    zone_of_nobody: ("DATEVALUE({I})", "HOUR({I})"),
    error_of_a_row_is_dropped: ("SUM(lines, {line.N})",),
    any_case_is_equal: ("CONTAINS({T}, {T})",),
    wrong_code: ("SQRT({N})",),
}
"""Each fault, and templates of the comparison that meet it."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(bench: Bench, fault: Callable[[Patch], None]) -> None:
    formulas = strategies.one_of(list(FAULTS[fault]), 2)
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        faulty = Bench.__new__(Bench)
        vars(faulty).update(vars(bench), row=world.row_of(bench.database))
        with pytest.raises(Disagreement):
            hunt(faulty, formulas, BOUND, fault.__name__, shrink=False)


def test_without_a_fault_the_same_run_finds_nothing(bench: Bench) -> None:
    every = st.sampled_from(sorted({template for found in FAULTS.values() for template in found}))
    assert hunt(bench, every.flatmap(lambda template: strategies.filled(template, 2)), BOUND, "none") > BOUND * ROWS / 2
