"""What the new rows break, and the gate that refuses the statement where they break anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CompoundSelect,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.checks import Check
from engine.plan.keys import InUse, Reference, Unique
from engine.plan.planned import Image, own
from engine.plan.write import WritePlan
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, Carried, Source, constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.files import FAULTS, unfit
from engine.sql.images import materialized, no_row
from engine.sql.joins import Frame, frame, tables
from engine.sql.statement import slot
from metamodel.formula.functions import sql
from metamodel.formula.functions.guard import ERRORS

Rows: TypeAlias = "CompoundSelect[Any] | Select[Any]"

MISSING, STALE = -1, -2
SPAN = 10_000
REFERENCE, UNIQUE, IN_USE, ATTACHED, FAILED = (n * SPAN for n in range(1, 6))
"""Numbers of what is broken: these two, that of a check, and from each of the others on that of its kind; a check that
can not be told has its own number from FAILED on, and a span further for each error of `ERRORS`."""


def judged_rows(plan: WritePlan, environment: Environment, raw: CTE, old: Carried | None, new: CTE) -> Rows:
    """Rows of (`_ord`, numbers of what is `broken`), with those that are `noted` and refuse nothing where there are
    any; a row of an update that was not found breaks MISSING."""
    checks = [(n, check) for n, check in enumerate(plan.checks) if not check.late]
    trees = [tree for _, check in checks for tree in (check.holds, check.when)]
    images: dict[Image, Source] = {"new": new}
    source: FromClause = new
    if old is not None:
        images["old"] = old
    elif any(node.image == "old" for tree in trees if tree is not None for node in own(tree)):
        images["old"] = blank = no_row(plan)
        source = new.join(blank, true())
    rows = frame(environment, images, plan.check_joins, trees, source=source)
    tests = [broken_check(check, rows, n) for n, check in checks if check.severity != "info"]
    references = enumerate(plan.references)
    tests += [_number(_dangling(r, plan, environment, old, new), REFERENCE + n) for n, r in references]
    tests += [_number(_taken(u, plan, new, environment.case_collation), UNIQUE + n) for n, u in enumerate(plan.uniques)]
    tests += [_number(_used(u, plan, new), IN_USE + n) for n, u in enumerate(plan.in_use)]
    for n, files in enumerate(plan.attached):
        faults = enumerate(unfit(files, plan, new))
        tests += [_number(test, ATTACHED + n * len(FAULTS) + kind) for kind, test in faults]
    if old is not None and plan.operation != "restore":
        tests.append(_number(of(new, "_version", BigInteger()) != of(old, "version", BigInteger()), STALE))
    told = [numbers(tests).label("broken"), *noted(checks, rows)]
    judged = select(of(new, "_ord", Integer()).label("_ord"), *told).select_from(rows.source)
    if old is None:
        return judged
    present = exists().where(of(new, "_ord", Integer()) == of(raw, "_ord", Integer()))
    missing = [integers([_integer(MISSING)]), *(integers([]) for _ in told[1:])]
    return union_all(judged, select(of(raw, "_ord", Integer()), *missing).where(not_(present)))


def numbers(tests: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    """An array of the numbers of those tests that give one."""
    return func.array_remove(integers(tests), null())


def noted(checks: Iterable[tuple[int, Check]], rows: Frame) -> list[ColumnElement[Any]]:
    """The column of what is broken and refuses nothing, where there can be such."""
    tests = [broken_check(check, rows, n) for n, check in checks if check.severity == "info"]
    return [numbers(tests).label("noted")] if tests else []


def gate_of(judged: Rows) -> CTE:
    """One row, `open`, that every write of the statement asks; where anything is broken it raises instead. What is
    noted stands beside it as JSON text, `notices`, like the violations."""
    rows = judged.cte("judged")
    broken = of(rows, "broken", ARRAY(Integer()))
    found = (
        select(func.jsonb_agg(func.jsonb_build_array(of(rows, "_ord", Integer()), broken)))
        .where(func.cardinality(broken) > literal(0, Integer(), literal_execute=True)).select_from(rows)
    )
    refuse = func.fieldwright.refuse_if(found.scalar_subquery(), type_=Boolean())
    columns = [refuse.label("open")]
    if "noted" in rows.c:
        noted_ = of(rows, "noted", ARRAY(Integer()))
        some = func.cardinality(noted_) > literal(0, Integer(), literal_execute=True)
        listed = select(cast(func.json_agg(func.json_build_array(of(rows, "_ord", Integer()), noted_)), Text))
        columns.append(listed.where(some).select_from(rows).scalar_subquery().label("notices"))
    return materialized(select(*columns).cte("gate"))


def passed(gate: CTE) -> ColumnElement[bool]:
    """The condition of everything that is written."""
    return of(gate, "open", Boolean())


def integers(items: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    """An array of numbers."""
    return cast(array(items), ARRAY(Integer()))


def _number(test: ColumnElement[bool], number: int) -> ColumnElement[Any]:
    return case((test, _integer(number)))


def _integer(value: int) -> ColumnElement[int]:
    return literal(value, Integer(), literal_execute=True)


def broken_check(check: Check, rows: Frame, number: int) -> ColumnElement[Any]:
    """The number where the check is broken, that of its error where it can not be told, else NULL."""
    if check.grant:
        return _number(not_(func.coalesce(expression.grants(check.holds, rows.row), false())), number)
    told: ColumnElement[Any] = _integer(number)
    if expression.failed(check.holds, rows.row) is not sql.FALSE:
        failed = {constant(e): _integer(FAILED + n * SPAN + number) for n, e in enumerate(ERRORS)}
        told = case(failed, value=expression.error(check.holds, rows.row), else_=told)
    broken = case((expression.violated(check.holds, rows.row), told))
    return broken if check.when is None else case((expression.condition(check.when, rows.row), broken))


def _dangling(
    r: Reference, plan: WritePlan, environment: Environment, old: Carried | None, new: CTE
) -> ColumnElement[bool]:
    """Whether the row refers to one that is not there; what comes back in the same batch (slot `batch`) is there."""
    target = qualified(r.table).alias()
    rows = frame(environment, {"new": target}, r.joins, (r.condition,))
    value = of(new, r.column, Uuid())
    there: ColumnElement[bool] = of(target, "deleted_at", DateTime()).is_(None)
    if plan.operation == "restore":
        there = or_(there, of(target, "deleted_batch", Uuid()) == slot("batch", Uuid()))
    where = [of(target, "id", Uuid()) == value, there]
    if r.condition is not None:
        where.append(expression.grants(r.condition, rows.row))
    absent = not_(_exists(rows, where))
    if old is not None and r.changed_only:
        return and_(value.is_distinct_from(of(old, r.column, Uuid())), value.is_not(None), absent)
    return and_(value.is_not(None), absent)


def _taken(u: Unique, plan: WritePlan, new: CTE, collation: str | None) -> ColumnElement[bool]:
    other = qualified(plan.table).alias()

    def compared(rows: FromClause, name: str, type_: str) -> ColumnElement[Any]:
        value = of(rows, name, COLUMN_TYPES[type_])
        return sql.folded(value, collation) if name in u.folded else value

    columns = [(compared(new, name, type_), compared(other, name, type_)) for name, type_ in u.columns]
    where = [mine == theirs for mine, theirs in columns]
    meant: ColumnElement[bool] = true()
    if u.where is not None:
        meant = expression.condition(u.where, frame_of(new).row)
        where += [meant, expression.condition(u.where, frame_of(other).row)]
    where += [of(other, "id", Uuid()) != of(new, "id", Uuid()), of(other, "deleted_at", DateTime()).is_(None)]
    taken: ColumnElement[bool] = _exists(frame_of(other), where)
    if not plan.single:
        mine = [column for column, _ in columns]
        parts = mine if u.where is None else [*mine, meant]
        twice = func.count().over(partition_by=parts) > literal(1, BigInteger(), literal_execute=True)
        alike = [column.is_not(None) for column in mine] + ([] if u.where is None else [meant])
        taken = or_(taken, and_(twice, *alike))
    return taken


def _used(u: InUse, plan: WritePlan, new: CTE) -> ColumnElement[bool]:
    other = qualified(u.table).alias()
    id_ = of(new, "id", Uuid())
    where = [of(other, u.via, Uuid()) == id_, of(other, "deleted_at", DateTime()).is_(None)]
    if u.table == plan.table:
        where.append(of(other, "id", Uuid()) != id_)
    return _exists(frame_of(other), where)


def frame_of(source: FromClause) -> Frame:
    """A frame with nothing around its own row."""
    return Frame(Environment("UTC", None), {"new": source}, source=source, hops={("new", ()): source})


def _exists(rows: Frame, where: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    inner = select(literal(1, Integer(), literal_execute=True)).select_from(rows.source).where(*where)
    return inner.correlate_except(*tables(rows.source)).exists()
