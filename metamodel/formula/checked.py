"""What checking a formula gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from metamodel.formula import typed
from metamodel.formula.diagnostics import Diagnostic
from metamodel.formula.typed import Value

Blanks = OneOf["blank", "zero"]
"""How a number of the record that is blank is read."""
Named = OneOf["field", "child", "option", "function", "object"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the formula with its type as it was written, before literals are lifted; inner parts come first.
    `depth` counts the sets of records around it."""

    start: int
    end: int
    node: typed.Node
    depth: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that was resolved: `name` is a field or child set of `owner` (an object), an option or stage of `owner`
    (a value set or process), or a function (`owner` is empty). The span is that of the name alone."""

    start: int
    end: int
    kind: Named
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The typed tree (None where there are errors), the lifted literals by index, all problems in order, and what is
    known of each part and name, also of a formula with errors."""

    tree: typed.Node | None
    values: tuple[Value, ...]
    diagnostics: tuple[Diagnostic, ...]
    parts: tuple[Part, ...] = ()
    references: tuple[Reference, ...] = ()
