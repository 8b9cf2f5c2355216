"""What a mapping says: each key by its effect on records, and each fault with its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.errors import Refused
from engine.records.importing import Imported
from engine.records.mapping import load_mapping as load
from metamodel.issues import PackError
from tests.importing.conftest import Store
from tests.tenancy import refusing


def faults(done: Imported) -> list[tuple[int, str | None, str, str]]:
    return [(r.line, r.key, f.code, f.pointer) for r in done.rejected for f in r.faults]


async def test_columns_value_and_the_first_column_that_is_not_blank(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": "Nr",
            "name": {"column": ["long", "short"]},
            "shade": {"value": "red"},
            "fragile": {"value": True},
            "pieces": {"value": 7},
        }
    }
    done = await store.load(mapping, "Nr,long,short\na,Bolt,b\nb,,nut\nc, ,\n")
    assert (done.rows, done.created, done.updated, done.rejected) == (3, 3, 0, [])
    assert await store.parts("sku", "name", "shade", "fragile", "pieces") == [
        ("a", "Bolt", "red", True, 7),
        ("b", "nut", "red", True, 7),
        ("c", None, "red", True, 7),
    ]


async def test_blank_map_and_factor(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": "sku",
            "name": {"column": ["n1", "n2"], "blank": ["-", "n/a"]},
            "price": {"column": "price", "factor": 1000, "blank": "?"},
            "share": {"column": "share", "factor": 0.01},
            "shade": {"column": "shade", "map": {"RED": "red", "none": None, "1": "blue"}},
        }
    }
    text = "sku,n1,n2,price,share,shade\na,-,second,0.1,15,RED\nb,n/a,-,?,,none\nc,x,,0.3,2.5,1\nd,x,,abc,1,green\n"
    done = await store.load(mapping, text)
    assert await store.parts("sku", "name", "price", "share", "shade") == [
        ("a", "second", Decimal("100.0"), Decimal("0.15"), "red"),
        ("b", None, None, None, None),
        ("c", "x", Decimal("300.0"), Decimal("0.025"), "blue"),
    ]
    assert faults(done) == [(5, None, "record.type", "/price")] and '"abc"' in done.rejected[0].faults[0].detail
    done = await store.load(mapping, "sku,n1,n2,price,share,shade\nd,x,,1,1,green\n")
    assert faults(done) == [(2, None, "record.option", "/shade")]


async def test_templates(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": {"column": "w", "template": "{CODE}"},
            "name": {"column": "w", "template": "<{value}> {slug}@x"},
        }
    }
    await store.load(mapping, "w\nMei-Mei J.\n")
    assert await store.parts("sku", "name") == [("MEI-MEI-J", "<Mei-Mei J.> mei.mei.j@x")]


async def test_formats_and_forms_of_values(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": "sku",
            "made_on": {"column": "day", "format": "%d.%m.%Y"},
            "seen_at": "at",
            "fragile": "f",
            "tags": "tags",
            "share": "share",
            "pieces": "n",
        }
    }
    done = await store.load(
        mapping,
        (
            "sku,day,at,f,tags,share,n\n"
            "a,29.02.2024,2024-01-31 08:00,yes,red; blue,15%,5\n"
            "b,,2024-01-31T08:00:00+00:00,N,,0.5,\n"
            "c,2024-02-29,now,maybe,pink,x%,1.5\n"
        ),
    )
    assert await store.parts("sku", "made_on", "seen_at", "fragile", "tags", "share", "pieces") == [
        ("a", "2024-02-29", "2024-01-31T00:00:00+00:00", True, ["red", "blue"], Decimal("0.15"), 5),
        ("b", None, "2024-01-31T08:00:00+00:00", False, None, Decimal("0.5"), None),
    ]
    found = faults(done)
    assert {f[0] for f in found} == {4}
    assert {f[3] for f in found} >= {"/made_on", "/seen_at", "/fragile", "/share"} and {f[2] for f in found} == {
        "record.type"
    }
    assert any("%d.%m.%Y" in f.detail for f in done.rejected[0].faults)


async def test_lookups_by_any_field_none_or_several_matches_are_errors_of_the_row(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": "sku",
            "place": {"column": "p", "lookup": "name"},
            "keeper": {"column": "k", "lookup": "email"},
        }
    }
    done = await store.load(mapping, "sku,p,k\na,North,ann@store.example\nb,Twin,\nc,West,nobody@x.example\nd,,\n")
    assert await store.parts("sku", "place.code", "keeper.name") == [("a", "N", "Ann"), ("d", None, None)]
    assert [(r.line, [f.detail for f in r.faults]) for r in done.rejected] == [
        (3, ['2 records of place have name "Twin"']),
        (4, ['there is no place with name "West"', 'there is no user with email "nobody@x.example"']),
    ]


async def test_distinct_takes_the_first_row_for_each_value(store: Store) -> None:
    mapping = {"distinct": "sku", "columns": {"sku": "sku", "name": "name"}}
    done = await store.load(mapping, "sku,name\na,first\nb,x\na,second\n")
    assert (done.rows, done.created) == (2, 2) and await store.parts("sku", "name") == [("a", "first"), ("b", "x")]


async def test_modes_create_update_upsert(store: Store) -> None:
    columns = {"sku": "sku", "name": "name"}
    create = await store.load({"mode": "create", "key": "sku", "columns": columns}, "sku,name\na,1\nb,1\n")
    assert (create.created, create.updated) == (2, 0)
    again = await store.load({"mode": "create", "key": "sku", "columns": columns}, "sku,name\nb,2\nc,2\n")
    assert (again.created, faults(again)) == (1, [(2, "b", "record.unique", "/sku")])
    update = await store.load({"mode": "update", "key": "sku", "columns": columns}, "sku,name\na,3\nz,3\nb,\n")
    assert (update.created, update.updated) == (0, 2) and faults(update) == [(3, "z", "record.unknown", "/sku")]
    upsert = await store.load({"mode": "upsert", "key": "sku", "columns": columns}, "sku,name\na,4\ny,4\n")
    assert (upsert.created, upsert.updated) == (1, 1)
    assert await store.parts("sku", "name") == [("a", "4"), ("b", None), ("c", "2"), ("y", "4")]


async def test_a_key_that_stands_twice_is_refused_with_the_earlier_line(store: Store) -> None:
    for mapping in ({"mode": "upsert", "key": "sku"}, {"mode": "upsert", "key": "sku", "distinct": "name"}):
        await store.empty()
        done = await store.load(
            {**mapping, "columns": {"sku": "sku", "name": "name"}}, "sku,name\na,1\nb,1x\na,2\na,3\n"
        )
        assert [(r.line, r.faults[0].detail) for r in done.rejected] == [
            (4, "the key stands in line 2 already"),
            (5, "the key stands in line 2 already"),
        ]
        assert done.created == 2
    done = await store.load({"columns": {"sku": "sku"}}, "sku\nx\nx\n")
    assert done.created <= 1 and {f[2] for f in faults(done)} == {"record.unique"}


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown object": ({"object": "prat"}, "/object", "did you mean"),
    "unknown field": ({"columns": {"skuu": "sku"}}, "/columns/skuu", "did you mean"),
    "unknown column": ({"columns": {"sku": "skuu"}}, "/columns/sku", "did you mean"),
    "unknown second column": ({"columns": {"sku": {"column": ["sku", "nme"]}}}, "/columns/sku", '"nme"'),
    "no lookup": (
        {"columns": {"sku": "sku", "name": {"column": "name", "lookup": "name"}}},
        "/columns/name",
        "not a lookup",
    ),
    "unknown lookup field": (
        {"columns": {"sku": "sku", "place": {"column": "name", "lookup": "nam"}}},
        "/columns/place",
        "nam",
    ),
    "computed lookup field": (
        {"columns": {"sku": "sku", "place": {"column": "name", "lookup": "shout"}}},
        "/columns/place",
        "shout",
    ),
    "unknown distinct": ({"distinct": "skus"}, "/distinct", "skus"),
    "update without key": ({"mode": "update"}, "/key", "needs a key"),
    "key without column": ({"key": "name"}, "/key", "has no column"),
    "computed key": ({"key": "worth", "columns": {"sku": "sku", "worth": "name"}}, "/key", "computed"),
    "system without history": ({"system": {"created_at": "sku"}}, "/system", "historical"),
    "neither column nor value": ({"columns": {"sku": "sku", "name": {"map": {"a": "b"}}}}, "/columns/name", "either"),
    "column and value": (
        {"columns": {"sku": "sku", "name": {"column": "name", "value": "x"}}},
        "/columns/name",
        "either",
    ),
    "column twice": ({"columns": {"sku": "sku", "name": "twice"}}, "/columns/name", '2 columns "twice"'),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_mapping_that_does_not_fit_is_refused_with_the_place(store: Store, name: str) -> None:
    mapping, pointer, text = FAULTS[name]
    with pytest.raises(Refused) as refused:
        await store.load({"columns": {"sku": "sku"}, **mapping}, "sku,name,twice,twice\na,b,c,d\n")
    assert refused.value.code == "import.mapping"
    assert any(f.pointer == pointer and text in f.detail for f in refused.value.faults), refused.value.faults
    assert await store.parts("sku") == []


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("kind: import\nname: x\nobject: part\ncolumns: {sku: sku}\nmodus: create\n", "S", (5, 1)),
        ("kind: import\nname: x\nobject: part\ncolumns: {sku: sku}\nmode: creat\n", "S", (5, 7)),
        ("kind: import\nname: x\nobject: part\n", "S", (1, 1)),
        ("kind: import\nname: x\nobject: part\ncolumns:\n  sku: {column: sku, colour: red}\n", "S", (5, 22)),
        ("kind: import\nname: X y\nobject: part\ncolumns: {sku: sku}\n", "S", (2, 7)),
        ("kind: import\nname: x\n  object: [part\n", "Y", (3, 0)),
    ],
)
def test_a_mapping_that_breaks_its_schema_is_shown_with_line_and_column(
    tmp_path: Any, text: str, code: str, place: tuple[int, int]
) -> None:
    from_file = tmp_path / "m.yaml"
    from_file.write_text(text, "utf-8")
    with pytest.raises(PackError) as broken:
        load(from_file)
    where = broken.value.issues[0].where
    assert where is not None and where.line == place[0] and (place[1] == 0 or where.column == place[1]), where
    assert where.file.endswith("m.yaml") and code


def test_another_kind_or_no_file_is_no_mapping(tmp_path: Any) -> None:
    other = tmp_path / "role.yaml"
    other.write_text("kind: role\nname: x\n", "utf-8")
    with refusing("import.mapping"):
        load(other)
    with pytest.raises((PackError, Refused)):
        load(tmp_path / "missing.yaml")
