"""Changes between two models: each difference shows, and nothing shows where there is none."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_packs import RICH, load_text

from metamodel.diff import Change, declared, diff
from metamodel.model import Model
from metamodel.resolve import resolve


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return dict(load_text(tmp_path_factory.mktemp("diff"), RICH).data)


def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in entries:
        yield (*path, step)
        yield from leaves(value, (*path, step))


def mutations(data: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Each leaf changed, each key or entry removed, each mapping reversed."""
    for path in leaves(data):
        for change in (edited, removed, reordered):
            copied = copy.deepcopy(data)
            holder: Any = copied
            for step in path[:-1]:
                holder = holder[step]
            if change(holder, path[-1]):
                yield path, copied


def edited(holder: Any, step: Any) -> bool:
    value = holder[step]
    if isinstance(value, bool):
        holder[step] = not value
    elif isinstance(value, int):
        holder[step] = value + 1
    elif isinstance(value, str):
        holder[step] = value + "1" if not value.endswith(("%", "days")) else "7" + value
    else:
        return False
    return True


def removed(holder: Any, step: Any) -> bool:
    del holder[step]
    return True


def reordered(holder: Any, step: Any) -> bool:
    value = holder[step]
    if not isinstance(value, dict) or len(value) < 2:
        return False
    holder[step] = dict(reversed(value.items()))
    return list(holder[step]) != list(value)


def listing(model: Model) -> Any:
    """The declarations with their order, which a comparison of mappings would overlook."""

    def plain(value: Any) -> Any:
        return [(key, plain(item)) for key, item in value.items()] if isinstance(value, dict) else value

    return plain(declared(model))


def test_every_difference_of_the_data_shows_and_equal_models_show_none(data: dict[str, Any]) -> None:
    before = resolve(data)
    seen = 0
    for path, mutated in mutations(data):
        try:
            after = resolve(mutated)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError):
            continue  # what no schema would let through
        changes = diff(before, after)
        assert bool(changes) == (listing(before) != listing(after)), path
        if path[-1] not in ("label",):
            assert changes or before == after, path
        assert bool(changes) == bool(diff(after, before)), path
        seen += 1
    assert seen > 150


def test_a_model_does_not_differ_from_itself(data: dict[str, Any]) -> None:
    assert diff(resolve(data), resolve(copy.deepcopy(data))) == []


def test_changes_are_told_by_name_and_property(tmp_path: Path) -> None:
    before = load_text(tmp_path / "a", RICH).model
    text = (
        RICH.replace("max_length: 80", "max_length: 90").replace("hot: Hot, ", "").replace("SUM(amount)", "MAX(amount)")
    )
    text = text.replace(
        "  bought: {type: date, default: TODAY()}\n", "  bought: {type: date, default: TODAY()}\n  sold: {type: date}\n"
    )
    changes = {
        change.path: change
        for change in diff(before, load_text(tmp_path / "b", text.replace(", tags: [hot]", "")).model)
    }
    assert changes["object.item.fields.name.max_length"] == Change(
        "change", "object.item.fields.name.max_length", 80, 90
    )
    assert changes["value_set.tags.options.hot"].kind == "remove"
    assert changes["object.item.fields.sold"].kind == "add"
    assert str(changes["report.by_stage.measures.amount.value"]).startswith(
        "~ report.by_stage.measures.amount.value: SUM("
    )
    assert changes["seed.first.records.A.tags"] == Change("remove", "seed.first.records.A.tags", ["hot"])
    assert len(changes) == 6


def test_equal_sets_are_shown_alike() -> None:
    names = [f"field_{n}" for n in range(40)]
    shown = {str(Change("change", ("role",), frozenset(order), frozenset())) for order in (names, names[::-1])}
    assert len(shown) == 1 and "{field_0, field_1, field_10, " in shown.pop()
