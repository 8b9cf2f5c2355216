"""The types of the formula language: one frozen value per static type, with its nullable and inexact flags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "text",
    "integer",
    "decimal",
    "money",
    "percent",
    "boolean",
    "date",
    "datetime",
    "time",
    "duration",
    "period",
    "select",
    "reference",
    "list",
    "geo",
    "json",
    "set",
    "null",
    "error",
]

NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "money", "percent"})


@dataclass(frozen=True, slots=True)
class Type:
    """A static type.

    `nullable`: the value may be blank. `inexact`: a number made by division, AVERAGE, a root or a logarithm
    (rounded to 18 places). `of`: the object of a `reference` or `set`, the value set of a `select`
    (a process's name for a stage); of a `list` it says the same of its elements, whose kind is `item`.
    """

    kind: Kind
    nullable: bool = True
    inexact: bool = False
    of: str | None = None
    item: Kind | None = None

    @property
    def number(self) -> bool:
        return self.kind in NUMBERS

    def blank(self, nullable: bool = True) -> Type:
        """The same type with the given nullability."""
        return self if self.nullable == nullable else replace(self, nullable=nullable)

    def rough(self, inexact: bool = True) -> Type:
        """The same type with the given exactness."""
        return self if self.inexact == inexact else replace(self, inexact=inexact)

    @property
    def element(self) -> Type:
        """The type of the elements of a list."""
        return Type(self.item or ("select" if self.of else "text"), False, self.inexact, self.of)

    def __str__(self) -> str:
        if self.item:
            return f"list<{self.element}>"
        return f"{self.kind}<{self.of}>" if self.of else self.kind


TEXT = Type("text")
INTEGER = Type("integer")
DECIMAL = Type("decimal")
MONEY = Type("money")
PERCENT = Type("percent")
BOOLEAN = Type("boolean", nullable=False)
DATE = Type("date")
DATETIME = Type("datetime")
TIME = Type("time")
DURATION = Type("duration")
PERIOD = Type("period", nullable=False)
GEO = Type("geo")
NULL = Type("null")
ERROR = Type("error")
