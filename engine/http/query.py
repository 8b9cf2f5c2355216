"""Query strings -> what is asked for, by name. Nothing of them is checked against the model here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from engine.base.errors import Fault, Refused
from engine.base.limits import PAGE_DEFAULT, QUERY_STRING_BYTES, REPORT_ROWS
from engine.plan.request import AggregateQuery, RecordQuery

_NAMED = re.compile(r"\s*([a-z][a-z0-9_]{0,39})\s*:(?!:)")
_OPENING, _CLOSING = "([{", ")]}"


def parse(query_string: bytes) -> dict[str, str]:
    """Keys and values. Raises Refused "request.too_large", or "request.malformed" for a key given twice, a NUL
    character or a text that is not UTF-8."""
    if len(query_string) > QUERY_STRING_BYTES:
        raise Refused("request.too_large", f"a query string has at most {QUERY_STRING_BYTES} bytes")
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Refused("request.malformed", "the query string is not valid UTF-8") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused("request.malformed", "a key of the query string may be given once only")
    if b"%00" in query_string and any("\0" in text for pair in pairs for text in pair):
        raise Refused("request.malformed", "the query string holds a NUL character")
    return found


def only(found: Mapping[str, str], *known: str) -> None:
    """Raises Refused "query.invalid" for a key that the address does not take."""
    faults = [Fault("query.invalid", f'there is no parameter "{key}" here', key) for key in found if key not in known]
    if faults:
        raise Refused("query.invalid", faults[0].detail, faults=faults)


def record_list(obj: str, query_string: bytes) -> RecordQuery:
    """A list of records: `where, fields, order, limit, after, count=exact, errors`; any other key is an equality."""
    found = parse(query_string)
    if found.get("after") == "":
        raise Refused("query.cursor")
    errors = flag(found, "errors")
    count = found.pop("count", None)
    if count not in (None, "exact"):
        raise _invalid("count", "count can only be exact")
    return RecordQuery(
        object=obj,
        fields=_names(found, "fields"),
        where=found.pop("where", None),
        order=_names(found, "order") or (),
        limit=number(found, "limit", PAGE_DEFAULT),
        after=found.pop("after", None),
        count=count is not None,
        errors=errors,
        equals=tuple(found.items()),
    )


def record_single(obj: str, query_string: bytes) -> RecordQuery:
    """One record: `fields` and `errors`."""
    found = parse(query_string)
    only(found, "fields", "errors")
    return RecordQuery(object=obj, single=True, fields=_names(found, "fields"), errors=flag(found, "errors"))


def flag(found: dict[str, str], key: str) -> bool:
    value = found.pop(key, "false")
    if value not in ("true", "false"):
        raise _invalid(key, f"{key} is true or false")
    return value == "true"


def aggregate(obj: str, query_string: bytes) -> AggregateQuery:
    """Groups and measures: `by, measures, where, order, limit`; the first two list `formula` or `name:formula`."""
    found = parse(query_string)
    only(found, "by", "measures", "where", "order", "limit")
    taken: set[str] = set()
    by = _columns("by", found.get("by", ""), taken)
    measures = _columns("measures", found.get("measures", ""), taken)
    if not by and not measures:
        raise _invalid("measures", "at least one group or measure is needed")
    limit = number(found, "limit", REPORT_ROWS)
    if not 1 <= limit <= REPORT_ROWS:
        raise _invalid("limit", f"limit is a number from 1 to {REPORT_ROWS}")
    return AggregateQuery(
        object=obj, by=by, measures=measures, where=found.get("where"), order=_names(found, "order") or (), limit=limit,
    )  # fmt: skip


def split(text: str) -> Iterator[str]:
    """The parts of a list of formulas: cut at commas that stand outside brackets and texts."""
    start, depth, quote, skip = 0, 0, "", False
    for at, ch in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = ch == "\\"
            quote = "" if ch == quote else quote
        elif ch in "\"'":
            quote = ch
        elif ch in _OPENING:
            depth += 1
        elif ch in _CLOSING:
            depth -= 1
        elif ch == "," and depth <= 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _columns(key: str, text: str, taken: set[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for part in split(text) if text.strip() else ():
        named = _NAMED.match(part)
        formula = (part[named.end() :] if named else part).strip()
        if not formula:
            raise _invalid(key, "a formula is missing between two commas")
        name = named[1] if named else _name_of(formula, taken)
        if name in taken:
            raise _invalid(key, f'two columns are named "{name}"')
        taken.add(name)
        columns[name] = formula
    return columns


def _name_of(formula: str, taken: set[str]) -> str:
    """A name made of the formula's words: `SUM(amount)` is `sum_amount`."""
    words = re.sub(r"[^a-z0-9]+", "_", formula.lower()).strip("_")[:36]
    base = words if words[:1].isalpha() else f"column_{words}".rstrip("_")
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name


def _names(found: dict[str, str], key: str) -> tuple[str, ...] | None:
    text = found.pop(key, None)
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise _invalid(key, "a name is missing")
    return names


def number(found: dict[str, str], key: str, default: int) -> int:
    """A whole number that is taken out of the query string."""
    text = found.pop(key, None)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _invalid(key, f"{key} is a whole number")
    return int(text)


def _invalid(key: str, detail: str) -> Refused:
    return Refused("query.invalid", detail, faults=[Fault("query.invalid", detail, key)])
