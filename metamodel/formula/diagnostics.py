"""What is wrong with a formula: one shape, one table of stable codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CODES: dict[str, str] = {
    "E101": "unexpected symbol or word",
    "E102": "unexpected character",
    "E103": "a text is not closed",
    "E104": "unknown escape in a text",
    "E105": "typographic or full-width character",
    "E106": "semicolon as separator",
    "E107": "a bracket is not closed",
    "E108": "comparisons can not be chained",
    "E109": "the formula ends too early",
    "E110": "not a valid date, time or number",
    "E111": "the formula is empty",
    "E112": "a list can not stand here",
    "E201": "the operands do not fit the operator",
    "E202": "the units of the operands do not fit",
    "E203": "the formula has another type than its place needs",
    "E204": "an argument has the wrong type",
    "E205": "wrong number of arguments",
    "E206": "unknown or repeated named argument",
    "E207": "an argument must be a constant",
    "E208": "the branches have different types",
    "E209": "the pattern is outside the supported subset",
    "E221": "no such option or stage",
    "E222": "not an identifier",
    "E223": "no such role",
    "E224": "no such permission",
    "E225": "the key of a lookup is not unique",
    "E301": "unknown field",
    "E302": "unknown object",
    "E303": "unknown function",
    "E304": "unknown system value",
    "E305": "a plug-in function could not be loaded",
    "E306": "unknown property of an option or stage",
    "E310": "too many hops in a path",
    "E311": "the field can not be followed",
    "E312": "a set of records outside an aggregate",
    "E313": "sets can not be nested in one path",
    "E314": "a filter on something that is not a set",
    "E315": "a function calls itself",
    "E316": "a function of a pack does not fit these arguments",
    "E401": "the function is not available here",
    "E402": "the old record is not available here",
    "E403": "a field outside an aggregate in a measure",
    "E404": "there is no user here",
    "E405": "`this` is not available here",
    "E520": "the value can not be indexed",
    "E521": "the roll-up can not be stored",
    "E601": "the formula is too long",
    "E602": "the formula is nested too deeply",
    "E603": "the formula has too many parts",
    "E604": "the list is too long",
    "E605": "the formula is too much work for the database",
    "W101": "a sign binds tighter than a power",
    "W120": "the opposite of an order comparison that may be blank",
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `start` and `end` count code points into the formula's text; `code` is a key of `CODES`."""

    code: str
    start: int
    end: int
    message: str
    hint: str | None = None

    @property
    def warning(self) -> bool:
        """Whether the formula is right all the same."""
        return self.code.startswith("W")


class FormulaError(Exception):
    """A formula can not be read; `diagnostics` says where and why."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.code} {d.message}" for d in self.diagnostics))
