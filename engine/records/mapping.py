"""`kind: import`: how the columns and values of a file become fields of records."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from engine.base.errors import Fault, Refused
from engine.plan.structured import ENCODER
from engine.plan.write import STAGE_ENTERED
from engine.plan.written import Unfit
from engine.release.release import Release
from metamodel.issues import Collector, PackError
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.object import Field
from metamodel.names import did_you_mean
from metamodel.schema_check import check
from metamodel.source import Item, parse, read

TRUE, FALSE = frozenset({"true", "yes", "1", "y", "t"}), frozenset({"false", "no", "0", "n", "f"})
CLOCK = re.compile(r"([0-9]{1,6}):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,6})?))?")
WORDS = re.compile(r"[^0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Source:
    """Where one field's value comes from; it passes blank, default, map, template, factor, format, then lookup."""

    field: str
    columns: tuple[str, ...]
    value: str | None
    blank: frozenset[str]
    default: str | None
    map: Mapping[str, str | None]
    template: str | None
    factor: Decimal | None
    format: str | None
    lookup: str | None


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A checked mapping. `key` are the fields that find a record again; `system` holds the sources of original dates
    in historical mode."""

    name: str
    file: str | None
    encoding: str
    separator: str
    sheet: str | None
    object: str
    mode: str
    key: tuple[str, ...]
    distinct: str | None
    history: bool
    acknowledged: frozenset[str]
    sources: tuple[Source, ...]
    system: tuple[Source, ...]


def load_mapping(path: Path) -> ImportMapping:
    """The mapping in a file. Raises like `read_mapping`."""
    return mapping_of(read_mapping(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """The plain data of the mapping in a file. Raises PackError with every problem and its place."""
    issues = Collector()
    _, items = read(path, str(path), issues)
    return _checked(items, str(path), issues)


def given_mapping(data: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of a mapping that a caller gives, with `kind` and `name` where they are missing.

    Raises Refused "import.mapping" with a fault for every problem.
    """
    issues = Collector()
    whole = {"kind": "import", "name": "import", **data}
    try:
        _, items = parse(ENCODER.encode(whole), "mapping", issues)
        return _checked(items, "the mapping", issues)
    except PackError as error:
        faults = [Fault("import.mapping", f"{i.message}; {i.hint}" if i.hint else i.message) for i in error.issues]
        raise Refused("import.mapping", faults[0].detail, faults=faults) from error


def _checked(items: list[Item], name: str, issues: Collector) -> dict[str, Any]:
    if not issues.errors and (len(items) != 1 or items[0].plain().get("kind") != "import"):
        raise Refused("import.mapping", f"{name} does not hold one document of kind import")
    if not issues.errors:
        check("import", items[0], issues)
    if issues.errors:
        raise PackError(issues.issues)
    found: dict[str, Any] = items[0].plain()
    return found


def mapping_of(data: Mapping[str, Any]) -> ImportMapping:
    """The mapping that plain data declares; the data has passed its schema."""
    columns = [_source(field, given) for field, given in data["columns"].items()]
    system = [_source(field, given) for field, given in data.get("system", {}).items()]
    key = data.get("key", ())
    return ImportMapping(
        data["name"], data.get("file"), data.get("encoding", "utf-8"), data.get("separator", ","), data.get("sheet"),
        data["object"], data.get("mode", "create"), (key,) if isinstance(key, str) else tuple(key),
        data.get("distinct"), data.get("history", False),
        frozenset(data.get("acknowledge", ())), tuple(columns), tuple(system),
    )


def _source(field: str, given: Any) -> Source:
    plain: Mapping[str, Any] = given if isinstance(given, Mapping) else {"column": given}
    columns = plain.get("column", ())
    blank = plain.get("blank", ())
    return Source(
        field,
        (columns,) if isinstance(columns, str) else tuple(columns),
        _text(plain["value"]) if "value" in plain else None,
        frozenset((blank,) if isinstance(blank, str) else blank),
        _text(plain["default"]) if "default" in plain else None,
        {str(text): None if to is None else _text(to) for text, to in plain.get("map", {}).items()},
        plain.get("template"),
        Decimal(str(plain["factor"])) if "factor" in plain else None,
        plain.get("format"),
        plain.get("lookup"),
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def verify(mapping: ImportMapping, release: Release, header: list[str]) -> None:
    """Raises Refused "import.mapping" with a fault for everything that the object or the file does not have."""
    faults: list[Fault] = []

    def fault(pointer: str, detail: str, wrong: str, known: Any) -> None:
        hint = did_you_mean(wrong, known)
        faults.append(Fault("import.mapping", detail + (f"; {hint}" if hint else ""), pointer))

    objects = release.model.objects
    if mapping.object not in objects:
        fault("/object", f'there is no object "{mapping.object}"', mapping.object, objects)
        raise Refused("import.mapping", faults[0].detail, faults=faults)
    fields = release.object(mapping.object).fields
    for source in mapping.sources:
        at = f"/columns/{source.field}"
        if source.field not in fields:
            fault(at, f'{mapping.object} has no field "{source.field}"', source.field, fields)
            continue
        target = fields[source.field].to
        if source.lookup and target is None:
            fault(at, f'"{source.field}" is not a lookup', source.field, ())
        elif source.lookup and not _stored(objects[target or ""].fields.get(source.lookup)):
            fault(at, f'{target} has no stored field "{source.lookup}"', source.lookup, objects[target or ""].fields)
    for source in (*mapping.sources, *mapping.system):
        if bool(source.columns) == (source.value is not None):
            fault(f"/columns/{source.field}", "either a column or a value is needed", "", ())
        for column in source.columns:
            if header.count(column) > 1:
                fault(f"/columns/{source.field}", f'the file has {header.count(column)} columns "{column}"', "", ())
            if column not in header:
                fault(f"/columns/{source.field}", f'the file has no column "{column}"', column, header)
    if mapping.distinct and mapping.distinct not in header:
        fault("/distinct", f'the file has no column "{mapping.distinct}"', mapping.distinct, header)
    if mapping.mode != "create" and not mapping.key:
        fault("/key", f"mode {mapping.mode} needs a key", "", ())
    given = [source.field for source in mapping.sources]
    for key in mapping.key:
        if key in fields and not _stored(fields[key]):
            fault("/key", f'"{key}" is computed, so it finds no record', "", ())
        if key not in given:
            fault("/key", f'the key "{key}" has no column', key, given)
    if mapping.system and not mapping.history:
        fault("/system", "original dates are kept in historical mode only", "", ())
    if faults:
        raise Refused("import.mapping", faults[0].detail, faults=faults)


def _stored(field: Field | None) -> bool:
    return field is not None and FIELD_TYPES[field.type].column is not None


def picked(source: Source, row: Mapping[str, str]) -> str | None:
    """The text of a source in one row, after blank, default, map, template and factor. Raises Unfit."""
    text = source.value
    for column in source.columns:
        text = (row.get(column) or "").strip()
        if text and text not in source.blank:
            break
    if not text or text in source.blank:
        text = source.default
        if text is None:
            return None
    if text in source.map:
        mapped = source.map[text]
        if mapped is None:
            return None
        text = mapped
    if source.template:
        words = WORDS.sub(".", text).strip(".")
        text = source.template.replace("{value}", text).replace("{slug}", words.lower())
        text = text.replace("{CODE}", words.replace(".", "-").upper())
    if source.factor is not None:
        try:
            text = format(Decimal(text) * source.factor, "f")
        except InvalidOperation as error:
            raise Unfit("record.type", f'"{text[:40]}" is not a number') from error
    return text


def option_labels(release: Release, field: Field) -> dict[str, str]:
    """The options of a select or stage field by their labels; a label of several options names none of them."""
    found = release.model.choices(field.choice or "").values()
    labels: dict[str, str] = {}
    twice: set[str] = set()
    for option in found:
        for label in set(option.label.values()) - {option.name}:
            twice |= {label} if label in labels else set()
            labels[label] = option.name
    names = {option.name for option in found}
    return {label: name for label, name in labels.items() if label not in twice | names}


def typed(field_type: str, text: str, form: str | None, zone: str) -> Any:
    """The JSON value that the write door takes, from a text of the file. Raises Unfit."""
    return _TYPED.get(field_type, _plain)(text, form, zone)


def _plain(text: str, form: str | None, zone: str) -> Any:
    return text


def _number(text: str, form: str | None, zone: str) -> Any:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Unfit("record.type", f'"{text[:40]}" is not a number') from error
    if not number.is_finite():
        raise Unfit("record.type", f'"{text[:40]}" is not a number')
    return number


def _percent(text: str, form: str | None, zone: str) -> Any:
    return _number(text[:-1], form, zone) / 100 if text.endswith("%") else _number(text, form, zone)


def _boolean(text: str, form: str | None, zone: str) -> Any:
    low = text.lower()
    if low not in TRUE | FALSE:
        raise Unfit("record.type", f'"{text[:40]}" is neither true nor false')
    return low in TRUE


def _moment(text: str, form: str | None) -> datetime:
    try:
        return datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    except ValueError as error:
        wanted = form or "2024-01-31"
        raise Unfit("record.type", f'"{text[:40]}" is not a date of the form {wanted}') from error


def _date(text: str, form: str | None, zone: str) -> Any:
    return _moment(text, form).date().isoformat()


def _datetime(text: str, form: str | None, zone: str) -> Any:
    moment = _moment(text, form)
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).isoformat()


def _duration(text: str, form: str | None, zone: str) -> Any:
    """A number of seconds, `H:MM`, `H:MM:SS` or the ISO 8601 form."""
    if found := CLOCK.fullmatch(text):
        hours, minutes, seconds = (Decimal(part or 0) for part in found.groups())
        return hours * 3_600 + minutes * 60 + seconds
    return text if "P" in text else _number(text, form, zone)


def _json(text: str, form: str | None, zone: str) -> Any:
    try:
        return msgspec.json.Decoder(float_hook=Decimal).decode(text)
    except msgspec.DecodeError as error:
        raise Unfit("record.type", f'"{text[:40]}" is not JSON') from error


def _options(text: str, form: str | None, zone: str) -> Any:
    """Texts between semicolons, or a JSON list."""
    if text.startswith("["):
        return _json(text, form, zone)
    return [part.strip() for part in text.split(";") if part.strip()]


_TYPED: Mapping[str, Callable[[str, str | None, str], Any]] = {
    "integer": _number,
    "decimal": _number,
    "money": _number,
    "percent": _percent,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "rating": _number,
    "duration": _duration,
    "multi_select": _options,
    "tags": _options,
    "json": _json,
}

SYSTEM_FIELDS = {"created_at": "created_at", "stage_entered_at": STAGE_ENTERED}
