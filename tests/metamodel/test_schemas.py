"""The JSON Schemas themselves: valid, alike where they share, in step with the tables of the language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.kinds.role import CAPABILITIES, VERBS
from metamodel.names import NAME
from metamodel.schema_check import KINDS, schema

SHARED = ("name", "path", "locale", "text", "formula", "option", "range")


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from subschemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from subschemas(value)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid_and_named(kind: str) -> None:
    text = schema(kind)
    Draft202012Validator.check_schema(dict(text))
    assert text["$id"] == f"urn:fieldwright:schema:{kind}:1" and text["properties"]["kind"]["const"] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_described_and_every_object_is_closed(kind: str) -> None:
    for part in subschemas(schema(kind)):
        for name, prop in part.get("properties", {}).items() if isinstance(part.get("properties"), dict) else ():
            if isinstance(prop, dict) and name not in ("type", "kind"):
                assert prop.get("description") or "const" in prop, (kind, name)
        if "properties" in part and "if" not in part and "allOf" not in part and "additionalProperties" not in part:
            assert set(part["properties"]) <= {"type"}, (kind, list(part["properties"]))


def test_shared_definitions_are_alike() -> None:
    for name in SHARED:
        found = [schema(kind)["$defs"][name] for kind in KINDS if name in schema(kind)["$defs"]]
        assert found and all(text == found[0] for text in found), name


def test_fields_take_exactly_the_properties_of_their_type() -> None:
    defs = schema("object")["$defs"]
    assert defs["field"]["properties"]["type"]["enum"] == list(FIELD_TYPES)
    for name, kind in FIELD_TYPES.items():
        assert set(defs[f"field_{name}"]["properties"]) == kind.properties, name


def test_names_verbs_and_capabilities_are_those_of_the_language() -> None:
    assert schema("object")["$defs"]["name"]["pattern"] == f"^{NAME.pattern}$"
    assert list(schema("role")["$defs"]["rights"]["properties"]) == list(VERBS)
    assert schema("role")["properties"]["capabilities"]["items"]["enum"] == list(CAPABILITIES)
