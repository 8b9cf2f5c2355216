"""Typed inputs as the one record of a formula that stands outside of any pack.

An input is `{"type": T, "value": V}` with T of `KINDS` and V a JSON value, numbers, dates and times also as text
(`null` is blank), or a plain JSON value; a list of objects is a child set, each object a row of inputs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from metamodel.formula import limits
from metamodel.formula.scope import ChildShape, FieldShape, FunctionShape, Organisation
from metamodel.formula.types import Kind, Type

RECORD, IDENTITY = "the inputs", "#"
"""The object of the record, and the column that tells its rows apart; neither is a name that an input may have."""
KINDS: dict[str, Kind] = {
    "number": "decimal",
    "integer": "integer",
    "decimal": "decimal",
    "money": "money",
    "percent": "percent",
    "text": "text",
    "bool": "boolean",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "time": "time",
    "duration": "duration",
    "list": "list",
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
FIELDS = 1_000
PLACES = limits.DIGITS
"""Digits after the point that a number may have."""
NOUNS: dict[Kind, str] = {
    "integer": "an integer of 64 bits",
    "decimal": f"a decimal of at most {limits.DIGITS} digits on either side of the point",
    "text": f"a text of at most {limits.TEXT_CHARACTERS:,} characters",
    "date": "a date such as 2024-01-31",
    "datetime": "a datetime such as 2024-01-31T14:30:00Z",
    "time": "a time such as 14:30",
}
"""What a value that does not fit should have been."""


class InvalidInput(ValueError):
    """An input can not be read; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The record of inputs, or the rows of a child set, as a formula sees them."""

    name: str
    fields: Mapping[str, FieldShape]
    children: Mapping[str, ChildShape] = field(default_factory=dict)


class _Blanks(Mapping[str, FieldShape]):
    """The columns of a child set without rows: whatever is asked for, and blank."""

    def __getitem__(self, name: str) -> FieldShape:
        return FieldShape(name, Type("null"))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class Inputs:
    """The `formula.scope.Schema` of typed inputs, and their values as one JSON document (`values`) for PostgreSQL."""

    organisation: Organisation
    shapes: Mapping[str, Shape]
    values: Mapping[str, Any]

    @property
    def functions(self) -> Mapping[str, FunctionShape]:
        return {}

    def object(self, name: str) -> Shape | None:
        return self.shapes.get(name)

    def options(self, of: str) -> Collection[str]:
        return ()

    def labels(self, of: str) -> Mapping[str, Mapping[str, str]]:
        return {}

    @property
    def roles(self) -> Collection[str]:
        return ()

    def granting(self, permission: str) -> Collection[str] | None:
        return None

    @cached_property
    def record(self) -> Shape:
        return self.shapes[RECORD]


def read_inputs(given: Mapping[str, Any], organisation: Organisation, many: Collection[str] = ()) -> Inputs:
    """The inputs of one formula. An empty list is a child set where it is among `many`. Raises `InvalidInput`."""
    zone = ZoneInfo(organisation.time_zone)
    given = _named(given)
    sets = {
        name: rows for name, value in given.items()
        if (rows := _rows(value)) is not None and (rows or name in many)
    }  # fmt: skip
    fields, values = _record(RECORD, [{n: v for n, v in given.items() if n not in sets}], zone)
    shapes = {RECORD: Shape(RECORD, fields, {name: ChildShape(name, name, RECORD) for name in sets})}
    for name, rows in sets.items():
        inner, values[0][name] = _record(name, [_named(row) for row in rows], zone)
        shapes[name] = Shape(name, inner if rows else _Blanks())
    return Inputs(organisation, shapes, values[0])


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its names in small letters."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        if not NAME.match(name):
            raise InvalidInput(f'"{name}" is not a name: 1 to 63 letters, digits and _, not a digit first')
        if name.lower() in made:
            raise InvalidInput(f'"{name.lower()}" is given twice')
        made[name.lower()] = value
    if len(made) > FIELDS:
        raise InvalidInput(f"more than {FIELDS:,} inputs")
    return made


def _rows(value: Any) -> Sequence[Mapping[str, Any]] | None:
    """The rows of a child set, or None where the input is no child set."""
    if isinstance(value, Mapping):
        if value.get("type") != "list" or "of" in value:
            return None
        value = value.get("value")
    if isinstance(value, list) and all(isinstance(row, Mapping) and not _typed(row) for row in value):
        return value
    return None


def _typed(item: Mapping[str, Any]) -> bool:
    """Whether an object is one typed value, and no row."""
    return "type" in item and item.keys() <= {"type", "value"}


def _record(owner: str, rows: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> tuple[
    dict[str, FieldShape], list[dict[str, Any]]
]:  # fmt: skip
    """The shapes of the columns that the rows have together, and the rows as plain JSON."""
    types: dict[str, Type] = {}
    records: list[dict[str, Any]] = []
    for row in rows:
        # Equal keys are told apart by the identity, so that FIRST and LAST follow the order that was given.
        record: dict[str, Any] = {IDENTITY: str(UUID(int=len(records) + 1))}
        for name, value in row.items():
            of, record[name] = _cell(name, value, zone)
            known = types.setdefault(name, of)
            if known.kind == "null":
                types[name] = of
            elif of.kind != "null" and of != known:
                raise InvalidInput(f"{name} is {known} in one row and {of} in another")
        records.append(record)
    if len(types) > FIELDS:
        raise InvalidInput(f"the rows of {owner} have more than {FIELDS:,} inputs")
    for record in records:
        record.update({n: False for n, of in types.items() if of.kind == "boolean" and record.get(n) is None})
    types = {"id": Type("reference", nullable=False, of=owner)} | types
    return {n: FieldShape(n, of) for n, of in types.items()}, records


def _cell(name: str, given: Any, zone: ZoneInfo) -> tuple[Type, Any]:
    """The type of an input, and its value as JSON that PostgreSQL reads as that type."""
    kind, value = _kind(name, given)
    if kind == "null":
        return Type("null"), None
    if kind == "list":
        return _list(name, value, given.get("of") if isinstance(given, Mapping) else None, zone)
    of = Type(KINDS[kind], nullable=KINDS[kind] != "boolean")
    return of, None if value is None else _plain(name, of.kind, value, zone)


def _kind(name: str, given: Any) -> tuple[str, Any]:
    """The type of an input or of an item of a list, and its value."""
    if not isinstance(given, Mapping):
        return _guess(name, given), given
    kind, value = given.get("type"), given.get("value")
    if not given.keys() & {"type", "value"}:
        raise InvalidInput(f"{name} is not an input: write a type and a value")
    if kind is None:
        return _guess(name, value), value
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(f"{name} has the type {kind}; known are {', '.join(KINDS)}")
    return kind, value


def _guess(name: str, value: Any) -> str:
    if value is None:
        return "null"
    for python, kind in ((bool, "bool"), (int | float | Decimal, "number"), (str, "text"), (list, "list")):
        if isinstance(value, python):
            return kind
    raise InvalidInput(f"{name} is not an input: write a type and a value")


def _list(name: str, value: Any, of: Any, zone: ZoneInfo) -> tuple[Type, Any]:
    """A list of items, typed or plain. Their type is `of`, else that of the first that has one, else text."""
    if value is not None and not isinstance(value, list):
        raise InvalidInput(f"{name} is a list, its value is not")
    if value and len(value) > limits.LIST_ITEMS:
        raise InvalidInput(f"{name} has more than {limits.LIST_ITEMS:,} items")
    items = [_kind(f"an item of {name}", item) for item in value or ()]
    kind, _ = _kind(name, {"type": of}) if of else next((item for item in items if item[0] != "null"), ("text", None))
    if kind == "list":
        raise InvalidInput(f"{name} is a list of lists")
    read = [None if item is None else _plain(name, KINDS[kind], item, zone) for _, item in items]
    return Type("list", item=KINDS[kind]), None if value is None else read


def _plain(name: str, kind: Kind, value: Any, zone: ZoneInfo) -> Any:
    try:
        return READERS[kind](value, zone)
    except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
        raise InvalidInput(f"{name}: {_short(value)} is not {NOUNS.get(kind, f'a {kind}')}") from error


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text):,} characters)"


def _decimal(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, bool) or not NUMBER.match(str(value)):
        raise TypeError(value)
    number = Decimal(str(value))
    if not -PLACES <= number.adjusted() < limits.DIGITS:
        raise ValueError(value)
    return format(number, "f")


def _integer(value: Any, zone: ZoneInfo) -> str:
    whole = int(Decimal(_decimal(value, zone)))
    if whole != Decimal(str(value)) or not -(2**63) <= whole < 2**63:
        raise ValueError(value)
    return str(whole)


def _text(value: Any, zone: ZoneInfo) -> str | None:
    if not isinstance(value, str) or "\0" in value or len(value) > limits.TEXT_CHARACTERS:
        raise ValueError(value)
    return unicodedata.normalize("NFC", value.encode("utf-16", "surrogatepass").decode("utf-16")) or None


def _boolean(value: Any, zone: ZoneInfo) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _datetime(value: Any, zone: ZoneInfo) -> str:
    """An instant; without an offset it is local time of the zone: the later of two, before the change in a gap."""
    stamp = datetime.fromisoformat(value)
    if stamp.tzinfo is None:
        first, second = (stamp.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        stamp = second if (first.utcoffset() or 0) > (second.utcoffset() or 0) else first  # type: ignore[operator]
    return stamp.astimezone(UTC).isoformat()


def _time(value: Any, zone: ZoneInfo) -> str:
    found = time.fromisoformat(value)
    if found.tzinfo is not None:
        raise ValueError(value)
    return found.isoformat()


READERS: dict[str, Any] = {
    "decimal": _decimal,
    "money": _decimal,
    "percent": _decimal,
    "duration": _decimal,
    "integer": _integer,
    "text": _text,
    "boolean": _boolean,
    "date": lambda value, zone: date.fromisoformat(value).isoformat(),
    "datetime": _datetime,
    "time": _time,
}
