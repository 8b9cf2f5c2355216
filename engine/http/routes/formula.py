"""`/{tenant}/api/formula/check` and `/complete`: help with writing a formula, over what the caller may read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.base.errors import Refused
from engine.http.call import Call
from engine.http.reply import Reply, json_reply
from engine.http.resource import Action, Resource
from metamodel.editing.describe import describer
from metamodel.formula import limits, service
from metamodel.formula.scope import Scope
from metamodel.formula.types import BOOLEAN

Place = Literal["query", "field", "rule", "group", "measure"]
CONDITIONS = frozenset({"query", "rule"})
MOST = 100
"""Candidates that are answered at most."""


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """`place` is where the formula is to stand: functions and what may be named differ."""

    object: str
    formula: str
    place: Place = "query"


class Started(Question, forbid_unknown_fields=True):
    """A formula that is being written; `offset` counts code points, None is the end."""

    offset: int | None = None


async def check_formula(call: Call) -> Reply:
    """`{"ok", "type", "nullable", "problems": [{"code", "severity", "message", "hint", "start", "end", "fixes"}],
    "references": [{"start", "end", "kind", "owner", "name"}]}`."""
    asked = await call.typed(Question)
    scope = _scope(call, asked)
    of, found = service.diagnose(asked.formula, scope)
    return json_reply(
        {
            "ok": of is not None,
            "type": str(of) if of else None,
            "nullable": of.nullable if of else None,
            "problems": [_problem(one) for one in found],
            "references": [msgspec.to_builtins(name) for name in service.names(asked.formula, scope)],
        }
    )


async def complete_formula(call: Call) -> Reply:
    """`{"candidates": [...], "signature": {...} | null, "hover": {...} | null}` at an offset."""
    asked = await call.typed(Started)
    scope = _scope(call, asked)
    text = asked.formula[: limits.SOURCE_CHARACTERS]
    offset = min(max(0, len(text) if asked.offset is None else asked.offset), len(text))
    expect = BOOLEAN if asked.place in CONDITIONS else None
    describe = describer(call.release.model, call.ctx.locale)
    found = service.complete(text, offset, scope, expect, describe)
    return json_reply(
        {
            "candidates": [_candidate(one) for one in found[:MOST]],
            "signature": _signature(service.signature(text, offset, scope)),
            "hover": _hover(service.hover(text, offset, scope, describe)),
        }
    )


def _scope(call: Call, asked: Question) -> Scope:
    """What the caller may name there."""
    rights = call.rt.rights(call.ctx.actor, call.release)
    if asked.object not in call.release.model.objects or not rights.allows(asked.object, "read"):
        raise Refused("object.unknown", f'there is no object "{asked.object}"')
    measure = asked.place == "measure"
    return Scope(
        rights.schema, asked.place, row=None if measure else asked.object, rows=asked.object if measure else None,
        old=asked.place == "rule",
    )  # fmt: skip


def _problem(found: service.Found) -> dict[str, Any]:
    d = found.problem
    return {
        "code": f"formula.{d.code}", "severity": "warning" if d.warning else "error", "message": d.message,
        "hint": d.hint, "start": d.start, "end": d.end,
        "fixes": [{"title": f.title, "start": f.start, "end": f.end, "text": f.text} for f in found.fixes],
    }  # fmt: skip


def _candidate(found: service.Candidate) -> dict[str, Any]:
    return {
        "label": found.label, "text": found.text, "start": found.start, "end": found.end, "kind": found.sort,
        "detail": found.detail or None, "doc": found.doc or None, "cursor": len(found.text) - found.inside,
    }  # fmt: skip


def _signature(found: service.Signature | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"label": found.label, "doc": found.doc, "parameters": list(found.parameters), "active": found.active}


def _hover(found: service.Hover | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "start": found.start, "end": found.end, "title": found.title, "type": str(found.type) if found.type else None,
        "nullable": found.type.nullable if found.type else None, "doc": found.doc or None, "reads": list(found.reads),
        "volatility": found.volatility, "cost": found.cost,
    }  # fmt: skip


RESOURCES = (
    Resource("/{tenant}/api/formula/check", POST=Action(check_formula, "user")),
    Resource("/{tenant}/api/formula/complete", POST=Action(complete_formula, "user")),
)
