"""`/{tenant}/api/formula/check`: whether a formula is right, and of which type, over what the caller may read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.base.errors import Refused
from engine.http.call import Call
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from metamodel.formula.check import check
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope

Place = Literal["query", "field", "rule", "group", "measure"]


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """`place` is where the formula is to stand: functions and what may be named differ."""

    object: str
    formula: str
    place: Place = "query"


async def check_formula(call: Call) -> Reply:
    """`{"ok", "type", "nullable", "problems": [{"code", "message", "hint", "start", "end"}]}`."""
    asked = await call.typed(Question)
    rights = call.rt.rights(call.ctx.actor, call.release)
    if asked.object not in call.release.model.objects or not rights.allows(asked.object, "read"):
        raise Refused("object.unknown", f'there is no object "{asked.object}"')
    measure = asked.place == "measure"
    scope = Scope(
        rights.schema, asked.place, row=None if measure else asked.object, rows=asked.object if measure else None,
        old=asked.place == "rule",
    )  # fmt: skip
    try:
        result = check(parse(asked.formula), scope)
        tree, found = result.tree, result.diagnostics
    except FormulaError as error:
        tree, found = None, error.diagnostics
    return json_reply(
        {
            "ok": tree is not None,
            "type": str(tree.type) if tree else None,
            "nullable": tree.type.nullable if tree else None,
            "problems": [_problem(d) for d in found],
        }
    )


def _problem(d: Diagnostic) -> dict[str, Any]:
    return {"code": f"formula.{d.code}", "message": d.message, "hint": d.hint, "start": d.start, "end": d.end}


RESOURCES = (Resource("/{tenant}/api/formula/check", POST=Action(check_formula, "user")),)
