"""Nothing inert: every property of the JSON Schemas has a test that proves its effect (`liveness.py` names it)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from liveness import LEDGER

from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.schema_check import KINDS, schema

ROOT = Path(__file__).parents[2]


def properties(kind: str) -> set[str]:
    """Every property of a kind by its address: `*` is a member of a mapping, `[]` of a list, `=` a field type."""
    found = set(_walk(schema(kind), kind, schema(kind)["$defs"]))
    return found | ({f"object.fields.*.type={name}" for name in FIELD_TYPES} if kind == "object" else set())


def _walk(node: Mapping[str, Any], path: str, defs: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in node:
        yield from _walk(defs[node["$ref"].rsplit("/", 1)[1]], path, defs)
    for name, inner in node.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _walk(inner, f"{path}.{name}", defs)
    if isinstance(node.get("additionalProperties"), dict):
        yield from _walk(node["additionalProperties"], f"{path}.*", defs)
    if isinstance(node.get("items"), dict):
        yield from _walk(node["items"], f"{path}[]", defs)
    for branch in (*node.get("allOf", ()), node.get("then"), node.get("else")):
        if isinstance(branch, dict):
            yield from _walk(branch, path, defs)


@cache
def functions(file: str) -> Mapping[str, str]:
    """The source of each test function of a file, with the constants of the file that it names."""
    text = (ROOT / file).read_text(encoding="utf-8")
    tree = ast.parse(text)
    constants = {
        target.id: ast.get_source_segment(text, node) or ""
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own = "\n".join(ast.get_source_segment(text, part) or "" for part in (*node.decorator_list, node))
            found[node.name] = own + "".join(source for name, source in constants.items() if name in own)
    return found


@pytest.mark.parametrize("kind", [*KINDS, "import"])
def test_every_property_has_an_entry_and_no_entry_is_left_over(kind: str) -> None:
    declared = {path for path in LEDGER if path.split(".")[0] == kind}
    missing, left_over = sorted(properties(kind) - declared), sorted(declared - properties(kind))
    assert not missing and not left_over, f"no test named for: {missing}; no such property: {left_over}"


@pytest.mark.parametrize("path", LEDGER)
def test_the_named_test_exists_and_mentions_the_property(path: str) -> None:
    file, name = LEDGER[path].split("::")
    assert name in functions(file), f"{file} has no {name}"
    word = path.rsplit(".", 1)[1].split("=")[-1]
    assert word in functions(file)[name], f"{name} does not mention {word}"
