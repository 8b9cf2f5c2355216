"""When a part of a formula is an error of the row, and which (formula.md 2.7).

A guard is a condition for the value beside it (`condition`), and a code for whoever shows the error (`code`). The
code is only written into a statement that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Text, and_, case, literal_column, null, or_, true
from sqlalchemy import false as no
from sqlalchemy.sql.elements import ColumnElement

ERRORS: dict[str, str] = {
    "DIV0": "division by zero",
    "NUM": "a number outside what the function can compute",
    "VALUE": "a text that is not what the function reads",
    "DATE": "a date outside the years 1 to 9999, or one that does not exist",
    "REF": "a record or function that is not there",
    "OVERFLOW": "a number that is too large",
    "LIMIT": "a text or list that is too long",
    "CUSTOM": "an error that the formula raises itself",
}
"""Every error that a row can be in; the codes are stable."""

Outcome: TypeAlias = "str | ColumnElement[Any] | Guard | None"


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """The first case whose condition is TRUE decides: a code of `ERRORS` (or a column that holds one) is that error,
    a guard is looked into, None is no error. A case without condition is decided by its guard being in error."""

    cases: tuple[tuple[ColumnElement[bool] | None, Outcome], ...]

    @property
    def condition(self) -> ColumnElement[bool]:
        """TRUE where there is an error; FALSE or NULL elsewhere."""
        *before, last = self.cases
        if not all(_sure(*each) for each in before) or last[1] is None:
            return case(*((_when(*each), _holds(*each)) for each in self.cases), else_=no())
        found = [_when(*each) for each in before]
        found.append(_when(*last) if _sure(*last) else and_(_when(*last), _holds(*last)))
        return found[0] if len(found) == 1 else or_(*found)

    @property
    def code(self) -> ColumnElement[str]:
        """The code of the error, NULL where there is none."""
        return case(*((_when(test, outcome), _code(outcome)) for test, outcome in self.cases), else_=null())


def _when(test: ColumnElement[bool] | None, outcome: Outcome) -> ColumnElement[bool]:
    if test is not None:
        return test
    assert isinstance(outcome, Guard)
    return outcome.condition


def _sure(test: ColumnElement[bool] | None, outcome: Outcome) -> bool:
    """Whether the case is an error wherever it decides."""
    return test is None or not isinstance(outcome, Guard | None)


def _holds(test: ColumnElement[bool] | None, outcome: Outcome) -> ColumnElement[bool]:
    if outcome is None:
        return no()
    return true() if _sure(test, outcome) else outcome.condition  # type: ignore[union-attr]


def _code(outcome: Outcome) -> Any:
    if isinstance(outcome, str):
        return literal_column(f"'{outcome}'", Text())
    return outcome.code if isinstance(outcome, Guard) else null() if outcome is None else outcome


def raises(code: str, condition: ColumnElement[bool] | None) -> Guard | None:
    """The error of that code where the condition is TRUE; None where there is no condition."""
    if code not in ERRORS:
        raise ValueError(f"there is no error code {code}")
    return None if condition is None else Guard(((condition, code),))


def held(code: ColumnElement[Any]) -> Guard:
    """The error that a column of the statement holds, NULL being none."""
    return Guard(((code.is_not(None), code),))


def first(*guards: Guard | None) -> Guard | None:
    """The first of the guards that is in error; None where none can be."""
    found = [guard for guard in guards if guard is not None]
    if len(found) < 2:
        return found[0] if found else None
    cases: list[tuple[ColumnElement[bool] | None, Outcome]] = []
    for guard in found:
        plain = all(test is not None and not isinstance(outcome, Guard | None) for test, outcome in guard.cases)
        cases += guard.cases if plain else ((None, guard),)
    return Guard(tuple(cases))


def only(condition: ColumnElement[bool], guard: Guard | None) -> Guard | None:
    """The guard where the condition is TRUE, elsewhere no error."""
    return None if guard is None else Guard(((condition, guard),))


def chosen(
    branches: Iterable[tuple[ColumnElement[bool], Guard | None, Guard | None]], otherwise: Guard | None
) -> Guard | None:
    """The guard of the branch that is taken. A branch is (condition, guard of the condition, guard of the value)."""
    cases: list[tuple[ColumnElement[bool] | None, Outcome]] = []
    for test, before, inside in branches:
        if before is not None:
            cases.append((None, before))
        cases.append((test, inside))
    cases.append((true(), otherwise))
    return Guard(tuple(cases)) if any(outcome is not None for _, outcome in cases) else None
