"""One small schema that the formula tests share, and the rows of it in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg

from engine.sql import expression
from metamodel.formula import typed
from metamodel.formula.check import check
from metamodel.formula.functions.guard import held
from metamodel.formula.parse import parse
from metamodel.formula.scope import ChildShape, FieldShape, FunctionShape, Organisation, ParamShape, Scope
from metamodel.formula.types import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    MONEY,
    PERCENT,
    TEXT,
    Type,
)

DIALECT = asyncpg.dialect()
ZONE = "Europe/Berlin"
ENVIRONMENT = expression.Environment(ZONE)


@dataclass(frozen=True)
class Shape:
    name: str
    fields: Mapping[str, FieldShape]
    children: Mapping[str, ChildShape] = field(default_factory=dict)


def _shape(name: str, *fields: FieldShape, children: tuple[ChildShape, ...] = ()) -> Shape:
    own = FieldShape("id", Type("reference", nullable=False, of=name))
    return Shape(name, {f.name: f for f in (own, *fields)}, {c.name: c for c in children})


def _lookup(name: str, target: str) -> FieldShape:
    return FieldShape(name, Type("reference", of=target), target)


STAGE = {"probability": PERCENT, "category": Type("select", of="categories")}

SHAPES = {
    shape.name: shape
    for shape in (
        _shape(
            "project",
            FieldShape("name", TEXT),
            FieldShape("note", TEXT),
            FieldShape("amount", MONEY),
            FieldShape("cost", MONEY),
            FieldShape("rate", PERCENT),
            FieldShape("factor", DECIMAL),
            FieldShape("count_of", INTEGER),
            FieldShape("units", INTEGER),
            FieldShape("due", DATE),
            FieldShape("begun", DATE),
            FieldShape("seen", DATETIME),
            FieldShape("ended", DATETIME),
            FieldShape("active", BOOLEAN),
            FieldShape("urgent", BOOLEAN),
            FieldShape("stage", Type("select", of="stages"), None, STAGE),
            FieldShape("tags", Type("list", of="colours")),
            _lookup("client", "client"),
            _lookup("owner", "user"),
            children=(ChildShape("lines", "line", "project", frozenset({"number"})),),
        ),
        _shape(
            "line",
            FieldShape("price", DECIMAL),
            FieldShape("quantity", INTEGER),
            FieldShape("number", INTEGER),
            FieldShape("label", TEXT),
            FieldShape("day", DATE),
            _lookup("project", "project"),
        ),
        _shape(
            "client",
            FieldShape("region", TEXT),
            FieldShape("vip", BOOLEAN),
            FieldShape("since", DATE),
            _lookup("owner", "user"),
            _lookup("parent", "client"),
            children=(ChildShape("projects", "project", "client"),),
        ),
        _shape(
            "exchange_rate",
            FieldShape("currency", TEXT.blank(False)),
            FieldShape("valid_from", DATE.blank(False)),
            FieldShape("rate", DECIMAL.blank(False)),
        ),
        _shape("user", FieldShape("region", TEXT), FieldShape("name", TEXT), _lookup("manager", "user")),
    )
}
OPTIONS = {
    "stages": ("open", "won", "lost"),
    "categories": ("open", "closed"),
    "colours": ("red", "green", "blue"),
}
ROLES = ("manager", "clerk")
GRANTING: Mapping[str, tuple[str, ...]] = {"project.edit": ("manager", "clerk"), "manage_users": ()}


def _declared(name: str, body: str, **params: Type) -> FunctionShape:
    return FunctionShape(name, tuple(ParamShape(n, of) for n, of in params.items()), parse(body))


FUNCTIONS = {
    shape.name: shape
    for shape in (
        _declared("margin", "(revenue - cost) / revenue", revenue=MONEY, cost=MONEY),
        _declared("twice", "x + x", x=DECIMAL),
        _declared("margin_of_twice", "MARGIN(TWICE(a), b)", a=MONEY, b=MONEY),
        _declared("ping", "PONG(x)", x=DECIMAL),
        _declared("pong", "PING(x) + 1", x=DECIMAL),
    )
}


class Schema:
    organisation = Organisation(ZONE, "EUR")

    @property
    def functions(self) -> Mapping[str, FunctionShape]:
        return FUNCTIONS

    def object(self, name: str) -> Shape | None:
        return SHAPES.get(name)

    def options(self, of: str) -> Collection[str]:
        return OPTIONS[of]

    def labels(self, of: str) -> Mapping[str, Mapping[str, str]]:
        return {name: {"en": name.title(), "zh-CN": f"{name}-zh"} for name in OPTIONS[of]}

    @property
    def roles(self) -> Collection[str]:
        return ROLES

    def granting(self, permission: str) -> Collection[str] | None:
        return GRANTING.get(permission)


SCHEMA = Schema()
ROW = Scope(SCHEMA, "rule", row="project", old=True)
QUERY = Scope(SCHEMA, "query", row="project")
MEASURE = Scope(SCHEMA, "measure", rows="project")

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.Text(),
    "select": sa.Text(),
    "integer": sa.BigInteger(),
    "decimal": sa.Numeric(),
    "money": sa.Numeric(),
    "percent": sa.Numeric(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "datetime": sa.DateTime(timezone=True),
    "reference": sa.Uuid(),
    "list": sa.ARRAY(sa.Text()),
}


PROJECT, LINE = sa.table("project"), sa.table("line")


@dataclass(frozen=True)
class Columns:
    """A row whose fields are columns; `old` and hops are prefixes of their names. With `table` they are qualified."""

    environment: expression.Environment = ENVIRONMENT
    table: Any = None

    def field(self, node: typed.Field) -> Any:
        name = "_".join((*(("old",) if node.image == "old" else ()), *node.path, node.name))
        return sa.column(name, COLUMNS[node.type.kind], _selectable=PROJECT if node.level else self.table)

    def property(self, node: typed.Property) -> Any:
        return sa.column(f"{self.field(node.field).name}_{node.name}", COLUMNS[node.type.kind])

    def system(self, node: typed.System) -> Any:
        return sa.bindparam(node.name.replace(".", "_"), type_=COLUMNS[node.type.kind])

    def param(self, node: typed.Param) -> Any:
        return sa.bindparam(f"v{node.index}", type_=COLUMNS[node.type.kind])

    def aggregate(self, node: typed.Aggregate) -> expression.Lowered:
        """The rows of the measure, or the lines of the project in a subquery of their own."""
        if node.relation is None:
            return expression.aggregate(node, self)
        made = expression.aggregate(node, Columns(self.environment, LINE))
        belongs = sa.column("project", _selectable=LINE) == sa.column("id", _selectable=PROJECT)

        def over(column: Any) -> Any:
            return sa.select(column).select_from(LINE).where(belongs).correlate(PROJECT).scalar_subquery()

        guard = held(over(made.guard.code)) if made.guard is not None else None
        return replace(made, value=sa.type_coerce(over(made.value), made.value.type), guard=guard)


def tree(text: str, scope: Scope = ROW, **how: Any) -> typed.Node:
    """The typed tree; the test fails with the diagnostics where there is none."""
    checked = check(parse(text), scope, **how)
    assert checked.tree is not None, (text, checked.diagnostics)
    return checked.tree


def codes(text: str, scope: Scope = ROW, **how: Any) -> list[str]:
    """The codes of the problems that checking finds."""
    return [d.code for d in check(parse(text), scope, **how).diagnostics]


def sql_of(clause: Any) -> str:
    """The statement text, on one line."""
    return " ".join(str(clause.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})).split())
