"""How a formula is laid out: its own tokens, with spaces and lines chosen anew.

Brackets, quotes and numbers stay as they were written; functions and keywords become upper case, names and units lower
case. A part that does not fit into `WIDTH` columns is broken at its commas, connectives and operators, outer parts
first. A comment keeps its place between two tokens: one that stands alone on its line keeps a line of its own, every
other one stays behind what it follows. The result depends on nothing but tokens, comments and these places, so that
laying out twice gives the same text. The algorithm is that of Wadler, A prettier printer (2003), as in Prettier.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

from lark import Lark, Token, Transformer

from metamodel.formula.parse import reader

WIDTH = 100
INDENT = 2
COMMENT = re.compile(r'"(?:[^"\\]|""|\\[\s\S])*"|\'(?:[^\'\\]|\'\'|\\[\s\S])*\'|(//[^\n]*|/\*[\s\S]*?\*/)')
SPELLING = {"&&": "AND", "||": "OR", "==": "=", "!=": "<>"}
UPPER = frozenset({"AND", "OR", "NOT", "IN", "TRUE", "FALSE", "NULL"})
LOWER = frozenset({"NAME", "SYSVAR", "DURATION", "NUMBER"})
TIGHT_AFTER, TIGHT_BEFORE = frozenset("(["), frozenset(")],.:")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; `alone`: it has its line for itself."""

    text: str
    alone: bool


@dataclass(frozen=True, slots=True)
class Word:
    """A token as it is to be written, where it stood, and the comments before and after it."""

    text: str
    start: int
    end: int
    before: tuple[Comment, ...] = ()
    after: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a line may end; on one line it is `flat`."""

    flat: Literal["", " "]


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that stand on one line or have all their breaks."""

    parts: tuple[Doc, ...]


@dataclass(frozen=True, slots=True)
class Nest:
    """Parts whose lines are indented."""

    parts: tuple[Doc, ...]


Doc: TypeAlias = "str | Word | Break | Group | Nest | tuple[Doc, ...]"
Items: TypeAlias = list[Any]
SOFT, LINE = Break(""), Break(" ")


def lay_out(text: str) -> str:
    """The text of a formula that is known to be right, laid out."""
    tree: Any = _parser().parse(text)
    return _render(_commented(tree if not isinstance(tree, _Chain) else tree.doc(), text))


@cache
def _parser() -> Lark:
    return reader(_Layout())


# -- tokens -> a document -------------------------------------------------------------------------------------------


def _word(token: Token) -> Word:
    shown = str(token)
    if token.type in UPPER:
        shown = shown.upper()
    elif token.type in LOWER:
        shown = shown.lower()
    elif token.type == "FNAME" and "." not in shown:
        shown = shown.upper()
    return Word(SPELLING.get(shown, shown), token.start_pos or 0, token.end_pos or 0)


@dataclass(frozen=True, slots=True)
class _Chain:
    """Operands of one level with the words between them, broken all or none; `nested`: lines after the first are
    indented."""

    level: str
    first: Doc
    rest: tuple[tuple[Word, Doc], ...]
    nested: bool

    def doc(self) -> Doc:
        tail = tuple(part for sign, item in self.rest for part in (LINE, sign, " ", item))
        return Group((self.first, Nest(tail) if self.nested else tail))


LEVELS = {"PLUS": "+", "MINUS": "+", "STAR": "*", "SLASH": "*", "AMP": "&", "CARET": "^", "CMP": "=", "AND": "and",
          "AND2": "and", "OR": "or", "OR2": "or"}  # fmt: skip


def _closed(part: Any) -> Doc:
    """An operand as a document."""
    if isinstance(part, Token):
        return _word(part)
    made: Doc = part.doc() if isinstance(part, _Chain) else part
    return made


class _Layout(Transformer[Token, Any]):
    """Grammar rules -> documents; a method's name is the rule's alias."""

    def logic(self, items: Items) -> _Chain:
        return self._chain(items, nested=False)

    def binary(self, items: Items) -> _Chain:
        return self._chain(items, nested=True)

    def _chain(self, items: Items, nested: bool) -> _Chain:
        left, sign, right = items
        level, step = LEVELS[sign.type], ((_word(sign), _closed(right)),)
        if isinstance(left, _Chain) and left.level == level:
            return _Chain(level, left.first, left.rest + step, nested)
        return _Chain(level, _closed(left), step, nested)

    def unary(self, items: Items) -> Doc:
        sign = _word(items[0])
        return (sign, " " if sign.text == "NOT" else "", _closed(items[1]))

    def contained(self, items: Items) -> Doc:
        words = [part for item in items[1:-1] for part in (" ", _word(item))]
        return (_closed(items[0]), *words, " ", items[-1])

    not_contained = contained

    def bracketed(self, items: Items) -> Doc:
        if len(items) == 1:
            return _closed(items[0])
        first, *inner, last = items
        parts = tuple(part for item in inner for part in self._part(item))
        return Group((_closed(first), Nest((SOFT, *parts)), SOFT, _closed(last)) if parts else (*map(_closed, items),))

    def _part(self, item: Any) -> Sequence[Doc]:
        return (_word(item), LINE) if isinstance(item, Token) and item.type == "COMMA" else (_closed(item),)

    in_list = bracketed
    list = bracketed
    group = bracketed

    def call(self, items: Items) -> Doc:
        return (_word(items[0]), self.bracketed(items[1:]))

    def step(self, items: Items) -> Doc:
        return (_word(items[0]), self.bracketed(items[1:])) if len(items) > 1 else _word(items[0])

    def named(self, items: Items) -> Doc:
        return (_word(items[0]), _word(items[1]), " ", _closed(items[2]))

    def path(self, items: Items) -> Doc:
        return tuple(map(_closed, items))

    percent = number = text = datetime = date = time = duration = true = false = null = path


# -- comments -------------------------------------------------------------------------------------------------------


def _commented(doc: Doc, text: str) -> Doc:
    """The document with each comment of the text at the word it stands beside."""
    found = [m for m in COMMENT.finditer(text) if m[1]]
    if not found:
        return doc
    words = sorted(_words(doc), key=lambda word: word.start)
    starts = [word.start for word in words]
    before: dict[int, list[Comment]] = {}
    after: dict[int, list[Comment]] = {}
    for m in found:
        behind = bisect_left(starts, m.start())
        ahead = text[: m.start()].rpartition("\n")[2]
        alone = not ahead.strip() and not text[m.end() :].partition("\n")[0].strip()
        comment = Comment("\n".join(line.rstrip() for line in m[1].split("\n")), alone)
        gap = COMMENT.sub("", text[words[behind - 1].end : m.start()]) if behind else "\n"
        # What stands before a comma or a closing bracket belongs to what it closes.
        opens = behind < len(words) and words[behind].text not in TIGHT_BEFORE
        if not behind or (opens and "\n" in gap):
            before.setdefault(starts[behind], []).append(comment)
        else:
            after.setdefault(starts[behind - 1], []).append(comment)

    def dressed(word: Word) -> Word:
        return replace(word, before=tuple(before.get(word.start, ())), after=tuple(after.get(word.start, ())))

    return _mapped(doc, dressed)


def _words(doc: Doc) -> list[Word]:
    todo, out = [doc], []
    while todo:
        part = todo.pop()
        if isinstance(part, Word):
            out.append(part)
        elif isinstance(part, (Group, Nest)):
            todo.extend(part.parts)
        elif isinstance(part, tuple):
            todo.extend(part)
    return out


def _mapped(doc: Doc, change: Callable[[Word], Word]) -> Doc:
    if isinstance(doc, Word):
        return change(doc)
    if isinstance(doc, (Group, Nest)):
        return type(doc)(tuple(_mapped(part, change) for part in doc.parts))
    return tuple(_mapped(part, change) for part in doc) if isinstance(doc, tuple) else doc


# -- a document -> text ---------------------------------------------------------------------------------------------

Task: TypeAlias = tuple[int, bool, Doc]
"""What is left to be written: its indentation, whether it stands on one line, and the document."""


class _Page:
    """The text so far, and what has to come before the next word: a space or a new line."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.column = 0
        self.last = ""
        self.pending = ""

    def line(self, indent: int) -> None:
        self.pending = "\n" + " " * indent

    def indent(self, indent: int) -> None:
        """A line that a comment has ended goes on where the next word belongs."""
        if "\n" in self.pending:
            self.line(indent)

    def space(self) -> None:
        self.pending = self.pending or " "

    def put(self, text: str) -> None:
        gap = "" if self.pending == " " and _tight(self.last, text) else self.pending if self.last else ""
        self.out += (gap, text)
        whole = gap + text
        self.column = len(whole) - whole.rfind("\n") - 1 if "\n" in whole else self.column + len(whole)
        self.last, self.pending = text[-1], ""

    def comments(self, comments: Sequence[Comment], indent: int) -> None:
        for comment in comments:
            (self.line(indent) if comment.alone else self.space())
            self.put(comment.text)
            (self.line(indent) if comment.alone or comment.text.startswith("//") else self.space())


def _tight(last: str, text: str) -> bool:
    """Whether no space stands between what ends so and a text."""
    return not last or last in TIGHT_AFTER or text[0] in TIGHT_BEFORE


def _render(doc: Doc) -> str:
    page, todo = _Page(), [(0, False, doc)]
    while todo:
        indent, flat, part = todo.pop()
        match part:
            case str():
                if part:
                    page.space()
            case Word():
                page.indent(indent)
                page.comments(part.before, indent)
                page.put(part.text)
                page.comments(part.after, indent)
            case Break():
                if not flat:
                    page.line(indent)
                elif part.flat:
                    page.space()
            case Nest():
                todo += [(indent + INDENT, flat, inner) for inner in reversed(part.parts)]
            case Group():
                whole = flat or _fits(page, indent, part, todo)
                todo += [(indent, whole, inner) for inner in reversed(part.parts)]
            case _:
                todo += [(indent, flat, inner) for inner in reversed(part)]
    return "".join(page.out)


def _fits(page: _Page, indent: int, group: Group, rest: Sequence[Task]) -> bool:
    """Whether the group on one line, with what follows it up to the next line, ends within the width. A comment that
    ends its line may stand before the group or at its end only."""
    todo: list[Task] = [(indent, True, group)]
    left, last, spaced = WIDTH - page.column, page.last, page.pending == " "
    if "\n" in page.pending:
        left, last = WIDTH - len(page.pending) + 1, ""
    behind, begun, ended = len(rest), False, False

    def put(text: str, space: bool) -> None:
        nonlocal left, last, spaced
        left -= len(text) + (space and not _tight(last, text))
        last, spaced = text[-1], False

    while left >= 0:
        if not todo:
            if ended or not behind:
                return True
            behind -= 1
            todo.append(rest[behind])
        indent, flat, part = todo.pop()
        match part:
            case str():
                spaced |= bool(part)
            case Word():
                for comment in part.before:
                    if not _ends_line(comment):
                        put(comment.text, True)
                        spaced = True
                    elif begun or ended:
                        return left >= 0 and behind < len(rest)
                    else:
                        left, last = WIDTH - indent, ""
                if ended:
                    return left >= 0 and behind < len(rest)
                begun = True
                put(part.text, spaced)
                for comment in part.after:
                    ended = ended or _ends_line(comment)
                    if not ended:
                        put(comment.text, True)
                        spaced = True
            case Break():
                if not flat:
                    return True
                spaced |= bool(part.flat)
            case Nest() | Group():
                todo += [(indent, flat, inner) for inner in reversed(part.parts)]
            case _:
                todo += [(indent, flat, inner) for inner in reversed(part)]
    return False


def _ends_line(comment: Comment) -> bool:
    return comment.alone or comment.text.startswith("//") or "\n" in comment.text
