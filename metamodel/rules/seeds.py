"""The records of a seed give values that their fields can take, and each has a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from metamodel.issues import Collector
from metamodel.kinds.composites import COMPOSITES
from metamodel.kinds.object import Field, Object
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules.common import Path, find_field, find_object, writable


def check(model: Model, at: Places, issues: Collector) -> None:
    for seed in model.seeds.values():
        owner = find_object(model, seed.object, ("seed", seed.name, "object"), at, issues)
        key = owner and find_field(owner, seed.key, ("seed", seed.name, "key"), at, issues)
        if owner is None or key is None:
            continue
        if not key.unique and not any(k.fields == (seed.key,) and k.plain for k in owner.unique.values()):
            issues.add(
                "M223",
                f"{owner.name}.{seed.key} is not unique, so records can not be found again by it",
                at.value("seed", seed.name, "key"),
                "give the field `unique: true`",
            )
        seen: set[str] = set()
        for index, record in enumerate(seed.records):
            path = ("seed", seed.name, "records", index)
            _record(model, owner, record, path, at, issues)
            value = record.get(seed.key)
            if value is None or str(value) in seen:
                what = f"the key {seed.key}" + (" is missing" if value is None else f' "{value}" stands twice')
                issues.add(
                    "M223",
                    what,
                    at.value(*path, seed.key),
                    "each record has its own key",
                )
            seen.add(str(value))


def _record(
    model: Model,
    owner: Object,
    record: Mapping[str, Any],
    path: Path,
    at: Places,
    issues: Collector,
) -> None:
    for name, value in record.items():
        f = find_field(owner, name, (*path, name), at, issues, key=True)
        if f is None or value is None:
            continue
        if not writable(f):
            issues.add(
                "M212",
                f"{owner.name}.{name} can not be written",
                at.key(*path, name),
                "remove it",
            )
        elif wrong := _wrong(model, f, value):
            issues.add("M223", f"{owner.name}.{name}: {wrong}", at.value(*path, name), None)


def _wrong(model: Model, f: Field, value: Any) -> str | None:
    """Why the field can not take the value; None where it can."""
    if f.type in ("select", "multi_select", "stage"):
        known = model.choices(f.choice or "")
        missing = [v for v in (value if isinstance(value, list) else [value]) if known and v not in known]
        return f'there is no option "{missing[0]}"' if missing else None
    if f.type in COMPOSITES:
        names = [part.name for part in COMPOSITES[f.type].parts]
        unknown = [name for name in value if name not in names] if isinstance(value, dict) else [value]
        return f'"{unknown[0]}" is none of its parts: {", ".join(names)}' if unknown else None
    if f.type in _FORMS and not _FORMS[f.type](value):
        return f'"{value}" is not a value of the type {f.type}'
    if f.max_length is not None and len(str(value)) > f.max_length:
        return f"longer than {f.max_length} characters"
    return None


def _parses(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        try:
            parse(str(value))
        except (ValueError, ArithmeticError):
            return False
        return not isinstance(value, bool)

    return test


_FORMS: dict[str, Callable[[Any], bool]] = {
    "integer": _parses(int),
    "decimal": _parses(Decimal),
    "money": _parses(Decimal),
    "percent": _parses(lambda text: Decimal(text.removesuffix("%"))),
    "date": _parses(date.fromisoformat),
    "datetime": _parses(datetime.fromisoformat),
    "boolean": lambda value: isinstance(value, bool),
}
