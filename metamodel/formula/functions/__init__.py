"""The functions of the language, by group; importing this package fills the table in `registry`."""

from __future__ import annotations

from metamodel.formula.functions import aggregate, date, lists, logic, number, operators, text

__all__ = ["aggregate", "date", "lists", "logic", "number", "operators", "text"]
