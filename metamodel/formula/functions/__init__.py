"""The functions of the language, by group; importing this package fills the table in `registry`."""

from __future__ import annotations

from metamodel.formula.functions import aggregate, conditions, date, lists, logic, moves, number, operators, text

__all__ = ["aggregate", "conditions", "date", "lists", "logic", "moves", "number", "operators", "text"]
