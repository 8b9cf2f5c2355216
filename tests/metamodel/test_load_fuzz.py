"""Whatever stands in a file of a pack: a model or issues with places, never a traceback."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_packs import RICH, write_pack

from metamodel.issues import Collector, PackError, render
from metamodel.load import from_data, load_packs
from metamodel.source import parse

TEXTS = [
    "x",
    "name",
    "item",
    "id",
    "owner",
    "amount",
    "a b",
    "-x",
    "10%",
    "no",
    "stage",
    "1 +",
    "SUM(parts.amount)",
    "{0000}",
    "2024-13-01",
    "中",
    "rows",
    "old.amount",
    "$user",
    "stage.probability",
    "COUNT(rows)",
    "user",
    "",
]
OTHERS = [None, True, False, 0, -1, 3.5, 10**30, [], ["x"], [1, [2]], {}, {"en": "x"}, [None], {"a": None}]
VALUES: list[Any] = [*TEXTS, *OTHERS]
KEYS = ["name", "type", "kind", "x", "label", "owner", "en", "where", "from", "object", "fields", "__proto__", "1"]


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for step, value in entries for path in ((*at, step), *paths(value, (*at, step)))]


DOCUMENTS: list[dict[str, Any]] = [item.plain() for item in parse(RICH.encode(), "rich.yaml", Collector())[1]]
PATHS = paths(DOCUMENTS)
Mutation = tuple[tuple[Any, ...], str, Any, str]
MUTATION = st.tuples(
    st.sampled_from(PATHS), st.sampled_from(["set", "drop", "add"]), st.sampled_from(VALUES), st.sampled_from(KEYS)
)


def mutate(documents: list[dict[str, Any]], mutation: Mutation) -> None:
    path, what, value, key = mutation
    holder: Any = documents
    try:
        for step in path[:-1]:
            holder = holder[step]
        if what == "drop":
            del holder[path[-1]]
        elif what == "set":
            holder[path[-1]] = copy.deepcopy(value)
        elif isinstance(holder[path[-1]], dict):
            holder[path[-1]][key] = copy.deepcopy(value)
    except (KeyError, IndexError, TypeError):
        pass  # an earlier mutation took the place away


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("fuzz") / "sample", {})


class Plain(yaml.SafeDumper):
    """Writes every value out, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


Plain.add_representer(Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", str(value)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=st.lists(MUTATION, min_size=1, max_size=3))
def test_a_damaged_pack_gives_a_model_or_issues(folder: Path, mutations: list[Mutation]) -> None:
    documents = copy.deepcopy(DOCUMENTS)
    for mutation in mutations:
        mutate(documents, mutation)
    text = yaml.dump_all(documents, Dumper=Plain, sort_keys=False, allow_unicode=True)
    (folder / "case.yaml").write_text(text, encoding="utf-8")
    try:
        loaded = load_packs([folder])
    except PackError as error:
        assert error.issues
        for issue in error.issues:
            assert issue.where is None or issue.where.line >= 1
            assert issue.code in render(issue, {issue.where.file: text} if issue.where else {})
    else:
        assert from_data(loaded.data) == loaded.model
