"""The expression of an index over a formula: lowered as in any query, so that PostgreSQL knows it again."""

from __future__ import annotations

from sqlalchemy import Text, column

from engine.plan.names import Names
from engine.release.release import Release
from engine.sql import expression
from engine.sql.columns import qualified
from engine.sql.expression import Environment
from engine.sql.joins import Frame
from engine.sql.statement import bare_text
from metamodel.formula.functions.sql import folded
from metamodel.formula.typed import Call, Node
from metamodel.kinds.object import Key


def index_expression(release: Release, obj: str, name: str, collation: str | None) -> str:
    """SQL over the bare columns of the object's table; all constants in it are written by the lowering."""
    tree = Names(release, None).computed(obj, name)
    environment = Environment(release.model.settings.time_zone, collation)
    rows = qualified(release.table(obj))
    bare = Frame(environment, {"new": rows}, hops={("new", ()): rows})
    return bare_text(expression.value(tree, bare.row))


def compared_expression(release: Release, obj: str, compared: Node, collation: str | None, grams: bool) -> str:
    """What a search for duplicates compares of a text, or its trigrams, as SQL over the bare columns."""
    rows = qualified(release.table(obj))
    bare = Frame(Environment(release.model.settings.time_zone, collation), {"new": rows}, hops={("new", ()): rows})
    tree = Call(compared.type, "trigrams", (compared,)) if grams else compared
    return bare_text(expression.value(tree, bare.row))


def key_condition(release: Release, obj: str, key: Key) -> str | None:
    """The condition of a unique key as SQL over the bare columns."""
    if key.where is None:
        return None
    tree = Names(release, None).tree(release.model.typed[key.where.key], obj)
    rows = qualified(release.table(obj))
    bare = Frame(Environment(release.model.settings.time_zone, None), {"new": rows}, hops={("new", ()): rows})
    return bare_text(expression.condition(tree, bare.row))


def folded_column(name: str, collation: str | None) -> str:
    """The key of an index for a column that is compared folded."""
    return f"({bare_text(folded(column(name, Text()), collation))})"
