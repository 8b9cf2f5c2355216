"""Typed inputs as the one record of a formula that stands outside of any pack.

An input is `{"type": T, "value": V}` with T of `KINDS` and V a JSON value, numbers, dates and times also as text
(`null` is blank), or a plain JSON value; a list of objects is a child set, each object a row of inputs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
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

RECORD = "inputs"
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
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class InvalidInput(ValueError):
    """An input can not be read; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The record of inputs, or the rows of a child set, as a formula sees them."""

    name: str
    fields: Mapping[str, FieldShape]
    children: Mapping[str, ChildShape] = field(default_factory=dict)


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


def read_inputs(given: Mapping[str, Any], organisation: Organisation) -> Inputs:
    """The inputs of one formula. Raises `InvalidInput`."""
    shapes: dict[str, Shape] = {}
    sets = {name: rows for name, value in given.items() if (rows := _rows(value)) is not None}
    zone = ZoneInfo(organisation.time_zone)
    fields, values = _record(RECORD, [{n: v for n, v in given.items() if n not in sets}], zone)
    children: dict[str, ChildShape] = {}
    for name, rows in sets.items():
        inner, records = _record(_name(name), rows, zone)
        shapes[name.lower()] = Shape(name.lower(), inner)
        children[name.lower()] = ChildShape(name.lower(), name.lower(), RECORD)
        # Equal keys are told apart by the identity, so that FIRST and LAST follow the order that was given.
        values[0][name.lower()] = [record | {"id": str(UUID(int=n + 1))} for n, record in enumerate(records)]
    shapes[RECORD] = Shape(RECORD, fields, children)
    return Inputs(organisation, shapes, values[0])


def _rows(value: Any) -> Sequence[Mapping[str, Any]] | None:
    """The rows of a child set, or None where the input is no child set."""
    if isinstance(value, Mapping) and value.get("type") in ("set", "rows"):
        value = value.get("rows", value.get("value")) or []
    elif isinstance(value, Mapping) and value.get("type") == "list":
        value = value.get("value")
        if not value:
            return None
    if isinstance(value, list) and all(isinstance(row, Mapping) and "type" not in row for row in value):
        return value
    return None


def _name(name: str) -> str:
    if not NAME.match(name):
        raise InvalidInput(f'"{name}" is not a name: letters, digits and _, not a digit first')
    return name.lower()


def _record(owner: str, rows: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> tuple[
    dict[str, FieldShape], list[dict[str, Any]]
]:  # fmt: skip
    """The shapes of the columns that the rows have together, and the rows as plain JSON."""
    types: dict[str, Type] = {"id": Type("reference", nullable=False, of=owner)}
    records: list[dict[str, Any]] = []
    for row in rows:
        record = {}
        for name, value in row.items():
            of, record[_name(name)] = _cell(name, value, zone)
            known = types.get(name.lower())
            if known is None or known.kind == "null":
                types[name.lower()] = of
            elif of.kind not in ("null", known.kind):
                raise InvalidInput(f"{name} is {known} in one row and {of} in another")
        records.append(record)
    shapes = {name: FieldShape(name, Type("text") if of.kind == "null" else of) for name, of in types.items()}
    for record in records:
        record.update({n: False for n, s in shapes.items() if s.type.kind == "boolean" and record.get(n) is None})
    return shapes, records


def _cell(name: str, given: Any, zone: ZoneInfo) -> tuple[Type, Any]:
    """The type of an input, and its value as JSON that PostgreSQL reads as that type."""
    if not isinstance(given, Mapping):
        given = {"type": _guess(name, given), "value": given}
    kind = given.get("type")
    if kind == "null" or (kind is None and given.get("value") is None):
        return Type("null"), None
    if kind not in KINDS:
        raise InvalidInput(f"{name} has the type {kind}; known are {', '.join(KINDS)}")
    value = given.get("value")
    if kind == "list":
        return _list(name, given, zone)
    of = Type(KINDS[kind], nullable=kind not in ("bool", "boolean"))
    return of, None if value is None else _plain(name, of.kind, value, zone)


def _guess(name: str, value: Any) -> str:
    if value is None:
        return "null"
    for python, kind in ((bool, "bool"), (int | float | Decimal, "number"), (str, "text"), (list, "list")):
        if isinstance(value, python):
            return kind
    raise InvalidInput(f"{name} is not an input: write a type and a value")


def _list(name: str, given: Mapping[str, Any], zone: ZoneInfo) -> tuple[Type, Any]:
    value = given.get("value")
    if value is not None and not isinstance(value, list):
        raise InvalidInput(f"{name} is a list, its value is not")
    items = [item if isinstance(item, Mapping) else {"value": item} for item in value or ()]
    plain = next((item["value"] for item in items if item.get("value") is not None), None)
    kind = given.get("of") or next((i["type"] for i in items if "type" in i), None)
    kind = kind or ("text" if plain is None else _guess(name, plain))
    if kind not in KINDS or kind == "list":
        raise InvalidInput(f"{name} is a list of {kind}; known are {', '.join(k for k in KINDS if k != 'list')}")
    element = KINDS[kind]
    read = [None if i["value"] is None else _plain(name, element, i["value"], zone) for i in items]
    return Type("list", item=element), None if value is None else read


def _plain(name: str, kind: Kind, value: Any, zone: ZoneInfo) -> Any:
    try:
        return READERS[kind](value, zone)
    except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
        raise InvalidInput(f"{name}: {value!r} is not a {kind}") from error


def _decimal(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, bool):
        raise TypeError(value)
    number = Decimal(str(value))
    if not number.is_finite() or abs(number.adjusted()) >= limits.DIGITS:
        raise ValueError(value)
    return format(number, "f")


def _integer(value: Any, zone: ZoneInfo) -> str:
    whole = int(Decimal(_decimal(value, zone)))
    if whole != Decimal(str(value)) or not -(2**63) <= whole < 2**63:
        raise ValueError(value)
    return str(whole)


def _text(value: Any, zone: ZoneInfo) -> str | None:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
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
    "time": lambda value, zone: time.fromisoformat(value).replace(tzinfo=None).isoformat(),
}
