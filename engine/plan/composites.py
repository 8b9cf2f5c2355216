"""Composite fields where JSON goes in and out: an object of parts becomes the part fields of the row, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.base.errors import Fault, at
from engine.release.release import Release
from metamodel.kinds.composites import BESIDE, COMPOSITES, parts
from metamodel.kinds.object import Field
from metamodel.names import did_you_mean


def spread(
    release: Release, obj: str, rows: Iterable[Mapping[str, Any]], many: bool, faults: list[Fault]
) -> tuple[Mapping[str, Any], ...]:
    """The rows with the parts of composite fields for the wholes: `{"address": {"city": x}}` is `{"address.city": x}`.

    A part that is left out stays as it is, and `null` for the whole clears all parts. What is no object of parts is
    added to `faults`.
    """
    fields = release.object(obj).fields
    wholes = {
        f.name: [part.name for part in parts(fields, f.name)]
        for f in fields.values() if f.type in COMPOSITES or f.type in BESIDE
    }
    several = [f for f in fields.values() if f.targets]
    made = []
    for n, row in enumerate(rows):
        place = n if many else None
        if wholes.keys() & row.keys():
            row = dict(_row(release, obj, row, wholes, place, faults))
        for f in several:
            row = _pointed(f, row, place, faults)
        made.append(row)
    return tuple(made)


def _pointed(f: Field, row: Mapping[str, Any], n: int | None, faults: list[Fault]) -> Mapping[str, Any]:
    """The row with all lookups of a field that points to one of several objects, where it gives any."""
    links = [f"{f.name}.{target}" for target in f.targets]
    given = {link: row[link] for link in links if link in row}
    if f.name in row:
        value = row[f.name]
        row = {name: inner for name, inner in row.items() if name != f.name}
        if value is None or value == "":
            return {**row, **dict.fromkeys(links)}
        if not isinstance(value, Mapping) or value.get("object") not in f.targets:
            shown = ", ".join(f.targets)
            faults.append(Fault("record.type", f"an object and an id are expected; the object is one of {shown}",
                                at(f.name), row=n))
            return row
        given |= {f"{f.name}.{value['object']}": value.get("id")}
    if sum(value is not None for value in given.values()) > 1:
        faults.append(Fault("record.type", "it points to one record only", at(f.name), row=n))
    return {**row, **dict.fromkeys(links), **given} if any(given.values()) else {**row, **given}


def _row(
    release: Release, obj: str, row: Mapping[str, Any], wholes: Mapping[str, list[str]], n: int | None,
    faults: list[Fault],
) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name not in wholes:
            yield name, value
        elif release.object(obj).fields[name].type in BESIDE:
            yield from _beside(name, value, wholes[name])
        elif value is None or value == "":
            yield from dict.fromkeys(wholes[name]).items()
        elif not isinstance(value, Mapping):
            shown = ", ".join(part.split(".")[1] for part in wholes[name])
            faults.append(Fault("record.type", f"an object of {shown} is expected", at(name), row=n))
        else:
            for part, inner in value.items():
                if f"{name}.{part}" in wholes[name]:
                    yield f"{name}.{part}", inner
                else:
                    faults.append(_unknown(release, obj, name, str(part), wholes[name], n))


def _beside(name: str, value: Any, known: list[str]) -> Iterator[tuple[str, Any]]:
    """What is given with a value of its own: of an object the id and the parts. With another value they begin anew."""
    given = value if isinstance(value, Mapping) else {"id": value}
    if "id" in given or not given:
        yield name, given.get("id")
    yield from ((part, given.get(part.split(".")[1])) for part in known if part.split(".")[1] in given or "id" in given)


def _unknown(release: Release, obj: str, name: str, part: str, known: list[str], n: int | None) -> Fault:
    if part == COMPOSITES[release.object(obj).fields[name].type].shown:
        return Fault("record.field_read_only", f'"{name}.{part}" is computed', at(f"{name}.{part}"), row=n)
    hint = did_you_mean(part, [whole.split(".")[1] for whole in known])
    detail = f'"{name}" has no part "{part}"' + (f"; {hint}" if hint else "")
    return Fault("record.field_unknown", detail, at(f"{name}.{part}"), row=n)


def with_wholes(release: Release, obj: str, given: frozenset[str]) -> frozenset[str]:
    """The fields and the composite ones that they are parts of."""
    fields = release.object(obj).fields
    return given | {whole for name in given if name in fields and (whole := fields[name].whole)}
