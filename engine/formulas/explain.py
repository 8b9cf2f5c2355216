"""What a formula is made of: its type, what it reads, how long its value stays true, its cost, and its SQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from engine.formulas.evaluate import checked
from engine.plan.names import Names
from engine.release.release import Release
from engine.sql import expression
from engine.sql.columns import qualified
from engine.sql.joins import frame
from engine.sql.statement import compile_statement
from metamodel.formula import typed
from metamodel.formula.checked import Blanks
from metamodel.formula.depends import Reads, reads
from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.functions.registry import Volatility
from metamodel.formula.types import Type
from metamodel.formula.volatility import volatility
from metamodel.formula.weight import weight
from metamodel.model_schema import ModelSchema


@dataclass(frozen=True, slots=True)
class Explained:
    """`because` is the part of the text that decides the volatility, empty where it is immutable; `weight` counts the
    parts of the SQL that a formula may have at most `limits.WEIGHT` of."""

    type: Type
    volatility: Volatility
    because: str
    weight: int
    reads: Reads
    warnings: tuple[Diagnostic, ...]
    sql: str


def explain(release: Release, obj: str, text: str, *, blanks: Blanks = "blank") -> Explained:
    """A formula over a record of `obj`. Raises `Wrong`."""
    schema = ModelSchema(release.model)
    tree, found = checked(text, schema, obj, blanks)

    def written(field: typed.Field) -> typed.Node | None:
        formula = release.object(field.object).fields[field.name].formula
        return release.model.typed[formula.key] if formula else None

    of, part = volatility(tree, written)
    place = next((p for p in found.parts if p.node is part), None)
    because = text[place.start : place.end] if place else text
    return Explained(
        tree.type, of, "" if of == "immutable" else because, weight(tree), reads(tree, schema, obj),
        found.diagnostics, _sql(release, obj, tree),
    )  # fmt: skip


def _sql(release: Release, obj: str, tree: typed.Node) -> str:
    names = Names(release, None)
    planned = names.tree(tree, obj)
    base = qualified(release.table(obj)).alias("t")
    environment = expression.Environment(release.model.settings.time_zone, None)
    rows = frame(environment, {"new": base}, names.joins((planned,), obj), (planned,))
    value = expression.value(planned, rows.row).label("value")
    return compile_statement(select(value).select_from(rows.source)).text
