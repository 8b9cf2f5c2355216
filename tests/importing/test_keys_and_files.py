"""Keys of several fields, dry runs of files that build on each other, and what files are taken."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from engine.records.importing import import_file, rehearsal
from engine.records.mapping import mapping_of
from engine.records.tables import open_table
from tests.importing.conftest import Store
from tests.importing.workbooks import workbook
from tests.tenancy import context, refusing

TWO = {
    "mode": "upsert", "key": ["name", "place"],
    "columns": {"sku": "sku", "name": "name", "place": {"column": "place", "lookup": "code"}, "pieces": "n"},
}  # fmt: skip
PLAIN = {"columns": {"sku": "sku", "name": "name"}}


async def test_a_key_of_several_fields_with_a_lookup_in_it(store: Store) -> None:
    first = await store.load(TWO, "sku,name,place,n\na,Bolt,N,1\nb,Bolt,S,2\nc,Bolt,,3\n")
    assert (first.created, first.updated, first.rejected) == (3, 0, [])
    text = "sku,name,place,n\na,Bolt,N,10\nb,Bolt,S,20\nx,Nut,N,30\ny,Bolt,N,40\nz,Bolt,,50\n"
    again = await store.load(TWO, text)
    assert (again.created, again.updated) == (2, 2)
    assert [(r.line, r.key, r.faults[0].code, r.faults[0].pointer) for r in again.rejected] == [
        (5, "Bolt, N", "record.unique", "/name")
    ]
    assert await store.parts("sku", "pieces") == [("a", 10), ("b", 20), ("c", 3), ("x", 30), ("z", 50)]
    gone = await store.load({**TWO, "mode": "update"}, "sku,name,place,n\nq,Nut,S,1\nr,Nut,,2\n")
    assert [r.faults[0].code for r in gone.rejected] == ["record.unknown", "record.unknown"]
    twice = await store.load({**TWO, "mode": "create"}, "sku,name,place,n\nq,Nut,N,1\n")
    assert [r.faults[0].code for r in twice.rejected] == ["record.unique"]


async def test_numbers_and_dates_of_a_key_are_compared_as_such(store: Store) -> None:
    mapping = {
        "mode": "upsert", "key": ["pieces", "made_on"],
        "columns": {"sku": "sku", "pieces": "n", "made_on": {"column": "day", "format": "%d.%m.%Y"}},
    }  # fmt: skip
    assert (await store.load(mapping, "sku,n,day\na,7,31.01.2024\n")).created == 1
    done = await store.load(mapping, "sku,n,day\nb,007,31.1.2024\n")
    assert (done.created, done.updated) == (0, 1) and await store.parts("sku") == [("b",)]


async def test_a_key_that_can_find_nothing_is_refused(store: Store) -> None:
    for key, text in ((["sku", "worth"], "no column"), (["shouted"], "has no column")):
        with refusing("import.mapping", text):
            await store.load({**TWO, "key": key}, "sku,name,place,n\n")


async def test_in_a_rehearsal_files_find_what_those_before_would_bring(store: Store) -> None:
    places = mapping_of({"name": "p", "object": "place", "columns": {"name": "name", "code": "code"}})
    parts = mapping_of({"name": "q", "object": "part", **TWO})
    (store.folder / "places.csv").write_text("name,code\nEast,E\nWest,W\n")
    (store.folder / "parts.csv").write_text("sku,name,place,n\na,Bolt,E,1\nb,Bolt,W,2\nc,Bolt,X,3\n")
    ctx = context(store.release, door="import")
    async with rehearsal(store.rt, store.release) as conn:
        for mapping, name, counts in ((places, "places", (2, [])), (parts, "parts", (2, [4])), (parts, "parts", (0, [4]))):
            done = await import_file(
                store.rt, ctx, store.release, mapping, store.folder / f"{name}.csv", dry_run=True, within=conn
            )
            assert (done.created, [r.line for r in done.rejected]) == counts
    alone = await import_file(store.rt, ctx, store.release, parts, store.folder / "parts.csv", dry_run=True)
    assert (alone.created, len(alone.rejected)) == (0, 3) and await store.parts("sku") == []


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "windows-1252"])
async def test_encodings_and_separators(store: Store, encoding: str) -> None:
    name = "Größe" if encoding == "windows-1252" else "螺栓𠀀"
    data = f"sku;name\na;{name}, x\n".encode(encoding)
    done = await store.load({**PLAIN, "encoding": encoding, "separator": ";"}, data)
    assert done.created == 1 and await store.parts("sku", "name") == [("a", f"{name}, x")]
    with refusing("import.file", "not UTF-8"):
        await store.load({**PLAIN, "separator": ";"}, data)


async def test_what_looks_like_a_formula_is_a_text_and_comes_back_from_exports(store: Store) -> None:
    await store.load(PLAIN, "sku,name\na,=1+1\nb,'=1+1\nc,'quoted\nd,'-x\n")
    assert await store.parts("name") == [("=1+1",), ("=1+1",), ("'quoted",), ("-x",)]


async def test_a_workbook_with_typed_cells(store: Store) -> None:
    mapping = {"columns": {
        "sku": "sku", "price": "price", "made_on": {"column": "day", "format": "%d.%m.%Y"}, "fragile": "f", "name": "name",
    }}  # fmt: skip
    sheets = {
        "Notes": [["nothing"]],
        "Parts": [
            [], [None, "sku", "price", "day", "f", "name"], [None, "a", 5.0, ("date", 45322), True, "=1+1"], [],
            [None, 7, 0.1, "29.02.2024", False, None], [None, "c", "x", "soon", None, "n"],
        ],
    }  # fmt: skip
    done = await store.load({**mapping, "sheet": "Parts"}, workbook(sheets))
    assert [(r.line, [f.pointer for f in r.faults]) for r in done.rejected] == [(6, ["/price", "/made_on"])]
    assert await store.parts("sku", "made_on", "fragile", "name") == [
        ("7", "2024-02-29", False, None), ("a", "2024-01-31", True, "=1+1"),
    ]  # fmt: skip
    with refusing("import.file", 'no sheet "Prats"; it has Notes, Parts'):
        await store.load({**mapping, "sheet": "Prats"}, workbook(sheets))
    with refusing("import.mapping", "no column"):
        await store.load(mapping, workbook(sheets))


def test_workbooks_that_would_not_fit_into_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "b.xlsx"
    corner = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    for sheet in (corner, f'<x:row xmlns:x="y" r = \'{1 << 20}\'><x:c r\n="ZZ9999"/></x:row>'):
        file.write_bytes(workbook({"A": [["x"]]}, extra=sheet))
        with refusing("import.file", "has a sheet of"):
            open_table(file)
    for at in ("A99999999999", "zz9", "A0", "-1"):
        file.write_bytes(workbook({"A": [["x"]]}, extra=f'<row><c r="{at}"><v>1</v></c></row>'))
        with refusing("import.file", "no place"):
            open_table(file)
    file.write_bytes(workbook({"A": [["x"]]}, extra="<row>"))
    with refusing("import.file", "no XLSX workbook"):
        open_table(file)
    monkeypatch.setattr("engine.records.tables.SHEET_BYTES", 1_000_000)
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        archive.writestr("xl/media/zeros.png", b"\0" * 2_000_000)
    with refusing("import.file", "unpacks to more"):
        open_table(file)
    for name in ("content.xml", "xl/workbook.bin", "other"):
        with ZipFile(file, "w") as archive:
            archive.writestr(name, b"<x/>")
        with refusing("import.file", "no XLSX workbook"):
            open_table(file)
    file.write_bytes(workbook({"A": [["x"]]}, target="worksheets/sheet1.bin"))
    with refusing("import.file", "no XML"):
        open_table(file)
    file.write_bytes(b"PK\x03\x04" + bytes(100))
    with refusing("import.file", "no XLSX workbook"):
        open_table(file)
