"""YAML text -> plain data with positions. Refuses everything that makes YAML surprising or dangerous.

Scalars follow the YAML 1.2 core schema, narrowed: `true`, `false`, `null`, `~`, empty, plain integers and plain
decimals (as `Decimal`); every other scalar is a text. Limits: 1 MiB a file, depth 20, 100,000 nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from metamodel.issues import Collector, Place

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 100_000
MAX_DIGITS = 38

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\n[ \t]*|[\s\S])")
_WHITE_ESCAPES = frozenset("nrt _\t\n")

Scalar = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name as shown to people and its whole text."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one key or value stands: `start` and `end` are offsets into the source, line and column count from 1."""

    source: Source
    line: int
    column: int
    start: int
    end: int
    style: str = ""

    @property
    def place(self) -> Place:
        newline = self.source.text.find("\n", self.start, self.end)
        return Place(
            self.source.file,
            self.line,
            self.column,
            max(1, (newline if newline > 0 else self.end) - self.start),
        )

    def pieces(self, value: str) -> tuple[tuple[int, Place], ...]:
        """For each piece of the scalar's `value` its first offset and its place in the file.

        Folding, indentation and quoting change white space only, so the visible characters of the raw text and of
        the value are the same in the same order.
        """
        pieces: list[tuple[int, Place]] = []
        shift: tuple[int, int] | None = None
        visible = (i for i, ch in enumerate(value) if not ch.isspace())
        for offset, (line, column) in zip(visible, self._visible(), strict=False):
            if shift != (line, column - offset):
                shift = (line, column - offset)
                pieces.append((offset, Place(self.source.file, line, column)))
        if not pieces:
            pieces.append((0, self.place))
        first_offset, first = pieces[0]
        if first_offset:
            pieces.insert(
                0,
                (0, Place(first.file, first.line, max(1, first.column - first_offset))),
            )
        return tuple(pieces)

    def _visible(self) -> Iterator[tuple[int, int]]:
        """Line and column of each character of the raw scalar that is not white space, escapes counted as one."""
        raw = self.source.text
        at, line, line_start = self.start, self.line, self.start - self.column + 1
        end = self.end
        if self.style in ("|", ">"):
            header = raw.find("\n", at)
            at, line, line_start = (end, line, line_start) if header < 0 else (header + 1, line + 1, header + 1)
        elif self.style in ("'", '"'):
            at, end = at + 1, end - 1
        while at < end:
            ch, width, shown = raw[at], 1, True
            if ch == "\n":
                line, line_start, shown = line + 1, at + 1, False
            elif ch.isspace():
                shown = False
            elif ch == "'" and self.style == "'":
                width = 2
            elif ch == "\\" and self.style == '"' and (escape := _ESCAPE.match(raw, at)):
                width, shown = _escape(escape)
                if "\n" in escape[1]:
                    line, line_start = line + 1, at + escape[0].index("\n") + 1
            if shown:
                yield line, at - line_start + 1
            at += width


def _escape(match: re.Match[str]) -> tuple[int, bool]:
    """Width of an escape of a double-quoted scalar and whether it stands for a visible character."""
    body = match[1]
    if body[0] in "xuU" and len(body) > 1:
        code = int(body[1:], 16)
        return len(match[0]), code <= 0x10FFFF and not chr(code).isspace()
    return len(match[0]), body[0] not in _WHITE_ESCAPES


@dataclass(frozen=True, slots=True)
class Item:
    """A value with its place. A mapping's `value` is a dict of items, a sequence's a list of items.

    `key` is the mark of the mapping key that holds the value; None for roots and members of sequences.
    """

    value: Scalar | dict[str, Item] | list[Item]
    mark: Mark | None
    key: Mark | None = None

    def child(self, step: str | int) -> Item | None:
        """The member of a mapping or sequence."""
        if isinstance(self.value, dict):
            return self.value.get(step) if isinstance(step, str) else None
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def plain(self) -> Any:
        """The value alone."""
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


class _Refused(Exception):
    """The rest of the file can not be used; the issue is already recorded."""


def read(path: Path, name: str, issues: Collector) -> tuple[str, list[Item]]:
    """The text and the documents of a file; faults go to `issues` under the file name `name`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        issues.add(
            "Y112",
            f"the file can not be read: {error.strerror or 'input error'}",
            Place(name, 1, 1),
        )
        return "", []
    return parse(data, name, issues)


def parse(data: bytes, name: str, issues: Collector) -> tuple[str, list[Item]]:
    """The text and the documents of a file's bytes. Documents before a fault are kept."""
    if len(data) > MAX_BYTES:
        issues.add(
            "Y102",
            "the file is larger than 1 MiB",
            Place(name, 1, 1),
            "split it into several files",
        )
        return "", []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line, column = (
            before.count("\n") + 1,
            len(before) - (before.rfind("\n") + 1) + 1,
        )
        issues.add(
            "Y101",
            "the file is not valid UTF-8",
            Place(name, line, column),
            "save the file as UTF-8",
        )
        return data.decode("utf-8-sig", "replace"), []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if bad := _CONTROL.search(text):
        line, column = (
            text.count("\n", 0, bad.start()) + 1,
            bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1,
        )
        issues.add(
            "Y103",
            f"control character U+{ord(bad[0]):04X}",
            Place(name, line, column),
            "remove the character",
        )
        return text, []
    return text, _Reader(Source(name, text), issues).documents()


class _Reader:
    """Turns the parser's events into items, refusing on the way."""

    def __init__(self, source: Source, issues: Collector) -> None:
        self.source = source
        self.issues = issues
        self.nodes = 0

    def documents(self) -> list[Item]:
        found: list[Item] = []
        try:
            self.loader = _Loader(self.source.text)
            while not isinstance(event := self.loader.get_event(), yaml.StreamEndEvent):
                if isinstance(
                    event,
                    (
                        yaml.StreamStartEvent,
                        yaml.DocumentStartEvent,
                        yaml.DocumentEndEvent,
                    ),
                ):
                    continue
                item = self.item(event, 1, None)
                if isinstance(item.value, dict):
                    found.append(item)
                elif item.value is not None:
                    self.issues.add(
                        "Y111",
                        "a document must be a mapping of keys to values",
                        self.mark(event).place,
                        "begin it with `kind: ...`",
                    )
        except yaml.MarkedYAMLError as error:
            self.syntax(error)
        except yaml.YAMLError as error:
            self.issues.add(
                "Y104",
                f"not valid YAML: {str(error).splitlines()[0]}",
                Place(self.source.file, 1, 1),
            )
        except _Refused:
            pass
        return found

    def syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        place = Place(self.source.file, mark.line + 1, mark.column + 1) if mark else Place(self.source.file, 1, 1)
        problem = error.problem or "the text can not be read"
        hint = "use spaces, not tabs, for indentation" if self._tab(place.line) else error.context
        if "mapping values are not allowed" in problem:
            hint = 'put quotes round a text that contains ": "'
        self.issues.add("Y104", f"not valid YAML: {problem}", place, hint)

    def _tab(self, line: int) -> bool:
        lines = self.source.text.split("\n")
        return line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]

    def mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        style = getattr(event, "style", "") or ""
        return Mark(self.source, start.line + 1, start.column + 1, start.index, end.index, style)

    def refuse(self, code: str, message: str, mark: Mark, hint: str) -> _Refused:
        self.issues.add(code, message, mark.place, hint)
        return _Refused()

    def item(self, event: Any, depth: int, key: Mark | None) -> Item:
        mark = self.mark(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse("Y108", f"more than {MAX_NODES:,} nodes", mark, "split the file")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.refuse(
                "Y105",
                "anchors and aliases are not allowed",
                mark,
                "write the value out in each place",
            )
        if event.tag is not None:
            raise self.refuse(
                "Y105",
                "tags are not allowed",
                mark,
                "remove the tag; types come from the kind",
            )
        if isinstance(event, yaml.ScalarEvent):
            return Item(self.scalar(event, mark), mark, key)
        if depth > MAX_DEPTH:
            raise self.refuse(
                "Y107",
                f"nested deeper than {MAX_DEPTH} levels",
                mark,
                "use fewer levels",
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return Item(self.sequence(depth), mark, key)
        return Item(self.mapping(depth), mark, key)

    def sequence(self, depth: int) -> list[Item]:
        out: list[Item] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            out.append(self.item(event, depth + 1, None))
        return out

    def mapping(self, depth: int) -> dict[str, Item]:
        out: dict[str, Item] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            key = self.item(event, depth + 1, None)
            mark = key.mark or self.mark(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self.refuse("Y109", "a key must be a text", mark, "write `key: value`")
            name = str(event.value)
            if name == "<<" and not mark.style:
                raise self.refuse("Y105", "merge keys are not allowed", mark, "write the keys out")
            if name == "" or (not isinstance(key.value, str) and name == "~"):
                raise self.refuse("Y109", "a key must not be empty", mark, "write `key: value`")
            value = self.item(self.loader.get_event(), depth + 1, mark)
            if name in out:
                first = out[name].key
                self.issues.add(
                    "Y106",
                    f'the key "{name}" stands twice',
                    mark.place,
                    f"the first one is in line {first.line}" if first else None,
                )
                continue
            out[name] = value
        return out

    def scalar(self, event: Any, mark: Mark) -> Scalar:
        text = str(event.value)
        if _CONTROL.search(text):
            raise self.refuse(
                "Y103",
                "an escape stands for a control character",
                mark,
                "remove the escape",
            )
        if mark.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        integer = _INTEGER.fullmatch(text)
        if integer or _DECIMAL.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise self.refuse(
                    "Y110",
                    f"a number has more than {MAX_DIGITS} digits",
                    mark,
                    "quote it to make a text",
                )
            return int(text) if integer else Decimal(text)
        return text
