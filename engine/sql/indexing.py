"""The expression of an index over a formula: lowered as in any query, so that PostgreSQL knows it again."""

from __future__ import annotations

from engine.plan.names import Names
from engine.release.release import Release
from engine.sql import expression
from engine.sql.columns import qualified
from engine.sql.expression import Environment
from engine.sql.joins import Frame
from engine.sql.statement import bare_text


def index_expression(release: Release, obj: str, name: str, collation: str | None) -> str:
    """SQL over the bare columns of the object's table; all constants in it are written by the lowering."""
    tree = Names(release, None).computed(obj, name)
    environment = Environment(release.model.settings.time_zone, collation)
    rows = qualified(release.table(obj))
    bare = Frame(environment, {"new": rows}, hops={("new", ()): rows})
    return bare_text(expression.value(tree, bare.row))
