"""Makes values of several parts fit: tags, files, JSON; and texts that follow a symbology. See `values.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from jsonschema import Draft202012Validator

from engine.base.limits import FILES_MAX, JSON_FIELD_BYTES, TAGS_MAX
from engine.plan.written import GTIN, Unfit, gtin_fits
from metamodel.kinds.object import Field

ENCODER = msgspec.json.Encoder(decimal_format="number")
Convert: TypeAlias = Callable[[Any], Any]


def barcode(f: Field, plain: Convert) -> Callable[[Any], str | None]:
    """Texts that a scanner reads; those of a symbology of GS1 with their check digit."""
    symbology = f.symbology or ""

    def convert(value: Any) -> str | None:
        text: str | None = plain(value)
        if text is None:
            return None
        if symbology in GTIN and not gtin_fits(text, symbology):
            raise Unfit("record.type", f"{GTIN[symbology]} digits with the right check digit are expected")
        if symbology == "code128" and not (text.isascii() and text.isprintable()):
            raise Unfit("record.type", "a code 128 holds printable ASCII characters only")
        return text

    return convert


def tags(f: Field, one: Convert) -> Callable[[Any], list[str] | None]:
    """Texts without spaces around them, each once."""
    most = int(f.max) if f.max is not None else TAGS_MAX

    def convert(value: Any) -> list[str] | None:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Unfit("record.type", "a list of texts is expected")
        texts = [text for item in value if (text := one(item.strip()))]
        found = list(dict.fromkeys(texts))
        if len(found) > most:
            raise Unfit("record.out_of_range", f"at most {most} are allowed; these are {len(found)}")
        return found or None

    return convert


def files(f: Field, one: Convert) -> Callable[[Any], list[str] | None]:
    """Ids of files; of an object its `id` counts."""
    most = 1 if not f.many else int(f.max) if f.max is not None else FILES_MAX

    def convert(value: Any) -> list[str] | None:
        if isinstance(value, list) != f.many:
            raise Unfit("record.type", f"{'a list of ids of files' if f.many else 'the id of a file'} is expected")
        given = value if isinstance(value, list) else [value]
        ids = [one(item.get("id") if isinstance(item, Mapping) else item) for item in given]
        found = list(dict.fromkeys(ids))
        if len(found) > most:
            raise Unfit("record.out_of_range", f"at most {most} are allowed; these are {len(found)}")
        return found or None

    return convert


def json_value(f: Field) -> Callable[[Any], Any]:
    """Any JSON that meets the field's schema and that PostgreSQL can keep."""
    judge = None if f.schema is None else Draft202012Validator(_plain_json(f.schema))

    def convert(value: Any) -> Any:
        _sound(value)
        text = ENCODER.encode(value)
        if len(text) > JSON_FIELD_BYTES:
            raise Unfit("record.too_long", f"at most {JSON_FIELD_BYTES} bytes of JSON are allowed")
        found = min(judge.iter_errors(_plain_json(value)), key=lambda e: len(e.path), default=None) if judge else None
        if found is not None:
            place = "".join(f"/{step}" for step in found.absolute_path)
            raise Unfit("record.schema", f"{place or 'the value'}: {found.message[:300]}")
        return msgspec.Raw(text)

    return convert


def _sound(value: Any) -> None:
    """Raises Unfit for what PostgreSQL can not keep as JSON."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= ch <= "\udfff" for ch in value if not ch.isascii()):
            raise Unfit("record.type", "a text of the value holds a character that can not be kept")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _sound(key)
            _sound(inner)
    elif isinstance(value, list):
        for inner in value:
            _sound(inner)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > 300 or len(number.as_tuple().digits) > 1_000:
            raise Unfit("record.out_of_range", "a number of the value is too large")


def _plain_json(value: Any) -> Any:
    """The value as JSON reads it, its numbers integers and floats."""
    return msgspec.json.decode(ENCODER.encode(value))
