"""`kind: function`: a function that formulas may call, written as a formula over its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.formula.types import Kind
from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter. `type` is one of `PARAMETERS`; with a `default` it may be left out."""

    name: str
    type: str
    default: Formula | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDeclaration:
    """A function: the formula stands wherever it is called, its parameters replaced by the arguments."""

    name: str
    label: Text
    description: Text
    params: Mapping[str, Parameter]
    formula: Formula


PARAMETERS: tuple[Kind, ...] = (
    "text", "integer", "decimal", "money", "percent", "boolean", "date", "datetime", "time", "duration",
)  # fmt: skip
"""The types of parameters, as formulas name them."""
