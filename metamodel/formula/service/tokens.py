"""The tokens of a text that need not be a formula yet; nothing is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from lark.exceptions import UnexpectedInput

from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.parse import grammar

Kind = Literal["comment", "text", "open", "system", "constant", "name", "sign"]
_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))
      | (?P<text>"(?:[^"\\]|""|\\[\s\S])*"|'(?:[^'\\]|''|\\[\s\S])*')
      | (?P<open>["'][\s\S]*)
      | (?P<system>\$\w*)
      | (?P<constant>@[\d:T.+Z-]*|\d\w*(?:\.\d\w*)?|\.\d\w*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>[=!]=|<>|[<>]=|&&|\|\||\S)""",
    re.VERBOSE | re.ASCII,
)
WORDS = frozenset({"and", "or", "not", "in", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token; `open` is a text without its closing quote."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def path(self) -> bool:
        """Whether it may be a step of a path."""
        return self.kind == "system" or (self.kind == "name" and self.text.lower() not in WORDS)

    @property
    def operand(self) -> bool:
        """Whether an operand ends with it."""
        word = self.text.lower()
        if self.kind == "name":
            return word not in ("and", "or", "not", "in")
        return self.kind in ("text", "constant", "system") or word in (")", "]", "%")


def tokens(source: str) -> tuple[Token, ...]:
    """Every token and comment, in order."""
    return tuple(Token(cast(Kind, m.lastgroup), m[0], m.start(), m.end()) for m in _TOKEN.finditer(source))


def accepts(prefix: str) -> frozenset[str] | None:
    """The terminals of the grammar that may follow; None where the prefix can not begin a formula."""
    parser: Any = grammar().parse_interactive(prefix)
    try:
        for _ in parser.iter_parse():
            pass
        return frozenset(parser.accepts())
    except (UnexpectedInput, FormulaError):
        return None



