"""Formula text -> syntax tree.

The parser is Lark's LALR with the contextual lexer; it does not recurse, and depth and size are checked while the
tree is built, so that no later pass can meet a tree that is too deep for Python.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from pathlib import Path as File
from typing import Any, NoReturn, TypeAlias, TypeVar

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from metamodel.formula import ast, limits
from metamodel.formula.diagnostics import Diagnostic, FormulaError
from metamodel.names import nearest

OPERATORS = {"&&": "and", "||": "or", "==": "=", "!=": "<>", "!": "not"}
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
MONTHS = {"year": 12, "month": 1}
DURATION_DIGITS = 18
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
ASCII_TWIN = dict(
    zip(
        "“”‘’„«»（）［］【】，；：＝＋－＊／＜＞！％＆。×÷≤≥≠",
        ['"', '"', "'", "'", '"', '"', '"', *"()[][],;:=+-*/<>!%&.*/", "<=", ">=", "<>"],
        strict=True,
    )
)


N = TypeVar("N", bound=ast.Node)
Items: TypeAlias = list[Any]
Tokens: TypeAlias = list[Token]


def parse(text: str) -> ast.Node:
    """The syntax tree of a formula. Raises `FormulaError`."""
    if len(text) > limits.SOURCE_CHARACTERS:
        fail(
            "E601",
            0,
            len(text),
            f"the formula has {len(text)} characters",
            f"at most {limits.SOURCE_CHARACTERS} are allowed; move parts into formula fields",
        )
    try:
        tree = grammar().parse(text)
    except UnexpectedInput as error:
        raise FormulaError([_explain(text, error)]) from None
    assert isinstance(tree, ast.Node)
    _check_size(tree)
    return tree


def fail(code: str, start: int, end: int, message: str, hint: str | None = None) -> NoReturn:
    """Raise the one diagnostic that ends the reading of a formula."""
    raise FormulaError([Diagnostic(code, start, end, message, hint)])


@cache
def grammar() -> Lark:
    """The parser of formulas; also asked which symbols may follow a text."""
    return reader(_Build())


def reader(transformer: Transformer[Token, Any]) -> Lark:
    """A parser of the one grammar that makes of each rule what the transformer says. Names, units and digits are
    ASCII; without the flag `(?i)s` would take the long s for one."""
    rules = File(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(rules, parser="lalr", lexer="contextual", transformer=transformer, maybe_placeholders=False,
                g_regex_flags=re.ASCII)  # fmt: skip


def _check_size(tree: ast.Node) -> None:
    todo, count = [tree], 0
    while todo:
        node = todo.pop()
        count += not isinstance(node, ast.Step)
        if count > limits.NODES:
            fail(
                "E603", 0, tree.end, f"the formula has more than {limits.NODES} parts", "move parts into formula fields"
            )
        todo.extend(ast.children(node))


def _sized(node: N, *parts: ast.Node | None) -> N:
    """The node with its depth, refused where it is too deep."""
    depth = 1 + max((part.depth for part in parts if part is not None), default=0)
    if depth > limits.DEPTH:
        fail(
            "E602",
            node.start,
            node.end,
            f"the formula is nested more than {limits.DEPTH} levels deep",
            "move inner parts into formula fields",
        )
    return replace(node, depth=depth)


def _span(first: Any, last: Any) -> dict[str, Any]:
    start: Any = first.start_pos if isinstance(first, Token) else first.start
    end: Any = last.end_pos if isinstance(last, Token) else last.end
    return {"start": start, "end": end}


def _nodes(items: Items) -> tuple[ast.Node, ...]:
    return tuple(item for item in items if isinstance(item, ast.Node))


def _literal(kind: ast.LiteralKind) -> Callable[[Any, list[Token]], ast.Literal]:
    def build(_: Any, items: Tokens) -> ast.Literal:
        token = items[0]
        try:
            value = READERS[kind](token)
        except (ValueError, ArithmeticError):
            fail("E110", token.start_pos or 0, token.end_pos or 0, f"{token} is not a valid {kind}")
        return ast.Literal(kind=kind, value=value, **_span(token, items[-1]))

    return build


class _Build(Transformer[Token, ast.Node]):
    """Grammar rules -> syntax nodes; a method's name is the rule's alias."""

    number = _literal("number")
    text = _literal("text")
    date = _literal("date")
    time = _literal("time")
    datetime = _literal("datetime")
    true = _literal("boolean")
    false = _literal("boolean")
    null = _literal("null")

    def duration(self, items: Tokens) -> ast.Literal:
        token = items[0]
        amount, unit = re.fullmatch(r"([\d.]+)([a-z]+?)s?", token.lower()).groups()  # type: ignore[union-attr]
        if len(amount) > DURATION_DIGITS:
            fail("E110", token.start_pos or 0, token.end_pos or 0, f"a duration has at most {DURATION_DIGITS} digits")
        if unit in MONTHS:
            if "." in amount:
                fail("E110", token.start_pos or 0, token.end_pos or 0, f"{token} is not a whole number of {unit}s")
            return ast.Literal(kind="period", value=int(amount) * MONTHS[unit], **_span(token, token))
        return ast.Literal(kind="duration", value=Decimal(amount) * SECONDS[unit], **_span(token, token))

    def group(self, items: Items) -> ast.Node:
        node: ast.Node = _sized(items[1], items[1])
        return replace(node, **_span(items[0], items[2]))

    def unary(self, items: Items) -> ast.Node:
        op = str(items[0]).lower()
        node = ast.Unary(op=OPERATORS.get(op, op), operand=items[1], **_span(items[0], items[1]))
        return _sized(node, items[1])

    def percent(self, items: Items) -> ast.Node:
        return _sized(ast.Unary(op="%", operand=items[0], **_span(*items)), items[0])

    def binary(self, items: Items) -> ast.Node:
        left, sign, right = items
        op = str(sign).lower()
        node = ast.Binary(op=OPERATORS.get(op, op), left=left, right=right, **_span(left, right))
        return _sized(node, left, right)

    def logic(self, items: Items) -> ast.Node:
        left, sign, right = items
        op = OPERATORS.get(sign, sign.lower())
        parts = (*left.items, right) if isinstance(left, ast.Logic) and left.op == op else (left, right)
        return _sized(ast.Logic(op=op, items=parts, **_span(left, right)), *parts)

    def in_list(self, items: Items) -> ast.Node:
        return self._list(items)

    def list(self, items: Items) -> ast.Node:
        return self._list(items)

    def _list(self, items: Items) -> ast.Node:
        found = _nodes(items)
        node = ast.List(items=found, **_span(items[0], items[-1]))
        if len(found) > limits.LIST_ITEMS:
            fail("E604", node.start, node.end, f"the list has {len(found)} items", f"at most {limits.LIST_ITEMS}")
        return _sized(node, *found)

    def contained(self, items: Items) -> ast.Node:
        operand, values = items[0], items[-1]
        node = ast.In(operand=operand, items=values.items, negated=len(items) == 4, **_span(operand, values))
        return _sized(node, operand, values)

    not_contained = contained

    def call(self, items: Items) -> ast.Node:
        args = [item for item in items[2:-1] if isinstance(item, ast.Node)]
        named = [item for item in items[2:-1] if isinstance(item, tuple)]
        node = ast.Call(
            name=str(items[0]),
            args=tuple(args),
            named=tuple((str(n), v) for n, v in named),
            **_span(items[0], items[-1]),
        )
        return _sized(node, *args, *(value for _, value in named))

    def named(self, items: Items) -> tuple[Token, ast.Node]:
        return items[0], items[2]

    def step(self, items: Items) -> ast.Node:
        name, where = items[0], items[2] if len(items) > 1 else None
        return _sized(ast.Step(name=str(name), filter=where, **_span(name, items[-1])), where)

    def path(self, items: Items) -> ast.Node:
        steps = tuple(
            ast.Step(name=str(i), **_span(i, i)) if isinstance(i, Token) else i
            for i in items
            if not (isinstance(i, Token) and i.type == "DOT")
        )
        return _sized(ast.Path(steps=steps, **_span(items[0], items[-1])), *(s.filter for s in steps))


def _unquote(token: Token) -> str:
    """The text that a quoted token stands for."""
    quote, body, start = token[0], token[1:-1], token.start_pos or 0
    out: list[str] = []
    at = 0
    while at < len(body):
        ch = body[at]
        if ch == quote:
            out.append(quote)
            at += 2
        elif ch != "\\":
            out.append(ch)
            at += 1
        elif body[at + 1] in ESCAPES:
            out.append(ESCAPES[body[at + 1]])
            at += 2
        elif re.match(r"u[0-9a-fA-F]{4}", body[at + 1 :]):
            out.append(chr(int(body[at + 2 : at + 6], 16)))
            at += 6
        else:
            where = start + 1 + at
            fail(
                "E104",
                where,
                where + 2,
                f"unknown escape {body[at : at + 2]}",
                r"known are \n \t \\ \" \' \uXXXX; write \\ for a backslash",
            )
    try:
        text = "".join(out).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        fail("E104", start, token.end_pos or 0, "the text holds a character that can not be stored")
    # What fields hold is in this form too.
    return unicodedata.normalize("NFC", text)


def _number(token: str) -> int | Decimal:
    value = Decimal(token)
    if value.adjusted() > 40 or value.as_tuple().exponent < -limits.SCALE * 2:  # type: ignore[operator]
        raise ValueError(token)
    return int(value) if value == value.to_integral_value() and "." not in token else value


def _datetime(token: str) -> datetime:
    value = datetime.fromisoformat(token[1:])
    if value.tzinfo is not None:
        value.astimezone(UTC)  # an error where the instant is in no year that can be written
    return value


READERS: dict[str, Callable[[Token], Any]] = {
    "number": _number,
    "text": _unquote,
    "date": lambda token: date.fromisoformat(token[1:]),
    "time": lambda token: time.fromisoformat(token[1:]),
    "datetime": _datetime,
    "boolean": lambda token: token.lower() == "true",
    "null": lambda token: None,
}


# -- what went wrong, in the user's words ---------------------------------------------------------------------------

HUMAN = {
    "RPAR": '")"',
    "RSQB": '"]"',
    "LPAR": '"("',
    "COMMA": '","',
    "NAME": "a name",
    "FNAME": "a function",
    "NUMBER": "a number",
    "STRING": "a text",
    "$END": "the end",
}


SLIPS = (
    (r"\bif\s+\w+$|\b(then|else)$", "write IF(condition, then, else)"),
    (r"=>$", "write >="),
    (r"=<$", "write <="),
    (r"&&&$", "write &&"),
    (r"(^|[^\w.])\d{1,3},\d*$", "a number is written without separators: 1000"),
    (r"'\w+'\w+$", "a quote inside a text is doubled: 'it''s'"),
    (r'"\w+"\w+$', 'a quote inside a text is doubled: "a ""b"" c"'),
)
"""What is often written, as it ends at the unexpected word, and what is meant."""
STRANGERS = {
    "{": "fields are written without brackets: amount",
    "}": "fields are written without brackets: amount",
    "$": "a number is written without a currency sign",
    "€": "a number is written without a currency sign",
    "¥": "a number is written without a currency sign",
    "£": "a number is written without a currency sign",
    "#": "a date is written @2024-01-31",
    "`": "a text stands in double or single quotes",
    "~": "texts are compared with CONTAINS, BEGINS or REGEX",
    "?": "write IF(condition, then, else)",
    "\\": "division is written /",
}


def _explain(text: str, error: UnexpectedInput) -> Diagnostic:
    if isinstance(error, UnexpectedCharacters):
        return _bad_character(text, error.pos_in_stream or 0)
    assert isinstance(error, UnexpectedToken)
    token: Token = error.token
    if token.type == "$END":
        return _bad_end(text, error)
    start, end = token.start_pos or 0, token.end_pos or 0
    accepts = _accepts(error)
    if token.type == "CMP" and "CMP" not in accepts and "AND" in accepts:
        return Diagnostic(
            "E108", start, end, "comparisons can not be chained", "write a < b AND b < c, or BETWEEN(b, a, c)"
        )
    if token.type == "NOT" and not accepts & {"NOT"}:
        return Diagnostic("E101", start, end, "NOT can not stand here", "put it in brackets: (NOT x)")
    slip = next((hint for pattern, hint in SLIPS if re.search(pattern, text[:end], re.IGNORECASE)), None)
    return Diagnostic("E101", start, end, f'unexpected "{token}"', slip or _expected(accepts))


def _accepts(error: UnexpectedToken) -> set[str]:
    parser: Any = error.interactive_parser
    return parser.accepts() if parser else set()


def _expected(accepts: set[str]) -> str | None:
    known = [HUMAN[name] for name in HUMAN if name in accepts]
    known = ["an operator", *known] if "PLUS" in accepts and "NAME" not in accepts else known
    return f"expected {' or '.join(known)}" if 0 < len(known) <= 4 else None


def _bad_character(text: str, at: int) -> Diagnostic:
    ch = text[at]
    if ch in ASCII_TWIN:
        return Diagnostic("E105", at, at + 1, f"the character {ch} is not the plain one", f"write {ASCII_TWIN[ch]}")
    if ch in "\"'":
        return Diagnostic("E103", at, len(text), "the text is not closed", f"add {ch} at its end")
    if ch == ";":
        return Diagnostic("E106", at, at + 1, "arguments are separated by commas", 'write "," for ";"')
    if ch == "@":
        return Diagnostic(
            "E110", at, at + 1, "not a valid date or time", "write @2024-01-31, @14:30 or @2024-01-31T14:30"
        )
    if word := re.match(r"([\d.]+)([\w.]*)", text[at:]):
        near = nearest(word[2], [f"{unit}s" for unit in (*SECONDS, *MONTHS)]) if word[2] else None
        hint = f'did you mean "{word[1]}{near}"?' if near else None
        return Diagnostic("E110", at, at + word.end(), f"{word[0]} is not a valid number", hint)
    hint = STRANGERS.get(ch) or ("names are written in Latin letters, as in the pack" if ch.isalpha() else None)
    return Diagnostic("E102", at, at + 1, f'unexpected character "{ch}"', hint)


def _bad_end(text: str, error: UnexpectedToken) -> Diagnostic:
    if not text.strip():
        return Diagnostic("E111", 0, len(text), "the formula is empty")
    accepts = _accepts(error)
    if open_at := _open_bracket(text):
        close = ")" if text[open_at[-1]] == "(" else "]"
        if {"RPAR", "RSQB"} & accepts:
            return Diagnostic("E107", open_at[-1], open_at[-1] + 1, "this bracket is not closed", f'add "{close}"')
    end = len(text.rstrip())
    return Diagnostic("E109", max(0, end - 1), end, "the formula ends too early", _expected(accepts))


def _open_bracket(text: str) -> list[int]:
    """Offsets of the brackets that are still open at the end, outermost first."""
    skip = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|//[^\n]*|/\*[\s\S]*?\*/|[()\[\]]')
    stack: list[int] = []
    for found in skip.finditer(text):
        if found[0] in ("(", "["):
            stack.append(found.start())
        elif found[0] in (")", "]") and stack:
            stack.pop()
    return stack
