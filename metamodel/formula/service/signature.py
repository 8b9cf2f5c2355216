"""The call that a place stands in, and which of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from metamodel.formula.functions.registry import Param
from metamodel.formula.scope import Scope
from metamodel.formula.service.situation import situation


@dataclass(frozen=True, slots=True)
class Signature:
    """`parameters` are spans of `label`; `active` is the index of the one at the place, or None."""

    label: str
    doc: str
    parameters: tuple[tuple[int, int], ...]
    active: int | None


def signature(source: str, offset: int, scope: Scope) -> Signature | None:
    """The innermost known call around an offset."""
    at = situation(source, offset, scope)
    call = at.call
    found = call.function if call and not at.comment else None
    if call is None or found is None:
        return None
    spans = []
    where = len(found.name) + 1
    for param in found.params:
        shown = _shown(param)
        spans.append((where, where + len(shown)))
        where += len(shown) + 2
    active = call.param
    index = next((n for n, param in enumerate(found.params) if param is active), None)
    return Signature(found.signature, " ".join(found.doc.split()), tuple(spans), index)


def _shown(param: Param) -> str:
    return f"[{param.name}]" if param.optional else param.name
