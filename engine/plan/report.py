"""A declared report, or an aggregate query of a caller, becomes a `ReportPlan` in the viewer's rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.base.errors import Fault, Refused
from engine.base.limits import REPORT_ROWS
from engine.plan.access import Rights
from engine.plan.names import Names
from engine.plan.passes import FILTER, ROWS, run
from engine.plan.planned import Join
from engine.plan.read import checked
from engine.plan.request import AggregateQuery
from engine.release.release import TableRef
from metamodel.formula.depends import reads
from metamodel.formula.typed import Node
from metamodel.formula.types import BOOLEAN
from metamodel.kinds.common import Formula, Text
from metamodel.kinds.report import Report
from metamodel.model_schema import ModelSchema


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A group or measure: its value, and for options their declared order, in which it sorts."""

    name: str
    tree: Node
    ranks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """Everything that the statement needs. `order` holds (column's name, descending)."""

    table: TableRef
    zone: str
    access: Node | None
    where: Node | None
    groups: tuple[ReportColumn, ...]
    measures: tuple[ReportColumn, ...]
    order: tuple[tuple[str, bool], ...]
    totals: bool
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class Heading:
    """What a column of the result is called and how it is shown; `options` labels the values of a select."""

    name: str
    label: Text
    kind: str
    format: str | None
    options: Mapping[str, Text]
    measure: bool


@dataclass(frozen=True, slots=True)
class PlannedReport:
    """A plan with the caller's values, the headings of its columns and the number of rows wanted."""

    plan: ReportPlan
    values: tuple[Any, ...]
    headings: tuple[Heading, ...]
    limit: int


def visible(report: Report, rights: Rights) -> bool:
    """Whether the viewer may read everything that the report is made of; one that uses more does not exist for him."""
    if not rights.allows(report.object, "read"):
        return False
    model, schema = rights.release.model, ModelSchema(rights.release.model)
    formulas = [c.value for c in (*report.groups.values(), *report.measures.values())]
    formulas += [report.where] if report.where else []
    return all(
        field in rights.readable(obj)
        for formula in formulas
        for obj, field in reads(model.typed[formula.key], schema, report.object).fields
    )


def plan_report(report: Report, rights: Rights, names: Names) -> PlannedReport:
    """The plan of a declared report. Raises Refused "report.unknown" where the viewer may not read its parts."""
    if not visible(report, rights):
        raise Refused("report.unknown", f'there is no report "{report.name}"')
    release = rights.release

    def tree(formula: Formula) -> Node:
        return names.tree(release.model.typed[formula.key], report.object)

    groups = tuple(_column(c.name, tree(c.value), rights) for c in report.groups.values())
    measures = tuple(_column(c.name, tree(c.value), rights) for c in report.measures.values())
    where = tree(report.where) if report.where else None
    made = _plan(report.object, rights, names, where, groups, measures, report.sort, report.totals)
    labels = {c.name: (c.label, c.format) for c in (*report.groups.values(), *report.measures.values())}
    return PlannedReport(made, (), _headings(groups, measures, rights, labels), report.limit or REPORT_ROWS)


def plan_aggregate(query: AggregateQuery, rights: Rights, names: Names) -> PlannedReport:
    """The plan of a caller's own grouping. Raises Refused "object.unknown" or "query.invalid" with every fault."""
    obj = query.object
    if obj not in rights.release.model.objects or not rights.allows(obj, "read"):
        raise Refused("object.unknown", f'there is no object "{obj}"')
    values: list[Any] = []
    faults: list[Fault] = []
    groups = _checked(query.by, obj, rights, names, values, faults, measure=False)
    measures = _checked(query.measures, obj, rights, names, values, faults, measure=True)
    where = checked(query.where, obj, names, "query", values, faults, "where", expect=BOOLEAN) if query.where else None
    order = tuple((key.removeprefix("-"), key.startswith("-")) for key in query.order)
    known = {c.name for c in (*groups, *measures)}
    faults += [Fault("query.invalid", f'there is no column "{key}"', "order") for key, _ in order if key not in known]
    limit = REPORT_ROWS if query.limit is None else query.limit
    if not 1 <= limit <= REPORT_ROWS:
        faults.append(Fault("query.invalid", f"limit is a number from 1 to {REPORT_ROWS}", "limit"))
    if not query.measures:
        faults.append(Fault("query.invalid", "at least one measure is needed", "measures"))
    if faults:
        raise Refused("query.invalid", faults[0].detail, faults=faults)
    made = _plan(obj, rights, names, where, groups, measures, order, False)
    labels = {c.name: ({"en": c.name}, None) for c in (*groups, *measures)}
    return PlannedReport(made, tuple(values), _headings(groups, measures, rights, labels), limit)


def _checked(
    columns: Mapping[str, str], obj: str, rights: Rights, names: Names, values: list[Any], faults: list[Fault],
    *, measure: bool,
) -> tuple[ReportColumn, ...]:
    where, pointer = ("measure", "measures") if measure else ("group", "by")
    found = []
    for name, text in columns.items():
        tree = checked(text, obj, names, where, values, faults, pointer, measure=measure)  # type: ignore[arg-type]
        if tree is not None:
            found.append(_column(name, tree, rights))
    return tuple(found)


def _plan(
    obj: str, rights: Rights, names: Names, where: Node | None, groups: tuple[ReportColumn, ...],
    measures: tuple[ReportColumn, ...], order: Sequence[tuple[str, bool]], totals: bool,
) -> ReportPlan:
    access = names.grant(rights.rows(obj, "read"), obj, ROWS)
    where = where and run(FILTER, where)
    trees = (access, where, *(c.tree for c in (*groups, *measures)))
    return ReportPlan(
        rights.release.table(obj), rights.release.model.settings.time_zone, access, where, groups, measures,
        tuple(order) or tuple((c.name, False) for c in groups), totals, names.joins(trees, obj),
    )


def _column(name: str, tree: Node, rights: Rights) -> ReportColumn:
    return ReportColumn(name, tree, tuple(_options(tree, rights)))


def _options(tree: Node, rights: Rights) -> Mapping[str, Text]:
    model, of = rights.release.model, (tree.type.of if tree.type.kind == "select" else None) or ""
    return {choice.name: choice.label for choice in model.choices(of).values()}


def _headings(
    groups: tuple[ReportColumn, ...], measures: tuple[ReportColumn, ...], rights: Rights,
    labels: Mapping[str, tuple[Text, str | None]],
) -> tuple[Heading, ...]:
    return tuple(
        Heading(c.name, labels[c.name][0], c.tree.type.kind, labels[c.name][1], _options(c.tree, rights), c in measures)
        for c in (*groups, *measures)
    )
