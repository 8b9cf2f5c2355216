"""Data against the JSON Schema of its kind -> issues with positions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from metamodel.issues import Collector
from metamodel.names import did_you_mean, valid
from metamodel.source import Item, Mark

KINDS = (
    "pack",
    "tenant",
    "object",
    "value_set",
    "function",
    "process",
    "conversion",
    "duplicate_rule",
    "report",
    "workflow",
    "assignment",
    "role",
    "seed",
    "calendar",
)

Path = tuple[str | int, ...]

_KEYED = frozenset(
    {
        "fields",
        "params",
        "rules",
        "stages",
        "entry",
        "exit",
        "group_by",
        "measures",
        "objects",
        "options",
        "set",
        "values",
        "creates",
        "against",
        "match",
        "entries",
        "unique",
        "indexes",
        "moves",
        "actions",
        "records",
        "sort",
    }
)
"""Collections whose members stand alone: a faulty member is left out and the rest is still checked for meaning."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a schema refused: the address of the smallest part that has to be left out."""

    path: Path


MOST_ACCEPTED = 4096
_ACCEPTED: set[tuple[str, str]] = set()
"""Kind and content of documents that a schema has nothing against: an editor asks at each keystroke, mostly of the same
ones."""


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """The JSON Schema of a kind."""
    text = files("metamodel").joinpath("schemas", f"{kind}.schema.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


def check(kind: str, item: Item, issues: Collector) -> list[Fault]:
    """Judges one document of a known kind; every fault becomes an issue and names what to leave out."""
    plain = item.plain()
    seen = kind, repr(plain)
    if seen in _ACCEPTED:
        return []
    faults: list[Fault] = []
    for error in sorted(
        _validator(kind).iter_errors(plain),
        key=lambda e: [str(p) for p in e.absolute_path],
    ):
        path: Path = tuple(error.absolute_path)
        for code, message, hint, at in _explain(error):
            issues.add(code, message, _mark(item, path, at).place, hint)
            faults.append(Fault((*path, at) if code == "S102" and at is not None else _smallest(kind, path, at)))
    if not faults:
        if len(_ACCEPTED) >= MOST_ACCEPTED:
            _ACCEPTED.clear()
        _ACCEPTED.add(seen)
    return faults


def prune(kind: str, item: Item, faults: list[Fault]) -> bool:
    """Takes the faulty parts out of `item`. False where nothing useful is left, so the whole must be left out."""
    if any(not fault.path for fault in faults):
        return False
    for path in sorted({fault.path for fault in faults}, key=_depth, reverse=True):
        holder = find(item, path[:-1])
        if isinstance(holder.value, dict):
            holder.value.pop(str(path[-1]), None)
        elif isinstance(holder.value, list) and isinstance(path[-1], int) and path[-1] < len(holder.value):
            del holder.value[path[-1]]
    return not faults or bool(_validator(kind).is_valid(item.plain()))


def find(item: Item, path: Path) -> Item:
    """The item at `path`, or the nearest one above it that exists."""
    for step in path:
        inner = item.child(step)
        if inner is None:
            break
        item = inner
    return item


def _depth(path: Path) -> tuple[int, int]:
    """Sorts deep parts and late members first when reversed, so that indices stay right while parts are removed."""
    return len(path), path[-1] if isinstance(path[-1], int) else 0


def _smallest(kind: str, path: Path, at: str | None) -> Path:
    """The innermost member of a keyed collection that holds `path`; () is the whole document."""
    whole = (*path, at) if at is not None else path
    keyed = _KEYED - {"fields"} if kind == "role" else _KEYED
    ends = [i + 2 for i, step in enumerate(whole[:-1]) if step in keyed]
    return whole[: ends[-1]] if ends else ()


def _mark(root: Item, path: Path, at: str | None) -> Mark:
    """Where an issue points: the key `at` below `path`, else the value, else the key or value above it."""
    item = find(root, path)
    if at is not None and isinstance(item.value, dict) and at in item.value:
        item = item.value[at]
        return item.key or _own(item)
    if isinstance(item.value, (dict, list)):
        return item.key or _own(item)
    return _own(item)


def _own(item: Item) -> Mark:
    if item.mark is None:
        raise ValueError("a document was made without marks")
    return item.mark


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`pattern` over the whole text: Python's `$` would let a final line break through."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_extend: Any = extend
_Validator: Any = _extend(Draft202012Validator, {"pattern": _pattern})


@cache
def _validator(kind: str) -> Any:
    return _Validator(schema(kind))


Explained = tuple[str, str, str | None, str | None]


def _explain(error: Any) -> Iterator[Explained]:
    """Code, message, hint and the key concerned (if it is a key) of a schema error."""
    if "propertyNames" in error.absolute_schema_path:
        yield from _bad_key(error)
    else:
        yield from _EXPLAIN.get(str(error.validator), _bounds)(error)


def _bad_key(error: Any) -> Iterator[Explained]:
    key = str(error.instance)
    if error.schema.get("title") == "locale":
        yield (
            "S106",
            f'"{key}" is not a locale',
            "write a language tag such as en or zh-CN",
            key,
        )
    else:
        yield "S108", f'"{key}" is not a name', _name_hint(key), key


def _name_hint(name: str) -> str:
    better = re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")[:40]
    rule = "small letters, digits and _; begins with a letter; at most 40 characters"
    return f'{rule}; write "{better}"' if valid(better) else rule


def _unknown(error: Any) -> Iterator[Explained]:
    known = list(error.schema.get("properties", ()))
    for key in error.instance:
        if key not in known:
            hint = did_you_mean(key, known) or (f"allowed here: {', '.join(known)}" if known else None)
            yield "S102", f'unknown key "{key}"', hint, key


def _missing(error: Any) -> Iterator[Explained]:
    key = str(error.message).split("'")[1]
    schema = error.schema.get("properties", {}).get(key, {})
    yield "S103", f'the key "{key}" is missing', schema.get("description"), None


_TYPES = {
    "string": "a text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}


def _type(error: Any) -> Iterator[Explained]:
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    names = [_TYPES[name] for name in wanted if name != "null"]
    hint = error.schema.get("description")
    if isinstance(error.instance, str) and error.instance.lower() in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
    ):
        hint = f"write {'true' if error.instance.lower() in ('yes', 'on', 'true') else 'false'} without quotes"
    elif "string" in wanted and isinstance(error.instance, (int, float)):
        hint = "put quotes round it"
    yield (
        "S104",
        f"expected {' or '.join(names)}, found {_shown(error.instance)}",
        hint,
        None,
    )


def _choice(error: Any) -> Iterator[Explained]:
    allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
    near = did_you_mean(error.instance, [str(a) for a in allowed]) if isinstance(error.instance, str) else None
    choices = ", ".join(_shown(a).strip('"') for a in allowed)
    yield (
        "S105",
        f"{_shown(error.instance)} is not allowed here",
        near or f"allowed: {choices}",
        None,
    )


def _form(error: Any) -> Iterator[Explained]:
    title, hint = error.schema.get("title", "text"), error.schema.get("description")
    if title == "name":
        yield (
            "S108",
            f"{_shown(error.instance)} is not a name",
            _name_hint(str(error.instance)),
            None,
        )
    else:
        yield "S106", f"{_shown(error.instance)} is not a {title}", hint, None


_BOUNDS: dict[str, Callable[[Any], str]] = {
    "minimum": lambda limit: f"less than {limit}",
    "maximum": lambda limit: f"greater than {limit}",
    "minLength": lambda limit: "empty" if limit == 1 else f"shorter than {limit} characters",
    "maxLength": lambda limit: f"longer than {limit:,} characters",
    "minItems": lambda limit: "empty" if limit == 1 else f"shorter than {limit} entries",
    "maxItems": lambda limit: f"longer than {limit:,} entries",
    "minProperties": lambda limit: "empty",
    "maxProperties": lambda limit: f"longer than {limit:,} entries",
    "uniqueItems": lambda limit: "a list with the same entry twice",
}


def _bounds(error: Any) -> Iterator[Explained]:
    what = _BOUNDS[str(error.validator)](error.validator_value)
    yield "S107", f"the value is {what}", error.schema.get("description"), None


_EXPLAIN: dict[str, Callable[[Any], Iterator[Explained]]] = {
    "additionalProperties": _unknown,
    "required": _missing,
    "type": _type,
    "enum": _choice,
    "const": _choice,
    "pattern": _form,
}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else str(value)
