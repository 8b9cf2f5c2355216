"""The tenant and what stands around its objects: settings, packs, calendars, roles, reports, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metamodel.build.parts import At, Data, formula, maybe, text
from metamodel.kinds.calendar import CalendarDeclaration
from metamodel.kinds.object import Object
from metamodel.kinds.pack import Pack
from metamodel.kinds.report import Column, Report
from metamodel.kinds.role import Grant, Role
from metamodel.kinds.seed import Seed
from metamodel.kinds.tenant import TenantSettings


def settings(data: Data) -> TenantSettings:
    return TenantSettings(**{**data, "locales": tuple(data.get("locales", ("en",)))})


def pack(name: str, data: Data) -> Pack:
    return Pack(
        name=name,
        version=data["version"],
        language=data["language"],
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        depends=dict(data.get("depends", {})),
        locales=tuple(data.get("locales", ("en",))),
    )


def calendar(name: str, data: Data) -> CalendarDeclaration:
    return CalendarDeclaration(
        name=name,
        label=text(data.get("label"), name),
        time_zone=data.get("time_zone"),
        week={day: tuple(hours) for day, hours in data["week"].items()},
        country=data.get("country"),
        subdivision=data.get("subdivision"),
        holidays={day: text(label) for day, label in data.get("holidays", {}).items()},
        workdays=tuple(data.get("workdays", ())),
    )


def role(name: str, data: Data, objects: Mapping[str, Object], at: At) -> Role:
    """A role; `{except: [...]}` becomes the set of the other fields of the object."""
    return Role(
        name=name,
        label=text(data.get("label"), name),
        objects={
            target: {
                verb: _grant(value, verb, objects.get(target), at, ("role", name, "objects", target, verb))
                for verb, value in verbs.items()
            }
            for target, verbs in data.get("objects", {}).items()
        },
        capabilities=frozenset(data.get("capabilities", ())),
    )


def _grant(data: Any, verb: str, target: Object | None, at: At, path: tuple[str, ...]) -> Grant:
    if data is True:
        return Grant(where=None, fields=None)
    written = data.get("fields")
    known = target.fields if target else {}
    fields = (
        None
        if written is None
        else frozenset(written) | {name for name, f in known.items() if f.whole in written}
        if isinstance(written, list)
        else frozenset(name for name, f in known.items() if not {name, f.whole} & {*written["except"]})
    )
    if fields is not None and verb == "read":
        fields |= {"id", "version"}
    return Grant(where=maybe(data.get("where"), at, (*path, "where")), fields=fields)


def report(name: str, data: Data, at: At) -> Report:
    def columns(part: str) -> dict[str, Column]:
        return {key: _column(key, value, at, ("report", name, part, key)) for key, value in data.get(part, {}).items()}

    return Report(
        name=name,
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        object=data["object"],
        where=maybe(data.get("where"), at, ("report", name, "where")),
        groups=columns("group_by"),
        measures=columns("measures"),
        sort=tuple((entry.removeprefix("-"), entry.startswith("-")) for entry in data.get("sort", ())),
        limit=data.get("limit"),
        totals=data.get("totals", False),
    )


def _column(name: str, value: Any, at: At, path: tuple[str, ...]) -> Column:
    if not isinstance(value, Mapping):
        return Column(name=name, label=text(None, name), value=formula(value, at, path))
    written = formula(value["value"], at, (*path, "value"))
    return Column(
        name=name,
        label=text(value.get("label"), name),
        value=written,
        format=value.get("format"),
    )


def seed(name: str, data: Data) -> Seed:
    records = tuple(dict(record) for record in data["records"])
    return Seed(name=name, object=data["object"], key=data["key"], records=records)
