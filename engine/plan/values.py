"""JSON and text values to typed ones, with a fault for each value that does not fit its field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from engine.base.errors import Fault, Refused, at
from engine.base.limits import (
    LONG_TEXT_DEFAULT,
    NUMBER_DIGITS,
    NUMBER_SCALE,
    TAG_LENGTH,
    TEXT_DEFAULT,
)
from engine.plan.structured import barcode, files, json_value, tags
from engine.plan.written import (
    DURATION_MAX,
    Unfit,
    parse_date,
    parse_datetime,
    parse_duration,
    parse_time,
)
from engine.release.release import Release
from metamodel.kinds.field_types import FILES
from metamodel.kinds.object import Field
from metamodel.kinds.process import Stage

EMAIL = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{1,190}\.[^@\s<>\".]{2,63}")
PHONE = re.compile(r"\+?[0-9][0-9 ()./\-]{3,28}[0-9](?: ?(?:x|ext\.?) ?[0-9]{1,6})?")
URL = re.compile(r"https?://[^\s/$.?#<>\"][^\s<>\"]{0,2000}", re.IGNORECASE)
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
BIGINT = 2**63
EXACT = Context(prec=2 * NUMBER_DIGITS, Emin=-999_999, Emax=999_999, traps=[])


@dataclass(frozen=True, slots=True)
class Converter:
    """Makes one field's JSON values fit: `convert` gives what the column takes, or raises `Unfit`. None is blank."""

    field: Field
    convert: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        return None if value is None or value == "" else self.convert(value)


def converters(release: Release, obj: str) -> Mapping[str, Converter]:
    """A converter for each stored field of an object."""
    return {f.name: Converter(f, _BY_TYPE[f.type](f, release)) for f in release.stored(obj)}


def from_text(kind: str, text: str) -> Any:
    """A typed value from its text form in a URL or a cursor; raises `Refused("query.invalid")`."""
    try:
        return _FROM_TEXT[kind](text)
    except (ValueError, InvalidOperation, KeyError) as error:
        raise Refused("query.invalid", f'"{text[:40]}" is not a value of type {kind}') from error


def text_limit(f: Field) -> int:
    """How many characters a text field takes."""
    return f.max_length or _LENGTHS.get(f.type, TEXT_DEFAULT)


_LENGTHS = {"long_text": LONG_TEXT_DEFAULT, "tags": TAG_LENGTH}


def _text(f: Field, release: Release) -> Callable[[Any], str | None]:
    limit = text_limit(f)

    def convert(value: Any) -> str | None:
        if not isinstance(value, str):
            raise Unfit("record.type", "a text is expected")
        if not value.isascii():
            value = unicodedata.normalize("NFC", value)
        if len(value) > limit:
            raise Unfit("record.too_long", f"at most {limit} characters are allowed; this has {len(value)}")
        if not value.isprintable() and UNPRINTABLE.search(value):
            raise Unfit("record.type", "the text holds a control character")
        if any("\ud800" <= ch <= "\udfff" for ch in value) if not value.isascii() else False:
            raise Unfit("record.type", "the text is not valid Unicode")
        return value or None

    return convert


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Field, Release], Callable[[Any], str | None]]:
    def make(f: Field, release: Release) -> Callable[[Any], str | None]:
        plain = _text(f, release)

        def convert(value: Any) -> str | None:
            text = plain(value)
            if text is not None and not pattern.fullmatch(text):
                raise Unfit("record.type", f"this is not {what}")
            return text

        return convert

    return make


def _integer(f: Field, release: Release) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = _decimal(value, "a whole number is expected")
        if number.copy_abs() >= BIGINT:
            raise Unfit("record.out_of_range", "the number is too large")
        if number != number.to_integral_value(context=EXACT):
            raise Unfit("record.type", "a whole number is expected")
        _within(f, number)
        return int(number)

    return convert


def _number(f: Field, release: Release) -> Callable[[Any], str]:
    scale = 2 if f.type == "money" else NUMBER_SCALE if f.scale is None else f.scale
    quantum, fixed = Decimal(1).scaleb(-scale), f.type == "money" or f.scale is not None

    def convert(value: Any) -> str:
        number = _decimal(value, "a number is expected")
        if number.adjusted() >= NUMBER_DIGITS - NUMBER_SCALE:
            raise Unfit("record.out_of_range", f"at most {NUMBER_DIGITS - NUMBER_SCALE} digits before the point")
        rounded = number.quantize(quantum, context=EXACT)
        if number != rounded:
            raise Unfit("record.out_of_range", f"at most {scale} decimal places are allowed")
        _within(f, number)
        return format(rounded if fixed else number, "f")

    return convert


def _decimal(value: Any, expected: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unfit("record.type", expected)
    if isinstance(value, int) and abs(value) >= 10**NUMBER_DIGITS:
        raise Unfit("record.out_of_range", "the number is too large")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise Unfit("record.type", expected)
    return number


def _within(f: Field, number: Decimal) -> None:
    if f.min is not None and number < f.min:
        raise Unfit("record.out_of_range", f"the least value is {f.min}")
    if f.max is not None and number > f.max:
        raise Unfit("record.out_of_range", f"the greatest value is {f.max}")


def _date(f: Field, release: Release) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        try:
            return parse_date(value).isoformat()
        except (TypeError, ValueError) as error:
            raise Unfit("record.type", "a date such as 2024-01-31 is expected") from error

    return convert


def _datetime(f: Field, release: Release) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        try:
            return parse_datetime(value).isoformat()
        except (TypeError, ValueError, OverflowError) as error:
            raise Unfit("record.type", "a time such as 2024-01-31T14:30:00Z is expected") from error

    return convert


def _time(f: Field, release: Release) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        try:
            return parse_time(value).isoformat()
        except (TypeError, ValueError) as error:
            raise Unfit("record.type", "a time of day such as 14:30 or 14:30:15 is expected") from error

    return convert


def _duration(f: Field, release: Release) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        expected = "a duration such as PT1H30M, or a number of seconds, is expected"
        try:
            seconds = parse_duration(value) if isinstance(value, str) else _decimal(value, expected)
        except ValueError as error:
            raise Unfit("record.type", expected) from error
        if seconds.copy_abs() >= DURATION_MAX:
            raise Unfit("record.out_of_range", "the duration is too long")
        if seconds != (exact := seconds.quantize(Decimal("0.000001"), context=EXACT)):
            raise Unfit("record.out_of_range", "a duration is exact to the microsecond")
        _within(f, seconds)
        return format(exact.normalize(EXACT), "f")

    return convert


def _boolean(f: Field, release: Release) -> Callable[[Any], bool]:
    def convert(value: Any) -> bool:
        if not isinstance(value, bool):
            raise Unfit("record.type", "true or false is expected")
        return value

    return convert


def _choices(f: Field, release: Release) -> tuple[Mapping[str, str], str]:
    """The codes of options by name, and the names that may be chosen for messages."""
    chosen = release.model.choices(f.choice or "")
    names = tuple(one.name for one in chosen.values() if isinstance(one, Stage) or one.active)
    codes = release.codes(f.choice or "")
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return {name: codes.get(name, name) for name in chosen}, shown


def _select(f: Field, release: Release) -> Callable[[Any], str]:
    codes, shown = _choices(f, release)

    def convert(value: Any) -> str:
        code = codes.get(value) if isinstance(value, str) else None
        if code is None:
            raise Unfit("record.option", f"one of {shown} is expected")
        return code

    return convert


def _multi_select(f: Field, release: Release) -> Callable[[Any], list[str] | None]:
    one = _select(f, release)

    def convert(value: Any) -> list[str] | None:
        if not isinstance(value, list):
            raise Unfit("record.type", "a list of options is expected")
        return list(dict.fromkeys(one(item) for item in value)) or None

    return convert


def _reference(f: Field, release: Release) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if isinstance(value, UUID):
            return str(value)
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise Unfit("record.type", "the id of a record is expected")
        return value.lower()

    return convert


_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_BY_TYPE: dict[str, Callable[[Field, Release], Callable[[Any], Any]]] = {
    "text": _text,
    "long_text": _text,
    "email": _matching(EMAIL, "an e-mail address"),
    "phone": _matching(PHONE, "a telephone number"),
    "url": _matching(URL, "an http or https address"),
    "barcode": lambda f, release: barcode(f, _text(f, release)),
    "integer": _integer,
    "decimal": _number,
    "percent": _number,
    "money": _number,
    "rating": _integer,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "duration": _duration,
    "boolean": _boolean,
    "select": _select,
    "stage": _select,
    "multi_select": _multi_select,
    "tags": lambda f, release: tags(f, _text(f, release)),
    "json": lambda f, release: json_value(f),
    **dict.fromkeys(FILES, lambda f, release: files(f, _reference(f, release))),
    "lookup": _reference,
    "user": _reference,
    "auto_number": _text,
}


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError(text)
    return text


def _bounded(number: int) -> int:
    if not -BIGINT <= number < BIGINT:
        raise ValueError(number)
    return number


def _moderate(number: Decimal) -> Decimal:
    """A number that PostgreSQL takes as numeric without trouble; NaN and infinities are none."""
    if not number.is_finite() or abs(number.adjusted()) > 1_000:
        raise ValueError(number)
    return number


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "text": _storable,
    "select": _storable,
    "integer": lambda text: _bounded(int(text)),
    "decimal": lambda text: _moderate(Decimal(text)),
    "percent": lambda text: _moderate(Decimal(text)),
    "money": lambda text: _moderate(Decimal(text)),
    "duration": lambda text: parse_duration(text) if "P" in text else _moderate(Decimal(text)),
    "boolean": lambda text: {"true": True, "false": False}[text],
    "date": parse_date,
    "datetime": lambda text: parse_datetime(text.replace(" ", "T")),
    "time": parse_time,
    "reference": UUID,
}


def convert_row(
    row: Mapping[str, Any], allowed: Mapping[str, Converter], position: int | None, faults: list[Fault]
) -> dict[str, Any]:
    """The row with every value converted; what does not fit is added to `faults`."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        try:
            out[name] = allowed[name](value)
        except Unfit as unfit:
            faults.append(Fault(unfit.code, unfit.detail, at(name), row=position))
    return out
