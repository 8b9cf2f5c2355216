"""SQLAlchemy Core -> text with `$n`, once per plan; its parameters are named slots, filled when the statement runs.

Slot names: `v<i>` the i-th value of a caller, `now`, `today`, `user.id`, `user.<field>`, `user.role.<role>`,
`operator`, `locale` and `language` of the context, and any other name an argument of the statement (such as `payload`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import ClauseElement, sqltypes
from sqlalchemy.sql.elements import BindParameter

from engine.base.context import Context

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]
_DIALECT.supports_statement_cache = False

ROLE = "user.role."
"""Before the name of a role: whether the user has it."""
_CONTEXT: dict[str, Callable[[Context], Any]] = {
    "now": lambda ctx: ctx.now,
    "today": lambda ctx: ctx.today,
    "user.id": lambda ctx: ctx.actor.user,
    "locale": lambda ctx: ctx.locale,
    "language": lambda ctx: ctx.locale.split("-")[0],
    "operator": lambda ctx: ctx.actor.operator,
    "request": lambda ctx: ctx.request_id,
    "door": lambda ctx: ctx.door,
    "tenant": lambda ctx: ctx.tenant,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and the slots of its parameters in order."""

    text: str
    slots: tuple[str, ...]

    def arguments(self, ctx: Context, values: Sequence[Any] = (), **given: Any) -> list[Any]:
        """The values of all parameters for one run."""
        return [_fill(slot, ctx, values, given) for slot in self.slots]


def slot(name: str, type_: sqltypes.TypeEngine[Any]) -> BindParameter[Any]:
    """A parameter that is filled when the statement runs."""
    return bindparam(name, type_=type_, unique=False, required=False)


def compile_statement(element: ClauseElement) -> Statement:
    """The text of a statement; constants are rendered in it, slots become `$1` to `$n`."""
    compiled = element.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    slots = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
    stray = [name for name in slots if re.search(r"_\d+$", name)]
    if stray:
        raise AssertionError(f"constants must be rendered, not bound: {stray} in {compiled}")
    return Statement(str(compiled), slots)


def bare_text(element: ClauseElement) -> str:
    """The text of an expression over the columns of one table, without its name and without parameters."""
    compiled = element.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True, "include_table": False})
    assert not compiled.positiontup, compiled  # type: ignore[attr-defined]
    return str(compiled)


def _fill(name: str, ctx: Context, values: Sequence[Any], given: Mapping[str, Any]) -> Any:
    if name in given:
        return given[name]
    if name in _CONTEXT:
        return _CONTEXT[name](ctx)
    if name.startswith(ROLE):
        return name.removeprefix(ROLE) in ctx.actor.roles
    if name.startswith("user."):
        return ctx.actor.attributes.get(name[5:])
    return values[int(name[1:])]
