"""The naive reference evaluator: every function that it knows is put into its table by importing the groups."""

from tests.reference.formula import aggregate, convert, core, date, finance, logic, number, text
from tests.reference.formula.core import CALLS, FOLDS, Evaluator
from tests.reference.formula.values import Fault

__all__ = ["CALLS", "FOLDS", "Evaluator", "Fault", "aggregate", "convert", "core", "date", "finance", "logic", "number", "text"]
