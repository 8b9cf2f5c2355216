"""Objects with their fields, rules, keys and locks; value sets; functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metamodel.build.parts import At, Data, day, formula, maybe, names, number, plural, size, text
from metamodel.kinds.common import Text
from metamodel.kinds.composites import expanded
from metamodel.kinds.function import FunctionDeclaration, Parameter
from metamodel.kinds.object import Dependence, Field, Key, Lock, Object, Rule
from metamodel.kinds.value_set import Option, ValueSet

TEXT_LENGTH = 255
LONG_TEXT_LENGTH = 65_536
RATING = 5
"""The best rating where `max` is missing."""
USER = "user"

_SYSTEM: tuple[tuple[str, str, str, str], ...] = (
    ("id", "lookup", "ID", "编号"),
    ("version", "integer", "Version", "版本"),
    ("owner", "user", "Owner", "负责人"),
    ("created_at", "datetime", "Created at", "创建时间"),
    ("created_by", "user", "Created by", "创建人"),
    ("modified_at", "datetime", "Modified at", "修改时间"),
    ("modified_by", "user", "Modified by", "修改人"),
)
_MAY_BE_BLANK = frozenset({"created_by", "modified_by"})


def system_fields(owner: str) -> dict[str, Field]:
    """The fields that every object has, before its own ones. Only users may be without an owner."""
    found: dict[str, Field] = {}
    for name, kind, en, zh in _SYSTEM:
        found[name] = Field(
            name=name,
            type=kind,
            label={"en": en, "zh-CN": zh},
            help={},
            required=name not in _MAY_BE_BLANK and not (name == "owner" and owner == USER),
            to={"lookup": owner, "user": USER}.get(kind),
            on_delete="restrict" if kind in ("lookup", "user") else None,
            unique=name == "id",
            system=True,
        )
    return found


def field(owner: str, name: str, data: Data, at: At) -> Field:
    """A declared field; inline options name their own value set `<object>.<field>`."""
    path = ("object", owner, "fields", name)
    kind = data["type"]
    options = data.get("options")
    lengths = {"text": TEXT_LENGTH, "long_text": LONG_TEXT_LENGTH}
    reference = kind in ("lookup", "user")
    to, on_delete = data.get("to"), data.get("on_delete", "restrict")
    each = on_delete if isinstance(on_delete, Mapping) else {}
    several = to if isinstance(to, list) else ()
    alike = "restrict" if each else on_delete
    return Field(
        name=name,
        type=kind,
        label=text(data.get("label"), name),
        help=text(data.get("help")),
        required=data.get("required", False),
        required_when=maybe(data.get("required_when"), at, (*path, "required_when")),
        read_only_when=maybe(data.get("read_only_when"), at, (*path, "read_only_when")),
        set_once=data.get("set_once", False),
        history=data.get("history", True),
        default=maybe(data.get("default"), at, (*path, "default")),
        unique=data.get("unique", False),
        indexed=data.get("indexed", False),
        stored=data.get("stored", False),
        max_length=data.get("max_length", lengths.get(kind)),
        min=number(data.get("min", 1 if kind == "rating" else None)),
        max=number(data.get("max", RATING if kind == "rating" else None)),
        scale=data.get("scale"),
        options=f"{owner}.{name}" if isinstance(options, Mapping) else options,
        depends_on=_dependence(data["depends_on"]) if "depends_on" in data else None,
        to=USER if kind == "user" else None if several else to,
        targets={target: each.get(target, alike) for target in several},
        reverse=data.get("reverse"),
        tree=data.get("tree", False),
        on_delete=alike if reference and not several else None,
        processes=names(data.get("process", ())),
        format=data.get("format"),
        gapless=data.get("gapless", False) or "reset" in data or "per" in data,
        reset=data.get("reset"),
        per=data.get("per"),
        symbology=data.get("symbology"),
        schema=data.get("schema"),
        many=data.get("many", False),
        max_size=size(data.get("max_size")),
        types=tuple(data.get("types", ())),
        formula=maybe(data.get("formula"), at, (*path, "formula"), data.get("blanks", "blank")),
    )


def _dependence(data: Data) -> Dependence:
    return Dependence(
        field=data["field"],
        options={key: tuple(names) for key, names in data["options"].items()},
        otherwise=tuple(data.get("otherwise", ())),
        blank=tuple(data.get("blank", ())),
    )


def object_(name: str, data: Data, at: At) -> Object:
    label = text(data.get("label"), name)
    declared = {
        f.name: f for key, value in data["fields"].items() for f in expanded(name, field(name, key, value, at))
    }
    return Object(
        name=name,
        label=label,
        plural=text(data["plural"]) if "plural" in data else plural(label),
        description=text(data.get("description")),
        title=data["title"],
        fields=system_fields(name) | declared,
        rules={
            key: _rule(key, value, at, ("object", name, "rules", key)) for key, value in data.get("rules", {}).items()
        },
        unique={key: _key(name, key, value, at) for key, value in data.get("unique", {}).items()},
        indexes={key: tuple(value) for key, value in data.get("indexes", {}).items()},
        lock=_lock(data["lock"], at, ("object", name, "lock")) if "lock" in data else None,
    )


def _rule(name: str, data: Data, at: At, path: tuple[str, ...]) -> Rule:
    return Rule(
        name=name,
        valid_when=formula(data["valid_when"], at, (*path, "valid_when"), data.get("blanks", "blank")),
        on=tuple(data.get("on", ("create", "update"))),
        field=data.get("field"),
        message=text(data["message"]),
        severity=data.get("severity", "error"),
        exempt=tuple(data.get("except", ())),
        start=day(data.get("from")),
        end=day(data.get("until")),
        edited_only=data.get("applies_to") == "new_and_edited",
    )


def _lock(data: Data, at: At, path: tuple[str, ...]) -> Lock:
    return Lock(
        when=formula(data["when"], at, (*path, "when")),
        open=tuple(data.get("except", ())),
        roles=tuple(data.get("by", ())),
        message=text(data.get("message")),
    )


def _key(owner: str, name: str, data: Any, at: At) -> Key:
    if not isinstance(data, Mapping):
        return Key(name=name, fields=tuple(data))
    return Key(
        name=name,
        fields=tuple(data.get("fields", ())),
        where=maybe(data.get("where"), at, ("object", owner, "unique", name, "where")),
        fold=tuple(data.get("fold", ())),
        message=text(data.get("message")),
    )


def value_set(name: str, label: Text, options: Data) -> ValueSet:
    return ValueSet(
        name=name,
        label=label,
        options={key: _option(key, value) for key, value in options.items()},
    )


def _option(name: str, value: Any) -> Option:
    if isinstance(value, Mapping) and ("label" in value or "active" in value):
        return Option(
            name=name,
            label=text(value.get("label"), name),
            active=value.get("active", True),
        )
    return Option(name=name, label=text(value, name))


def inline_sets(owner: str, data: Data) -> dict[str, ValueSet]:
    """The value sets that fields of an object declare in place."""
    found: dict[str, ValueSet] = {}
    for name, value in data["fields"].items():
        options = value.get("options")
        if isinstance(options, Mapping):
            key = f"{owner}.{name}"
            found[key] = value_set(key, text(value.get("label"), name), options)
    return found


def function(name: str, data: Data, at: At) -> FunctionDeclaration:
    path = ("function", name)
    return FunctionDeclaration(
        name=name,
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        params={
            key: Parameter(
                name=key,
                type=value["type"],
                default=maybe(value.get("default"), at, (*path, "params", key, "default")),
            )
            for key, value in data.get("params", {}).items()
        },
        formula=formula(data["formula"], at, (*path, "formula")),
    )
